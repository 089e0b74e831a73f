"""How a function of arrays becomes a differentiable operation on tensors.

An operation is one function from arrays to ``(output, vjp, saved)``: its value, the rule of its gradient, and the arrays
that the rule reads.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Concatenate, NamedTuple, ParamSpec, SupportsIndex, TypeVar

import numpy as np

from minigan.devices import Device
from minigan.devices.memory import share_memory
from minigan.from_pytorch import argument_advice
from minigan.graph import Node
from minigan.recording import mode
from minigan.saving import VJP, Array, Result, exchange, is_array, watch
from minigan.tensor import Tensor, check_real, common_device, tensor

Parameters = ParamSpec("Parameters")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def differentiable(
    function: Callable[Concatenate[Device, Parameters], Result],
) -> Callable[Parameters, Tensor]:
    """Turn a function of arrays into a differentiable operation on tensors.

    `function(device, *arrays, **settings)` returns ``(output, vjp, saved)``. ``vjp(dy, needs)``
    receives the gradient of the output and, for each positional argument, whether its gradient is
    wanted. It returns a gradient (or None) for each, of the argument's own shape and dtype: a fresh
    array, or `dy` or a view of it. ``saved`` lists every array that ``vjp`` reads. Example::

        @mg.differentiable
        def cube(device, x):
            def vjp(dy, needs):
                return (3 * x**2 * dy,)

            return x**3, vjp, (x,)

    A tensor that shares memory with a saved array, and is written before ``backward()``, raises an
    error there. A rule that keeps no array may leave ``saved`` out, and ``vjp`` is None for an
    operation that has no gradient.

    Positional arguments may be tensors. Arrays of NumPy and other libraries become arrays of the
    device; they are copied when the operation is recorded, since nothing can watch them. Numbers
    beside them are handed over as they are. A parameter with any annotation but `Array` or `Any`
    is a setting, and takes no tensor. A "bool", an "int" or a "float" is checked to be one.

    Args:
        function: the function of a device and its arrays, of the shapes that it takes.

    Returns:
        The operation, which takes tensors in place of the arrays, and returns a tensor of the
        output's shape.

    Raises:
        TypeError: when it is called. The function returns another form, `vjp` keeps an array that
            `saved` leaves out, an argument is unknown or of another kind, or an array holds no
            real numbers.
        ValueError: when it is called. The tensors are on different devices, or the function raises
            it.

    Reference: Griewank & Walther (2008), "Evaluating derivatives", chapter 3: the reverse mode.
    """
    form = _form_of(function)
    name, signature = form.name, form.signature
    kinds = [p.kind for p in signature.parameters.values()]
    most = sys.maxsize if inspect.Parameter.VAR_POSITIONAL in kinds else len(form.positional)

    @functools.wraps(function)
    def operation(*arguments: Parameters.args, **settings: Parameters.kwargs) -> Tensor:
        if mode.observer is not None:
            return mode.observer.operation(operation, arguments, settings)  # type: ignore[no-any-return]
        operands: Sequence[Any] = arguments
        if settings:
            operands, settings = _bound(form, arguments, settings)  # type: ignore[assignment]
        if len(operands) > most:
            parameters = ", ".join(list(signature.parameters)[1:])
            raise TypeError(f"{name} takes {parameters}; {len(operands)} arguments are too many")
        ready = _ready(form, operands)
        device = common_device(name, ready)
        tensors = [a if isinstance(a, Tensor) else None for a in ready]
        inputs = tuple([t if t is not None and t.requires_grad else None for t in tensors])
        recorded = mode.recording and any(t is not None for t in inputs)
        arrays = [as_operand(name, a, device, recorded) for a in ready]
        try:
            output, vjp, saved = _three(name, function(device, *arrays, **settings))
        except ValueError as error:
            shapes = " and ".join(str(tuple(a.shape)) for a in arrays if hasattr(a, "shape"))
            raise ValueError(f"{name}: {error} (shapes {shapes})") from error
        # NumPy's arithmetic on 0-dimensional arrays gives scalars: asarray makes them arrays again.
        result = Tensor(device.asarray(output), device)
        _share_version(operands, arrays, result)
        if recorded and vjp is not None and result.dtype.kind == "f":
            result._node = Node(name, inputs, vjp, watch(name, vjp, saved, tensors, result))
        return result

    # The public function takes no device: help() shows the user's arguments.
    parameters = list(signature.parameters.values())[1:]
    operation.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=Tensor
    )
    return operation


class _Form(NamedTuple):
    """How an operation is called: its parameters, and which of them take arrays. The others are settings."""

    name: str
    signature: inspect.Signature
    operands: frozenset[str | int]  # of each its name, and its position
    positional: list[inspect.Parameter]


def _form_of(function: Callable[..., Any]) -> _Form:
    """Read a signature. A parameter takes arrays if it is annotated so, or with nothing."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    kinds = (inspect.Parameter.empty, Any, "Any", "Array", "Array | None", "Array | Any")
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    operands = {i: p.name for i, p in enumerate(positional) if p.annotation in kinds}
    name = function.__name__.lstrip("_")  # a private function behind a public one of that name
    return _Form(name, signature, frozenset([*operands, *operands.values()]), positional)


