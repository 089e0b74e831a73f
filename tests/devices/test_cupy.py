"""The installed CuPy against the uses of the device and the stand-in, without a driver or a GPU.

The names that the device uses are read from its source: every name must be there, and every call must fit CuPy's own signature.
"""

import ast
import contextlib
import inspect
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import fake_cupy
import numpy as np
import pytest

import minigan as mg
from minigan.devices import compilation, cuda, nvidia, nvrtc
from minigan.devices.compilation import compile_options
from minigan.devices.memory import share_memory
from minigan.devices.sources import kernel_sources, read_source
from minigan.errors import DeviceError

cupy = pytest.importorskip("cupy")

# The meanings of the names in the source.
ROOTS = {
    "cupy": "", "self.array_module": "", "device.array_module": "", "self.cupy": "", "cuda": "cuda", "self.cuda": "cuda",
    "runtime": "cuda.runtime", "stream": "cuda.Stream", "graph": "cuda.Graph", "self.graph": "cuda.Graph",
    "self.pool": "cuda.MemoryPool", "module": "RawModule", "function": "RawKernel", "fresh": "ndarray",
    "array": "ndarray", "gpu": "cuda.Device", "self.gpu": "cuda.Device",
}  # fmt: skip


class Use(NamedTuple):
    """A name of CuPy's that the source uses; and how, where it is called."""

    line: str
    name: str
    call: ast.Call | None


def uses(module: Any) -> Iterator[Use]:
    """Every name of CuPy's in a module of the device."""
    path = Path(module.__file__)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    parts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Attribute, ast.Name)) or id(node) in parts:
            continue
        text = ast.unparse(node)
        if "(" in text or "[" in text:  # an attribute of a call's result
            continue
        for root, meaning in ROOTS.items():
            call = calls.get(id(node))
            is_launch = text == root == "function" and call is not None and len(call.args) == 3
            if text.startswith(f"{root}.") or is_launch:
                name = f"{meaning}.{text.removeprefix(root).removeprefix('.')}".strip(".")
                yield Use(f"{path.name}:{node.lineno}", name, call)
                break


USES = [use for module in (cuda, compilation, nvidia) for use in uses(module)]


def found(name: str) -> Any:
    thing: Any = cupy
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


def signature(name: str) -> inspect.Signature:
    """CuPy's own: its compiled functions tell theirs in the first line of their descriptions."""
    thing = found(name)
    if name == "RawKernel":
        thing = thing.__call__
    try:
        first = (thing.__doc__ or "").strip().split("\n")[0]
        inside = first[first.index("(") + 1 : first.rindex(")")]
    except ValueError:
        return inspect.signature(thing)
    # "size_t size, owner, int device_id=-1": without the types of C
    words = [part.strip().partition("=") for part in inside.split(",") if part.strip()]
    plain = [
        f"{n.split()[-1]}{'=' * bool(equals)}{'None' * bool(equals)}" for n, equals, _ in words
    ]
    plain = [part for part in plain if part != "self"]
    scope: dict[str, Any] = {}
    exec(f"def function({', '.join(plain)}): pass", scope)
    return inspect.signature(scope["function"])


def test_the_source_uses_cupy() -> None:
    """Else the tests below would hold for nothing."""
    names = {use.name for use in USES}
    assert names >= {
        "RawModule", "RawModule.get_function", "RawKernel", "ndarray", "cuda.UnownedMemory",
        "cuda.Stream.begin_capture", "cuda.MemoryPool.malloc", "cuda.Graph.launch", "ndarray.set",
        "cuda.runtime.getDeviceProperties", "cuda.nvrtc.getVersion", "cuda.using_allocator",
    }  # fmt: skip


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.line} {use.name}")
def test_cupy_has_what_the_device_uses(use: Use) -> None:
    found(use.name)
    if use.call is None or isinstance(found(use.name), type(cupy.cuda.runtime)):
        return
    arguments = [a for a in use.call.args if not isinstance(a, ast.Starred)]
    keywords = {k.arg: None for k in use.call.keywords if k.arg is not None}
    of = signature(use.name)
    parameters = [p for p in of.parameters.values() if p.name != "self"]
    of.replace(parameters=parameters).bind(*arguments, **keywords)


STANDINS = {
    "RawModule": fake_cupy.RawModule, "ndarray": fake_cupy.ndarray.__new__,
    "cuda.MemoryPool": fake_cupy.MemoryPool, "cuda.MemoryPointer": fake_cupy.MemoryPointer,
    "cuda.UnownedMemory": fake_cupy.UnownedMemory, "cuda.Memory": fake_cupy.Memory,
    "cuda.Stream.begin_capture": fake_cupy.Stream.begin_capture,
    "cuda.Graph.launch": fake_cupy.Graph.launch,
}  # fmt: skip


