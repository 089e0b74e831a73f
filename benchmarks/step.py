"""One InfoGAN training step on MNIST, in minigan and in PyTorch.

Both libraries take the same step (same networks, batch size and optimizers): once on the same weights, images
and latents, where losses and gradients must agree; then each on random batches of its own, timed in turns.

On a busy machine the ratio says little: the threads of PyTorch's OpenMP spin at every barrier, and lose far more
time to other processes than minigan's, which sleep. The ratio of the fastest steps stands beside it, since the
fastest step of each is the one least disturbed.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmarks.report import ROOT, Table
from benchmarks.timing import Rounds, interleave, peak_resident_mib, round_ratios
from minigan.errors import MiniganError

MINIGAN, TORCH = "minigan", "PyTorch"
HOW_TO_INSTALL = "not installed: pip install 'minigan[bench]'"

# Eleven passes through a network of 13 million multiply-adds an image: G forward; D forward on real and
# generated images, and backward to weights and data of both; D forward and back to its data for G; G backward
# to weights and data.
GFLOP_AN_IMAGE = 36.9 / 128

# How far the two libraries may be apart, relative to the size of what is compared. In float64 only sums in another
# order differ. In float32 a gradient also jumps where rounding puts a value on the other side of a leaky ReLU's
# kink: one of the features' 256 × 1024 values moves it by some 2e-3 of its size, and by more where it is a sum
# of terms that nearly cancel. Losses have no kinks.
TOLERANCE = {
    "float64": {"losses": 1e-10, "gradients": 1e-8},
    "float32": {"losses": 1e-5, "gradients": 5e-2},
}
LOSSES = ("discriminator_loss", "generator_loss", "information")

COLUMNS = {
    "median": "median_ms",
    "min": "min_ms",
    "max": "max_ms",
    "GFLOP/s": "gflop_per_s",
    "peak memory (MiB)": "peak_memory_mib",
}

Array = np.ndarray[Any, Any]


class DisagreementError(MiniganError):
    """Two libraries that were to do the same, and did not."""


@dataclass(frozen=True)
class Plan:
    """How the step is measured."""

    batch_size: int = 128
    threads: int = 1
    rounds: int = 20
    steps: int = 3
    pause: float = 0.3  # seconds


# -- agreement ------------------------------------------------------------------------------------------


class GradientRecorder:
    """Stands in for an optimizer: keeps the gradients and changes nothing.

    Thus G's half of a step meets the same D in both libraries. (A step of Adam would not do: on its first
    step it moves each weight by the sign of the gradient, and rounding decides the sign of those near 0.)
    """

    def __init__(self, parameters: Sequence[Any], read: Callable[[Any], Array]) -> None:
        self.parameters = parameters
        self.gradients: list[Array] = []
        self._read = read

    def step(self) -> None:
        self.gradients = [self._read(p).copy() for p in self.parameters]

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None


def differences(trainer: Any, peer: Any) -> dict[str, float]:
    """Take one step in both, from minigan's weights and on its first batch, and compare.

    Returns ‖minigan's − PyTorch's‖ / ‖PyTorch's‖ of both losses, L_I, and the gradient of every parameter,
    by name. Neither library's weights are changed, except that the peer is given minigan's.
    """
    networks = {
        "generator": trainer.generator,
        "discriminator": trainer.discriminator,
        "recognition": trainer.recognition,
    }
    named = {f"{n}.{k}": p for n, net in networks.items() for k, p in net.named_parameters()}
    own_g = trainer.generator.parameters()
    own_d = [*trainer.discriminator.parameters(), *trainer.recognition.parameters()]
    peer.load([p.numpy() for p in own_g], [p.numpy() for p in own_d])

    images = trainer.real_images(trainer.step_count + 1)
    latents, codes = trainer.latents(trainer.step_count + 1)
    own_losses, own_gradients = record(
        trainer, own_g, own_d, lambda p: p.grad.numpy(), lambda: trainer.step()[1:]
    )
    peer_losses, peer_gradients = record(
        peer,
        peer.generator_parameters,
        peer.discriminator_parameters,
        lambda p: peer.as_minigan(p, p.grad).numpy(),
        lambda: peer.step_on_arrays(images.numpy(), latents.numpy(), codes.numpy()),
    )
    found = {
        name: relative_difference(np.asarray(a), np.asarray(b))
        for name, a, b in zip(LOSSES, own_losses, peer_losses, strict=True)
    }
    for name, a, b in zip(named, own_gradients, peer_gradients, strict=True):
        found[name] = relative_difference(a, b)
    return found


def record(
    trainer: Any,
    generator: Sequence[Any],
    discriminator: Sequence[Any],
    read: Callable[[Any], Array],
    step: Callable[[], Sequence[Any]],
) -> tuple[Sequence[Any], list[Array]]:
    """What `step` returns, and the gradients that it hands to the trainer's two optimizers."""
    optimizers = trainer.generator_optimizer, trainer.discriminator_optimizer
    recorders = GradientRecorder(generator, read), GradientRecorder(discriminator, read)
    trainer.generator_optimizer, trainer.discriminator_optimizer = recorders
    try:
        losses = step()
    finally:
        trainer.generator_optimizer, trainer.discriminator_optimizer = optimizers
    return losses, [g for recorder in recorders for g in recorder.gradients]


