"""Read from the code of an operation: its formula, the formulas of its gradient, its source."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from minigan.devices.device import KERNELS
from minigan.inspect.trace.records import OperationRecord

_SIGNS = "=·+−/√Σ←"  # a line with one of them is a formula
_TERMS = re.compile(r"[,:]? (elementwise|as `[\w.]+`)")
Function = Callable[..., Any]


def formula(operation: OperationRecord) -> str:
    """Return the formula in the docstring's first line, or else in that of a kernel; words where neither has one."""
    own = first_line(operation.function) if operation.function is not None else ""
    kernels = [KERNELS[call.kernel].rstrip(".") for call in operation.forward.kernels]
    lines = [line for line in (own, *kernels) if line]
    formulas = [line for line in lines if any(sign in line for sign in _SIGNS)]
    return next(iter([*formulas, *lines]), "")


def backward_formulas(operation: OperationRecord) -> list[str]:
    """Return how the rule computes each gradient, as its code says it: "∇x = dy * y"."""
    return list(_gradients(operation.function)) if operation.function is not None else []


def first_line(function: Function) -> str:
    """Return the first sentence of a docstring, without the terms that the reference explains."""
    text = inspect.getdoc(function) or ""
    sentence = text.split("\n\n")[0].replace("\n", " ").split(". ")[0].rstrip(".")
    return _TERMS.sub("", sentence)


@functools.cache
def input_names(function: Function, count: int) -> list[str]:
    """Return the names of the first `count` operands of an operation's function."""
    names: list[str] = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(count - len(names))]
        names.append(parameter.name)
    return names[:count]


@functools.cache
def source(function: Function) -> str:
    """Return the code of a function, or nothing where there is none."""
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


@functools.cache
def _gradients(function: Function) -> tuple[str, ...]:
    tree = ast.parse(source(function))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    rule = functions.get("vjp")
    if rule is None:
        return _formulas(function, list(_of_operands(tree, functions)))
    if not isinstance(last := rule.body[-1], ast.Return):
        return ()
    if not isinstance(last.value, ast.Tuple):
        return (ast.unparse(last.value),) if last.value is not None else ()
    elements = [_Wanted().visit(element) for element in last.value.elts]
    if any(isinstance(element, ast.Name) for element in elements):  # made before the return
        return tuple(ast.unparse(line) for line in rule.body[:-1] if isinstance(line, ast.Assign))
    return _formulas(function, elements)


def _formulas(function: Function, gradients: list[ast.AST]) -> tuple[str, ...]:
    names = input_names(function, len(gradients))
    pairs = zip(names, gradients, strict=False)
    return tuple(f"∇{name} = {ast.unparse(gradient)}" for name, gradient in pairs)


def _of_operands(tree: ast.AST, functions: dict[str, ast.FunctionDef]) -> Iterator[ast.AST]:
    """Yield the gradient of each operand, where `broadcast_rule` takes a function of dy for each."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "broadcast_rule":
            for argument in call.args[2:]:
                known = functions.get(ast.unparse(argument))
                if known is not None and isinstance(last := known.body[-1], ast.Return):
                    yield last.value or last
                elif not isinstance(argument, ast.Starred):
                    yield argument.body if isinstance(argument, ast.Lambda) else argument


class _Wanted(ast.NodeTransformer):
    """Replace ``gradient if needs[i] else None`` by the gradient."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        branches = [part for part in (node.body, node.orelse) if ast.unparse(part) != "None"]
        return self.generic_visit(branches[0] if len(branches) == 1 else node)
