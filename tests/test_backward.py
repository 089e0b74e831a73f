"""What `backward` computes and refuses, and operations that are not recorded for it."""

from typing import Any

import numpy as np
import pytest
from graphs import assert_grad, leaf
from threads import in_threads

import minigan as mg
from minigan.devices import Device
from minigan.tensor import Tensor


def share_memory(a: Tensor, b: Tensor) -> bool:
    return np.shares_memory(a.numpy(), b.numpy())


@mg.differentiable
def half_twice(device: Device, x: Any, y: Any) -> Any:
    """(x + y)/2; its rule hands the same fresh array to both inputs."""

    def vjp(dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
        half = dy / 2
        return half, half

    return (x + y) / 2, vjp


@mg.differentiable
def total(device: Device, x: Any) -> Any:
    """Σ x; its rule gives a broadcast view of a fresh array: not writable, its elements
    repeated."""
    shape = x.shape
    return x.sum(), lambda dy, needs: (np.broadcast_to(dy * 1, shape),)


class Recorder:
    """A product of two tensors that writes down what each of its backward calls was asked for."""

    def __init__(self) -> None:
        self.needs: list[tuple[str, tuple[bool, ...]]] = []

    def __call__(self, label: str, x: Any, w: Any) -> Tensor:
        @mg.differentiable
        def product(device: Device, x: Any, w: Any) -> Any:
            def vjp(dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
                self.needs.append((label, needs))
                return dy * w if needs[0] else None, dy * x if needs[1] else None

            return x * w, vjp, (x, w)

        return product(x, w)


def test_shared_subgraph() -> None:
    x = leaf(2.0, -3.0)
    square = x * x
    (square + square * square).sum().backward()
    assert_grad(x, *(2 * v + 4 * v**3 for v in (2.0, -3.0)))


def test_a_node_is_walked_once_however_many_paths_lead_to_it() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2**60 paths
        y = y + y
    y.backward()
    assert_grad(x, 2.0**60)


@pytest.mark.parametrize("shape", [(), (2,)])
def test_two_backward_calls_accumulate(shape: tuple[int, ...]) -> None:
    x = mg.tensor(np.full(shape, 3.0), requires_grad=True)
    for _ in range(2):
        (x * x).sum().backward()
    assert_grad(x, *[12.0] * x.size)


def test_a_leaf_used_twice_by_one_operation() -> None:
    x = leaf(2.0, 3.0)
    (x + x).sum().backward()
    assert_grad(x, 2.0, 2.0)
    x.grad = None
    (x / x).sum().backward()
    assert_grad(x, 0.0, 0.0)


def test_both_gradients_of_a_sum_have_their_own_memory() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    c = a + b
    c.sum().backward(inputs=[a, b, c])
    assert a.grad is not None and b.grad is not None and c.grad is not None
    assert not share_memory(a.grad, b.grad)
    assert not share_memory(a.grad, c.grad)
    assert not share_memory(b.grad, c.grad)


def test_the_gradient_that_is_passed_is_copied() -> None:
    for function in (lambda x: x, lambda x: x + 1, lambda x: x.reshape(2, 1)):
        x = leaf(1.0, 2.0)
        y = function(x)
        given_gradient = np.full(y.shape, 5.0)
        y.backward(given_gradient, inputs=[x, y])
        (x * 0).sum().backward()  # accumulates in place
        given_gradient[:] = 7
        assert_grad(x, 5.0, 5.0)
        assert_grad(y, 5.0, 5.0)


def test_a_rule_may_give_the_same_array_to_two_inputs() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    a, b = x * 1, y * 1
    first = a * 3  # numbered lower: its gradient reaches a second, and is added in place
    (first + half_twice(a, b)).sum().backward()
    assert_grad(x, 3.5, 3.5)
    assert_grad(y, 0.5, 0.5)


def test_a_rule_may_give_a_broadcast_view() -> None:
    x = leaf(1.0, 2.0)
    for _ in range(2):
        total(x).backward()
    assert_grad(x, 2.0, 2.0)
    x.grad = None
    y = x * 1
    (y.sum() + total(y)).backward()
    assert_grad(x, 2.0, 2.0)


def test_gradients_of_broadcast_operands_have_the_operands_shapes() -> None:
    row, column, scalar = leaf(1.0, 2.0, 3.0), leaf(4.0, 5.0, shape=(2, 1)), leaf(2.0, shape=())
    (row * column * scalar).sum().backward()
    assert_grad(row, 18.0, 18.0, 18.0)
    assert_grad(column, 12.0, 12.0)
    assert_grad(scalar, 54.0)


def test_inputs_computes_only_what_is_asked() -> None:
    x, w1, w2, w3 = (leaf(v) for v in (2.0, 3.0, 5.0, 7.0))
    product = Recorder()

    def loss() -> Tensor:
        h = product("h", x, w1)
        return product("top", h, w2) + product("side", x, w3)

    loss().backward(inputs=[w2])
    assert product.needs == [("top", (False, True))]
    assert_grad(w2, 6.0)
    assert x.grad is None and w1.grad is None and w3.grad is None

    product.needs.clear()
    w2.grad = None
    loss().backward(inputs=(w for w in [w1]))  # any iterable
    assert product.needs == [("top", (True, False)), ("h", (False, True))]
    assert_grad(w1, 10.0)
    assert x.grad is None and w2.grad is None and w3.grad is None

    product.needs.clear()
    loss().backward(inputs=[])
    assert product.needs == []


def test_without_inputs_only_tensors_that_require_a_gradient_are_asked_for() -> None:
    x, w = mg.tensor(np.array([2.0])), leaf(3.0)
    product = Recorder()
    product("tensor", x, w).backward()
    product("array", np.array([2.0]), w).backward()
    product("number", 2.0, w).backward()
    assert product.needs == [(label, (False, True)) for label in ("tensor", "array", "number")]
    assert x.grad is None
    assert_grad(w, 6.0)


def test_a_computed_tensor_among_the_inputs() -> None:
    x = leaf(2.0)
    h = x * x
    y = h * h
    (y * 3).backward(inputs=[h, y])
    assert_grad(h, 24.0)
    assert_grad(y, 3.0)
    assert x.grad is None
    x, h = leaf(2.0), None
    h = x * x
    (h * h).backward(inputs=[x, h])
    assert_grad(x, 32.0)
    assert_grad(h, 8.0)


def test_the_root_among_the_inputs() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(inputs=[y])
    assert_grad(y, 1.0)
    assert x.grad is None
    x.backward(inputs=[x])
    assert_grad(x, 1.0)


def test_a_leaf_as_root() -> None:
    x, other = leaf(2.0), leaf(3.0)
    x.backward()
    assert_grad(x, 1.0)
    x.grad = None
    x.backward(inputs=[other])
    assert x.grad is None and other.grad is None


def test_an_input_that_the_root_does_not_depend_on_gets_nothing() -> None:
    x, other = leaf(2.0), leaf(3.0)
    (x * x).backward(inputs=[other])
    assert other.grad is None and x.grad is None


def test_inputs_without_requires_grad_are_refused() -> None:
    x, constant = leaf(2.0), mg.tensor([1.0])
    with pytest.raises(ValueError, match="inputs is no tensor with requires_grad"):
        (x * constant).backward(inputs=[constant])
    with pytest.raises(ValueError, match="inputs is no tensor"):
        (x * constant).backward(inputs=[np.ones(1)])  # type: ignore[list-item]


def test_what_was_not_walked_can_still_be_used() -> None:
    """A generator's forward pass, shared by the discriminator's step and its own."""
    generator, discriminator = leaf(2.0), leaf(3.0)
    image = generator * 5
    (image * discriminator).backward(inputs=[discriminator])
    (image * 7).backward(inputs=[generator])
    assert_grad(discriminator, 10.0)
    assert_grad(generator, 35.0)


def test_only_a_scalar_may_leave_the_gradient_out() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"shape \(2,\) is not a scalar"):
        (x * x).backward()
    (x * x).sum().reshape(1, 1).backward()
    assert_grad(x, 2.0, 4.0)


def test_a_gradient_of_another_shape_is_refused() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\) and the tensor \(2,\)"):
        (x * x).backward(np.ones(3))
    x.reshape(2, 1).backward(mg.tensor([[10.0], [100.0]]))  # float32: cast to the tensor's dtype
    assert_grad(x, 10.0, 100.0)


