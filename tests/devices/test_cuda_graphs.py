"""The CUDA device on a stand-in for CuPy: captured graphs, and their memory."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from device_list import array
from fake_cupy import MIB, Machine

import minigan as mg
from minigan.devices.cuda import CUDA
from minigan.errors import DeviceError


def warmed(device: CUDA, function: Callable[[], Any]) -> Callable[[], Any]:
    function()
    return device.capture(function)


def test_a_captured_function_is_computed_again_with_the_inputs_of_then(device: CUDA) -> None:
    x, weight = array(device, 1.0, 2.0), array(device, 3.0)

    def step() -> tuple[Any, Any]:
        y = device.gemm(x.reshape(2, 1), weight.reshape(1, 1))
        return y, device.leaky_relu(y, 0.5)

    repeat = warmed(device, step)
    first = repeat()
    assert device.to_numpy(first[0]).ravel().tolist() == [3.0, 6.0]
    x[...] = -2
    second = repeat()
    assert second[0] is first[0] and second[1] is first[1]
    assert device.to_numpy(first[1]).ravel().tolist() == [-3.0, -3.0]


def test_nothing_is_computed_while_it_is_recorded(device: CUDA) -> None:
    total, one = device.zeros((3,), np.float32), device.ones((3,), np.float32)
    repeat = warmed(device, lambda: device.accumulate(total, one))
    assert device.to_numpy(total).tolist() == [1.0] * 3  # of the warm run
    for _ in range(4):
        repeat()
    assert device.to_numpy(total).tolist() == [5.0] * 3


def test_a_graph_has_memory_of_its_own(device: CUDA) -> None:
    """Memory of a graph is not lent to others, even once it is free: each launch writes there."""
    x = device.ones((1000,), np.float32)

    def step() -> Any:
        return device.sigmoid(
            device.leaky_relu(x, 0.5)
        )  # the inner one is freed while it is recorded

    repeat = warmed(device, step)
    before = device.pool.used_bytes()
    others = [device.zeros((1000,), np.float32) for _ in range(8)]
    assert device.pool.used_bytes() == before + 8 * 4096
    result = device.to_numpy(repeat())
    assert all((device.to_numpy(other) == 0).all() for other in others)
    np.testing.assert_allclose(result, 1 / (1 + np.exp(-1.0)), rtol=1e-6)


def test_what_a_graph_computed_outlives_it(device: CUDA) -> None:
    x = array(device, 0.0)
    repeat = warmed(device, lambda: device.sigmoid(x))
    y = repeat()
    del repeat
    later = [device.zeros((1,), np.float32) for _ in range(4)]
    assert device.to_numpy(y).tolist() == [0.5] and len(later) == 4


def test_the_memory_of_a_graph_is_given_back(device: CUDA, machine: Machine) -> None:
    x = device.ones((MIB,), np.float32)
    free = machine.free_bytes
    warm = device.sigmoid(x)
    del warm
    repeat = device.capture(lambda: device.sigmoid(x))
    assert machine.free_bytes <= free - 8 * MIB
    del repeat
    assert machine.free_bytes == free - 4 * MIB  # the warm run's, which the pool keeps


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda device, x: device.to_numpy(x), "reads values back"),
        (lambda device, x: mg.Tensor(x, device).item(), "reads values back"),
        (lambda device, x: bool((x > 0).any()), "cannot repeat, such as to read a value back"),
        (lambda device, x: x.set(np.ones(1, np.float32)), "so H2D transfers are disallowed"),
        (lambda device, x: device.array_module.cuda.get_current_stream().synchronize(), "900"),
        (lambda device, x: device.asarray(np.ones(3)), "sends values from the host"),
        (lambda device, x: device.host_constant([1.0, 2.0], np.float32), "sends values"),
        (lambda device, x: device.synchronize(), "waits for the GPU"),
        (lambda device, x: device.capture(lambda: x), "captures another one"),
    ],
)
def test_a_capture_refuses_what_a_graph_cannot_repeat(
    device: CUDA, machine: Machine, use: Any, message: str
) -> None:
    x = array(device, 1.0)

    def step() -> Any:
        device.sigmoid(x)
        return use(device, x)

    with pytest.raises(DeviceError, match=message):
        device.capture(step)
    assert machine.stream.ptr == 0 and not device._memory.capturing
    assert device.to_numpy(x).tolist() == [1.0]  # and the device goes on
    assert device.to_numpy(warmed(device, lambda: device.leaky_relu(x, 0.5))()).tolist() == [1.0]


def test_constants_are_sent_once(device: CUDA) -> None:
    first = device.host_constant((1, 2), np.int32)
    assert device.host_constant((1, 2), np.int32) is first
    assert device.host_constant((1, 2), np.float32) is not first
    table = mg.ops.likelihood.code_table([mg.Categorical(3), mg.Gaussian()])
    codes = device.asarray(np.array([[1.0, 0.5]], np.float32))
    parameters = device.asarray(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))
    repeat = warmed(device, lambda: device.code_log_likelihood(parameters, codes, table)[0])
    expected = device.to_numpy(device.code_log_likelihood(parameters, codes, table)[0])
    np.testing.assert_array_equal(device.to_numpy(repeat()), expected)


def test_a_functions_own_error_passes_through(device: CUDA, machine: Machine) -> None:
    def step() -> None:
        raise ZeroDivisionError("of its own")

    with pytest.raises(ZeroDivisionError, match="of its own"):
        device.capture(step)
    assert machine.stream.capturing is None and machine.stream.ptr == 0


def test_a_graph_without_memory_says_so_and_frees_none_of_its_own(
    device: CUDA, machine: Machine
) -> None:
    x = device.ones((4 * MIB,), np.float32)

    def step() -> Any:
        device.sigmoid(x)  # freed, and written by each launch
        machine.free_bytes = MIB
        return device.empty((5 * MIB,), np.float32)

    freed = []
    pool = device.array_module.cuda.MemoryPool

    def watched(allocator: Any) -> Any:
        made = pool(allocator)
        made.free_all_blocks = lambda stream=None: freed.append(device._memory.capturing)
        return made

    device.array_module.cuda.MemoryPool = watched
    with pytest.raises(DeviceError, match=r"20.0 MiB were asked for, and 1.0 of its"):
        device.capture(step)
    assert not any(freed)  # while it was captured


def test_captures_one_after_another_take_no_more_memory(device: CUDA, machine: Machine) -> None:
    x = device.ones((MIB,), np.float32)
    device.sigmoid(x)
    left = []
    for _ in range(3):
        repeat = device.capture(lambda: device.sigmoid(device.leaky_relu(x, 0.5)))
        y = repeat()
        left.append(machine.free_bytes)
        del repeat, y
    assert len(set(left)) == 1 and not machine.forgotten


def test_memory_of_a_graph_outlives_it_with_the_last_array(device: CUDA, machine: Machine) -> None:
    x = device.ones((MIB,), np.float32)
    device.sigmoid(x)
    free = machine.free_bytes
    y = device.capture(lambda: device.sigmoid(device.leaky_relu(x, 0.5)))()
    assert machine.free_bytes < free
    del y
    assert machine.free_bytes == free


def test_a_functions_own_runtime_error_passes_through(device: CUDA) -> None:
    def step() -> None:
        raise RuntimeError("changed in place afterwards")

    with pytest.raises(RuntimeError, match="changed in place"):
        device.capture(step)


def test_a_source_is_handed_over_in_ascii(device: CUDA, machine: Machine) -> None:
    """CuPy writes it in the locale's encoding; the kernels' comments are not ASCII."""
    machine.encoding = "ascii"
    assert device.to_numpy(device.tanh(array(device, 0.0))).tolist() == [0.0]


def test_another_thread_reads_while_one_captures(device: CUDA) -> None:
    x, seen = array(device, 7.0), []

    def step() -> Any:
        reader = threading.Thread(target=lambda: seen.append(device.to_numpy(x).tolist()))
        reader.start()
        reader.join()
        return device.sigmoid(x)

    device.sigmoid(x)
    device.capture(step)
    assert seen == [[7.0]]


def test_operations_of_the_array_module_take_the_graphs_memory_too(device: CUDA) -> None:
    x = array(device, 1.0)
    found = []

    def step() -> Any:
        found.append(device.array_module.empty((3,), np.float32))
        return device.sigmoid(x)

    device.sigmoid(x)
    repeat = device.capture(step)
    used = repeat.kept[0].pool.used_bytes()  # type: ignore[attr-defined]
    assert used == 2 * 512 and len(found) == 1
