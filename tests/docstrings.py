"""Docstrings taken apart: a summary, and the sections that every public docstring may have."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Reference")


class Docstring(NamedTuple):
    """The parts of a docstring."""

    summary: str  # the paragraphs of no section
    items: dict[str, dict[str, str]]  # the entries "name: text" of Args, Attributes and Raises
    returns: str
    reference: str


def parsed(text: str) -> Docstring:
    """Take a docstring apart: a section is a paragraph that begins with its name."""
    summary: list[str] = []
    sections: dict[str, str] = {}
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        name, _, body = paragraph.partition(":")
        if name in SECTIONS:
            sections[name] = body
        else:
            summary.append(paragraph)
    items = {name: _items(body) for name, body in sections.items()}
    returns, reference = (_line(sections.get(name, "")) for name in ("Returns", "Reference"))
    return Docstring("\n\n".join(summary), items, returns, reference)


def _items(body: str) -> dict[str, str]:
    """Return the text of each entry by its name; an entry goes on in lines that are indented more."""
    entries = [entry.partition(":") for entry in re.split(r"\n {4}(?=\w)", body)[1:]]
    return {name: _line(text) for name, _, text in entries}


def _line(text: str) -> str:
    return " ".join(text.split())


class Name(NamedTuple):
    """A public name: a function, a class, or a method or property of a public class."""

    full: str
    value: Any

    @property
    def is_error(self) -> bool:
        return inspect.isclass(self.value) and issubclass(self.value, BaseException)

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """Return the functions that it runs: those that make an object of a class, a property's getter."""
        value = self.value.fget if isinstance(self.value, property) else self.value
        makers = ("__init__", "__post_init__", "__setattr__")
        found = [vars(value).get(n) for n in makers] if inspect.isclass(value) else [value]
        found = [] if is_protocol(value) else found
        plain = [inspect.unwrap(getattr(f, "__func__", f)) for f in found if f is not None]
        written = [f for f in plain if inspect.isfunction(f)]
        return [f for f in written if f.__code__.co_filename != "<string>"]  # not a dataclass's

    @property
    def docstring(self) -> Docstring:
        return parsed(inspect.getdoc(self.value) or "")

    @property
    def parameters(self) -> dict[str, str]:
        """Return the annotation of each parameter, as text, without the first of a method."""
        if isinstance(self.value, property) or self.is_error or is_protocol(self.value):
            return {}
        found = {
            n: annotation_text(p.annotation) for n, p in _signature(self.value).parameters.items()
        }
        return {n: annotation for n, annotation in found.items() if n not in ("self", "cls")}

    @property
    def result(self) -> str:
        """Return the annotation of the result; that of a class is empty."""
        if inspect.isclass(self.value):
            return ""
        value = self.value.fget if isinstance(self.value, property) else self.value
        return annotation_text(_signature(value).return_annotation)


def is_protocol(value: Any) -> bool:
    """Return whether a class describes others: no one makes an object of it."""
    return bool(getattr(value, "_is_protocol", False))


def _signature(value: Any) -> inspect.Signature:
    return inspect.signature(getattr(value, "__func__", value))


def annotation_text(annotation: Any) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    if isinstance(annotation, type):
        return annotation.__name__
    return getattr(annotation, "__forward_arg__", str(annotation))  # a NamedTuple's are references


def with_members(names: list[Name]) -> list[Name]:
    """Return the names and the public members of classes, but no method that is a public function too."""
    known = {id(name.value) for name in names}
    found = list(names)
    for full, value in names:
        if not inspect.isclass(value) or Name(full, value).is_error:
            continue
        for kind in reversed(value.__mro__):
            if not kind.__module__.startswith("minigan"):
                continue
            for member, own in vars(kind).items():
                is_public = not member.startswith("_") and id(own) not in known
                if is_public and isinstance(own, property | classmethod | type(with_members)):
                    known.add(id(own))
                    owner = next((name.full for name in names if name.value is kind), full)
                    found.append(Name(f"{owner}.{member}", own))
    return found


# Their errors are explained with the arguments and terms that many functions share.
_SHARED_CHECKS = {"get_device", "common_device", "check_real", "as_operand", "advice"}


def may_raise(function: Callable[..., Any], seen: frozenset[str] = frozenset()) -> bool:
    """Return whether a function, or a function of minigan that it calls by name, has a `raise`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls.append(node.func.id)
    for name in set(calls) - _SHARED_CHECKS - seen:
        called = inspect.unwrap(function.__globals__.get(name))  # type: ignore[arg-type, attr-defined]
        is_own = inspect.isfunction(called) and called.__module__.startswith("minigan")
        if is_own and may_raise(called, seen | {name}):
            return True
    return False


def target(docstring: Docstring) -> Any:
    """Return the public function that "Return `minigan.sum` …" refers to, or None."""
    found = re.match(r"Return `(minigan\.[\w.]+)`", docstring.summary)
    if not found:
        return None
    module, _, name = found.group(1).rpartition(".")
    return getattr(importlib.import_module(module), name)