def test_a_tensor_without_a_graph_is_refused() -> None:
    with pytest.raises(RuntimeError, match="not computed from any tensor with requires_grad"):
        (mg.tensor([1.0]) * 2).backward()


def test_a_graph_is_used_once() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    loss = y.sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="'sum' was already used"):
        loss.backward()
    with pytest.raises(RuntimeError, match="'exp' was already used"):
        (y * 2).sum().backward()
    assert_grad(x, *np.exp([1.0, 2.0]))  # neither failure left anything


def test_only_floats_have_a_gradient() -> None:
    for dtype in (np.int64, bool, np.float16):
        with pytest.raises(TypeError, match=f"dtype {np.dtype(dtype)} cannot require a gradient"):
            mg.tensor(np.ones(2, dtype), requires_grad=True)
    x = leaf(1.0, 2.0)
    assert not (x > 1).requires_grad
    assert not x.astype(np.int64).requires_grad


def test_detach_cuts_the_graph_and_shares_the_memory() -> None:
    x = leaf(2.0, 3.0)
    cut = x.detach()
    assert not cut.requires_grad and cut.is_leaf
    assert share_memory(cut, x)
    (x * cut).sum().backward()
    assert_grad(x, 2.0, 3.0)


def test_threads_that_share_a_parameter_lose_no_gradient() -> None:
    x = mg.tensor(np.zeros(50_000), requires_grad=True)
    in_threads(lambda: [x.sum().backward() for _ in range(50)])
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), 8 * 50)


@pytest.mark.parametrize("device", ["cpu", "emulated"])
def test_gradients_that_no_kernel_adds(device: str) -> None:
    x = mg.tensor([1.0, 2.0, 3.0], dtype="float64", requires_grad=True, device=device)
    y = x.astype("float16")
    ((y + y).sum() + y[1:].sum() + y[0]).backward(1.0)
    assert_grad(x, 3.0, 3.0, 3.0)

    w = mg.tensor(np.ones((2, 3)), requires_grad=True, device=device)
    w.grad = mg.tensor(np.arange(6.0).reshape(3, 2), device=device).T
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.arange(6.0).reshape(3, 2).T + 2)
