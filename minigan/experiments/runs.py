"""A run directory, and the loop that fills it.

experiment.json     everything that was set, the versions that ran it, and the number of threads it was started with
metrics.jsonl       a line a step: losses, and L_I of each code
samples/            a grid of samples as training goes
checkpoints/        the newest states, for `minigan resume`
timing.jsonl        how fast it went: the only file that differs between two runs of one seed; locked by who trains
evaluation.json     the paper's numbers
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import minigan
from minigan.datasets.cache import Preparation
from minigan.datasets.catalogue import open_images
from minigan.devices import get_device
from minigan.errors import RunError, SettingsError, TrainingError
from minigan.experiments.boundaries import steps_ahead
from minigan.experiments.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from minigan.experiments.figures import save_grid, traversal
from minigan.files import is_locked, leftovers, locked, replacing, write_json
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings
from minigan.infogan.step import AVERAGED, Trainer
from minigan.infogan.step_metrics import StepMetrics
from minigan.tensor import load_all

FOLDERS = (".", "samples", "checkpoints")
KEPT_CHECKPOINTS = 2
SAMPLE_ROWS = 10
INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended

# Settings that do not change what a step computes: a checkpoint may differ in them from its run.
_FREE = (
    "iterations", "checkpoint_every", "sample_every",
    "figure", "figure_limit", "measures", "reference",
)  # fmt: skip


class Interrupted(Exception):  # noqa: N818 (nothing is wrong)
    """Training was asked to stop, and its state has been saved."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


