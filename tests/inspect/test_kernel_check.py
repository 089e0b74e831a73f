"""A kernel of one's own: what is right passes every check, and each mistake is reported for what it is, by its check."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cupy import Machine, Memory, make_cupy

from minigan import devices
from minigan.devices import nvrtc
from minigan.devices.cuda import CUDA
from minigan.errors import DeviceError, KernelError, SettingsError
from minigan.inspect import kernel_check
from minigan.inspect.contract import find_kernels, load_contract
from minigan.inspect.kernel_bench import count, timings, work
from minigan.inspect.kernel_check import FAILED, NOT_CHECKED, PASSED, Check, check_kernel
from minigan.inspect.roofline import H200
from minigan.inspect.template import example_folder, write_template

EXAMPLES = example_folder()


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for right, wrong in pairs:
        assert text.count(right) == 1, f"{right!r} stands {text.count(right)} times"
        text = text.replace(right, wrong)
    return text


def check_of(kernels: Path, name: str) -> Check:
    """The check of that name; those before it passed, and none after it is made."""
    for check in check_kernel(load_contract(kernels)):
        if check.name == name:
            return check
        assert check.verdict != FAILED, check
    raise AssertionError(f"there is no check {name}")


def line(file: Path, text: str) -> int:
    (number,) = (
        i
        for i, found in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if text in found
    )
    return number


@pytest.fixture(scope="module")
def swish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, compiled once; tests may write other contracts beside it."""
    folder = tmp_path_factory.mktemp("swish")
    for suffix in (".cu", ".py"):
        shutil.copy(EXAMPLES / f"swish{suffix}", folder)
    return folder / "swish.cu"


@pytest.fixture
def contract(swish: Path) -> Iterator[Callable[..., Path]]:
    """Writes swish.py with a mistake in it; the right one comes back afterwards."""

    def write(*pairs: tuple[str, str]) -> Path:
        swish.with_suffix(".py").write_text(replaced(text_of("swish.py"), *pairs), encoding="utf-8")
        return swish

    yield write
    write()


@pytest.fixture
def one_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ("sm_90",))


# -- what is right -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("one_architecture")
@pytest.mark.parametrize("name", ["swish", "layer_norm"])
def test_the_examples_pass_every_check(name: str) -> None:
    checks = list(check_kernel(load_contract(EXAMPLES / f"{name}.cu")))
    assert [check.name for check in checks] == [
        "contract", "compiles", "float32", "float64", "gradients", "views", "orders", "launched", "peer", "cuda", "sm_90",
    ]  # fmt: skip
    assert {c.name for c in checks if c.verdict != PASSED} <= {"peer", "sm_90", "cuda"}
    assert not [check for check in checks if check.verdict == FAILED]


# -- mistakes in the .cu file ------------------------------------------------------------------------


def broken(folder: Path, name: str, *pairs: tuple[str, str]) -> Path:
    """A copy of an example with a mistake in its .cu file, and the shortest of its examples."""
    file = folder / f"{name}.cu"
    file.write_text(replaced(text_of(file.name), *pairs), encoding="utf-8")
    shutil.copy(EXAMPLES / f"{name}.py", folder)
    return file


def test_a_missing_barrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = "sums[threadIdx.x / kWarp] = value;\n    __syncthreads();"
    file = broken(tmp_path, "layer_norm", (barrier, barrier.replace("__syncthreads();", "")))
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ())
    _, _, single, double, later = check_kernel(load_contract(file))
    assert single.verdict == double.verdict == FAILED and later.verdict == NOT_CHECKED
    report = r"a race: thread .* shared 'sums' in layer_norm\.cu:\d+"
    assert re.search(report, single.detail), single.detail
    assert double.detail == "as for float32"


def test_a_file_that_does_not_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ())
    file = broken(
        tmp_path, "swish", ("const real s = sigmoid(x[i]);", "const real s = sigmid(x[i]);")
    )
    checks = list(check_kernel(load_contract(file)))
    assert [(c.name, c.verdict) for c in checks] == [
        ("contract", PASSED), ("compiles", FAILED), ("later", NOT_CHECKED),
    ]  # fmt: skip
    assert checks[2].detail.startswith("float32, float64, gradients, views")
    detail = checks[1].detail
    assert detail.startswith("swish.cu does not compile for the emulated device:\n")
    assert re.search(rf"swish\.cu:{line(file, 'sigmid')}:\d+: error: .*sigmid", detail), detail
    assert "<stdin>" not in detail


