"""The engine: what `backward` computes, what it refuses, what it keeps in memory; and Tensor as an array."""

import contextlib
import gc
import inspect
import operator
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.devices import Device
from minigan.tensor import Tensor


def leaf(*values: float, shape: tuple[int, ...] | None = None) -> Tensor:
    """A float64 tensor that requires a gradient."""
    array = np.array(values, np.float64)
    return mg.tensor(array if shape is None else array.reshape(shape), requires_grad=True)


def assert_grad(x: Tensor, *expected: float) -> None:
    """The gradient's elements, in order; its shape and dtype are the tensor's own."""
    assert x.grad is not None
    assert (x.grad.shape, x.grad.dtype) == (x.shape, x.dtype)
    np.testing.assert_allclose(x.grad.numpy().ravel(), expected, rtol=1e-14)


def share_memory(a: Tensor, b: Tensor) -> bool:
    return np.shares_memory(a.numpy(), b.numpy())


@mg.differentiable
def half_twice(device: Device, x: Any, y: Any) -> Any:
    """(x + y)/2, whose rule hands the same fresh array to both inputs."""

    def vjp(dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
        half = dy / 2
        return half, half

    return (x + y) / 2, vjp


@mg.differentiable
def total(device: Device, x: Any) -> Any:
    """Σ x, whose rule gives a broadcast view of a fresh array: not writable, its elements repeated."""
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


# -- gradients that meet ------------------------------------------------------------------------------


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


# -- backward(inputs=...) -----------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match="inputs does not have requires_grad"):
        (x * constant).backward(inputs=[constant])


def test_what_was_not_walked_can_still_be_used() -> None:
    """A generator's forward pass, shared by the discriminator's step and its own."""
    generator, discriminator = leaf(2.0), leaf(3.0)
    image = generator * 5
    (image * discriminator).backward(inputs=[discriminator])
    (image * 7).backward(inputs=[generator])
    assert_grad(discriminator, 10.0)
    assert_grad(generator, 35.0)


# -- errors of backward -------------------------------------------------------------------------------


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


# -- detach and no_grad -------------------------------------------------------------------------------


def test_detach_cuts_the_graph_and_shares_the_memory() -> None:
    x = leaf(2.0, 3.0)
    cut = x.detach()
    assert not cut.requires_grad and cut.is_leaf
    assert share_memory(cut, x)
    (x * cut).sum().backward()
    assert_grad(x, 2.0, 3.0)


def test_no_grad_records_nothing() -> None:
    x = leaf(2.0)
    with mg.no_grad():
        inside = x * x
        with mg.no_grad():
            pass
        still = x * x
    assert not inside.requires_grad and not still.requires_grad
    assert (x * x).requires_grad
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert (x * x).requires_grad


def test_no_grad_is_of_one_thread() -> None:
    x = leaf(2.0)
    recorded: dict[str, bool] = {}
    inside, done = threading.Event(), threading.Event()

    def without() -> None:
        with mg.no_grad():
            inside.set()
            assert done.wait(10)
            recorded["without"] = (x * x).requires_grad

    thread = threading.Thread(target=without)
    thread.start()
    assert inside.wait(10)
    recorded["with"] = (x * x).requires_grad
    done.set()
    thread.join()
    assert recorded == {"with": True, "without": False}


# -- changes in place ---------------------------------------------------------------------------------


def assign(x: Tensor) -> None:
    with mg.no_grad():
        x[0] = 9.0


def optimize(make: Callable[[list[Tensor]], Any]) -> Callable[[Tensor], None]:
    def step(x: Tensor) -> None:
        x.grad = mg.tensor(np.ones(x.shape))
        make([x]).step()

    return step


CHANGES: dict[str, Callable[[Tensor], Any]] = {
    "copy_": lambda x: x.copy_([5.0, 6.0]),
    "zero_": lambda x: x.zero_(),
    "setitem": assign,
    "SGD": optimize(mg.optim.SGD),
    "SGD with momentum": optimize(lambda p: mg.optim.SGD(p, momentum=0.9)),
    "Adam": optimize(mg.optim.Adam),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_saved_array_that_was_changed_is_caught(change: Callable[[Tensor], Any]) -> None:
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    change(x)
    x.grad = None
    with pytest.raises(RuntimeError, match=r"'multiply' saved its input 1.*changed in place"):
        loss.backward()
    assert x.grad is None


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_array_that_was_not_saved_may_change(change: Callable[[Tensor], Any]) -> None:
    x = leaf(1.0, 2.0)
    loss = (x + 1).sum()
    change(x)
    x.grad = None
    loss.backward()
    assert_grad(x, 1.0, 1.0)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "reshape": lambda x: x.reshape(2, 1),
    "transpose": lambda x: x.reshape(1, 2).T,
    "slice": lambda x: x[:1],
    "detach": lambda x: x.detach(),
    "broadcast": lambda x: mg.broadcast_to(x, 3, 2),
    "view of a view": lambda x: x.reshape(2, 1)[:, 0].detach().reshape(1, 2),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_that_was_saved_is_caught_through_its_owner(
    view: Callable[[Tensor], Tensor],
) -> None:
    x = leaf(1.0, 2.0)
    loss = (view(x) * leaf(3.0)).sum()
    x.zero_()
    with pytest.raises(RuntimeError, match="'multiply' saved its input 1"):
        loss.backward()


@pytest.mark.parametrize("view", [v for k, v in VIEWS.items() if k != "broadcast"])
def test_an_owner_that_was_saved_is_caught_through_its_view(
    view: Callable[[Tensor], Tensor],
) -> None:
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    with mg.no_grad():
        view(x).zero_()
    with pytest.raises(RuntimeError, match="'multiply' saved its input 1"):
        loss.backward()


def test_a_saved_output_that_was_changed_is_caught() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    loss = y.sum()
    with mg.no_grad():
        y.zero_()
    with pytest.raises(RuntimeError, match="'exp' saved its output"):
        loss.backward()


@mg.differentiable
def keeps_a_view(device: Device, x: Any) -> Any:
    flat = x.reshape(-1)
    return x * x, lambda dy, needs: (2 * dy * flat.reshape(dy.shape),), (flat,)


@mg.differentiable
def keeps_a_tuple(device: Device, x: Any) -> Any:
    saved = (2, x)
    return x * x, lambda dy, needs: (saved[0] * dy * saved[1],), (x,)


@mg.differentiable
def keeps_a_default(device: Device, x: Any) -> Any:
    return x * x, lambda dy, needs, x=x: (2 * dy * x,), (x,)


@mg.differentiable
def keeps_a_function(device: Device, x: Any) -> Any:
    def slope() -> Any:
        return 2 * x

    return x * x, lambda dy, needs: (dy * slope(),), (x,)


@pytest.mark.parametrize("square", [keeps_a_view, keeps_a_tuple, keeps_a_default, keeps_a_function])
def test_however_a_rule_keeps_an_array_its_change_is_caught(
    square: Callable[..., Tensor],
) -> None:
    x = leaf(1.0, 2.0)
    square(x).sum().backward()
    assert_grad(x, 2.0, 4.0)
    loss = square(x).sum()
    x.zero_()
    with pytest.raises(RuntimeError, match=f"'{square.__name__}' saved its input 1"):
        loss.backward()


def test_a_rule_that_names_a_variable_without_a_value() -> None:
    @mg.differentiable
    def double(device: Device, x: Any) -> Any:
        if x.size > 100:
            large = x
        return 2 * x, lambda dy, needs: (2 * dy if dy.size <= 100 else 2 * large,)

    x = leaf(1.0)
    double(x).backward()
    assert_grad(x, 2.0)


def test_a_change_after_backward_is_nobodys_business() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    x.zero_()
    (x * x).sum().backward()  # a new graph, of the new values
    assert_grad(x, 2.0, 4.0)


@pytest.mark.parametrize("change", [lambda y: y.zero_(), lambda y: y.copy_([1.0, 1.0])])
def test_a_computed_tensor_is_not_overwritten(change: Callable[[Tensor], Any]) -> None:
    """Its gradient would still reach what its old values came from."""
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(RuntimeError, match="computed by 'multiply', and overwriting it is not"):
        change(y)
    assert y.numpy().tolist() == [2.0, 4.0]
    with mg.no_grad():
        change(y)
    change(y.detach())


def test_assignment_is_not_differentiable() -> None:
    x, constant = leaf(1.0, 2.0), mg.tensor(np.zeros(2))
    with pytest.raises(RuntimeError, match="not differentiable"):
        x[0] = 3.0
    with pytest.raises(RuntimeError, match="not differentiable"):
        constant[0] = x[0]
    assert constant.numpy().tolist() == [0.0, 0.0]
    constant[mg.tensor([1])] = 4.0
    constant[0] = mg.tensor(5.0)
    assert constant.numpy().tolist() == [5.0, 4.0]


def test_copy_names_the_shapes_that_do_not_fit() -> None:
    x = mg.tensor(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \(2,\) do not fit a tensor of shape \(2, 3\)"):
        x.copy_([1.0, 2.0])
    assert x.copy_([1.0, 2.0, 3.0]) is x
    assert x.numpy().tolist() == [[1.0, 2.0, 3.0]] * 2


def test_zero_and_copy_of_a_0_dimensional_result() -> None:
    y = mg.tensor(3.0) * 2
    assert y.zero_().item() == 0.0
    assert y.copy_(4.0).item() == 4.0


# -- memory -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def no_collector(warm_up: Callable[[], Any] = lambda: None) -> Iterator[None]:
    """Without the cycle collector, what is freed was freed by its last reference: no cycle held it.

    `warm_up` runs before: Numba's compiler makes cycles of its own when a kernel is first called.
    """
    warm_up()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def image_network(x: Tensor, w: Tensor, scale: Tensor) -> Tensor:
    h = mg.conv2d(x, w, padding=1)
    h = mg.batch_norm(h, scale, scale, negative_slope=0.1)
    h = mg.conv_transpose2d(h, w, padding=1)
    return mg.linear(h.reshape(h.shape[0], -1), mg.tensor(np.ones((h.size // h.shape[0], 2))))


def image_inputs() -> tuple[Tensor, ...]:
    rng = np.random.default_rng(0)
    shapes = [(4, 8, 8, 8), (3, 3, 8, 8), (8,)]  # the images are large enough for the pool
    return tuple(mg.tensor(rng.normal(size=s), requires_grad=True) for s in shapes)


GRAPHS: dict[str, Callable[[Tensor], Tensor]] = {
    "arithmetic": lambda x: (x * x + x / 3 - x**2) @ x.T,
    "functions": lambda x: mg.logaddexp(x.exp().log1p(), x.tanh().sigmoid()).clip(0.1, 2.0),
    "reductions": lambda x: x.softmax() * x.max(axis=0) + x.logsumexp(axis=1, keepdims=True),
    "shaping": lambda x: mg.concatenate([x.reshape(-1)[::2], x.T.reshape(-1), x[[0, 0]].flatten()]),
    "where": lambda x: mg.where(x > 0, x, x.detach()),
}


@pytest.mark.parametrize("function", GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize("walk", [False, True])
def test_a_graph_goes_with_its_last_reference(
    function: Callable[[Tensor], Tensor], walk: bool
) -> None:
    values = np.random.default_rng(0).normal(size=(3, 3))
    with no_collector(lambda: function(mg.tensor(values, requires_grad=True)).sum().backward()):
        x = mg.tensor(values, requires_grad=True)
        y = function(x)
        loss = y.sum()
        held = [weakref.ref(o) for o in (x, y, loss, y.data)]
        if walk:
            loss.backward()
            held.append(weakref.ref(x.grad))
        del x, y, loss
        assert [r() for r in held] == [None] * len(held)


def test_a_network_goes_with_its_last_reference() -> None:
    with no_collector(lambda: image_network(*image_inputs())):
        inputs = image_inputs()
        y = image_network(*inputs)
        held = [weakref.ref(o) for o in (y, y.data, *inputs, *(x.data for x in inputs))]
        del y, inputs
        assert [r() for r in held] == [None] * len(held)


def test_a_failed_operation_keeps_nothing() -> None:
    with no_collector():
        x = leaf(1.0, 2.0)
        held = weakref.ref(x)
        with pytest.raises(ValueError, match=r"add: .*\(shapes \(2,\) and \(3,\)\)"):
            x + np.ones(3)
        del x
        assert held() is None


def test_saved_arrays_are_freed_as_the_walk_passes() -> None:
    alive: list[bool] = []

    @mg.differentiable
    def probe(device: Device, x: Any) -> Any:
        def vjp(dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
            alive.extend(r() is not None for r in held)
            return (dy,)

        return x * 1, vjp

    first = probe(leaf(0.1, 0.2))
    second = first.exp()
    third = second.exp()
    held = [weakref.ref(t.data) for t in (second, third)]
    loss = third.sum()
    del first, second, third
    assert all(r() is not None for r in held)
    with no_collector():
        loss.backward()  # the probe is the last that the walk comes to
    assert alive == [False, False]


def test_a_deep_graph_needs_no_deep_stack() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + x
    y.backward()
    assert_grad(x, 20_001.0)
    for _ in range(20_000):
        y = y * 1.0
    del y  # a graph that is not walked falls in one piece


def test_buffers_are_used_again_from_step_to_step() -> None:
    pool = mg.get_device("cpu").pool
    pool.clear()
    x, *parameters = image_inputs()
    adam = mg.optim.Adam(parameters)
    taken = []
    for _ in range(5):
        adam.zero_grad()
        loss = image_network(x, *parameters).mean()
        loss.backward(inputs=parameters)
        adam.step()
        taken.append(pool.allocated_bytes)
    assert taken[0] > 0
    assert taken[1:] == [taken[1]] * 4


# -- operators ----------------------------------------------------------------------------------------

BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
    operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip
A = np.array([[1.5, 2.0, 0.5], [3.0, 1.0, 2.5]])
B = np.array([1.5, 0.5, 2.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
@pytest.mark.parametrize("scalar", [2.0, 2, np.float32(2)], ids=lambda v: type(v).__name__)
def test_binary_operators_are_numpys(op: Any, dtype: Any, scalar: Any) -> None:
    a, b = A.astype(dtype), B.astype(dtype)
    for left, right in [(a, b), (b, a), (a, scalar), (scalar, a)]:
        expected = op(left, right)
        wrapped = [mg.tensor(v) if isinstance(v, np.ndarray) else v for v in (left, right)]
        mixtures = [wrapped]
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            mixtures += [[wrapped[0], right], [left, wrapped[1]]]  # ndarray*tensor asks the tensor
        for x, y in mixtures:
            result = op(x, y)
            assert isinstance(result, Tensor)
            assert result.dtype == expected.dtype
            np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrix_product_operator(dtype: Any) -> None:
    a, b = A.astype(dtype), A.T.astype(dtype)
    for x, y in [(mg.tensor(a), mg.tensor(b)), (mg.tensor(a), b), (a, mg.tensor(b))]:
        result = x @ y
        assert isinstance(result, Tensor) and result.dtype == dtype
        np.testing.assert_allclose(result.numpy(), a @ b, rtol=1e-6)


def test_unary_operators_and_transpose() -> None:
    x = mg.tensor(A - 2)
    for result, expected in [(-x, 2 - A), (abs(x), abs(A - 2)), (x.T, (A - 2).T)]:
        assert isinstance(result, Tensor)
        np.testing.assert_array_equal(result.numpy(), expected)


def test_reflected_operators_pass_gradients() -> None:
    for function, derivative in [
        (lambda x: 3.0 + x, 1.0),
        (lambda x: 3.0 - x, -1.0),
        (lambda x: 3.0 * x, 3.0),
        (lambda x: 3.0 / x, -0.75),
        (lambda x: 3.0**x, 9 * np.log(3.0)),
        (lambda x: np.array([3.0]) * x, 3.0),
        (lambda x: np.array([[3.0]]) @ x.reshape(1, 1), 3.0),
    ]:
        x = leaf(2.0)
        function(x).backward()
        assert_grad(x, derivative)


# -- dtypes, and the way in and out -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        ([[1.0], [2]], np.float32),
        (3, np.int64),
        ([1, 2], np.int64),
        ([True, False], np.bool_),
        (np.ones(2), np.float64),
        (np.ones(2, np.float32), np.float32),
        (np.float64(1.5), np.float64),
        (np.ones(2, np.uint8), np.uint8),
        (mg.tensor(np.ones(2)), np.float64),
    ],
)
def test_arrays_keep_their_dtype_and_python_floats_are_float32(data: Any, dtype: Any) -> None:
    assert mg.tensor(data).dtype == dtype
    assert mg.tensor(data, dtype=np.float64).dtype == np.float64


def test_a_tensor_copies_its_data() -> None:
    array = np.zeros(2)
    x = mg.tensor(array)
    y = mg.tensor(x)
    array[:] = 1
    x.copy_([2.0, 2.0])
    assert x.numpy().tolist() == [2.0, 2.0]
    assert y.numpy().tolist() == [0.0, 0.0]


def test_scalars_do_not_promote_float32() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = (2.0 * x + 1) ** 2 / 3.5 - 0.1
    assert y.dtype == np.float32
    loss = y.mean() * 2.0
    assert loss.dtype == np.float32
    loss.backward()
    assert x.grad is not None and x.grad.dtype == np.float32


def test_a_mixed_expression_gives_each_its_own_dtype() -> None:
    x, w = mg.tensor([1.0, 2.0], requires_grad=True), leaf(3.0, 4.0)
    y = x * w
    assert y.dtype == np.float64
    y.sum().backward()
    assert_grad(x, 3.0, 4.0)
    assert_grad(w, 1.0, 2.0)


def test_numpy_is_the_tensors_own_memory() -> None:
    x = leaf(1.0, 2.0)
    x.numpy()[0] = 5.0
    assert x.detach().numpy().tolist() == [5.0, 2.0]
    with pytest.raises(TypeError, match="NumPy would lose its gradient"):
        np.asarray(x)
    assert np.asarray(x.detach()).tolist() == [5.0, 2.0]
    assert np.array(x.detach(), dtype=np.float32).dtype == np.float32


def test_item() -> None:
    for value in (2.5, [2.5], [[2.5]]):
        assert mg.tensor(value).item() == 2.5
    assert type(mg.tensor(3).item()) is int
    assert type(mg.tensor([1.0]).item()) is float
    assert mg.tensor([1.0]) > 0
    assert not mg.tensor([1.0]) > 2
    assert float(mg.tensor(2.5)) == 2.5
    assert int(mg.tensor(2.5)) == 2
    with pytest.raises(ValueError, match=r"shape \(2,\) has 2 elements, not 1"):
        mg.tensor([1.0, 2.0]).item()


def test_shape_size_and_iteration() -> None:
    x = mg.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    assert (x.shape, x.ndim, x.size, len(x)) == ((3, 2), 2, 6, 3)
    assert [row.numpy().tolist() for row in x] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    first, *_ = x
    first.sum().backward()
    assert_grad(x, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    for use in (len, iter):
        with pytest.raises(TypeError, match="0-dimensional"):
            use(mg.tensor(1.0))


def test_repr() -> None:
    assert repr(mg.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(leaf(1.0)) == "tensor([1.], dtype=float64, requires_grad=True)"
    y = mg.tensor([1.0], requires_grad=True) * 2
    assert repr(y) == "tensor([2.], made by multiply, requires_grad=True)"


class Foreign:
    """Another library's array: nothing but the DLPack protocol."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **settings: Any) -> Any:
        return self.array.__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_dlpack_shares_memory_both_ways() -> None:
    array = np.array([1.0, 2.0])
    x = mg.from_dlpack(Foreign(array))
    array[0] = 5.0
    assert x.numpy().tolist() == [5.0, 2.0]
    exported = np.from_dlpack(Foreign(x))
    x.zero_()
    assert exported.tolist() == [0.0, 0.0]
    assert x.__dlpack_device__() == (1, 0)  # kDLCPU
    y = x.requires_grad_()
    (y * 3).sum().backward()
    assert_grad(y, 3.0, 3.0)


def test_an_exported_array_keeps_its_memory() -> None:
    device = mg.get_device("cpu")
    x = Tensor(device.ones((100, 100), np.float64), device)
    exported = np.from_dlpack(x)
    del x
    others = [device.zeros((100, 100), np.float64) for _ in range(4)]
    assert exported.all() and not any(o.any() for o in others)


# -- operations of one's own --------------------------------------------------------------------------


@mg.differentiable
def affine(device: Device, x: Any, scale: Any, shift: Any = 0.0, *, flip: bool = False) -> Any:
    """x·scale + shift, elementwise, with the sign changed by `flip`."""
    sign = -1.0 if flip else 1.0

    def vjp(dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
        return (
            sign * dy * scale if needs[0] else None,
            sign * dy * x if needs[1] else None,
            sign * dy if needs[2] else None,
        )

    return sign * (x * scale + shift), vjp, (x, scale)


def test_tensors_may_be_passed_by_name() -> None:
    x, scale, shift = leaf(2.0), leaf(3.0), leaf(5.0)
    for call in (
        lambda: affine(x, scale, shift, flip=True),
        lambda: affine(x, scale, shift=shift, flip=True),
        lambda: affine(flip=True, shift=shift, scale=scale, x=x),
    ):
        for t in (x, scale, shift):
            t.grad = None
        y = call()
        assert y.item() == -11.0
        y.backward()
        assert_grad(x, -3.0)
        assert_grad(scale, -2.0)
        assert_grad(shift, -1.0)
    y = affine(x, scale=scale)  # the default stays
    assert y.item() == 6.0


def test_an_operation_of_ones_own_passes_the_check() -> None:
    x, scale, shift = leaf(2.0, -1.0), leaf(3.0, 0.5), leaf(5.0, 1.0)
    mg.check_gradients(lambda x, a, b: affine(x, shift=b, scale=a), x, scale, shift)


def test_a_keyword_only_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="affine: 'flip' takes no tensor"):
        affine(leaf(1.0), leaf(1.0), flip=mg.tensor(True))


def test_help_shows_what_the_user_passes() -> None:
    assert list(inspect.signature(affine).parameters) == ["x", "scale", "shift", "flip"]
    assert affine.__doc__ is not None and affine.__doc__.startswith("x·scale + shift")


WRONG_RULES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "shape": (lambda dy: (dy[:1],), r"gradient of shape \(1,\), float64; the input is \(2,\), float64"),
    "dtype": (lambda dy: (dy.astype(np.float32),), r"gradient of shape \(2,\), float32"),
    "number": (lambda dy: (1.0,), r"gradient of shape \(\), float64"),
    "none": (lambda dy: (None,), "no gradient is defined for its input 1"),
    "too few": (lambda dy: (), "no gradient is defined for its input 1"),
    "no tuple": (lambda dy: dy, "the vjp returns a tuple .*, not ndarray"),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "message"), WRONG_RULES.values(), ids=WRONG_RULES)
def test_a_rule_that_returns_something_wrong_is_named(
    rule: Callable[[Any], Any], message: str
) -> None:
    @mg.differentiable
    def strange(device: Device, x: Any) -> Any:
        return 2 * x, lambda dy, needs: rule(dy)

    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match=f"^strange: .*{message}"):
        strange(x).sum().backward()
    assert x.grad is None


def test_an_operation_without_a_gradient() -> None:
    @mg.differentiable
    def rank(device: Device, x: Any) -> Any:
        return x.argsort().argsort().astype(x.dtype), None

    y = rank(leaf(3.0, 1.0))
    assert y.numpy().tolist() == [1.0, 0.0] and not y.requires_grad


def test_tensors_of_two_devices_do_not_meet() -> None:
    class Elsewhere(Device):
        name = "elsewhere"

    other = Tensor(np.ones(2), Elsewhere())
    with pytest.raises(ValueError, match=r"add: .* different devices, cpu and elsewhere"):
        leaf(1.0, 2.0) + other


# -- random graphs ------------------------------------------------------------------------------------

# Every function is smooth, and bounded or of linear growth, so that differences are accurate at any depth.
UNARY: list[Callable[[Tensor], Tensor]] = [
    lambda a: a.tanh(),
    lambda a: a.sin(),
    lambda a: a.sigmoid(),
    lambda a: -a,
    lambda a: mg.broadcast_to(a, 2, 3).T @ mg.broadcast_to(a, 2, 3) @ mg.tensor(np.eye(3)[:, 0] / 9),
    lambda a: a.sum(axis=-1, keepdims=True) / 3 if a.ndim else a,
    lambda a: a.mean(),
    lambda a: a[..., ::-1] if a.ndim else a,
    lambda a: mg.concatenate([a[..., 1:], a[..., :1]], axis=-1) if a.ndim else a,
    lambda a: a.softmax() if a.ndim else a,
]  # fmt: skip
BINARY_SMOOTH: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: (a * b).sin(),
    lambda a, b: a / (2 + b * b),
    mg.logaddexp,
]
STEP = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))


@settings(max_examples=60)
@given(program=st.lists(STEP, min_size=1, max_size=7), seed=st.integers(0, 2**32 - 1))
def test_random_graphs(program: list[tuple[int, int, int]], seed: int) -> None:
    """Each step applies a function to values that came before it, so that paths part and meet."""
    rng = np.random.default_rng(seed)
    shapes = [(2, 3), (3,), (2, 1), ()]
    leaves = [mg.tensor(rng.uniform(-1.5, 1.5, s), requires_grad=True) for s in shapes]
    functions = [*UNARY, *BINARY_SMOOTH]

    def run(*leaves: Tensor) -> Tensor:
        values = list(leaves)
        for choice, i, j in program:
            function = functions[choice % len(functions)]
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            values.append(function(a, b) if function in BINARY_SMOOTH else function(a))
        return mg.concatenate([mg.broadcast_to(v, 2, 3) for v in values], axis=0)

    mg.check_gradients(run, *leaves)
