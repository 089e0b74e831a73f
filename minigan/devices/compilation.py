"""Kernels as CuPy compiles them for the GPU: each alone, once, and those of a training step in threads.

A file of kernels takes long as a whole (convolution.cu has 24), and a step needs a few of them. So each is compiled as if
the file had no other. CuPy keeps the machine code on disk.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, NamedTuple

import numpy as np

from minigan.devices.arguments import REALS
from minigan.devices.sources import KernelSource
from minigan.errors import KernelError

# Called with how many kernels are compiled, of how many, and the name of the last.
Progress = Callable[[int, int, str], None]
_SAY_EVERY = 2.0  # seconds


class Wanted(NamedTuple):
    """A kernel of a .cu file, for a dtype ("float32")."""

    source: KernelSource
    kernel: str
    dtype: str


def compile_options(source: KernelSource, real: str) -> tuple[str, ...]:
    """Return the compiler's input for a .cu file, for REAL = `real`; CuPy adds options, see ``nvrtc.py``."""
    return (
        "-std=c++17",
        f"-DREAL={real}",
        *(f"-I{folder}" for folder in source.include_folders),
        # CuPy's cache sees the source and options, no headers: a number that the compiler can read.
        f"-DMINIGAN_HEADERS=0x{source.headers_digest[:16]}",
    )


class KernelCompiler:
    """CuPy's compiler, for the GPU `gpu` of an architecture ("90")."""

    def __init__(self, cupy: Any, gpu: Any, architecture: str) -> None:
        self.cupy, self.gpu, self.architecture = cupy, gpu, architecture
        self._compiled = functools.cache(self._compile)

    def kernel(self, wanted: Wanted) -> Any:
        """Return the kernel, to be launched. KernelError if it does not compile, or is not in its file."""
        return self._compiled(wanted)

    def compile_all(self, kernels: Iterable[Wanted], progress: Progress | None = None) -> None:
        """Compile the kernels in threads, one a core: the compiler runs outside Python's lock.

        Without `progress` a line on stderr says every two seconds how many are done; MINIGAN_QUIET=1 hides it.

        Raises:
            KernelError: one does not compile; the others are compiled first.
        """
        names, progress = list(dict.fromkeys(kernels)), progress or _Lines()
        with ThreadPoolExecutor(os.cpu_count(), initializer=self.gpu.use) as threads:
            waiting = {threads.submit(self.kernel, wanted): wanted.kernel for wanted in names}
            for done, future in enumerate(as_completed(waiting), 1):
                progress(done, len(names), waiting[future])
        for future in waiting:
            future.result()

    def _compile(self, wanted: Wanted) -> Any:
        source, kernel, dtype = wanted
        cupy, options = self.cupy, compile_options(source, REALS[np.dtype(dtype)])
        module = cupy.RawModule(code=source.alone(kernel), options=options)
        try:
            return module.get_function(kernel)
        except cupy.cuda.compiler.CompileException as error:
            raise KernelError(
                f"{source.name} does not compile for sm_{self.architecture}: {error}"
            ) from error
        # CUDA's errors are of this class, and what CuPy says where CUDA is not whole.
        except RuntimeError as error:
            raise KernelError(
                f"{source.name}: {kernel}, compiled for sm_{self.architecture}, could not be loaded: {error}"
            ) from error


class _Lines:
    """Says on stderr how far compilation is, every two seconds."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def __call__(self, done: int, count: int, kernel: str) -> None:
        now = time.monotonic()
        if now - self.said >= _SAY_EVERY and not os.environ.get("MINIGAN_QUIET"):
            self.said = now
            line = f"minigan: compiling kernels for the GPU, once: {done} of {count}"
            print(line, file=sys.stderr, flush=True)
