"""The GPU that is pretended, its streams and graphs, and CuPy's errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

MIB = 2**20


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError {status}")
        self.status = status


class CUDADriverError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"CUDA_ERROR {status}")
        self.status = status


class OutOfMemoryError(MemoryError):
    pass


class CompileException(Exception):  # noqa: N818 (CuPy's name)
    def __init__(
        self, msg: str, source: str, name: str, options: Any, backend: str = "nvrtc"
    ) -> None:
        super().__init__(msg)


class Machine:
    """The pretended GPU and software, and a record of their use."""

    def __init__(self) -> None:
        self.gpus = 1
        self.import_error: Exception | None = None
        self.device_count_error: int | None = None
        self.context_error: int | None = None
        self.driver_version, self.runtime_version = 13000, 13020
        self.capability = "90"
        self.has_nvrtc = True
        self.free_bytes = 64 * MIB
        self.launch_error: int | None = None
        self.pending_error: int | None = None  # of a kernel that ran earlier
        self.encoding = "utf-8"  # of the locale, in which CuPy writes a kernel's source to a file
        self.forgotten: list[Any] = []  # blocks of pools that ended without giving them back
        self.options: list[tuple[str, ...]] = []
        self.compiled: list[str] = []
        self.compiling_threads: set[int] = set()
        self.launched: list[tuple[str, tuple[int, ...], tuple[int, ...], int]] = []
        self.local = threading.local()

    @property
    def streams(self) -> list[Stream]:
        if not hasattr(self.local, "streams"):
            self.local.streams = [Stream(self, null=True)]
        streams: list[Stream] = self.local.streams
        return streams

    @property
    def stream(self) -> Stream:
        return self.streams[-1]

    def memory(self) -> tuple[int, int]:
        """Free bytes, and all."""
        if self.context_error is not None:
            raise CUDARuntimeError(self.context_error)
        return self.free_bytes, 64 * MIB

    def refuse_transfer(self, direction: str) -> None:
        """What CuPy says itself, before it asks CUDA: the capture goes on."""
        if self.stream.capturing is not None:
            raise RuntimeError(
                f"the current stream is capturing, so {direction} transfers are disallowed"
            )

    def wait(self) -> None:
        """Synchronize: refused while the stream is captured; earlier errors appear here."""
        if self.stream.capturing is not None:
            self.stream.invalid = True
            raise CUDARuntimeError(900)
        if self.pending_error is not None:
            raise CUDARuntimeError(self.pending_error)


class Stream:
    def __init__(
        self, machine: Machine, null: bool = False, non_blocking: bool = False, ptds: bool = False
    ) -> None:
        self.machine, self.ptr, self.non_blocking = machine, 0 if null else id(self), non_blocking
        self.capturing: list[Callable[[], None]] | None = None
        self.invalid = False

    def __enter__(self) -> Stream:
        self.machine.streams.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.machine.streams.pop() is self

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        assert self.non_blocking, "a blocking stream is captured: the default stream would break it"
        assert mode in (None, 2), "cudaMalloc is refused in every mode but the relaxed one"
        self.capturing, self.invalid = [], False

    def end_capture(self) -> Graph:
        if self.capturing is None:
            raise CUDARuntimeError(401)
        recorded, self.capturing = self.capturing, None
        if self.invalid:
            raise CUDARuntimeError(901)
        return Graph(self.machine, recorded)

    def synchronize(self) -> None:
        self.machine.wait()


class Graph:
    def __init__(self, machine: Machine, recorded: list[Callable[[], None]]) -> None:
        self.machine, self.recorded = machine, recorded

    def launch(self, stream: Stream | None = None) -> None:
        assert (stream or self.machine.stream).capturing is None
        for run in self.recorded:
            run()


class Event:
    """A mark in a stream. All is computed at once here, so its times are the host's."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.at = machine, 0.0

    def record(self, stream: Stream | None = None) -> None:
        assert (stream or self.machine.stream).capturing is None
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        self.machine.wait()


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    return (end_event.at - start_event.at) * 1e3
