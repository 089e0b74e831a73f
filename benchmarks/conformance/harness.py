"""Run one sample of PyTorch's on both libraries, and compare values and gradients."""

from __future__ import annotations

import functools
import inspect
import operator
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils._pytree import tree_map

import minigan as mg
from benchmarks.conformance.adapters import ADAPTERS, UntranslatableError
from benchmarks.conformance.conventions import reason
from benchmarks.conformance.parts import Part

_TOLERANCE = {"float64": 1e-9, "float32": 2e-4}


class Outcome(NamedTuple):
    """Of one sample: its status (passed, convention, failed or untranslatable), and why."""

    operation: str
    status: str
    detail: str = ""


def run_operation(info: Any, name: str, part: Part) -> Iterator[Outcome]:
    """Run the samples of one entry of the database."""
    torch.manual_seed(0)
    make = info.sample_inputs if part.kind == "sample" else info.reference_inputs
    torch_dtype = getattr(torch, part.dtype)
    if torch_dtype not in info.dtypes:  # the arithmetic of bits is of integers
        torch_dtype = torch.int64
    gradient = info.supports_autograd and torch_dtype.is_floating_point
    try:
        samples = list(make("cpu", torch_dtype, requires_grad=gradient))
    except (ValueError, RuntimeError) as error:
        yield Outcome(name, "untranslatable", f"PyTorch makes no samples: {error}")
        return
    for sample in samples[:: part.every]:
        yield _run(info, name, sample if part.contiguous else sample.noncontiguous(), part)


def _run(info: Any, name: str, sample: Any, part: Part) -> Outcome:
    adapter = ADAPTERS[name]
    try:
        inspect.signature(adapter).bind(sample.input, *sample.args, **sample.kwargs)
    except TypeError as error:
        return Outcome(name, "untranslatable", str(error))
    given = tree_map(_leaf, (sample.input, list(sample.args), dict(sample.kwargs)))
    try:
        theirs = _tensors(info.op(given[0], *given[1], **given[2]))
    except Exception as error:
        return Outcome(name, "untranslatable", f"PyTorch refuses: {type(error).__name__}")
    if not all(isinstance(t, torch.Tensor) for t in theirs):
        return Outcome(name, "untranslatable", "PyTorch gives no tensor")
    pairs: dict[int, tuple[Any, Any]] = {}
    try:
        arguments = tree_map(functools.partial(_translated, pairs, part.device), given)
        ours = _tensors(adapter(arguments[0], *arguments[1], **arguments[2]))
    except UntranslatableError as error:
        return Outcome(name, "untranslatable", str(error))
    except Exception as error:
        return _different(name, f"{type(error).__name__}: {error}")
    difference = _difference(ours, theirs, list(pairs.values()), part.dtype)
    return _different(name, difference) if difference else Outcome(name, "passed")


