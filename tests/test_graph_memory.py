"""The memory that a graph keeps, and how long."""

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from graphs import assert_grad, leaf

import minigan as mg
from minigan import graph
from minigan.devices import Device
from minigan.tensor import Tensor


@contextlib.contextmanager
def no_collector(warm_up: Callable[[], Any] = lambda: None) -> Iterator[None]:
    """Without the cycle collector, only the last reference frees an object: no cycle held it.

    `warm_up` runs before: Numba's compiler makes cycles when a kernel is first called.
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


def test_backward_of_many_rows_compares_few_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    known = graph.share_memory
    monkeypatch.setattr(graph, "share_memory", lambda a, b: calls.append(1) or known(a, b))
    for n in (2, 16, 17, 400):
        calls.clear()
        x = mg.tensor(np.arange(2.0 * n).reshape(n, 2), requires_grad=True)
        rows = list(x)
        (mg.stack(rows) * 3).sum().backward()
        assert len(calls) <= 17 * min(n, 16) + 2 * n  # and not n²
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), 3.0)