@pytest.mark.parametrize("name", STANDINS)
def test_the_stand_in_has_cupys_signatures(name: str) -> None:
    mine = [*inspect.signature(STANDINS[name]).parameters]
    theirs = [p for p in signature(name).parameters if p != "self"]
    assert [p for p in mine if p not in ("machine", "cls", "self")] == theirs


def strings(path: Path) -> bytes:
    """The strings of a module that Cython compiled, which it may have compressed."""
    content = path.read_bytes()
    found = [content]
    for start in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content):
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompressobj().decompress(content[start.start() :]))
    return b"\0".join(found)


def test_cupys_refusals_are_what_the_stand_in_raises() -> None:
    """A read and a copy in a capture: CuPy's plain RuntimeErrors, with texts of its compiled
    code."""
    text = strings(Path(cupy.cuda.memory.__file__))
    machine = fake_cupy.Machine()
    machine.stream.capturing = []
    for direction in ("D2H", "H2D"):
        with pytest.raises(RuntimeError) as refusal:
            machine.refuse_transfer(direction)
        assert type(refusal.value) is RuntimeError and str(refusal.value).encode() in text
    for error in (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError):
        assert issubclass(error, RuntimeError)
    assert not issubclass(cupy.cuda.compiler.CompileException, RuntimeError)


def test_numbers_of_cuda_errors() -> None:
    """The numbers that the device reads are those that CUDA gives."""
    error = cupy.cuda.runtime.CUDARuntimeError
    for number, name in (
        (cuda._OUT_OF_MEMORY, "cudaErrorMemoryAllocation"),
        (nvidia._INSUFFICIENT_DRIVER, "cudaErrorInsufficientDriver"),
        (nvidia._NO_DEVICE, "cudaErrorNoDevice"),
    ):
        assert str(error(number)).startswith(name) and error(number).status == number


def test_without_a_gpu_the_device_says_why() -> None:
    """The real CuPy's own errors, wherever there is CuPy and no GPU."""
    words = ("driver", "no NVIDIA GPU", "NVRTC", "compute capability")
    try:
        mg.get_device("cuda")
    except DeviceError as error:
        assert any(word in str(error) for word in words)


def test_nvrtc_is_told_what_cupy_tells_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """CuPy's own options for a kernel of sm_90, seen where it calls the compiler, but for the report that is asked for."""
    told: list[tuple[str, ...]] = []
    compiler = cupy.cuda.compiler

    def compile_program(program: Any, options: tuple[str, ...]) -> None:
        told.append(options)
        if len(told) == 2:  # the first is an empty file, by which CuPy knows the compiler
            raise StopIteration

    monkeypatch.setattr(compiler, "nvrtc", SimpleNamespace(
        getVersion=lambda: (13, 0), createProgram=lambda *_: 0, compileProgram=compile_program,
        getPTX=lambda _: b"", destroyProgram=lambda _: None, NVRTCError=ZeroDivisionError,
    ))  # fmt: skip
    for_sm_90 = compiler._get_arch_for_options_for_nvrtc.__wrapped__
    monkeypatch.setattr(compiler, "_get_arch_for_options_for_nvrtc", for_sm_90)
    monkeypatch.setattr(compiler, "_nvrtc_version", None)
    monkeypatch.setattr(compiler, "_empty_file_preprocess_cache", {})
    monkeypatch.setattr(
        compiler, "_kernel_cache_backend", compiler._DiskKernelCacheBackend(str(tmp_path))
    )
    source = read_source(kernel_sources() / "gemm.cu")
    with pytest.raises(StopIteration):
        compiler._compile_module_with_cache(
            source.alone("gemm_nn"), compile_options(source, "float"), arch="90"
        )
    assert sorted(told[1]) == sorted(nvrtc.options(source, "float", "sm_90"))


def real_array(host: Any) -> Any:
    """CuPy's own array, on memory of the host: enough to look at, not to compute with."""
    memory = cupy.cuda.UnownedMemory(host.ctypes.data, host.nbytes, host, 0)
    return cupy.ndarray(host.shape, host.dtype, cupy.cuda.MemoryPointer(memory, 0))


def test_cupys_own_views() -> None:
    x = real_array(np.arange(48.0).reshape(8, 6))
    assert share_memory(x[:5], x[4:]) and not share_memory(x[:4], x[4:])
    assert share_memory(x[::-1], x[:1]) and share_memory(x.reshape(6, 8).T, x[-1:])
    assert not hasattr(x.flags, "writeable") and x.flags.c_contiguous
