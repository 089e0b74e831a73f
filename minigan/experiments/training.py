"""The training loop: steps, and what each leaves in the run directory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from minigan.datasets.cache import Preparation
from minigan.datasets.catalogue import open_images
from minigan.devices import get_device
from minigan.experiments.boundaries import steps_ahead
from minigan.experiments.figures import LIMIT, column_labels, save_grid, traversal
from minigan.experiments.networks_files import networks_step, save_networks
from minigan.experiments.runs import Run
from minigan.experiments.step_metrics import StepMetrics
from minigan.experiments.trainer import Trainer
from minigan.files import leftovers, replacing
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings

SAMPLE_ROWS = 10
_FOLDERS = (".", "samples", "checkpoints", "networks")


class Interrupted(Exception):  # noqa: N818 (nothing is wrong)
    """Training was asked to stop, and its state has been saved."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def images_of(settings: Settings, preparation: Preparation | None = None) -> np.ndarray:
    """Return the training images of an experiment, uint8: images only, never labels."""
    found = open_images(
        settings.dataset, settings.data, "train", settings.image_shape, preparation or Preparation()
    )
    assert found is not None  # every data set has images to train on
    return found.images


def make_trainer(
    settings: Settings, preparation: Preparation | None = None, capture: bool = True
) -> Trainer:
    """Return a trainer at step 0, with the images of an experiment.

    Args:
        settings: The experiment.
        preparation: How the images are prepared.
        capture: Whether a step's kernels are launched together, on a device that can.

    Raises:
        SettingsError: The networks or the batch do not fit the images.
        DatasetError: The images are not there, or are damaged.
    """
    return Trainer(settings, images_of(settings, preparation), capture=capture)


def train(
    run: Run, trainer: Trainer, on_step: Callable[[StepMetrics], None] = lambda metrics: None
) -> None:
    """Go on to the last iteration, and write the trained networks.

    Args:
        run: The directory; this process has locked it.
        trainer: The state, as `Run.restore` has left it.
        on_step: Called after each step.

    Raises:
        Interrupted: On Ctrl-C, when the state has been saved.
        TrainingError: Training diverged.
    """
    if not trainer.step_count and run.threads is None:
        run.threads = get_device(run.settings.device).threads
        run.write_settings()
    _clean(run, trainer.step_count)
    settings, clock = run.settings, _Clock(run, trainer.step_count)
    path = run.directory / "metrics.jsonl"
    # written a line at a time, for those who follow it
    with _stop_requests() as stop, path.open("a", 1, encoding="utf-8") as metrics_file:
        while trainer.step_count < settings.iterations:
            for metrics in trainer.steps(steps_ahead(settings, trainer)):
                metrics_file.write(_metrics_line(trainer, metrics))
                on_step(metrics)
            step, last = trainer.step_count, trainer.step_count == settings.iterations
            if step == 1 or step % settings.sample_every == 0 or last:
                _sample(run, trainer.result, step)
            # asked once: a Ctrl-C while the checkpoint is written waits for the next step
            stopping = stop() and not last
            if step % settings.checkpoint_every == 0 or last or stopping:
                os.fsync(metrics_file.fileno())  # a checkpoint never outlives its steps' lines
                run.save(trainer)
                clock.note(step)
            if stopping:
                raise Interrupted(step)
    if networks_step(run.networks_folder) != trainer.step_count:
        save_networks(run.networks_folder, trainer.result, settings, trainer.step_count)


def _clean(run: Run, step: int) -> None:
    """Make the folders; delete leftover files of a crash, and lines after `step`."""
    lines = run.lines_until(step)
    for folder in _FOLDERS:
        (run.directory / folder).mkdir(exist_ok=True)
        for leftover in leftovers(run.directory / folder):
            leftover.unlink()
    with replacing(run.directory / "metrics.jsonl") as temporary:
        temporary.write_bytes(b"".join(lines))


def _sample(run: Run, networks: Networks, step: int) -> None:
    """Draw the grid of step `step`: the same latents each time."""
    settings = run.settings
    images = traversal(networks, settings, code=0, rows=SAMPLE_ROWS)
    values = column_labels(settings.layout.codes[0], images.shape[1], LIMIT)
    path = run.directory / "samples" / f"step-{step:08d}.png"
    save_grid(images, path, settings.image_low, labels=values)


class _Clock:
    """Notes in timing.jsonl how long the steps between two checkpoints took."""

    def __init__(self, run: Run, step: int) -> None:
        self.path = run.directory / "timing.jsonl"
        self.step, self.time = step, time.perf_counter()

    def note(self, step: int) -> None:
        now = time.perf_counter()
        seconds = now - self.time
        speed = (step - self.step) / seconds
        line = {"step": step, "seconds": seconds, "steps_per_second": speed}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.step, self.time = step, now


def _metrics_line(trainer: Trainer, metrics: StepMetrics) -> str:
    names = trainer.layout.names
    values = {
        "step": metrics.step,
        "discriminator_loss": metrics.discriminator_loss,
        "generator_loss": metrics.generator_loss,
        "information": dict(zip(names, metrics.information, strict=True)),
    }
    return json.dumps(values) + "\n"


@contextlib.contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Within this block the first Ctrl-C (or SIGTERM) is only noted; the second one interrupts at once."""
    requested = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        requested = True
        signal.signal(number, before[number])

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        for interrupt in (signal.SIGINT, signal.SIGTERM):
            before[interrupt] = signal.signal(interrupt, note)
    try:
        yield lambda: requested
    finally:
        for noted, handler in before.items():
            signal.signal(noted, handler)