def test_a_sum_that_depends_on_the_order_of_threads(tmp_path: Path) -> None:
    (tmp_path / "total.cu").write_text(
        '#include "minigan.cuh"\nKERNEL total(const real* x, real* y) { atomicAdd(y, x[threadIdx.x]); }\n'
    )
    (tmp_path / "total.py").write_text(
        "from pathlib import Path\nimport minigan as mg\n\n\n"
        "@mg.differentiable\ndef operation(device, x):\n    x, y = device.contiguous(x), device.zeros((1,), x.dtype)\n"
        "    device.launch(Path(__file__).with_suffix('.cu'), 'total', x.dtype, (1,), (x.size,), x, y)\n    return y, None\n\n\n"
        "def oracle(x):\n    return x.sum(keepdims=True)\n\n\n"
        "def examples(rng):\n    yield rng.normal(size=256)\n"
    )
    check = check_of(tmp_path / "total.cu", "orders")
    assert check.verdict == FAILED
    assert re.search(r"float32, thread order 2: the result is not the same as before", check.detail)
    (gradients,) = (c for c in check_kernel(load_contract(tmp_path / "total.cu")) if c.name == "gradients")  # fmt: skip
    assert (gradients.verdict, gradients.detail) == (NOT_CHECKED, "operation returns no vjp")


def test_a_file_without_a_kernel(tmp_path: Path, swish: Path) -> None:
    (tmp_path / "swish.cu").write_text("__global__ void swish(float* x) {}\n")
    shutil.copy(EXAMPLES / "swish.py", tmp_path)
    check = check_of(tmp_path / "swish.cu", "compiles")
    assert check.verdict == FAILED and check.detail.startswith("swish.cu defines no kernel: one")


# -- mistakes in the contract ------------------------------------------------------------------------

MISTAKES: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    # what: the check that fails, what it says, what is replaced
    "a wrong formula": (
        "float32", r"example 1 \(1\): at \(0,\) operation gives \S+, and the oracle \S+; 1 of 1 elements differ",
        (("return x / (1 + np.exp(-x))", "return x / (1 + np.exp(-2 * x))"),),
    ),
    "an element that nobody writes": (
        "float32", r"example \d .*operation gives nan, and the oracle",
        (("*arrays, np.int64(n))", "*arrays, np.int64(n - 1))"),),
    ),
    "a wrong gradient": (
        "gradients", r"the gradient of input 1 at \(0,\) is \S+, and central differences give",
        (("device.contiguous(dy), x, dx)", "device.contiguous(dy), y, dx)"), ("vjp, (x,)", "vjp, (x, y)")),
    ),
    "views are not taken": (
        "views", r"example \d .*with gaps: .*ValueError: .*not contiguous; device.contiguous",
        (("device.contiguous(dy), x, dx)", "dy, x, dx)"),),
    ),
    "an input that is changed": (
        "float32", r"example 1 \(1\): the kernels changed input 1",
        (('launch(device, "swish", x, y)', 'launch(device, "swish", x, y)\n    launch(device, "swish", y, x)'),),
    ),
    "a kernel that is never launched": (
        "launched", "no example launches swish_backward: nothing here checks it",
        (('launch(device, "swish_backward", device.contiguous(dy), x, dx)', "s = 1 / (1 + np.exp(-x))\n        dx[...] = dy * s * (1 + x * (1 - s))"),),
    ),
    "an argument too few": (
        "float32", r"swish\.py:\d+: TypeError: swish of swish.cu takes 3 arguments \(const real\* __restrict__ x, .*\), and 2",
        (("*arrays, np.int64(n))", "*arrays)"),),
    ),
    "32 bits where the kernel reads 64": (
        "float32", r"TypeError: swish of swish\.cu: 'long long n' needs np\.int64\(…\), and int 1 was given",
        (("*arrays, np.int64(n))", "*arrays, n)"),),
    ),
    "a kernel that is not there": (
        "float32", "swish.cu has no kernel 'swosh'; it has swish, swish_backward",
        (('launch(device, "swish", x, y)', 'launch(device, "swosh", x, y)'),),
    ),
    "the shape of the oracle's": (
        "float32", r"example 1 \(1\): operation gives the shape \(1,\), and the oracle \(\)",
        (("return x / (1 + np.exp(-x))", "return (x / (1 + np.exp(-x))).sum()"),),
    ),
    "another dtype": (
        "float32", "operation gives float64 for arrays of float32",
        (("return y, vjp", "return y.astype(np.float64), vjp"),),
    ),
    "no decorator": (
        "float32", r"TypeError: operation\(\) missing 1 .*\(operation is not under @mg\.differentiable\)",
        (("@mg.differentiable\n", ""),),
    ),
    "arrays, and no tensor": (
        "float32", r"operation gives a ndarray and no tensor; is it under @mg\.differentiable\?",
        (("@mg.differentiable\n", ""), ("def operation(device, x):", "def operation(x):\n    return x.numpy()\n\n\ndef unused(device, x):")),
    ),
    "a tolerance that is not met": (
        "float32", "differ by more than 1e-12",
        (("SOURCE = ", 'tolerance = {"float32": 1e-12}\nSOURCE = '),),
    ),
    "no oracle": (
        "contract", r"swish\.py lacks 'oracle', the same in plain NumPy, oracle\(\*arguments\)$",
        (("def oracle(x)", "def orakel(x)"),),
    ),
    "neither oracle nor examples": (
        "contract", r"lacks 'oracle', .*; and 'examples', what gives tuples",
        (("def oracle(x)", "def orakel(x)"), ("def examples(rng)", "def beispiele(rng)")),
    ),
    "a peer that computes something else": (
        "peer", r"PyTorch's results differ by up to|PyTorch is not installed",
        (("torch.nn.functional.silu(x)", "torch.nn.functional.relu(x)"),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_contract(name: str, contract: Callable[..., Path]) -> None:
    check_name, report, pairs = MISTAKES[name]
    check = check_of(contract(*pairs), check_name)
    assert check.verdict == (NOT_CHECKED if "not installed" in check.detail else FAILED)
    assert re.search(report, check.detail), check.detail


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises((SettingsError, KernelError)) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ((("yield (rng.normal(size=shape),)", "pass"),), "examples(rng) gives None"),
        ((("[(1,), (31,), (4, 257), (3, 5, 7)]", "[]"),), "examples(rng) gives nothing to check with"),
        ((("yield (rng.normal(size=shape),)", "yield (3.0,)"),), "gives a tuple without an array of NumPy's"),
        ((("rng.normal(size=shape)", "rng.norm(size=shape)"),), "examples failed: swish.py:"),
        ((("return x / (1 + np.exp(-x))", "return x / nonsense"),), "NameError: name 'nonsense' is not defined"),
    ],
)  # fmt: skip
def test_examples_and_oracles_that_cannot_be_used(
    pairs: tuple[tuple[str, str], ...], words: str, contract: Callable[..., Path]
) -> None:
    loaded = load_contract(contract(*pairs))
    assert words in refusal(lambda: list(check_kernel(loaded)))


