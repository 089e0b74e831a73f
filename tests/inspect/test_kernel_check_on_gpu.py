"""A kernel of a user's own on a GPU: whether it fits, its results, its cost."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from contracts import EXAMPLES, check_of
from fake_cupy import Machine, Memory, make_cupy

from minigan import devices
from minigan.devices import nvrtc
from minigan.devices.cuda import CUDA
from minigan.errors import DeviceError, SettingsError
from minigan.inspect import kernel_check
from minigan.inspect.contract import load_contract
from minigan.inspect.kernel_bench import count, timings, work
from minigan.inspect.kernel_check import FAILED, NOT_CHECKED, PASSED
from minigan.inspect.roofline import H200


@pytest.mark.usefixtures("one_architecture")
def test_nvrtc_is_not_checked_where_it_is_not(swish: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise DeviceError("NVRTC is not installed; pip install 'minigan[nvrtc]'")

    monkeypatch.setattr(nvrtc, "library", absent)
    check = check_of(swish, "sm_90")
    assert (check.verdict, check.detail) == (NOT_CHECKED, "NVRTC is not installed; pip install 'minigan[nvrtc]'")  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ((255, 0, 0), r"swish needs 255 / 255 registers a thread, too many for a block of 1024: 65,536"),
        ((32, 50000, 0), "swish declares 50,000 / 50,000 bytes of shared memory; a block has 49,152"),
        ((32, 0, 16), ""),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("one_architecture")
def test_a_block_that_no_gpu_could_run(
    resources: tuple[int, int, int], words: str, contract: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found = [nvrtc.KernelResources("swish", *resources)]
    monkeypatch.setattr(nvrtc, "compile_kernels", lambda *_: found)
    monkeypatch.setattr(kernel_check, "ORDERS", (1,))
    check = check_of(contract(("(256,)", "(1024,)")), "sm_90")
    assert check.verdict == (FAILED if words else PASSED)
    assert words in check.detail if words else "SPILLS 16 / 16 bytes" in check.detail


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A stand-in for CuPy; "cuda" opens on it."""
    pretended = Machine()
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(pretended))
    monkeypatch.setattr(Memory, "_kept", [])
    made, others = CUDA(), devices._open
    monkeypatch.setattr(devices, "_open", lambda name: made if name == "cuda" else others(name))
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ())
    monkeypatch.setattr(kernel_check, "ORDERS", (1,))
    return pretended


def test_it_runs_on_the_gpu_where_there_is_one(swish: Path, gpu: Machine) -> None:
    check = check_of(swish, "cuda")
    assert check.verdict == PASSED and check.detail.startswith("results on the GPU; 137 elements")
    assert {name for name, *_ in gpu.launched} >= {"swish", "swish_backward"}
    assert f"-I{swish.parent}" in gpu.options[-1]


def test_a_result_that_is_wrong_on_the_gpu_alone(
    contract: Callable[..., Path], gpu: Machine
) -> None:
    wrong = ('launch(device, "swish", x, y)', 'launch(device, "swish", x, y)\n    if device.name == "cuda":\n        y += 1')  # fmt: skip
    check = check_of(contract(wrong), "cuda")
    assert check.verdict == FAILED and "operation gives" in check.detail


def test_counts_are_those_on_paper() -> None:
    """31 elements: one warp, 4 sectors of 32 bytes for each array, all of them needed."""
    loaded = load_contract(EXAMPLES / "swish.cu")
    example, (forward, backward) = count(loaded, 2)
    assert example[0].shape == (31,)
    assert (forward.launch.kernel, backward.launch.kernel) == ("swish", "swish_backward")
    assert (forward.moved_bytes, forward.least_bytes) == (2 * 4 * 32, 2 * 31 * 4)
    assert (backward.moved_bytes, backward.least_bytes) == (3 * 4 * 32, 3 * 31 * 4)
    assert forward.total.flops == 3 * 31  # 1 + e, 1 / ·, x·
    assert backward.total.flops == 7 * 31  # 1 + e, 1 / ·, 1 − s, x·, 1 +, dy·s, ·
    largest, _ = count(loaded)
    assert largest[0].shape == (4, 257)
    with pytest.raises(SettingsError, match=r"there is no example 5; swish.py has 4"):
        count(loaded, 5)


def test_the_model_of_the_large_example(contract: Callable[..., Path]) -> None:
    amount = work(load_contract(contract(("(4096, 4096)", "(30, 10)"))))
    assert amount is not None
    assert (amount.arguments, amount.bytes, amount.flops) == ("30×10", 2 * 300 * 4, 4 * 300)
    assert amount.model(H200) == max(2400 / 4.8e12, 1200 / 67e12)
    assert work(load_contract(contract(("def large_example", "def larger")))) is None


def test_it_is_timed_where_there_is_a_gpu(contract: Callable[..., Path], gpu: Machine) -> None:
    loaded = load_contract(contract(("(4096, 4096)", "(30, 10)")))
    (timing,) = timings(loaded)  # PyTorch's needs CUDA
    amount = work(loaded)
    assert amount is not None
    rate = amount.bytes / timing.seconds / 1e9
    assert timing.described(amount) == f"NVIDIA Old One, swish.cu: {1e6 * timing.seconds:.4g} µs, {rate:.4g} GB/s"  # fmt: skip
    assert gpu.launched.count(("swish", (2,), (256,), 0)) == 2  # once plainly, once recorded
