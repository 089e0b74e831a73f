"""The work of a sweep: train and evaluate one of its runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minigan.datasets.cache import Preparation
from minigan.errors import TrainingError
from minigan.experiments.evaluation import evaluate, evaluation_images, on_fast_device
from minigan.experiments.runs import Run
from minigan.experiments.sweeps.directory import Sweep, has_ended, reached, read_evaluation
from minigan.experiments.sweeps.plan import Plan
from minigan.experiments.trainer import Trainer
from minigan.experiments.training import make_trainer, train
from minigan.files import write_json
from minigan.infogan.networks import Networks


def check_runs(plan: Plan, images: np.ndarray) -> None:
    """SettingsError if some run of the plan has networks, or a batch, that do not fit the images."""
    for point in plan.points():
        settings = plan.at(point, plan.seeds[0])
        Trainer(dataclasses.replace(settings, device="cpu"), images)  # it is everywhere


def run_to_completion(directory: Path, name: str, preparation: Preparation) -> None:
    """Train one run of a sweep to its end, from its newest checkpoint if it has one, and evaluate it.

    An executor does this alone, in any process. It may be called again at any time: a run that has
    ended is left alone. If another process, perhaps an orphaned one, still holds the run's lock,
    the call waits for it.
    """
    run = Sweep.open(directory).run(name)
    with run.lock(wait=True):
        if has_ended(run):
            return
        try:
            if not run.is_trained():
                trainer = make_trainer(run.settings, preparation)
                run.restore(trainer)
                train(run, trainer)
            evaluate_run(run, *run.networks(), preparation)
            run.drop_checkpoints()  # a sweep may have many runs, and their networks are kept
        except TrainingError as error:  # it would fail again
            write_json(run.directory / "failure.json", {"step": reached(run), "reason": str(error)})


def evaluate_run(
    run: Run, networks: Networks, step: int, preparation: Preparation, test: bool = False
) -> None:
    """Write evaluation.json; the labels of the test images are read if it is so wanted."""
    labeled, held_back, factored = evaluation_images(run.settings, preparation)
    tested = held_back if test else None
    networks, settings = on_fast_device(networks, run.settings)
    evaluation = evaluate(networks, settings, labeled, tested, factored=factored)
    write_json(run.directory / "evaluation.json", {"step": step, **evaluation.to_json()})


def add_test_errors(sweep: Sweep, preparation: Preparation) -> Iterator[str]:
    """Evaluate on the test images each ended run that was not yet; yield its name before."""
    for name in filter(sweep.is_created, sweep.settings):
        run = sweep.run(name)
        evaluation = read_evaluation(run)
        if evaluation is not None and evaluation["test"] is None:
            yield name
            networks, step = run.networks()
            evaluate_run(run, networks, step, preparation, test=True)