def relative_difference(a: Array, b: Array) -> float:
    """‖a − b‖ / ‖b‖."""
    if a.shape != b.shape:
        raise DisagreementError(f"the shapes differ: {a.shape} and {b.shape}")
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def require_agreement(found: Mapping[str, float], dtype: str) -> None:
    """DisagreementError, naming the first quantity that differs by more than rounding explains."""
    for name, difference in found.items():
        kind = "losses" if name in LOSSES else "gradients"
        tolerance = TOLERANCE[dtype][kind]
        if not difference <= tolerance:  # NaN is a disagreement too
            raise DisagreementError(
                "minigan and PyTorch do not take the same step: "
                f"{name if kind == 'losses' else f'the gradient of {name}'} differs by "
                f"{difference:.1e} of its size, and {dtype} explains {tolerance:.0e}"
            )


# -- the contenders -------------------------------------------------------------------------------------


def minigan_trainer(plan: Plan, dtype: str = "float32") -> Any:
    """MNIST's trainer, with Numba's pool held to the plan's threads."""
    import numba

    from minigan.datasets import mnist
    from minigan.infogan.experiments import MNIST
    from minigan.infogan.training import Trainer

    numba.set_num_threads(plan.threads)
    settings = replace(MNIST, batch_size=plan.batch_size, dtype=dtype)
    return Trainer(settings, mnist.load("train").images)


def torch_trainer(plan: Plan, dtype: str = "float32") -> Any:
    """The peer's trainer, with PyTorch's pool held to the plan's threads."""
    import torch

    from benchmarks.peers.torch_infogan import Trainer
    from minigan.datasets import mnist

    torch.set_num_threads(plan.threads)
    return Trainer(mnist.load("train").images, plan.batch_size, getattr(torch, dtype))


TRAINERS = {MINIGAN: minigan_trainer, TORCH: torch_trainer}


