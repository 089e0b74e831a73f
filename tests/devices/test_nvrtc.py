"""Every kernel compiles for every GPU that learners have, spills nothing, and fits a block's share of the chip."""

import re
from pathlib import Path

import pytest

from minigan.devices import nvrtc
from minigan.devices.sources import kernel_names, kernel_sources, read_source
from minigan.errors import DeviceError, KernelError

THREADS = 256  # of the largest block that the launch plan asks for
REGISTERS = 65536  # of a multiprocessor, for one block
SHARED_BYTES = 48 * 1024  # static shared memory of a block

try:
    nvrtc.library()
    absent = ""
except DeviceError as error:
    absent = str(error)

pytestmark = pytest.mark.skipif(bool(absent), reason=absent)


SOURCES = [
    *((source, a) for source in sorted(kernel_sources().glob("*.cu")) for a in nvrtc.ARCHITECTURES),
    *(
        (source, "sm_80") for source in sorted(kernel_sources().glob("study/*/*.cu"))
    ),  # of the optimization steps
]


@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize(
    ("source", "architecture"), SOURCES, ids=lambda x: x.stem if isinstance(x, Path) else x
)
def test_kernels_compile_within_the_limits(source: Path, architecture: str, real: str) -> None:
    found = nvrtc.compile_kernels(source, real, architecture)
    assert {r.kernel for r in found} == set(kernel_names(source.read_text(encoding="utf-8")))
    for resources in found:
        assert resources.spilled_bytes == 0, resources
        assert 0 < resources.registers * THREADS <= REGISTERS, resources
        assert resources.shared_bytes <= SHARED_BYTES, resources


@pytest.mark.parametrize(
    ("real", "architecture"),
    [("float", "sm_80"), ("float", "sm_75"), ("double", "sm_80")],
)
@pytest.mark.parametrize("file", ["gemm", "convolution"])
def test_products_use_what_their_names_say(file: str, real: str, architecture: str) -> None:
    """Tensor cores where there are any for the type, with operands rounded; copies of 16 bytes, or of an element."""
    size = {"float": 4, "double": 8}[real]
    asynchronous = architecture != "sm_75"
    for kernel, code in nvrtc.ptx(kernel_sources() / f"{file}.cu", real, architecture).items():
        if "column_sum" in kernel or kernel == "sum_parts":
            continue
        tensor_cores = "tf32" in kernel and real == "float" and asynchronous
        assert ("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32" in code) == tensor_cores, (
            kernel
        )
        assert ("cvt.rna.tf32.f32" in code) == tensor_cores, kernel
        copies = set(
            re.findall(r"cp\.async\.(?:ca|cg)\.shared\.global \[%\w+\], \[%\w+\], (\d+)", code)
        )
        expected = {"16"} if "vector" in kernel else {str(size)}
        if "narrow" in kernel:
            expected |= {str(size)}
        assert copies == (expected if asynchronous else set()), kernel


@pytest.mark.parametrize(
    ("step", "instructions"),
    [
        ("4_register_blocking", {"ld.global.nc.f32", "st.shared.f32", "ld.shared.f32"}),
        ("5_vectors", {"ld.global.nc.v4.f32", "st.shared.v4.f32", "ld.shared.v4.f32"}),
        ("6_asynchronous_copies", {"cp.async.cg.shared.global", "ld.shared.v4.f32"}),
        ("7_tensor_cores", {"cp.async.cg.shared.global", "ldmatrix", "ld.shared.f32", "mma.sync"}),
    ],
)
def test_steps_of_the_ladder_use_what_their_names_say(step: str, instructions: set[str]) -> None:
    """To NVIDIA's compiler too a vector is one access, which the emulated device counts as one."""
    source = kernel_sources() / "study" / "conv2d" / f"{step}.cu"
    code = nvrtc.ptx(source, "float", "sm_80")["conv2d"]
    pattern = (
        r"\b(ld\.global[\w.]+|(?:ld|st)\.shared[\w.]+|cp\.async\.c[ag][\w.]+|ldmatrix|mma\.sync)"
    )
    assert set(re.findall(pattern, code)) == instructions


def test_spills_and_shared_memory_are_seen(tmp_path: Path) -> None:
    source = tmp_path / "greedy.cu"
    source.write_text(
        '#include "minigan.cuh"\n'
        "KERNEL __launch_bounds__(1024, 2) greedy(real* y) {\n"
        "    __shared__ real tile[1000];\n"
        "    real x[96];\n"
        "    for (int i = 0; i < 96; ++i) x[i] = y[i + threadIdx.x];\n"
        "    tile[threadIdx.x % 1000] = x[3];\n"
        "    __syncthreads();\n"
        "    for (int i = 0; i < 96; ++i) y[i * 96 + threadIdx.x] = x[i] * tile[(i + threadIdx.x) % 1000] * x[95 - i];\n"
        "}\n"
    )
    (resources,) = nvrtc.compile_kernels(source, "float", "sm_90")
    assert resources.spilled_bytes > 0
    assert resources.shared_bytes >= 4000


def test_a_file_that_does_not_compile_says_why(tmp_path: Path) -> None:
    """And nothing else: no warning of the kernels beside the one that is compiled."""
    source = tmp_path / "broken.cu"
    source.write_text(
        '#include "minigan.cuh"\nKERNEL right(real* y) { y[0] = 1; }\n'
        "KERNEL broken(real* y) { y[0] = nonsense; }\n"
    )
    words = r"broken\.cu does not compile for sm_80:\n.*nonsense"
    with pytest.raises(KernelError, match=words) as error:
        nvrtc.compile_kernels(source, "float", "sm_80")
    assert "broken.cu(3): error" in str(error.value) and "warning" not in str(error.value)


def test_kernels_compile_without_a_warning() -> None:
    """Each alone: the others are dropped, not warned of."""
    source = read_source(kernel_sources() / "random.cu")
    for program in nvrtc._programs(source, "float", "sm_80"):
        log = nvrtc._log(nvrtc.library(), program)
        assert "ptxas info" in log and "warning" not in log