def test_a_contract_that_cannot_be_run(contract: Callable[..., Path], tmp_path: Path) -> None:
    file = contract(("SOURCE = Path", "SOURCE = Pfad"))
    number = line(file.with_suffix(".py"), "Pfad")
    message = f"swish.py:{number}: NameError: name 'Pfad' is not defined"
    assert message in refusal(lambda: load_contract(file))
    file = contract(("def oracle(x):", "def oracle(x:"))
    number = line(file.with_suffix(".py"), "def oracle")
    assert f"swish.py:{number}: SyntaxError: " in refusal(lambda: load_contract(file))
    file.with_suffix(".py").write_bytes(b"# \xff\n")
    assert "swish.py is not text in UTF-8 (byte 2)" in refusal(lambda: load_contract(file))
    alone = tmp_path / "alone.cu"
    alone.write_bytes(b"// \xff\n")
    assert "alone.cu is not text in UTF-8 (byte 3)" in refusal(lambda: load_contract(alone))
    alone.write_text("// nothing\n")
    assert "there is no alone.py beside it" in refusal(lambda: load_contract(alone))
    gone = tmp_path / "gone.cu"
    assert "gone.cu: No such file" in refusal(lambda: load_contract(gone))


def test_what_is_no_kernel_file(tmp_path: Path) -> None:
    assert "has no .cu file in it" in refusal(lambda: find_kernels(tmp_path))
    assert "is no .cu file, and no folder" in refusal(lambda: find_kernels(tmp_path / "swish.py"))
    assert find_kernels(EXAMPLES) == [EXAMPLES / "layer_norm.cu", EXAMPLES / "swish.cu"]


# -- for real GPUs -----------------------------------------------------------------------------------


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


# -- what it costs -----------------------------------------------------------------------------------


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
    (timing,) = timings(loaded)  # the peer's needs PyTorch with CUDA
    amount = work(loaded)
    assert amount is not None
    rate = amount.bytes / timing.seconds / 1e9
    assert timing.described(amount) == f"NVIDIA Old One, swish.cu: {1e6 * timing.seconds:.4g} µs, {rate:.4g} GB/s"  # fmt: skip
    assert gpu.launched.count(("swish", (2,), (256,), 0)) == 2  # once plainly, once recorded


