"""Compilation for a GPU reports its progress, unless a program watches it or asks for quiet."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from minigan.devices import compilation
from minigan.devices.compilation import KernelCompiler


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> KernelCompiler:
    monkeypatch.setattr(compilation, "_SAY_EVERY", 0.0)
    monkeypatch.setattr(KernelCompiler, "_compile", lambda self, wanted: wanted)
    return KernelCompiler(None, SimpleNamespace(use=lambda: None), "90")


class Kernel(NamedTuple):
    kernel: str


KERNELS: list[Any] = [Kernel("gemm"), Kernel("adam"), Kernel("fill")]


def test_lines_say_how_many_are_done(
    compiler: KernelCompiler, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler.compile_all(KERNELS)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"minigan: compiling kernels for the GPU, once: {n} of 3" for n in (1, 2, 3)]


def test_a_watcher_or_the_environment_keeps_it_quiet(
    compiler: KernelCompiler, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    compiler.compile_all(KERNELS, lambda done, count, kernel: seen.append((done, count)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    monkeypatch.setenv("MINIGAN_QUIET", "1")
    compiler.compile_all(KERNELS)
    assert capsys.readouterr().err == ""
