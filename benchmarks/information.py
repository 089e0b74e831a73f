"""The cost of the information term: a step of InfoGAN over a step of the same GAN, which has no Q at all.

The paper says that InfoGAN comes for free (section 5): Q is one more small network on D's trunk.
The same GAN has the same G, inputs, D, batches and optimizers. Nothing is read out of its images,
and nothing in its losses asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from benchmarks.baselines import Baseline
from benchmarks.declaration import Benchmark, Goal, Presentation, Result, Say, Section
from benchmarks.report import PERFORMANCE, setting
from benchmarks.step import Plan
from benchmarks.timing import Rounds, interleave, ratio_summary, summary
from minigan.experiments.pages import Table
from minigan.experiments.trainer import Trainer
from minigan.infogan.objective import discriminator_loss, generator_loss
from minigan.infogan.parts import GENERATED, REAL, Parts
from minigan.infogan.step import minimize
from minigan.tensor import Tensor

INFOGAN, PLAIN_GAN = Baseline("InfoGAN", "minigan"), Baseline("plain GAN", "minigan")
FOR_FREE = Goal("for_free", "InfoGAN / the same GAN", 1.05)


class PlainTrainer(Trainer):
    """A trainer with D's and G's losses alone (Goodfellow et al. 2014): Q is never asked, and never changes."""

    def update_discriminator(
        self, real: Tensor, generated: Tensor, codes: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        parts = Parts({REAL: real, GENERATED: generated})
        features = self.discriminator.trunk(parts.batch, parts.groups)
        loss = discriminator_loss(self.discriminator(features), self._targets)
        minimize(self.discriminator_optimizer, loss)
        return loss, codes  # where the other has log Q: one small sum in either step

    def update_generator(self, generated: Tensor, codes: Tensor, step: int) -> Tensor:
        features = self.discriminator.trunk(generated, (GENERATED,))
        loss = generator_loss(self.discriminator(features), self._ones)
        minimize(self.generator_optimizer, loss)
        return loss


def trainers(plan: Plan, images: np.ndarray) -> dict[str, Trainer]:
    """Both, with the weights and the batches of one seed."""
    from minigan.experiments.declarations import MNIST

    settings = replace(MNIST, batch_size=plan.batch_size, device=plan.device)
    return {
        INFOGAN.name: Trainer(settings, images),
        PLAIN_GAN.name: PlainTrainer(settings, images),
    }


def measure(plan: Plan, say: Say = lambda line: None) -> dict[str, Any]:
    """Time both in turns."""
    import numba

    from minigan.datasets import mnist

    numba.set_num_threads(plan.threads)
    say("making the networks")
    contenders = {name: t.step for name, t in trainers(plan, mnist.load("train").images).items()}
    times = interleave(contenders, plan.rounds, plan.steps, plan.pause, progress=say)
    return summarize(times, plan)


def summarize(times: Mapping[str, Rounds], plan: Plan) -> dict[str, Any]:
    """Return the result as it is written."""
    ratio = ratio_summary(times[INFOGAN.name], times[PLAIN_GAN.name])
    return {
        "plan": asdict(plan),
        "contenders": {name: summary(rounds) for name, rounds in times.items()},
        "ratios": {FOR_FREE.says: ratio},
        "goals": {FOR_FREE.name: ratio["rounds"]},
    }


def table(result: Result) -> Table:
    """Return a row each, and the ratio."""
    rows = [
        (name, *(f"{values[key]:.1f}" for key in ("median_ms", "min_ms", "max_ms")))
        for name, values in result["contenders"].items()
    ]
    return Table(
        f"A step of InfoGAN and of the same GAN, MNIST, batch {result['plan']['batch_size']}, float32 (ms)",
        ("", "median", "min", "max"),
        rows,
        (FOR_FREE.sentence(result["goals"][FOR_FREE.name]), setting(result)),
    )


BENCHMARK = Benchmark(
    name="information",
    measures="One training step of InfoGAN on MNIST, and of the same GAN without Q",
    baselines=(INFOGAN, PLAIN_GAN),
    goals=(FOR_FREE,),
    plan=Plan,
    measure=measure,
    present=lambda result: Presentation(
        [table(result)], [Section(PERFORMANCE, "information", table(result).markdown())]
    ),
)