def _leaf(value: Any) -> Any:
    """Return the same memory as a tensor that begins a graph; other values as they are."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().requires_grad_(value.requires_grad)


def _translated(pairs: dict[int, tuple[Any, Any]], device: str, value: Any) -> Any:
    """Return minigan's tensor for one of PyTorch's, the same one each time; other values as they are."""
    if not isinstance(value, torch.Tensor):
        return value
    if id(value) not in pairs:
        unknown = value.is_complex() or value.dtype == torch.bfloat16
        if unknown or (value.requires_grad and value.dtype == torch.float16):
            raise UntranslatableError(f"{value.dtype}")
        array = value.detach().numpy()
        if device == "cpu" and array.size and not value.is_contiguous():
            apart = np.zeros((*array.shape, 2), array.dtype)
            apart[..., 0] = array
            ours = mg.from_dlpack(apart[..., 0])  # each element beside one that is not its own
        else:
            ours = mg.tensor(array.copy(), device=device)
        ours.requires_grad_(value.requires_grad)
        pairs[id(value)] = (value, ours)
    return pairs[id(value)][1]


def _tensors(output: Any) -> list[Any]:
    return list(output) if isinstance(output, (list, tuple)) else [output]


def _difference(
    ours: list[Any], theirs: list[Any], pairs: list[tuple[Any, Any]], dtype: str
) -> str | None:
    """Return the first difference of a value or a gradient, or None."""
    if len(ours) != len(theirs):
        return f"value: {len(ours)} results, torch {len(theirs)}"
    for one, other in zip(ours, theirs, strict=True):
        found = _compare(one.numpy(), other.detach().resolve_conj().numpy(), "value", dtype)
        if found:
            return found
    try:
        return _compare_gradients(ours, theirs, pairs, dtype)
    except Exception as error:
        return f"backward: {type(error).__name__}: {error}"


def _different(name: str, difference: str) -> Outcome:
    why = reason(name, difference)
    return Outcome(name, "convention", why) if why else Outcome(name, "failed", difference)


def _compare_gradients(
    ours: list[Any], theirs: list[Any], pairs: list[tuple[Any, Any]], dtype: str
) -> str | None:
    leaves = [(t, m) for t, m in pairs if t.requires_grad]
    outputs = [(m, t) for m, t in zip(ours, theirs, strict=True) if t.requires_grad]
    if not (leaves and outputs):
        return None
    cotangents = [_cotangent(m.shape, m.dtype) for m, _ in outputs]
    try:
        expected = torch.autograd.grad(
            [t for _, t in outputs],
            [t for t, _ in leaves],
            [
                torch.from_numpy(c).to(t.dtype)
                for c, (_, t) in zip(cotangents, outputs, strict=True)
            ],
            allow_unused=True,
        )
    except RuntimeError:  # PyTorch has no derivative there: the value alone is compared
        return None
    recorded = [(m, c) for (m, _), c in zip(outputs, cotangents, strict=True) if m.requires_grad]
    if not recorded:
        zero = all(g is None or not bool((g != 0).any()) for g in expected)
        return None if zero else "gradient: none"
    if len(recorded) == 1:
        output, cotangent = recorded[0]
        output.backward(mg.tensor(cotangent, device=output.device))
    else:
        functools.reduce(operator.add, [(m * c).sum() for m, c in recorded]).backward()
    for (_, leaf), gradient in zip(leaves, expected, strict=True):
        found = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        right = np.zeros(leaf.shape) if gradient is None else gradient.numpy()
        difference = _compare(found, right, "gradient", dtype)
        if difference:
            return difference
    return None


def _cotangent(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(zlib.crc32(repr(shape).encode()))
    sign = generator.choice([-1, 1], shape)
    return np.asarray(generator.uniform(0.5, 1.5, shape) * sign, dtype)


def _compare(found: Any, right: Any, what: str, dtype: str) -> str | None:
    found, right = np.asarray(found), np.asarray(right)
    if found.shape != right.shape:
        return f"{what}: shape {found.shape}, torch {right.shape}"
    if found.dtype.kind == right.dtype.kind == "f" and found.itemsize > right.itemsize:
        narrow = _compare(found.astype(right.dtype), right, what, "float32")
        return narrow or f"{what}: dtype {found.dtype}, torch {right.dtype}"
    if right.dtype.kind == "f" and found.size:
        tolerance = _TOLERANCE[dtype]
        finite = np.abs(right[np.isfinite(right)])
        scale = min(1e3, max(1.0, float(finite.max(initial=0))))
        same = np.isclose(
            found, right, rtol=tolerance, atol=tolerance * scale * 0.1, equal_nan=True
        )
    else:
        same = found == right
    if np.all(same):
        return None
    wrong = found[~same], right[~same]
    place = tuple(map(int, np.argwhere(~same)[0])) if found.ndim else ()
    if right.dtype.kind == "f" and np.isnan(wrong[1]).all():
        return f"{what}: minigan {wrong[0][0]}, torch nan"
    return f"{what}: at {place} minigan {found[place]}, torch {right[place]}"