class Run:
    """The files of one run."""

    def __init__(self, directory: Path, settings: Settings, threads: int | None = None) -> None:
        self.directory = directory
        self.settings = settings
        self.threads = threads  # those it was started with; None before it is

    # -- making and opening -----------------------------------------------------------------------

    @classmethod
    def create(cls, directory: Path, settings: Settings) -> Run:
        """A new run; RunError if the directory holds one already, or anything else."""
        cls.check_free(directory)
        directory.mkdir(parents=True, exist_ok=True)
        run = cls(directory, settings)
        run.write_settings()  # first of all: from here on `resume` knows what to do
        return run

    @staticmethod
    def check_free(directory: Path) -> None:
        """RunError unless a new run can be made there; nothing is written."""
        if (directory / "experiment.json").exists():
            raise RunError(
                f"{directory} already holds a run; go on with it by 'minigan resume {directory}', or "
                "choose another --out"
            )
        if directory.exists() and (
            not directory.is_dir() or set(directory.iterdir()) - set(leftovers(directory))
        ):
            raise RunError(f"{directory} is not an empty directory; choose another --out")

    @classmethod
    def open(cls, directory: Path) -> Run:
        """The run in a directory; RunError if there is none."""
        path = directory / "experiment.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(directory, Settings.from_json(values["settings"]), values.get("threads"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(f"{directory} holds no run: it has no experiment.json") from error
        except (
            json.JSONDecodeError,
            UnicodeDecodeError,
            KeyError,
            TypeError,
            SettingsError,
        ) as error:
            raise RunError(f"{path} is damaged: {error}") from error

    def write_settings(self) -> None:
        write_json(
            self.directory / "experiment.json",
            {
                "settings": self.settings.to_json(),
                "versions": versions(),
                "threads": self.threads,
            },
        )

    def about_threads(self) -> str:
        """Return a line if the run was started with another number of threads than it would go on with, else nothing."""
        now = get_device(self.settings.device).threads
        if self.threads in (None, now):
            return ""
        return (
            f"{self.directory} was started with {self.threads} threads and goes on with {now}: its last bits will differ; "
            f"NUMBA_NUM_THREADS={self.threads} keeps them"
        )

    def extend(self, iterations: int, reached: int) -> None:
        """Set another last step, not before the one that was reached, and keep it in experiment.json."""
        if iterations < reached:
            raise RunError(f"{self.directory} is already at step {reached}, past {iterations}")
        # a schedule in fractions stays as it was
        pinned = self.settings.schedule_length if self.settings.extensions else 0
        self.settings = dataclasses.replace(
            self.settings, iterations=iterations, schedule_steps=pinned
        )
        self.write_settings()

    # -- checkpoints --------------------------------------------------------------------------------

    def checkpoints(self) -> list[Path]:
        """The checkpoints there are, oldest first."""
        return sorted((self.directory / "checkpoints").glob(f"step-{'[0-9]' * 8}.safetensors"))

    def newest_step(self) -> int:
        """The step of the newest checkpoint; 0 if there is none."""
        return max(map(_step_of, self.checkpoints()), default=0)

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint of the trainer's state, and drop all but the newest.

        That of a stop in between is dropped before them: a run that stopped and went on ends with the same
        files as one that never did.
        """
        if culprit := trainer.first_nonfinite():
            raise TrainingError(
                f"training diverged by step {trainer.step_count}: '{culprit}' holds values that are not finite"
            )
        name = f"step-{trainer.step_count:08d}.safetensors"
        state = Checkpoint(trainer.step_count, self.settings, trainer.state())
        save_checkpoint(self.directory / "checkpoints" / name, state)
        _, *older = reversed(self.checkpoints())
        regular = [path for path in older if _step_of(path) % self.settings.checkpoint_every == 0]
        for old in set(older) - set(regular[: KEPT_CHECKPOINTS - 1]):
            old.unlink()

    def load(self, keep: Callable[[str], bool] = lambda name: True) -> Checkpoint:
        """The newest checkpoint, and its tensors that `keep` accepts by name.

        RunError if there is none, or it is damaged or of another run.
        """
        paths = self.checkpoints()
        if not paths:
            raise RunError(
                f"{self.directory} has no checkpoint yet; train it with 'minigan resume {self.directory}'"
            )
        checkpoint = load_checkpoint(paths[-1], keep)
        if checkpoint.step != _step_of(paths[-1]):
            raise RunError(
                f"checkpoint {paths[-1]} is damaged or misnamed: it says that it is of step {checkpoint.step}"
            )
        if _fixed(checkpoint.settings) != _fixed(self.settings):
            raise RunError(
                f"checkpoint {paths[-1]} is of another run: its settings differ from experiment.json"
            )
        return checkpoint

    def networks(self) -> tuple[Networks, int]:
        """What the run has come to by its newest checkpoint (``Trainer.result``), in inference mode, and the step."""
        networks = Networks(self.settings)
        prefix = AVERAGED if self.settings.extension("weight_averaging") else ""
        own = {prefix + name: value for name, value in networks.named_tensors()}
        checkpoint = self.load(keep=own.__contains__)
        with self._fitting():
            load_all(own, checkpoint.tensors)
        networks.train(False)
        return networks, checkpoint.step

    # -- training -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """The run to this process alone; while another trains it, RunError, or with `wait` a pause."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.directory / "timing.jsonl", wait))
            except BlockingIOError as error:
                raise RunError(f"{self.directory} is being trained by another process") from error
            yield

    def is_locked(self) -> bool:
        """Whether a process has the run to itself."""
        return is_locked(self.directory / "timing.jsonl")

    def train(
        self,
        trainer: Trainer,
        on_step: Callable[[StepMetrics], None] = lambda metrics: None,
    ) -> None:
        """Go on to the last iteration. Interrupted on Ctrl-C, when the state has been saved."""
        if not trainer.step_count and self.threads is None:
            self.threads = get_device(self.settings.device).threads
            self.write_settings()
        for folder in FOLDERS:
            (self.directory / folder).mkdir(exist_ok=True)
            for leftover in leftovers(self.directory / folder):
                leftover.unlink()
        with replacing(self.directory / "metrics.jsonl") as temporary:
            temporary.write_bytes(b"".join(self._lines_until(trainer.step_count)))
        settings, noted = self.settings, (trainer.step_count, time.perf_counter())
        path = self.directory / "metrics.jsonl"
        # written a line at a time, for those who follow it
        with _stop_requests() as stop, path.open("a", 1, encoding="utf-8") as metrics_file:
            while trainer.step_count < settings.iterations:
                for metrics in trainer.steps(steps_ahead(settings, trainer)):
                    metrics_file.write(_metrics_line(trainer, metrics))
                    on_step(metrics)
                step, last = trainer.step_count, trainer.step_count == settings.iterations
                if step == 1 or step % settings.sample_every == 0 or last:
                    self.sample(trainer.result, step)
                # asked once: a Ctrl-C while the checkpoint is written waits for the next step
                stopping = stop() and not last
                if step % settings.checkpoint_every == 0 or last or stopping:
                    os.fsync(metrics_file.fileno())  # a checkpoint never outlives its steps' lines
                    self.save(trainer)
                    noted = self._note_timing(step, *noted)
                if stopping:
                    raise Interrupted(step)

    def restore(self, trainer: Trainer) -> None:
        """Bring the trainer to the newest checkpoint; where there is none, it starts over."""
        if self.checkpoints():
            checkpoint = self.load()
            self._lines_until(checkpoint.step)
            with self._fitting():
                trainer.load_state(checkpoint.step, checkpoint.tensors)

    @contextlib.contextmanager
    def _fitting(self) -> Iterator[None]:
        """A state that does not fit the networks, though its settings do, is of another minigan."""
        try:
            yield
        except (KeyError, ValueError) as error:
            raise RunError(
                f"checkpoint {self.checkpoints()[-1]} does not fit the networks of this minigan {minigan.__version__}"
            ) from error

    def sample(self, networks: Networks, step: int) -> None:
        """The grid of step `step`: the same latents each time."""
        images = traversal(networks, self.settings, code=0, rows=SAMPLE_ROWS)
        save_grid(
            images, self.directory / "samples" / f"step-{step:08d}.png", self.settings.image_low
        )

    def samples(self) -> list[Path]:
        """The grids of samples there are, oldest first."""
        return sorted((self.directory / "samples").glob(f"step-{'[0-9]' * 8}.png"))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        path = self.directory / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def _lines_until(self, step: int) -> list[bytes]:
        """The lines of metrics.jsonl until `step`: not those after it, nor what a crash left of one."""
        path = self.directory / "metrics.jsonl"
        text = path.read_bytes() if path.exists() else b""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
        if len(lines) < step:
            raise RunError(
                f"{path} has {len(lines)} lines, and the checkpoint is of step {step}; delete that checkpoint, "
                "and the run goes on from the one before"
            )
        return lines[:step]

    def _note_timing(self, step: int, before: int, then: float) -> tuple[int, float]:
        """Note how long it took from step `before`, at the time `then`; and give this step and its time."""
        now = time.perf_counter()
        line = {
            "step": step,
            "seconds": now - then,
            "steps_per_second": (step - before) / (now - then),
        }
        with (self.directory / "timing.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return step, now

    def seconds(self) -> float:
        """How long it took to train to the newest checkpoint: what a kill lost is not in it."""
        path = self.directory / "timing.jsonl"
        seconds = 0.0
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            with contextlib.suppress(json.JSONDecodeError):  # what a full disk left of one
                seconds += json.loads(line).get("seconds", 0.0)
        return seconds


def free_directory(folder: Path, settings: Settings) -> Path:
    """Return a name in `folder` for a new run: mnist-seed0, or mnist-seed0-2, -3, … where that is taken."""
    objective = "" if settings.objective == "infogan" else f"-{settings.objective}"
    name = f"{settings.experiment}{objective}-seed{settings.seed}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(folder / free for free in names if not (folder / free).exists())


def versions() -> dict[str, str]:
    """The versions that a run's bits depend on."""
    from importlib.metadata import version

    packages = ("numpy", "scipy", "numba")
    return {
        "minigan": minigan.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _step_of(path: Path) -> int:
    """The step in a checkpoint's name."""
    return int(path.stem.removeprefix("step-"))


def _fixed(settings: Settings) -> dict[str, Any]:
    """The settings that a checkpoint shares with its run."""
    own = {name: value for name, value in settings.to_json().items() if name not in _FREE}
    length = settings.schedule_length if settings.extensions else 0
    return {**own, "schedule_steps": length}


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


def images_of(settings: Settings, how: Preparation | None = None) -> np.ndarray:
    """The training images of an experiment, uint8: images only, never labels."""
    found = open_images(
        settings.dataset, settings.data, "train", settings.image_shape, how or Preparation()
    )
    assert found is not None  # every data set has images to train on
    return found.images