def measure_peak_memory(name: str, plan: Plan) -> float:
    """MiB that a process which only trains takes at its peak, the interpreter and libraries included."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks", "memory", name, f"--batch-size={plan.batch_size}",
         f"--threads={plan.threads}"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return float(answer.stdout)


def peak_memory_of_training(name: str, plan: Plan, steps: int = 5) -> float:
    """Train in this process, and return its peak of resident memory in MiB."""
    trainer = TRAINERS[name](plan)
    for _ in range(steps):
        trainer.step()
    return peak_resident_mib()


# -- the benchmark --------------------------------------------------------------------------------------


def measure(plan: Plan) -> dict[str, Any]:
    """Check that the libraries agree, time them in turns, and measure their memory."""
    present = [MINIGAN, TORCH] if importlib.util.find_spec("torch") else [MINIGAN]
    agreement: dict[str, dict[str, float]] = {}
    if TORCH in present:
        for dtype in TOLERANCE:
            found = differences(minigan_trainer(plan, dtype), torch_trainer(plan, dtype))
            require_agreement(found, dtype)
            agreement[dtype] = found
    steps = {name: TRAINERS[name](plan).step for name in present}
    times = interleave(steps, plan.rounds, plan.steps, plan.pause)
    memory = {name: measure_peak_memory(name, plan) for name in present}
    return summarize(times, memory, agreement, plan)


def summarize(
    times: Mapping[str, Rounds],
    memory: Mapping[str, float],
    agreement: Mapping[str, Mapping[str, float]],
    plan: Plan,
) -> dict[str, Any]:
    """The result as it is written: statistics first, then every measurement."""
    gflop = GFLOP_AN_IMAGE * plan.batch_size
    contenders: dict[str, Any] = {}
    for name in TRAINERS:
        if name not in times:
            contenders[name] = {"absent": HOW_TO_INSTALL}
            continue
        steps = [t for one in times[name] for t in one]
        contenders[name] = {
            "median_ms": round(statistics.median(steps), 3),
            "min_ms": round(min(steps), 3),
            "max_ms": round(max(steps), 3),
            "gflop_per_s": round(gflop / statistics.median(steps) * 1e3, 1),
            "peak_memory_mib": round(memory[name]),
            "rounds_ms": [[round(t, 3) for t in one] for one in times[name]],
        }
    result: dict[str, Any] = {"plan": asdict(plan), "contenders": contenders}
    if TORCH in times:
        ratios = round_ratios(times[MINIGAN], times[TORCH])
        result["ratio"] = {
            "median": round(statistics.median(ratios), 4),
            "min": round(min(ratios), 4),
            "max": round(max(ratios), 4),
            "of_fastest_steps": round(
                contenders[MINIGAN]["min_ms"] / contenders[TORCH]["min_ms"], 4
            ),
            "rounds": [round(ratio, 4) for ratio in ratios],
        }
        result["agreement"] = {
            dtype: {name: float(f"{value:.2g}") for name, value in found.items()}
            for dtype, found in agreement.items()
        }
    return result


def table(result: Mapping[str, Any]) -> Table:
    """The result for people. `result` is `measure`'s, with the circumstances."""
    plan, versions = result["plan"], result["versions"]
    labels = {
        MINIGAN: f"minigan {versions['minigan']}",
        TORCH: f"PyTorch {versions['torch']}",
    }
    rows = []
    for name, values in result["contenders"].items():
        if "absent" in values:
            rows.append([f"{name} ({values['absent']})", *["–"] * len(COLUMNS)])
            continue
        numbers = [values[key] for key in COLUMNS.values()]
        rows.append([labels[name], *(f"{x:.0f}" for x in numbers)])
    machine = result["machine"]
    notes = [
        f"Threads of each: {plan['threads']}; {plan['rounds']} rounds of {plan['steps']} steps in turns; "
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_average']} "
        f"before; {machine['system']}."
    ]
    if "ratio" in result:
        ratio = result["ratio"]
        worst = {dtype: max(found.values()) for dtype, found in result["agreement"].items()}
        notes.insert(
            0,
            f"minigan / PyTorch: {ratio['median']:.3f} of the time, the median of the rounds' ratios "
            f"({ratio['min']:.3f} – {ratio['max']:.3f}); {ratio['of_fastest_steps']:.3f} for the "
            f"fastest steps. From the same weights and images, all losses and gradients agree within "
            f"{worst['float64']:.0e} of their size in float64, {worst['float32']:.0e} in float32.",
        )
    return Table(
        f"One InfoGAN training step, MNIST, batch {plan['batch_size']}, float32 (ms)",
        ["", *COLUMNS],
        rows,
        notes,
    )