# -- a start -----------------------------------------------------------------------------------------


def test_a_template_works_as_it_is(tmp_path: Path) -> None:
    kernels, contract = write_template("gelu", tmp_path)
    assert (kernels.name, contract.name) == ("gelu.cu", "gelu.py")
    assert "KERNEL gelu(" in kernels.read_text(encoding="utf-8")
    assert "swish" not in kernels.read_text(encoding="utf-8") + contract.read_text(encoding="utf-8")
    assert check_of(kernels, "gradients").verdict == PASSED
    assert "exists already" in refusal(lambda: write_template("gelu", tmp_path))
    assert "cannot name a kernel" in refusal(lambda: write_template("2d", tmp_path))


def test_a_file_is_compiled_anew_when_its_header_changes(tmp_path: Path) -> None:
    (tmp_path / "factor.h").write_text("#define FACTOR 1\n")
    file = broken(tmp_path, "swish", ('#include "minigan.cuh"', '#include "minigan.cuh"\n#include "factor.h"'), ("y[i] = x[i] *", "y[i] = FACTOR * x[i] *"))  # fmt: skip
    assert check_of(file, "float32").verdict == PASSED
    (tmp_path / "factor.h").write_text("#define FACTOR 2\n")
    check = check_of(file, "float32")
    assert check.verdict == FAILED and "and the oracle" in check.detail


def test_the_cpu_has_no_cuda_kernels() -> None:
    contract = load_contract(EXAMPLES / "swish.cu")
    with pytest.raises(DeviceError, match=r"^swish: device 'cpu' runs no CUDA kernels; put"):
        contract.names["operation"](np.ones(3, np.float32))


# -- arguments of other kinds ------------------------------------------------------------------------

PICKED = {
    ".cu": """
#include "minigan.cuh"
// y = scale[row]·x[row, column[row]]; dx likewise. A thread a row.
KERNEL picked(const real* x, const long long* column, const real* scale, real* y, int rows, int columns) {
    const int row = int(grid_index());
    if (row < rows) y[row] = scale[row] * x[row * columns + column[row]];
}
KERNEL picked_backward(const real* dy, const long long* column, const real* scale, real* dx, int rows, int columns) {
    const int row = int(grid_index());
    if (row >= rows) return;
    for (int i = 0; i < columns; ++i) dx[row * columns + i] = i == column[row] ? dy[row] * scale[row] : real(0);
}
""",
    ".py": """
from pathlib import Path
import numpy as np
import minigan as mg

no_gradient = (2,)
tolerance = 1e-6


@mg.differentiable
def operation(device, x, column, scale):
    x, column, scale = map(device.contiguous, (x, column, scale))
    rows, columns = x.shape

    def run(kernel, source, shape):
        target = device.empty(shape, x.dtype)
        file = Path(__file__).with_suffix(".cu")
        device.launch(file, kernel, x.dtype, (1,), (64,), source, column, scale, target, rows, columns)
        return target

    def vjp(dy, needs):
        return run("picked_backward", device.contiguous(dy), x.shape), None, None

    return run("picked", x, (rows,)), vjp, (x, column, scale)


def oracle(x, column, scale):
    return scale * x[np.arange(len(x)), column]


def examples(rng):
    for rows, columns in [(1, 1), (5, 3), (33, 7)]:
        yield rng.normal(size=(rows, columns)), rng.integers(0, columns, rows), rng.normal(size=rows)


def peer(torch, x, column, scale):
    return scale * x.gather(1, column[:, None])[:, 0]
""",
}


def test_arrays_of_integers_and_arrays_without_a_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ())
    for suffix, text in PICKED.items():
        (tmp_path / f"picked{suffix}").write_text(text, encoding="utf-8")
    loaded = load_contract(tmp_path / "picked.cu")
    checks = list(check_kernel(loaded))
    assert not [check for check in checks if check.verdict == FAILED]
    assert "largest error" in checks[2].detail and "of 1e-06" in checks[2].detail
    _, (forward, backward) = count(loaded)
    assert (forward.launch.kernel, backward.launch.kernel) == ("picked", "picked_backward")


def test_a_tolerance_that_is_none(contract: Callable[..., Path]) -> None:
    file = contract(("SOURCE = ", 'tolerance = "small"\nSOURCE = '))
    assert "tolerance is 'small'; it should be a number" in refusal(
        lambda: check_of(file, "float32")
    )
