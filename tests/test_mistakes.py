"""Calls that would do something else than they seem to: each is refused, by an error that says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.random import Generator

ONES = np.ones((2, 3))
BYTES = mg.tensor([1, 2], dtype="uint8")
DATE = np.datetime64("2020-01-01")
MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])


def variable(values: Any) -> mg.Tensor:
    return mg.tensor(values, requires_grad=True)


def square() -> mg.Tensor:
    x = variable([1.0, 2.0])
    return x * x


def late_parameter() -> None:
    optimizer = mg.optim.Adam([variable([1.0])])
    optimizer.parameters.append(variable([1.0]))
    optimizer.step()


def add_to(gradient: Any) -> None:
    x = variable(ONES)
    x.grad = gradient
    x.sum().backward()


def step_by_hand(layer: nn.Linear) -> None:
    layer.weight = layer.weight - 0.1 * mg.ones(1)


def yields() -> Iterator[int]:
    yield 1


async def waits() -> None:
    pass


class SameNames(nn.Module):
    def __init__(self) -> None:
        self.layers = {1: nn.Linear(1, 1), "1": nn.Linear(2, 2)}


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    # texts, None and complex numbers in place of real ones
    "copy_ of complex": (lambda: mg.zeros(2).copy_(np.array([1j, 2])), TypeError, "complex128"),
    "copy_ of texts": (lambda: mg.zeros(2).copy_(["1", "2"]), TypeError, "<U1"),
    "copy_ of None": (lambda: mg.zeros(2).copy_(None), TypeError, "object"),  # type: ignore[arg-type]
    "assignment of None": (lambda: mg.zeros(2).__setitem__(0, None), TypeError, "object"),
    "assignment of a text": (lambda: mg.zeros(2).__setitem__(0, "7"), TypeError, "<U1"),
    "full of None": (lambda: mg.full(2, None), TypeError, "object"),  # type: ignore[arg-type]
    "backward from complex": (lambda: square().backward(np.array([1j, 2])), TypeError, "complex128"),
    "backward from texts": (lambda: square().backward(["1", "2"]), TypeError, "<U1"),
    "tensor of complex, with a dtype": (lambda: mg.tensor(np.array([1j, 2]), dtype="float32"), TypeError, "complex128"),
    "tensor of a text, with a dtype": (lambda: mg.tensor("1", dtype="float32"), TypeError, "<U1"),
    "tensor of None, with a dtype": (lambda: mg.tensor([None], dtype="float64"), TypeError, "object"),
    "tensor of a date, with a dtype": (lambda: mg.tensor(DATE, dtype="float64"), TypeError, "datetime64"),
    "an operand of complex": (lambda: mg.ones(2) == 1j, TypeError, "equal: .* complex128"),
    "an operand of NumPy's complex": (lambda: mg.absolute(np.complex64(1j)), TypeError, "complex64"),
    "an operand that is a text": (lambda: mg.ones(2) * "2", TypeError, "y is a tensor, an array or a number"),
    "a condition that is a text": (lambda: mg.where("no", mg.ones(2), mg.zeros(2)), TypeError, "condition is a tensor"),
    "a comparison with a text": (lambda: mg.ones(2) < "2", TypeError, "less: y is a tensor"),
    "a logical question of a text": (lambda: mg.logical_and(mg.ones(2), "no"), TypeError, "logical_and: y is a tensor"),
    "a target that is a date": (lambda: mg.mse_loss(mg.ones(1), DATE), TypeError, "datetime64"),
    "targets that are texts": (
        lambda: mg.binary_cross_entropy_with_logits(mg.ones(2), ["0", "1"]), TypeError, "<U1",
    ),
    "rand between texts": (lambda: mg.rand(2, "0", "1"), TypeError, "the bounds of uniform numbers are"),  # type: ignore[arg-type]
    "rand from complex": (lambda: mg.rand(2, np.complex64(1j), 2.0), TypeError, "the bounds of uniform numbers are"),  # type: ignore[arg-type]
    "a text in place of a tensor": (lambda: mg.trace("x"), TypeError, "trace: x is a tensor"),  # type: ignore[arg-type]
    "scatter_add of complex": (lambda: mg.scatter_add(mg.ones(2), 0, 1j), TypeError, "complex128"),
    "pad with complex": (lambda: mg.pad(mg.ones(1), [(1, 1)], np.complex64(1j)), TypeError, "value is a number"),  # type: ignore[arg-type]
    "pad with None": (lambda: mg.pad(mg.ones(1), [(1, 1)], value=None), TypeError, "value is a number"),  # type: ignore[arg-type]
    "a slope of None": (lambda: mg.leaky_relu(mg.ones(1), None), TypeError, "negative_slope is a number"),  # type: ignore[arg-type]
    # numbers that the dtype lacks, and fractions in place of integers
    "where with a larger number": (lambda: mg.where([True], BYTES, 300), OverflowError, "uint8"),
    "pad with a larger number": (lambda: mg.pad(BYTES, [(1, 1)], 300), OverflowError, "uint8"),
    "pad of integers with NaN": (lambda: mg.pad(BYTES, [(1, 1)], np.nan), ValueError, "NaN to integer"),
    "copy_ of a larger number": (lambda: mg.tensor(BYTES).copy_(300), OverflowError, "uint8"),
    "arange beyond its dtype": (lambda: mg.arange(257, dtype="uint8"), OverflowError, "uint8"),
    "arange before its dtype": (lambda: mg.arange(-1, 2, dtype="uint8"), OverflowError, "uint8"),
    "linspace beyond its dtype": (lambda: mg.linspace(0, 300, 3, dtype="uint8"), OverflowError, "uint8"),
    "roll by a fraction": (lambda: mg.roll(mg.ones(2), 0.5), TypeError, "shift is an integer"),  # type: ignore[arg-type]
    "tril from a fraction": (lambda: mg.tril(mg.ones((2, 2)), 0.5), TypeError, "k is an integer"),  # type: ignore[arg-type]
    "cumsum of no axis": (lambda: mg.cumsum(mg.tensor(1.0), 0), ValueError, "axis 0 is not one of the 0 axes"),
    "a number among vectors": (lambda: mg.concatenate([mg.ones(2), mg.tensor(1.0)]), ValueError, "axis 0 is not one of the 0 axes"),
    "tensordot of one axis and two": (lambda: mg.tensordot(mg.ones((2, 2)), mg.ones((2, 2)), ([0, 1], [0])), ValueError, "two lists of one length"),
    "einsum of a letter beyond a to z": (lambda: mg.einsum("é->", mg.ones(2)), ValueError, "named by letters"),
    "max over a fraction": (lambda: mg.max(mg.ones(2), axis=0.5), TypeError, "axis is an integer"),  # type: ignore[arg-type]
    "argmax over a fraction": (lambda: mg.argmax(mg.ones(2), axis=0.5), TypeError, "axis is an integer or None"),  # type: ignore[arg-type]
    "diagonal at a fraction": (lambda: mg.diagonal(mg.ones((2, 2)), 0.5), TypeError, "offset is an integer"),  # type: ignore[arg-type]
    "arange with a dtype in a row": (lambda: mg.arange(0, 2, 1, np.float64), TypeError, "position"),  # type: ignore[arg-type]
    "tensor of a masked array": (lambda: mg.tensor(MASKED), TypeError, r"values.filled\(0\)"),
    "an operand with a mask": (lambda: mg.ones(3) + MASKED, TypeError, r"values.filled\(0\)"),
    "assignment of masked values": (lambda: mg.zeros(3).__setitem__(slice(3), MASKED), TypeError, "masked array"),
    # a dtype or a number in the place of another argument
    "tensor(data, dtype)": (lambda: mg.tensor([1.0], np.float64), TypeError, "requires_grad is True or"),  # type: ignore[arg-type]
    "ones_like(x, requires_grad)": (lambda: mg.ones_like(mg.ones(1), True), TypeError, "data type"),  # type: ignore[arg-type]
    "meshgrid of None": (lambda: mg.meshgrid(None), TypeError, "meshgrid: vectors is a tensor"),  # type: ignore[arg-type]
    "zeros_like of a word": (lambda: mg.zeros_like("a"), TypeError, "zeros_like: x is a tensor"),  # type: ignore[arg-type]
    "requires_grad_ of a text": (lambda: mg.ones(1).requires_grad_("no"), TypeError, "requires_grad is"),  # type: ignore[arg-type]
    "train of a text": (lambda: nn.Identity().train("eval"), TypeError, "mode is True or False"),  # type: ignore[arg-type]
    "rand(3, 1)": (lambda: mg.rand(3, 1), TypeError, r"one shape: rand\(\(3, 1\)\)"),
    "randn(2, 3)": (lambda: mg.randn(2, 3), TypeError, "positional"),  # type: ignore[misc]
    "conv2d with a dilation": (
        lambda: mg.conv2d(mg.ones((1, 4, 4, 1)), mg.ones((3, 3, 1, 1)), None, 1, 0, 2), TypeError, "too many",  # type: ignore[call-arg]
    ),
    "Conv2d with a dilation": (lambda: nn.Conv2d(1, 1, 3, 1, 0, 2), TypeError, "positional"),  # type: ignore[misc]
    "ConvTranspose2d with groups": (lambda: nn.ConvTranspose2d(1, 1, 3, 1, 0, 0, 2), TypeError, "positional"),  # type: ignore[misc]
    "SGD with a dampening": (lambda: mg.optim.SGD([variable([1.0])], 0.1, 0.9, 0.0), TypeError, "positional"),  # type: ignore[misc]
    # fractions, and numbers out of range
    "randint of a fraction": (lambda: mg.randint(0, 2.5, (5,)), TypeError, "randint: high is an integer"),  # type: ignore[arg-type]
    "randint from a fraction": (lambda: mg.randint(0.5, 3, (5,)), TypeError, "randint: low is an integer"),  # type: ignore[arg-type]
    "randperm of -1": (lambda: mg.randperm(-1), ValueError, "negative"),
    "one_hot of 2.5 classes": (lambda: mg.one_hot(mg.tensor([0]), 2.5), TypeError, "classes is an integer"),  # type: ignore[arg-type]
    "Categorical of 2.5": (lambda: mg.Categorical(2.5), TypeError, "size is an integer"),  # type: ignore[arg-type]
    "Gaussian of NaN": (lambda: mg.Gaussian(np.nan), ValueError, "std must be positive"),
    "gaussian_log_likelihood of NaN": (lambda: mg.gaussian_log_likelihood(mg.ones(1), 0.0, std=np.nan), ValueError, "std must be positive"),
    "randn of a negative std": (lambda: mg.randn(3, std=-1.0), ValueError, "std is at least 0"),
    "randn of NaN": (lambda: mg.randn(3, std=np.nan), ValueError, "std is at least 0"),
    "var with a NaN": (lambda: mg.var(mg.ones(3), correction=np.nan), ValueError, "correction nan"),  # type: ignore[arg-type]
    "BatchNorm with eps < 0": (lambda: nn.BatchNorm(2, eps=-1.0), ValueError, "BatchNorm: eps is at least 0"),
    "BatchNorm with eps NaN": (lambda: nn.BatchNorm(2, eps=np.nan), ValueError, "eps is"),
    "BatchNorm with momentum 5": (lambda: nn.BatchNorm(2, momentum=5.0), ValueError, r"momentum is in \[0, 1\]; not 5"),
    "BatchNorm with momentum None": (lambda: nn.BatchNorm(2, momentum=None), TypeError, "momentum is a number, not None"),  # type: ignore[arg-type]
    "batch_norm with momentum NaN": (lambda: mg.batch_norm(mg.rand((4, 2)), mg.ones(2), mg.zeros(2), momentum=np.nan), ValueError, "momentum"),
    "batch_norm with eps ∞": (lambda: mg.batch_norm(mg.rand((4, 2)), mg.ones(2), mg.zeros(2), eps=np.inf), ValueError, "finite"),
    "BatchNorm with eps second": (lambda: nn.BatchNorm(2, 1e-5), TypeError, "groups are names, not 1e-05"),  # type: ignore[arg-type]
    "LayerNorm with eps < 0": (lambda: nn.LayerNorm(2, eps=-1.0), ValueError, "LayerNorm: eps is at least 0"),
    "Adam with a word": (lambda: mg.optim.Adam([variable([1.0])], lr="1"), TypeError, "lr is a number, not '1'"),  # type: ignore[arg-type]
    "BatchNorm of two lengths": (lambda: nn.BatchNorm((2, 3)), TypeError, "channels is an integer"),  # type: ignore[arg-type]
    "Adam with a number for betas": (lambda: mg.optim.Adam([variable([1.0])], betas=0.9), ValueError, "betas are two numbers"),  # type: ignore[arg-type]
    "Adam with one β": (lambda: mg.optim.Adam([variable([1.0])], betas=(0.9,)), ValueError, "betas are two numbers"),  # type: ignore[arg-type]
    "Adam with β₂ = 1": (lambda: mg.optim.Adam([variable([1.0])], betas=(0.9, 1)), ValueError, r"β₂ is in \[0, 1\); not 1"),
    "SpectralNorm with eps NaN": (lambda: nn.SpectralNorm(nn.Linear(2, 2), eps=np.nan), ValueError, "at least 1 iteration, and eps > 0"),
    "a negative step": (lambda: Generator(0, -5), ValueError, "step; not -5"),
    "half a step": (lambda: Generator(0, 1.5), TypeError, "step; not 1.5"),  # type: ignore[arg-type]
    # settings of another kind
    "sum with a dtype for keepdims": (lambda: mg.sum(mg.ones(3), 0, np.float64), TypeError, "sum: keepdims is True or False"),  # type: ignore[arg-type]
    "max with a word for keepdims": (lambda: mg.ones(3).max(keepdims="no"), TypeError, "max: keepdims is True or False"),  # type: ignore[arg-type]
    "sum with keepdims for the axis": (lambda: mg.ones((2, 3)).sum(True), TypeError, "axis is an integer, not True"),
    "softmax along True": (lambda: mg.softmax(mg.ones((2, 3)), True), TypeError, "axis is an integer, not True"),
    "diff taken −1 times": (lambda: mg.diff(mg.arange(3), -1), ValueError, "diff: n is at least 0 and finite; not -1"),
    "zeros of True": (lambda: mg.zeros((2, True)), TypeError, "a length is an integer"),
    "roll by a half": (lambda: mg.roll(mg.arange(3), 0.5), TypeError, "shift is an integer"),  # type: ignore[arg-type]
    "roll by halves": (lambda: mg.roll(mg.ones((2, 2)), (0.5, 1.0), (0, 1)), TypeError, "shift is an integer"),  # type: ignore[arg-type]
    "tril with a fraction": (lambda: mg.tril(mg.ones((2, 2)), 0.5), TypeError, "tril: k is an integer"),  # type: ignore[arg-type]
    "leaky_relu with a word": (lambda: mg.leaky_relu(mg.ones(2), "0.1"), TypeError, "negative_slope is a number"),  # type: ignore[arg-type]
    "conv2d with a word": (lambda: mg.conv2d(mg.ones((1, 2, 2, 1)), mg.ones((1, 1, 1, 1)), negative_slope="0"), TypeError, "negative_slope is a number"),  # type: ignore[arg-type]
    "pad by a number": (lambda: mg.pad(mg.ones((2, 3)), 1), ValueError, "0 pairs of widths for 2 axes"),  # type: ignore[arg-type]
    "pad by numbers in a row": (lambda: mg.pad(mg.ones((2, 3)), [1, 1]), ValueError, "1 pairs of widths for 2 axes"),  # type: ignore[list-item]
    "batch_norm trained by a word": (lambda: mg.batch_norm(mg.ones((2, 1)), mg.ones(1), mg.ones(1), training="no"), TypeError, "training is True or False"),  # type: ignore[arg-type]
    "flatten from a fraction": (lambda: mg.ones((2, 2)).flatten(0.5), TypeError, "start_axis is an integer, not 0.5"),  # type: ignore[arg-type]
    "cumulative_sum with a word": (lambda: mg.cumulative_sum(mg.ones(2), 0, "no"), TypeError, "include_initial is True or False"),  # type: ignore[arg-type]
    "einsum of operands first": (lambda: mg.einsum(mg.ones(2), [0]), TypeError, "subscripts is a text, not Tensor"),  # type: ignore[arg-type]
    "cross_entropy of no category": (lambda: mg.cross_entropy(mg.zeros((2, 0)), [0, 0]), ValueError, r"logits \(…, categories\)"),
    "cross_entropy of a number": (lambda: mg.cross_entropy(mg.tensor(1.0), 0), ValueError, r"logits \(…, categories\)"),
    "a seed for a generator": (lambda: mg.rand(3, generator=5), TypeError, "a generator is"),  # type: ignore[arg-type]
    # what is no tensor
    "relu of None": (lambda: mg.relu(None), TypeError, "relu: x is a tensor, an array or a number, not None"),  # type: ignore[arg-type]
    "softmax of a word": (lambda: mg.softmax("ab"), TypeError, "softmax: x is a tensor, an array or a number, not 'ab'"),
    "linear of None": (lambda: mg.linear(mg.ones((2, 2)), None), TypeError, "linear: w is a tensor"),
    "batch_norm of None": (lambda: mg.batch_norm(None, mg.ones(2), mg.ones(2)), TypeError, "batch_norm: x is a tensor"),  # type: ignore[arg-type]
    "mse_loss of None": (lambda: mg.mse_loss(None, 1.0), TypeError, "mse_loss: x is a tensor"),  # type: ignore[arg-type]
    "transpose of None": (lambda: mg.transpose(None), TypeError, "transpose: x is a tensor"),  # type: ignore[arg-type]
    "@ of a number": (lambda: mg.ones((2, 2)) @ 2, ValueError, "matmul: .*dimensions"),
    # what is no parameter, and no gradient
    "an optimizer of a module": (lambda: mg.optim.SGD(nn.Linear(1, 1)), TypeError, "Linear"),  # type: ignore[arg-type]
    "an optimizer of names": (lambda: mg.optim.SGD(nn.Linear(1, 1).named_parameters()), TypeError, r"model.parameters\(\)"),  # type: ignore[arg-type]
    "an optimizer of dicts": (lambda: mg.optim.SGD([{"params": []}]), TypeError, r"model.parameters\(\)"),  # type: ignore[list-item]
    "an array for a gradient": (lambda: add_to(ONES), TypeError, "its grad is a tensor, not ndarray"),
    "a number for a gradient": (lambda: add_to(0), TypeError, "its grad is a tensor, not int"),
    # indices that are none
    "take of a mask": (lambda: mg.take(mg.arange(2), [True, False]), TypeError, "not bool"),
    "take of None": (lambda: mg.take(mg.arange(2), None), TypeError, "not object"),
    "take of a slice": (lambda: mg.take(mg.arange(2), slice(0, 1)), TypeError, "not object"),
    # axes that do not fit each other
    "diagonal of no square": (lambda: mg.einsum("ii->i", mg.ones((3, 2))), ValueError, "differ in length"),
    "vecdot of two lengths": (lambda: mg.vecdot(mg.ones((2, 1)), mg.ones((2, 3))), ValueError, "differ in length"),
    "tensordot of two lengths": (lambda: mg.tensordot(mg.ones((2, 1)), mg.ones((3, 4)), 1), ValueError, "differ in length"),
    "tensordot of too many axes": (lambda: mg.tensordot(mg.ones((2, 2)), mg.ones((2, 2, 2)), 3), ValueError, "not one of the 2 axes"),
    "tensordot of an axis twice": (lambda: mg.tensordot(mg.ones((2, 3)), mg.ones((2, 2)), ([0, 0], [0, 1])), ValueError, "twice"),
    # tensors that would be lost
    "an array for a parameter": (lambda: setattr(nn.Linear(1, 1), "weight", ONES), TypeError, "weight is a parameter"),
    "a computed parameter": (lambda: step_by_hand(nn.Linear(1, 1)), TypeError, r"write self.weight.copy_\("),
    "a parameter that never trains": (lambda: setattr(nn.Linear(1, 1), "bias", mg.zeros(1)), TypeError, "bias is a parameter"),
    "save of a module": (lambda: mg.save("never", nn.Linear(1, 1)), TypeError, "a Linear is no state"),  # type: ignore[arg-type]
    "save of a tensor": (lambda: mg.save("never", mg.ones(1)), TypeError, r"model.state_dict\(\)"),  # type: ignore[arg-type]
    # what runs after the call that it is in
    "no_grad of a generator": (lambda: mg.no_grad()(yields), TypeError, "yields runs after its call"),
    "no_grad of a coroutine": (lambda: mg.no_grad()(waits), TypeError, "waits runs after its call"),
    "a parameter that comes later": (late_parameter, ValueError, "came or went"),
    "two tensors of one name": (lambda: SameNames().state_dict(), ValueError, "one name"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


def test_a_name_that_the_format_keeps_for_itself(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="__metadata__"):
        mg.save(tmp_path / "state", {"__metadata__": ONES})
    assert not list(tmp_path.iterdir())


def test_a_tensor_alone_among_the_inputs_of_backward() -> None:
    x, y = variable([1.0, 2.0]), variable([3.0, 4.0])
    (x * y).sum().backward(inputs=x)
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [3, 4])
    assert y.grad is None


def test_one_group_is_a_name_and_no_list_of_letters() -> None:
    assert list(nn.BatchNorm(2, groups="real").running) == ["real"]
    x = mg.rand((8, 2))
    one, two = (mg.batch_norm(x, mg.ones(2), mg.zeros(2), None, g) for g in ("real", ("a",)))
    np.testing.assert_array_equal(one.numpy(), two.numpy())


VALUES: dict[str, tuple[Callable[[], mg.Tensor], Any]] = {
    "linspace of integers": (
        lambda: mg.linspace(-3, 3, 5, dtype="int64"), np.linspace(-3, 3, 5, dtype=np.int64),
    ),
    "small integers": (lambda: mg.randint(np.int8(-3), np.int8(-2), 2), np.array([-3, -3])),
    "tensordot of NumPy's 1": (lambda: mg.tensordot(mg.ones((2, 3)), mg.ones((3, 2)), np.int64(1)), np.full((2, 2), 3)),  # type: ignore[arg-type]
    "Flatten of no batch": (lambda: nn.Flatten()(mg.zeros((0, 2, 3))), np.zeros((0, 6))),
    "bytes in the other order": (lambda: mg.relu(mg.tensor(np.array([-1, 2], ">f4"))), np.array([0, 2])),
    "concatenate with a list": (lambda: mg.concatenate([mg.ones(1), [2.0, 3.0]]), np.array([1, 2, 3])),  # type: ignore[list-item]
    "stack with a tuple": (lambda: mg.stack([mg.ones(2), (2.0, 3.0)]), np.array([[1, 1], [2, 3]])),  # type: ignore[list-item]
    "take of a list": (lambda: mg.take([1, 2, 3], [2, 0]), np.array([3, 1])),  # type: ignore[arg-type]
    "split of a list": (lambda: mg.split([1, 2, 3, 4], 2)[1], np.array([3, 4])),  # type: ignore[arg-type]
    "diff of an array": (lambda: mg.diff(np.array([1.0, 3.0])), np.array([2.0])),  # type: ignore[arg-type]
    "a loss of lists": (lambda: mg.mse_loss([1.0, 2.0], [2.0, 4.0]), 2.5),  # type: ignore[arg-type]
    "tanh of a number": (lambda: mg.tanh(0.5), np.tanh(0.5)),  # type: ignore[arg-type]
    "sum of a number": (lambda: mg.sum(2.0, axis=None), 2.0),  # type: ignore[arg-type]
    "maximum of two numbers": (lambda: mg.maximum(1, 2), 2),  # type: ignore[arg-type]
    "where with a number that fits": (lambda: mg.where([True, False], BYTES, 255), np.array([1, 255], np.uint8)),
    "products of float16": (lambda: mg.tensor(np.float16(ONES)) @ mg.tensor(np.float16(ONES.T)), np.full((2, 2), 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_value(name: str) -> None:
    call, expected = VALUES[name]
    found = call()
    np.testing.assert_array_equal(found.numpy(), expected)


BACKWARD: dict[str, tuple[Callable[[mg.Tensor], mg.Tensor], Any]] = {
    "tril of a vector": (mg.tril, [3, 2, 1]),
    "triu of a vector": (mg.triu, [1, 2, 3]),
    "power of bool": (lambda x: x ** mg.tensor([True, False, True]), [1, 0, 1]),
    "nextafter of two dtypes": (lambda x: mg.nextafter(mg.tensor([0.0, 1.0, 2.0], dtype="float64"), x), [0, 0, 0]),
    "erf of float16": (lambda x: mg.erf(x.astype("float16")), 2 / np.sqrt(np.pi) * np.exp(-np.square([1, 2, 3]))),
    "a list of axes": (lambda x: x.reshape(1, 3).sum(axis=[0, 1]), [1, 1, 1]),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("name", BACKWARD)
def test_what_forward_accepts_backward_can_do(name: str) -> None:
    function, expected = BACKWARD[name]
    x = variable([1.0, 2.0, 3.0])
    function(x).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-2)
