"""Random programs of operations, views, writes in place and backward passes.

A gradient is that of the values which each operation read, or it is an error. The oracle keeps the derivative of each
tensor by every element of the leaves: the product of numerical Jacobians, taken when the operations ran.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import pytest
from device_list import DEVICES
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.tensor import Tensor

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]  # of NumPy or minigan, and the operands

SHAPES = [(3,), (2, 3), (3, 3), (2, 1), ()]
BIG = 1e3  # results beyond it leave the numerical derivatives no digits

ONE_OPERAND: list[Function] = [
    lambda xp, x: xp.sin(x),
    lambda xp, x: xp.tanh(x),
    lambda xp, x: xp.exp(x),
    lambda xp, x: x * x,
    lambda xp, x: 1 / (1 + x * x),
    lambda xp, x: xp.sqrt(1 + x * x),
    lambda xp, x: xp.sum(x[..., None], axis=0),  # with an axis more, numbers have one too
    lambda xp, x: xp.mean(x[..., None], axis=0, keepdims=True),
    lambda xp, x: xp.prod(x[..., None], axis=0),
    lambda xp, x: xp.var(x[..., None], axis=0),
    lambda xp, x: x[1:],
    lambda xp, x: x[::-1],
    lambda xp, x: x[0],
    lambda xp, x: x[..., None],
    lambda xp, x: x[np.array([0, -1, 0])],
    lambda xp, x: x.T,
    lambda xp, x: x.reshape(-1),
    lambda xp, x: xp.broadcast_to(x, (2, *x.shape)),
    lambda xp, x: xp.roll(x, 1),
]
TWO_OPERANDS: list[Function] = [
    lambda xp, x, y: x + y,
    lambda xp, x, y: x * y,
    lambda xp, x, y: x / (2 + y * y),
    lambda xp, x, y: x @ y,
    lambda xp, x, y: xp.arctan2(x, 2 + y * y),
    lambda xp, x, y: xp.logaddexp(x, y),
    lambda xp, x, y: (1.5 + xp.tanh(x)) ** y,
    lambda xp, x, y: xp.stack([x, y], axis=0),
    lambda xp, x, y: xp.concat([x, y], axis=0),
]


def add_in_place(t: Tensor, values: Array) -> None:
    t += values


def take_step(t: Tensor, values: Array) -> None:
    before, t.grad = t.grad, mg.tensor(values, device=t.device)
    try:
        mg.optim.SGD([t], lr=0.5).step()
    finally:
        t.grad = before


WRITES: list[Callable[[Tensor, Array], Any]] = [
    lambda t, values: t.copy_(values),
    lambda t, values: t.detach().copy_(values),
    lambda t, values: t.__setitem__(..., values),
    lambda t, values: t[:1].__setitem__(..., values[:1]),
    lambda t, values: np.copyto(t.detach().numpy(), values),
    add_in_place,
    take_step,
]


class Value(NamedTuple):
    """A tensor, and its derivative by each element of the leaves: (its size, theirs)."""

    tensor: Tensor
    derivative: Array


def values_of(t: Tensor) -> Array:
    return np.array(t.device.to_numpy(t.data))


def jacobian(function: Function, operands: list[Array], position: int) -> Array:
    """∂ result / ∂ operands[position] by central differences: (elements of the result, of the operand)."""
    columns = []
    for i in range(operands[position].size):
        results = []
        for step in (1e-5, -1e-5):
            moved = [x.copy() for x in operands]
            moved[position].flat[i] += step
            results.append(np.ravel(function(np, *moved)))
        columns.append((results[0] - results[1]) / 2e-5)
    size = np.size(function(np, *operands))
    return np.stack(columns, axis=1) if columns else np.zeros((size, 0))


class Program:
    """The tensors of a program that runs, and what each derivative should be."""

    def __init__(self, device: str, shapes: list[tuple[int, ...]], seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.was_written = False
        arrays = [self.random.normal(size=shape) for shape in shapes]
        self.leaves = [mg.tensor(x, requires_grad=True, device=device) for x in arrays]
        identity = np.split(
            np.eye(sum(x.size for x in arrays)), np.cumsum([x.size for x in arrays])[:-1]
        )
        self.values = [Value(t, d) for t, d in zip(self.leaves, identity, strict=True)]

    def pick(self, number: int) -> Value:
        return self.values[number % len(self.values)]

    def operate(self, function: Function, operands: list[Value], recorded: bool) -> None:
        arrays = [values_of(value.tensor) for value in operands]
        try:
            expected = function(np, *arrays)
        except (ValueError, IndexError):  # the shapes do not fit
            return
        jacobians = [jacobian(function, arrays, i) for i in range(len(arrays))]
        if not all(np.abs(x).max(initial=0) <= BIG for x in [expected, *jacobians]):
            return
        with nullcontext() if recorded else mg.no_grad():
            result = function(mg, *(value.tensor for value in operands))
        np.testing.assert_allclose(values_of(result), expected, rtol=1e-12, atol=1e-12)
        terms = [j @ value.derivative for j, value in zip(jacobians, operands, strict=True)]
        derivative = np.sum(terms, axis=0)
        self.values.append(Value(result, derivative if recorded else np.zeros_like(derivative)))

    def write(self, write: Callable[[Tensor, Array], Any], target: Tensor, recorded: bool) -> None:
        """Write in place: the derivatives stay those of the values that were read."""
        before = [values_of(value.tensor) for value in self.values]
        try:
            with nullcontext() if recorded else mg.no_grad():
                write(target, self.random.normal(size=target.shape))
            self.was_written = True
        except (RuntimeError, ValueError, IndexError):  # refused: then nothing is written
            for value, old in zip(self.values, before, strict=True):
                np.testing.assert_array_equal(values_of(value.tensor), old)

    def backward(self, root: Value) -> None:
        if not root.tensor.requires_grad:
            return
        gradient = self.random.normal(size=root.tensor.shape)
        for leaf in self.leaves:
            leaf.grad = None
        try:
            root.tensor.backward(gradient)
        except RuntimeError as error:
            reasons = ["already used", "changed in place"] if self.was_written else ["already used"]
            assert any(reason in str(error) for reason in reasons)
            return
        found = [
            np.zeros(t.size) if t.grad is None else values_of(t.grad).ravel() for t in self.leaves
        ]
        expected = gradient.ravel() @ root.derivative
        np.testing.assert_allclose(
            np.concatenate(found), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(initial=1)
        )


numbers = st.integers(0, 10**6)
mostly = st.integers(0, 9).map(bool)
actions = st.one_of(
    st.tuples(st.sampled_from(ONE_OPERAND), st.tuples(numbers), mostly),
    st.tuples(st.sampled_from(TWO_OPERANDS), st.tuples(numbers, numbers), mostly),
    st.tuples(st.sampled_from(WRITES), st.tuples(numbers), st.booleans()),
    st.tuples(st.just(Program.backward), st.tuples(numbers), st.just(True)),
)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=500)
@given(
    shapes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3),
    seed=numbers,
    actions=st.lists(actions, min_size=4, max_size=16),
)
def test_a_gradient_is_of_the_values_that_were_read(
    device: str, shapes: list[tuple[int, ...]], seed: int, actions: list[Any]
) -> None:
    program = Program(device, shapes, seed)
    for function, numbers_, recorded in actions:
        chosen = [program.pick(number) for number in numbers_]
        if function is Program.backward:
            program.backward(*chosen)
        elif function in WRITES:
            program.write(function, chosen[0].tensor, recorded)
        else:
            program.operate(function, chosen, recorded)
    program.backward(program.values[-1])