def _bound(
    form: _Form, arguments: Sequence[Any], settings: dict[str, Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """Return the operands, with those that were given by name, and the settings that are left."""
    name, parameters = form.name, form.signature.parameters
    _check_names(name, list(parameters)[1:], settings)
    if any(is_array(value) or key in form.operands for key, value in settings.items()):
        bound = form.signature.bind(None, *arguments, **settings)
        bound.apply_defaults()
        arguments, settings = bound.args[1:], bound.kwargs
        for key, value in settings.items():
            if is_array(value):
                raise TypeError(
                    f"{name}: '{key}' takes no tensor or array; only positional arguments do"
                )
    return arguments, {k: _setting(name, parameters[k], value) for k, value in settings.items()}


def _ready(form: _Form, operands: Sequence[Any]) -> list[Any]:
    """Return the positional arguments: lists of numbers as arrays, and settings that no one changes later."""
    ready = list(operands)
    for i, (parameter, value) in enumerate(zip(form.positional, operands, strict=False)):
        if i not in form.operands:
            if is_array(value):
                raise TypeError(f"{form.name}: '{parameter.name}' takes no tensor or array")
            ready[i] = _setting(form.name, parameter, value)
        elif isinstance(value, Tensor):
            continue
        elif isinstance(value, (list, tuple, range)) or (
            isinstance(value, (int, float)) and not any(map(is_array, operands))
        ):
            ready[i] = np.asarray(value)  # numbers beside an array stay, and it keeps its dtype
        elif not is_array(value):
            _check_kind(form.name, parameter, value)
    return ready


def _check_names(name: str, names: Collection[str], settings: Iterable[str]) -> None:
    """Raise TypeError for an argument that a function lacks, and say what to write for one of PyTorch's."""
    for key in settings:
        if key not in names:
            raise TypeError(
                f"{name} has no argument '{key}', only {', '.join(names)}{argument_advice([key])}"
            )


Return = TypeVar("Return")


def explained(function: Callable[Parameters, Return]) -> Callable[Parameters, Return]:
    """Let a function of tensors take arrays, lists and numbers, and say what to write for an argument of PyTorch's."""
    name, names = function.__name__, inspect.signature(function).parameters
    order = [p for p in names.values() if p.kind is not p.KEYWORD_ONLY]
    last = len(order) - 1  # it may be for all that follow

    @functools.wraps(function)
    def call(*arguments: Parameters.args, **settings: Parameters.kwargs) -> Return:
        _check_names(name, names, settings)
        device = first_device((*arguments, *settings.values()))
        given = [_argument(name, order[min(i, last)], a, device) for i, a in enumerate(arguments)]
        named = {key: _argument(name, names[key], v, device) for key, v in settings.items()}
        return function(*given, **named)

    return call


_NUMBER = (int, float, complex, np.generic)  # `as_operand` refuses complex
# What an argument of an annotation is: a dtype in the place of `keepdims` is true, and no answer.
_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    **dict.fromkeys(("Array", "Tensor"), (_NUMBER, "a tensor, an array or a number")),
    "Array | None": ((*_NUMBER, type(None)), "a tensor, an array, a number or None"),
    "bool": ((bool, np.bool_), "True or False"),
    "int": ((int, SupportsIndex), "an integer"),
    "int | None": ((int, SupportsIndex, type(None)), "an integer or None"),
    "float": ((int, float, np.integer, np.floating), "a number"),
    "str": (str, "a text"),
}


def _check_kind(operation: str, parameter: inspect.Parameter, value: Any) -> None:
    types, kind = _KINDS.get(parameter.annotation, (object, ""))
    if not isinstance(value, types):
        found = type(value).__name__ if is_array(value) else repr(value)
        raise TypeError(f"{operation}: {parameter.name} is {kind}, not {found}")


def _argument(
    operation: str, parameter: inspect.Parameter, value: Any, device: Device | None
) -> Any:
    """Return an array, a list or a number as a tensor where the parameter is one; TypeError for another kind."""
    is_operand = parameter.annotation == "Tensor"
    if not (is_operand and (is_array(value) or isinstance(value, (list, tuple)))):
        _check_kind(operation, parameter, value)
    return as_tensor(value, device) if is_operand else value


def first_device(values: Iterable[Any]) -> Device | None:
    """Return the device of the first tensor among the values; None without one."""
    return next((v.device for v in values if isinstance(v, Tensor)), None)


def as_tensor(value: Any, device: Device | None) -> Tensor:
    """Return a tensor of numbers in any form, in NumPy's dtype: float64 for Python's floats, as beside an operator."""
    if isinstance(value, Tensor):
        return value
    return tensor(value if is_array(value) else np.asarray(value), device=device)


def _setting(operation: str, parameter: inspect.Parameter, value: Any) -> Any:
    """Return a setting that no one changes later: NumPy's integer as Python's, a list as a tuple."""
    _check_kind(operation, parameter, value)
    if isinstance(value, list):
        return tuple(_setting(operation, parameter, v) for v in value)
    return int(value) if isinstance(value, np.integer) else value


def _three(name: str, result: Any) -> tuple[Array, VJP | None, Sequence[Any]]:
    """(output, vjp, saved), where `saved` may be left out."""
    if not isinstance(result, tuple) or len(result) not in (2, 3):
        raise TypeError(f"{name}: it returns (output, vjp, saved), not a {type(result).__name__}")
    output, vjp, *saved = result
    if saved and not isinstance(saved[0], (tuple, list)):
        raise TypeError(f"{name}: saved is a tuple of arrays, not a {type(saved[0]).__name__}")
    return output, vjp, saved[0] if saved else ()


def as_operand(name: str, argument: Any, device: Device, copy: bool = False) -> Any:
    """Return the argument of an operation's function: a tensor's array, another library's moved to the device, or the argument itself."""
    if isinstance(argument, Tensor):
        return argument.data
    if not is_array(argument):
        if isinstance(argument, (complex, np.generic)):
            check_real(np.asarray(argument).dtype, name)
        return argument
    array = device.asarray(argument)
    check_real(array.dtype, name)
    return device.copy(array) if copy else array


def _share_version(operands: Sequence[Any], arrays: Sequence[Any], result: Tensor) -> None:
    """Share the source's version with a view, which is written together with it, or note another library's memory."""
    for operand, array in zip(operands, arrays, strict=True):
        is_tensor = isinstance(operand, Tensor)
        if (is_tensor or is_array(operand)) and share_memory(array, result.data):
            if is_tensor:
                result._version = operand._version
            else:
                exchange(result._version, result.data)
            return
