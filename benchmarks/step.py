"""One InfoGAN training step on MNIST, in minigan and in PyTorch: eager, compiled, and on a GPU as one CUDA graph.

All take the same step (same networks, batch size and optimizers). First they take it on the same
weights, images and latents, where losses and gradients must agree. Then each takes other random
batches, timed in turns.

On a busy machine the ratio says little: the threads of PyTorch's OpenMP spin at every barrier. They
lose far more time to other processes than minigan's, which sleep. The ratio of the fastest steps
stands beside it, since the fastest step of each is the one least disturbed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine, operations, plots
from benchmarks.agreement import DTYPES, differences, require_agreement
from benchmarks.baselines import (
    MINIGAN,
    TORCH,
    TORCH_COMPILED,
    TORCH_COMPILED_GRAPHS,
    TORCH_GRAPHS,
    absences,
)
from benchmarks.declaration import Benchmark, Goal, Presentation, Result, Say, Section
from benchmarks.report import PERFORMANCE, ROOT, image, setting
from benchmarks.timing import (
    Rounds,
    interleave,
    peak_resident_mib,
    ratio_summary,
    round_ratios,
    scaled,
    summary,
)
from minigan.experiments.pages import Table

# Eleven passes through a network of 13 million multiply-adds an image: G forward; D forward on real and
# generated images, and backward to weights and data of both; D forward and back to its data for G; G backward
# to weights and data.
GFLOP_AN_IMAGE = 36.9 / 128

OF_BASELINE = Goal("of_peer", "minigan / the faster baseline", 1 / 1.1)
OF_GEMM = Goal("of_gemm", "The step / its FLOPs at the GEMM rate of the same run", 1.15)

COLUMNS = {
    "median": "median_ms",
    "min": "min_ms",
    "max": "max_ms",
    "GFLOP/s": "gflop_per_s",
    "peak memory (MiB)": "peak_memory_mib",
}

PLOT = ROOT / "docs" / "images" / "operations.png"


@dataclass(frozen=True)
class Plan:
    """How the step is measured."""

    batch_size: int = 128
    threads: int = 1
    rounds: int = 20
    steps: int = 3
    pause: float = 0.3  # seconds
    device: str = "cpu"
    precision: str = "ieee"  # of float32 products; "tf32" on a GPU


GPU_PLAN = Plan(steps=200, pause=0, device="cuda")  # a step takes half a millisecond


# -- the contenders -------------------------------------------------------------------------------------


def minigan_trainer(plan: Plan, dtype: str = "float32", capture: bool = True) -> Any:
    """MNIST's trainer, with Numba's pool held to the plan's threads."""
    import numba

    from minigan.datasets import mnist
    from minigan.experiments.declarations import MNIST
    from minigan.experiments.trainer import Trainer

    numba.set_num_threads(plan.threads)
    settings = replace(
        MNIST, batch_size=plan.batch_size, dtype=dtype, device=plan.device,
        float32_precision=plan.precision,
    )  # fmt: skip
    return Trainer(settings, mnist.load("train").images, capture=capture)


def torch_trainer(
    plan: Plan, dtype: str = "float32", compiled: bool = False, graph: bool = False
) -> Any:
    """Return PyTorch's trainer, with its pool held to the plan's threads, and products of the plan's precision."""
    import torch

    from benchmarks.baselines import torch_infogan
    from minigan.datasets import mnist

    torch.set_num_threads(plan.threads)
    torch_infogan.set_precision(plan.precision)
    images, real = mnist.load("train").images, getattr(torch, dtype)
    if graph:
        return torch_infogan.GraphedTrainer(images, plan.batch_size, real, compiled)
    return torch_infogan.Trainer(images, plan.batch_size, real, plan.device, compiled)


TRAINERS: dict[str, Callable[..., Any]] = {
    MINIGAN.name: minigan_trainer,
    TORCH.name: torch_trainer,
    TORCH_COMPILED.name: partial(torch_trainer, compiled=True),  # its first step takes a minute
    TORCH_GRAPHS.name: partial(torch_trainer, graph=True),
    TORCH_COMPILED_GRAPHS.name: partial(torch_trainer, compiled=True, graph=True),
}
BASELINES = (MINIGAN, TORCH, TORCH_COMPILED, TORCH_GRAPHS, TORCH_COMPILED_GRAPHS)


def measure_peak_memory(name: str, plan: Plan) -> float:
    """MiB that a process which only trains takes at its peak, the interpreter and libraries included."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks", "memory", name, f"--batch-size={plan.batch_size}",
         f"--threads={plan.threads}", f"--device={plan.device}", f"--precision={plan.precision}"],
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


def measure(plan: Plan, say: Say = lambda line: None) -> dict[str, Any]:
    """Check that the libraries agree, time them in turns with the machine's own rates, and measure their memory."""
    absent = absences(BASELINES, plan.device)
    present = [baseline.name for baseline in BASELINES if baseline.name not in absent]
    agreement = {
        name: _agreement(name, plan, say)
        for name in present
        if name != MINIGAN.name and "graph" not in name.lower()  # a graph replays another's step
    }
    say("making the networks")
    steps = {name: TRAINERS[name](plan).step for name in present}
    rates = machine.rate_contenders(plan.device, plan.threads)
    times = interleave(
        {**steps, **rates}, plan.rounds, plan.steps, plan.pause,
        progress=lambda line: say(f"{line} (torch.compile takes a minute)" if TORCH_COMPILED.name in line else line),
    )  # fmt: skip
    say("timing each kernel of a step")
    trainer = minigan_trainer(plan, capture=False)
    trainer.step()
    by_kernel = operations.measure(trainer.step, trainer.device, max(5, plan.rounds))
    memory = {}
    for name in present:
        say(f"peak memory of {name}")
        memory[name] = measure_peak_memory(name, plan)
    return {**summarize(times, memory, agreement, plan, absent), "operations": by_kernel}


