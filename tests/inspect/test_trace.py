"""What `mg.tracing` records of operations, kernels and memory."""

import io
import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tiny_training import IMAGES, TINY

import minigan as mg
from minigan.devices.device import KERNELS
from minigan.experiments.settings_by_name import with_values
from minigan.experiments.trainer import Trainer
from minigan.inspect.trace import Trace
from minigan.inspect.trace.clock import Clock
from minigan.inspect.trace.source import backward_formulas, formula
from minigan.inspect.trace.table import tables
from minigan.recording import mode


def product(rows: int = 5, inner: int = 7, columns: int = 3) -> tuple[Trace, mg.Tensor]:
    """Trace a product, a sigmoid and a mean, forward and backward."""
    rng = np.random.default_rng(0)
    x = mg.tensor(rng.normal(size=(rows, inner)).astype(np.float32))
    w = mg.tensor(rng.normal(size=(inner, columns)).astype(np.float32), requires_grad=True)
    with mg.tracing([("weight", w)]) as trace:
        loss = mg.linear(x, w).sigmoid().mean()
        loss.backward()
    return trace, w


def test_operations_and_their_shapes() -> None:
    trace, _ = product()
    assert [op.name for op in trace.operations] == ["linear", "sigmoid", "mean"]
    linear, sigmoid, mean = trace.operations
    assert [(a.role, a.shape, a.name) for a in linear.inputs] == [
        ("x", (5, 7), ""),
        ("w", (7, 3), "weight"),
    ]
    assert [op.output.shape for op in trace.operations if op.output] == [(5, 3), (5, 3), ()]
    assert sigmoid.inputs[0].source == linear.number and mean.inputs[0].source == sigmoid.number
    assert linear.place.startswith("test_trace.py:")


def test_bytes_and_flops_are_those_of_the_definition() -> None:
    linear = product()[0].operations[0]
    (call,) = linear.forward.kernels
    assert (call.kernel, call.text) == ("gemm", "gemm(5×7, 7×3)")
    assert call.cost is not None
    assert call.cost.all_flops == pytest.approx(2 * 5 * 7 * 3)
    assert call.cost.bytes == 4 * (5 * 7 + 7 * 3 + 5 * 3)
    assert linear.backward is not None  # of w alone: x wants no gradient
    assert [c.text for c in linear.backward.kernels] == ["gemm(5×7, 5×3)"]


def test_the_walk_back_runs_from_the_last_operation_to_the_first() -> None:
    trace, w = product()
    walked = [op.name for op, kind, _ in trace.spans() if kind == "backward"]
    assert walked == ["mean", "sigmoid", "linear"]
    backward = trace.operations[0].backward
    assert backward is not None
    dy, gradient = backward.gradients
    assert dy.shape == (5, 3) and (gradient.shape, gradient.name) == ((7, 3), "weight")
    assert w.grad is not None and gradient.values is not None
    assert gradient.values.largest == pytest.approx(w.grad.numpy().max())
    assert gradient.values.deviation == pytest.approx(w.grad.numpy().std(), rel=1e-5)


def test_spans_follow_one_another_and_hold_their_kernels() -> None:
    trace, _ = product()
    runs = [span for _, _, span in trace.spans()]
    assert all(a.end <= b.start for a, b in itertools.pairwise(runs))
    for span in runs:
        assert all(span.start <= c.start <= c.start + c.seconds <= span.end for c in span.kernels)
    assert runs[-1].end <= trace.seconds


def test_the_clock_stands_still_while_the_trace_works() -> None:
    clock = Clock()
    with clock.paused():
        start = clock.now()
        with clock.paused():
            time.sleep(0.2)
        assert clock.now() == start
    assert start <= clock.now() < start + 0.1
    time.sleep(0.01)
    assert clock.now() >= start + 0.01


def test_what_is_saved_and_when_it_is_freed() -> None:
    trace, _ = product(rows=300, inner=64, columns=80)
    linear, sigmoid, _ = trace.operations
    (y,) = sigmoid.saved
    assert (y.shape, y.bytes) == ((300, 80), 4 * 300 * 80)
    when = trace.when_freed()
    freed = when(y)
    assert (freed.kind, freed.operation) == ("backward", sigmoid)
    assert str(freed) == "in the backward pass of #1 sigmoid"
    assert {when(saved).kind for saved in linear.saved} == {"older"}


def test_memory_rises_and_falls_with_the_arrays() -> None:
    side = 200
    x = mg.tensor(np.ones((side, side), np.float32))
    size = 4 * side * side
    with mg.tracing() as trace:
        first = x + 1
        second = first * 2
        del first
        third = second - x
        del second, third
    assert [change for _, change in trace.memory()] == [0, size, 2 * size, size, 2 * size, size, 0]
    assert trace.peak_bytes == 2 * size


