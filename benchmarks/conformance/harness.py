"""Run one sample of PyTorch's on both libraries, and compare values and gradients."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils._pytree import tree_map

import minigan as mg
from benchmarks.conformance.adapters import ADAPTERS, UntranslatableError
from benchmarks.conformance.conventions import reason

_TOLERANCE = {"float64": 1e-9, "float32": 2e-4}


class Outcome(NamedTuple):
    """Of one sample: its status (passed, convention, failed or untranslatable), and why."""

    operation: str
    status: str
    detail: str = ""


def run_operation(
    info: Any, name: str, dtype: str, kind: str, contiguous: bool
) -> Iterator[Outcome]:
    """Run the samples of one entry of the database."""
    torch.manual_seed(0)
    make = info.sample_inputs if kind == "sample" else info.reference_inputs
    torch_dtype = getattr(torch, dtype)
    try:
        samples = list(make("cpu", torch_dtype, requires_grad=info.supports_autograd))
    except (ValueError, RuntimeError) as error:
        yield Outcome(name, "untranslatable", f"PyTorch makes no samples: {error}")
        return
    for sample in samples:
        yield _run(info, name, sample if contiguous else sample.noncontiguous(), dtype)


def _run(info: Any, name: str, sample: Any, dtype: str) -> Outcome:
    pairs: dict[int, tuple[Any, Any]] = {}

    def translated(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) not in pairs:
            ours = mg.tensor(value.detach().numpy().copy(), requires_grad=value.requires_grad)
            pairs[id(value)] = (value, ours)
        return pairs[id(value)][1]

    arguments = (sample.input, list(sample.args), dict(sample.kwargs))
    try:
        theirs = info.op(sample.input, *sample.args, **sample.kwargs)
    except Exception as error:
        return Outcome(name, "untranslatable", f"PyTorch refuses: {type(error).__name__}")
    if not isinstance(theirs, torch.Tensor):
        return Outcome(name, "untranslatable", f"PyTorch gives {type(theirs).__name__}")
    try:
        first, args, kwargs = tree_map(translated, arguments)
        ours = ADAPTERS[name](first, *args, **kwargs)
    except (UntranslatableError, TypeError) as error:
        return Outcome(name, "untranslatable", str(error))
    except Exception as error:
        return _different(name, f"{type(error).__name__}: {error}")
    difference = _compare(ours.numpy(), theirs.detach().numpy(), "value", dtype)
    try:
        difference = difference or _compare_gradients(ours, theirs, list(pairs.values()), dtype)
    except Exception as error:
        difference = f"backward: {type(error).__name__}: {error}"
    return _different(name, difference) if difference else Outcome(name, "passed")


def _different(name: str, difference: str) -> Outcome:
    why = reason(name, difference)
    return Outcome(name, "convention", why) if why else Outcome(name, "failed", difference)


def _compare_gradients(
    ours: Any, theirs: Any, pairs: list[tuple[Any, Any]], dtype: str
) -> str | None:
    leaves = [(t, m) for t, m in pairs if t.requires_grad]
    if not (leaves and theirs.requires_grad):
        return None
    cotangent = _cotangent(ours.shape, ours.dtype)
    expected = torch.autograd.grad(
        theirs,
        [t for t, _ in leaves],
        torch.from_numpy(cotangent).to(theirs.dtype),
        allow_unused=True,
    )
    if not ours.requires_grad:
        zero = all(g is None or not bool((g != 0).any()) for g in expected)
        return None if zero else "gradient: none"
    ours.backward(mg.tensor(cotangent))
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
    place = tuple(np.argwhere(~same)[0]) if found.ndim else ()
    return f"{what}: at {tuple(map(int, place))} minigan {found[place]}, torch {right[place]}"
