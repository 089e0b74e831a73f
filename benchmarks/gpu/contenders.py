"""Who takes the MNIST step on a GPU: minigan, PyTorch in four ways, and JAX. Each says how long it only waited."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.gpu.piece import Context, need, need_torch
from minigan.experiments.declarations import MNIST
from minigan.infogan.settings import Settings

SMALL = dataclasses.replace(
    MNIST,
    trunk="conv 4 | conv 8 bn | fc 8 bn",
    generator="fc 8 bn | fc 7x7x8 bn | up 4 bn | up 1 sigmoid",
    batch_size=4,
)
_SMALL_IMAGES = 200


@dataclass(frozen=True)
class Contender:
    """A way to take the step.

    `step` takes one, reads its metrics, and returns the seconds for which the host only waited for them. `span` takes one, and
    returns the milliseconds on the GPU from its first kernel's start to its last one's end; None where that is not known.
    """

    trainer: Any
    step: Callable[[], float]
    span: Callable[[], float] | None = None


def settings_of(context: Context, precision: str = "ieee", dtype: str = "float32") -> Settings:
    """Return the paper's MNIST on the GPU, or sizes that a stand-in for one can bear."""
    base = SMALL if context.small else MNIST
    return dataclasses.replace(base, device="cuda", float32_precision=precision, dtype=dtype)


def images(context: Context) -> np.ndarray[Any, Any]:
    """Return MNIST's training images, or the first ones."""
    from minigan.datasets import mnist

    return mnist.load("train").images[: _SMALL_IMAGES if context.small else None]


class Waiting:
    """Within it, how long `to_numpy` of a device took, and the event that stood before it in the stream."""

    def __init__(self, device: Any) -> None:
        self.device, self.seconds, self.event = device, 0.0, None

    def __enter__(self) -> Waiting:
        original = self.device.to_numpy

        def to_numpy(array: Any) -> Any:
            if self.event is not None:
                self.event.record()
            start = time.perf_counter()
            values = original(array)
            self.seconds += time.perf_counter() - start
            return values

        self.device.to_numpy = to_numpy
        return self

    def __exit__(self, *_: object) -> None:
        del self.device.to_numpy


def minigan(context: Context, precision: str, capture: bool = True) -> Contender:
    """Return minigan's step: captured as one graph, or launched kernel by kernel."""
    from minigan.experiments.trainer import Trainer

    trainer = Trainer(settings_of(context, precision), images(context), capture=capture)
    cuda = trainer.device.array_module.cuda

    def step() -> float:
        with Waiting(trainer.device) as waiting:
            trainer.step()
        return waiting.seconds

    def span() -> float:
        begin, end = cuda.Event(), cuda.Event()
        with Waiting(trainer.device) as waiting:
            waiting.event = end
            begin.record()
            trainer.step()
        end.synchronize()
        return float(cuda.get_elapsed_time(begin, end))

    return Contender(trainer, step, span)


def torch_eager(context: Context, precision: str) -> Contender:
    """Return PyTorch's step, operation by operation."""
    return _of_torch(context, precision, graph=False, compiled=False)


def torch_compiled(context: Context, precision: str) -> Contender:
    """Return PyTorch's step by torch.compile."""
    return _of_torch(context, precision, graph=False, compiled=True)


def torch_graph(context: Context, precision: str) -> Contender:
    """Return PyTorch's step as one CUDA graph."""
    return _of_torch(context, precision, graph=True, compiled=False)


def torch_compiled_graph(context: Context, precision: str) -> Contender:
    """Return PyTorch's step by torch.compile, as one CUDA graph."""
    return _of_torch(context, precision, graph=True, compiled=True)


def _of_torch(context: Context, precision: str, graph: bool, compiled: bool) -> Contender:
    torch = need_torch()
    from benchmarks.baselines import torch_infogan

    torch_infogan.set_precision(precision)
    data, batch_size = images(context), settings_of(context).batch_size
    if graph:
        trainer: Any = torch_infogan.GraphedTrainer(data, batch_size, compiled=compiled)
    else:
        trainer = torch_infogan.Trainer(data, batch_size, device="cuda", compiled=compiled)

    def step() -> float:
        metrics = trainer.ask()
        start = time.perf_counter()
        torch_infogan.read(metrics)
        return time.perf_counter() - start

    def span() -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        trainer.ask()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end))

    return Contender(trainer, step, span)


def jax(context: Context, precision: str) -> Contender:
    """Return JAX's step, one compiled function."""
    library = need("jax")
    need("jaxlib")
    if library.default_backend() != "gpu" and not context.small:
        from benchmarks.gpu.piece import AbsentError

        raise AbsentError("this JAX finds no GPU; bring the wheels of jax[cuda13], or jax[cuda12]")
    from benchmarks.baselines.jax_infogan import Trainer

    trainer = Trainer(images(context), settings_of(context).batch_size, precision)

    def step() -> float:
        metrics = trainer.launch()
        start = time.perf_counter()
        np.asarray(metrics)
        return time.perf_counter() - start

    return Contender(trainer, step)


MINIGAN = "minigan"
OTHERS: dict[str, Callable[[Context, str], Contender]] = {
    "PyTorch": torch_eager,
    "PyTorch, CUDA graph": torch_graph,
    "PyTorch compiled": torch_compiled,
    "PyTorch compiled, CUDA graph": torch_compiled_graph,
    "JAX": jax,
}
