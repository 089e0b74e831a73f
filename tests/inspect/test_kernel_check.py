"""A user's kernel: a right one passes every check, and each mistake is reported by its check."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from contracts import (
    EXAMPLES,
    check_of,
    refusal,
    replaced,
    text_of,
)

from minigan.devices import nvrtc
from minigan.errors import DeviceError
from minigan.inspect.contract import find_kernels, load_contract
from minigan.inspect.kernel_check import FAILED, NOT_CHECKED, PASSED, check_kernel
from minigan.inspect.template import write_template


def line(file: Path, text: str) -> int:
    (number,) = (
        i
        for i, found in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if text in found
    )
    return number


@pytest.mark.usefixtures("one_architecture")
@pytest.mark.parametrize("name", ["swish", "layer_norm"])
def test_the_examples_pass_every_check(name: str) -> None:
    checks = list(check_kernel(load_contract(EXAMPLES / f"{name}.cu")))
    assert [check.name for check in checks] == [
        "contract", "compiles", "float32", "float64", "gradients", "views", "orders", "launched", "peer", "cuda", "sm_90",
    ]  # fmt: skip
    assert {c.name for c in checks if c.verdict != PASSED} <= {"peer", "sm_90", "cuda"}
    assert not [check for check in checks if check.verdict == FAILED]


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


MISTAKES: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    # mistake: the check that fails, its message, the replaced text
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
    "a baseline that computes something else": (
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