def _agreement(name: str, plan: Plan, say: Say) -> dict[str, dict[str, float]]:
    found = {}
    for dtype in DTYPES:
        say(f"comparing losses and gradients with {name}, {dtype}")
        found[dtype] = differences(minigan_trainer(plan, dtype), TRAINERS[name](plan, dtype))
        tf32 = plan.precision == "tf32" and dtype == "float32"
        require_agreement(found[dtype], "tf32" if tf32 else dtype, name)
    return found


def summarize(
    times: Mapping[str, Rounds],
    memory: Mapping[str, float],
    agreement: Mapping[str, Mapping[str, Mapping[str, float]]],
    plan: Plan,
    absent: Mapping[str, str],
) -> dict[str, Any]:
    """Return the result as it is written: statistics first, then every measurement."""
    gflop = GFLOP_AN_IMAGE * plan.batch_size
    contenders: dict[str, Any] = {}
    for baseline in BASELINES:
        if baseline.name in absent:
            contenders[baseline.name] = {"absent": absent[baseline.name]}
            continue
        values = summary(times[baseline.name])
        contenders[baseline.name] = {
            **values,
            "gflop_per_s": round(gflop / values["median_ms"] * 1e3, 1),
            "peak_memory_mib": round(memory[baseline.name]),
        }
    baselines = [baseline.name for baseline in BASELINES[1:] if baseline.name not in absent]
    own = times[MINIGAN.name]
    result: dict[str, Any] = {
        "plan": asdict(plan),
        "machine_rates": machine.to_json(dict(times)),
        "contenders": contenders,
        "ratios": {name: ratio_summary(own, times[name]) for name in baselines},
        "goals": {},
        "agreement": {
            name: {dtype: float(f"{max(found.values()):.2g}") for dtype, found in own.items()}
            for name, own in agreement.items()
        },
    }
    if baselines:
        result["faster_peer"] = min(baselines, key=lambda name: contenders[name]["median_ms"])
        result["goals"][OF_BASELINE.name] = result["ratios"][result["faster_peer"]]["rounds"]
    at_gemm_rate = scaled(times[machine.GEMM], gflop * 1e9 / machine.GEMM_FLOPS)
    result["goals"][OF_GEMM.name] = [round(r, 4) for r in round_ratios(own, at_gemm_rate)]
    return result


# -- its presentation -----------------------------------------------------------------------------------


def table(result: Result) -> Table:
    """Return a row for each contender, and in words the ratios, the goals and the agreement."""
    versions = result["versions"]
    rows = []
    for baseline in BASELINES:
        values = result["contenders"][baseline.name]
        if "absent" in values:
            rows.append([f"{baseline.name} ({values['absent']})", *["–"] * len(COLUMNS)])
            continue
        numbers = [values[key] for key in COLUMNS.values()]
        rows.append(
            [f"{baseline.name} {versions[baseline.package]}", *(f"{x:.0f}" for x in numbers)]
        )
    return Table(
        f"One InfoGAN training step, MNIST, batch {result['plan']['batch_size']}, float32 (ms)",
        ["", *COLUMNS],
        rows,
        [*_ratios_in_words(result), *_goals_in_words(result), setting(result)],
    )


def _ratios_in_words(result: Result) -> list[str]:
    sentences = [
        f"minigan / {name}: {ratio['median']:.3f} of the time, the median of the rounds' ratios "
        f"({ratio['min']:.3f} – {ratio['max']:.3f}); {ratio['of_fastest']:.3f} for the fastest steps."
        for name, ratio in result["ratios"].items()
    ]
    if result["agreement"]:
        worst = {
            dtype: max(found[dtype] for found in result["agreement"].values()) for dtype in DTYPES
        }
        sentences.append(
            "From the same weights and images, all losses and gradients agree within "
            f"{worst['float64']:.0e} of their size in float64, {worst['float32']:.0e} in float32."
        )
    return sentences


def _goals_in_words(result: Result) -> list[str]:
    found = [
        goal.sentence(result["goals"][goal.name])
        for goal in BENCHMARK.goals
        if goal.name in result["goals"]
    ]
    return [*found, machine.sentence(result["machine_rates"])]


def operations_table(result: Result) -> Table:
    """Return where the step's time goes."""
    roof = machine.from_json(result["machine_rates"])
    plan = result["plan"]
    found = operations.table(
        result["operations"], roof, f"The time of one step by kernel, batch {plan['batch_size']}"
    )
    notes = (
        "Times are medians, each kernel's calls in a step added up; bytes are the least that they move, FLOPs those of "
        "the definition (Winograd's convolution does fewer, so it may pass the GEMM rate).",
        machine.sentence(result["machine_rates"]),
        setting(result),
    )
    return replace(found, notes=notes)


def present(result: Result) -> Presentation:
    """Return the comparison, and where the time goes, for the page on performance."""
    comparison, by_kernel = table(result), operations_table(result)
    sections = [Section(PERFORMANCE, "operations", by_kernel.markdown() + image(PERFORMANCE, PLOT))]
    # Half a comparison is no reason to take a whole one off the page.
    if result["ratios"]:
        sections.append(Section(PERFORMANCE, "step", comparison.markdown()))
    drawn: dict[Path, Any] = {PLOT: plots.operations_figure(result)}
    return Presentation([comparison, by_kernel], sections, drawn)


BENCHMARK = Benchmark(
    name="step",
    measures="One InfoGAN training step on MNIST, with the machine's own GEMM rate and memory bandwidth",
    baselines=BASELINES,
    goals=(OF_BASELINE, OF_GEMM),
    plan=Plan,
    measure=measure,
    present=present,
)