def test_a_view_is_no_new_memory() -> None:
    x = mg.tensor(np.ones((64, 64), np.float32))
    with mg.tracing() as trace:
        y = (x + 1).reshape(-1).reshape(32, 128)
    assert y.shape == (32, 128)
    assert trace.peak_bytes == 4 * 64 * 64


def test_kernels_outside_operations_are_recorded() -> None:
    w = mg.tensor(np.ones((4, 4), np.float32), requires_grad=True)
    optimizer = mg.optim.Adam([w])
    w.sum().backward()
    with mg.tracing() as trace:
        optimizer.step()
    assert [op.name for op in trace.operations] == ["increment", "adam"]
    assert all(op.function is None for op in trace.operations)


def test_formulas_come_from_the_code() -> None:
    linear, sigmoid, _ = product()[0].operations
    assert formula(sigmoid) == "1 / (1 + e⁻ˣ), without overflow"
    assert "∇w = device.gemm(rows, dy, transpose_a=True)" in backward_formulas(linear)


def test_formulas_of_operands_that_broadcast() -> None:
    x = mg.tensor(np.ones((2, 2)), requires_grad=True)
    with mg.tracing() as trace:
        x / 2 + mg.power(x, 3)
    divide, power, add = trace.operations
    assert backward_formulas(divide) == ["∇x = dy / y", "∇y = -dy * (result / y)"]
    assert backward_formulas(power)[0].startswith("∇x = xp.where(y == 0, 0, dy * y * xp.power")
    assert backward_formulas(add) == ["∇x = dy", "∇y = dy"]


def test_an_operation_of_the_user() -> None:
    @mg.differentiable
    def cube(device, x):  # type: ignore[no-untyped-def]
        """x³."""

        def vjp(dy, needs):  # type: ignore[no-untyped-def]
            return (3 * x**2 * dy,)

        return x**3, vjp, (x,)

    x = mg.tensor(np.ones((2, 2), np.float32), requires_grad=True)
    with mg.tracing() as trace:
        cube(x).sum().backward()
    operation = trace.operations[0]
    assert formula(operation) == "x³"
    assert backward_formulas(operation) == ["∇x = 3 * x ** 2 * dy"]
    assert [saved.name for saved in operation.saved] == ["x"]


@pytest.mark.parametrize("device", ["cpu", "emulated"])
def test_a_traced_training_step_computes_the_same_bits(device: str) -> None:
    trainers = [
        Trainer(with_values(TINY, {"device": device}), IMAGES, capture=False) for _ in range(2)
    ]
    plain = [trainers[0].step() for _ in range(2)]
    traced = []
    for _ in range(2):
        with mg.tracing(trainers[1].networks.named_tensors(), device) as trace:
            traced.append(trainers[1].step())
    assert plain == traced
    for (name, one), other in zip(
        trainers[0].state().items(), trainers[1].state().values(), strict=True
    ):
        np.testing.assert_array_equal(one, other, err_msg=name)
    walked = [op for op in trace.operations if op.backward is not None]
    assert {"conv2d", "conv_transpose2d", "linear"} <= {op.name for op in walked}
    assert all(call.cost is not None for _, _, span in trace.spans() for call in span.kernels)


def test_nothing_is_recorded_after_the_block() -> None:
    x = mg.tensor(np.ones((2, 2), np.float32))
    with pytest.raises(ZeroDivisionError), mg.tracing() as trace:
        x + 1
        raise ZeroDivisionError
    x + 1
    assert len(trace.operations) == 1
    assert mode.observer is None
    assert not set(vars(mg.get_device("cpu"))) & {*KERNELS, "empty"}


def test_another_thread_is_not_recorded() -> None:
    x = mg.tensor(np.ones((200, 200), np.float32))

    def work() -> None:
        (x + 1).sum()

    with mg.tracing() as trace:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert trace.operations == [] and trace.peak_bytes == 0


def test_a_block_within_a_block_is_refused() -> None:
    with mg.tracing(), pytest.raises(RuntimeError, match="traced already"), mg.tracing():
        pass


def test_an_operation_that_raises_is_the_error_that_it_was() -> None:
    x = mg.tensor(np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match="shapes"), mg.tracing():
        mg.linear(x, x)
    assert mode.observer is None


def test_the_tables_say_it_in_words() -> None:
    text = str(product()[0])
    assert "linear ←" in text and "gemm" in text and "3 operations, 6 kernel calls" in text


@pytest.mark.parametrize("width", [50, 80])
def test_a_narrow_terminal_cuts_no_number(width: int) -> None:
    """Columns are left out before one is cut, and what they mean with them."""
    file = io.StringIO()
    Console(file=file, width=width).print(tables(product(500, 700, 300)[0], width))
    text = file.getvalue().split("Kernels, by time")[0]
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert ("freed" in text) == (width == 80)


def test_an_empty_trace_has_tables_too() -> None:
    with mg.tracing() as trace:
        pass
    assert "0 operations" in str(trace)


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(mg.MiniganError, match=r"\.json"):
        product()[0].save(tmp_path / "trace.txt")
