"""A run directory: its files, its lock and its state.

experiment.json     everything that was set, the versions that ran it, and the number of threads it was started with
metrics.jsonl       a line a step: losses, and L_I of each code
samples/            a grid of samples as training goes
checkpoints/        the newest state, for `minigan resume`
networks/           the trained networks, a file each, when training has ended
timing.jsonl        how fast it went: the only file that differs between two runs of one seed; the trainer locks it
evaluation.json     the paper's numbers
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import minigan
from minigan.devices import get_device
from minigan.errors import RunError, SettingsError, TrainingError
from minigan.experiments.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from minigan.experiments.networks_files import load_networks, networks_step
from minigan.experiments.older_settings import read_settings
from minigan.experiments.settings_by_name import settings_to_json
from minigan.experiments.trainer import AVERAGED, Trainer
from minigan.files import is_locked, leftovers, locked, read_json_lines, write_json
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings
from minigan.serialization import load_all

# Settings that change no step: a run goes on from a checkpoint that differs in them.
_RESUMABLE = (
    "iterations", "checkpoint_every", "sample_every",
    "figure", "figure_limit", "measures", "reference",
)  # fmt: skip


class Run:
    """The files of one run."""

    def __init__(self, directory: Path, settings: Settings, threads: int | None = None) -> None:
        self.directory = directory
        self.settings = settings
        self.threads = threads  # those it was started with; None before it is

    # -- making and opening -----------------------------------------------------------------------

    @classmethod
    def create(cls, directory: Path, settings: Settings) -> Run:
        """Make a new run; RunError if the directory holds one already, or anything else."""
        cls.check_free(directory)
        directory.mkdir(parents=True, exist_ok=True)
        run = cls(directory, settings)
        run.write_settings()  # first of all: from here on `resume` knows what to do
        return run

    @staticmethod
    def check_free(directory: Path) -> None:
        """Raise RunError unless a new run can be made there; write nothing."""
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
        """Open the run in a directory; RunError if there is none."""
        path = directory / "experiment.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(directory, read_settings(values["settings"]), values.get("threads"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(f"{directory} holds no run: it has no experiment.json") from error
        except KeyError as error:
            raise RunError(f"{path} is damaged: it has no {error}") from error
        except (
            json.JSONDecodeError,
            UnicodeDecodeError,
            TypeError,
            SettingsError,
        ) as error:
            raise RunError(f"{path} is damaged: {error}") from error

    def write_settings(self) -> None:
        write_json(
            self.directory / "experiment.json",
            {
                "settings": settings_to_json(self.settings),
                "versions": versions(),
                "threads": self.threads,
            },
        )

    def about_threads(self) -> str:
        """Return a line if the run was started with another number of threads, else ""."""
        now = get_device(self.settings.device).threads
        if self.threads in (None, now):
            return ""
        return (
            f"{self.directory} was started with {self.threads} threads and goes on with {now}: "
            f"its last bits will differ; --threads {self.threads} keeps them"
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

    # -- the state ----------------------------------------------------------------------------------

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints there are, oldest first: one, or two in runs of earlier versions."""
        return sorted((self.directory / "checkpoints").glob(f"step-{'[0-9]' * 8}.safetensors"))

    @property
    def networks_folder(self) -> Path:
        """Return the folder of the trained networks."""
        return self.directory / "networks"

    def newest_step(self) -> int:
        """Return the step of the newest networks that are kept; 0 if there are none."""
        return max(self._checkpoint_step(), networks_step(self.networks_folder))

    def is_trained(self) -> bool:
        """Return whether the networks of the last iteration are kept."""
        return networks_step(self.networks_folder) == self.settings.iterations

    def _checkpoint_step(self) -> int:
        return max(map(_step_of, self.checkpoints()), default=0)

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint of the trainer's state, then delete the older ones."""
        if culprit := trainer.first_nonfinite():
            raise TrainingError(
                f"training diverged by step {trainer.step_count}: '{culprit}' holds values that are not finite"
            )
        name = f"step-{trainer.step_count:08d}.safetensors"
        state = Checkpoint(trainer.step_count, self.settings, trainer.state())
        save_checkpoint(self.directory / "checkpoints" / name, state)
        for path in self.checkpoints():
            if path.name != name:
                path.unlink()

    def drop_checkpoints(self) -> None:
        """Delete the state of a run that has ended, and keep its networks. It cannot go on after that."""
        if networks_step(self.networks_folder) >= self._checkpoint_step():
            for path in self.checkpoints():
                path.unlink()

    def load(self, keep: Callable[[str], bool] = lambda name: True) -> Checkpoint:
        """Return the newest checkpoint, with the tensors that `keep` accepts by name.

        Raises:
            RunError: There is none, it is damaged, or it is of another run.
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
        self._check_identity(checkpoint, paths[-1])
        return checkpoint

    def _check_identity(self, checkpoint: Checkpoint, path: Path) -> None:
        if _identity(checkpoint.settings) != _identity(self.settings):
            raise RunError(
                f"checkpoint {path} is of another run: its settings differ from experiment.json"
            )

    def networks(self) -> tuple[Networks, int]:
        """Return the newest networks (``Trainer.result``), in inference mode, and their step.

        They are read from networks/, or from a checkpoint that is newer.
        """
        networks = Networks(self.settings, initialized=False)
        own = dict(networks.named_tensors())
        step = networks_step(self.networks_folder)
        if step and step >= self._checkpoint_step():
            path = self.networks_folder
            saved = load_networks(path)
            self._check_identity(saved, path)
        else:
            prefix = AVERAGED if self.settings.extension("weight_averaging") else ""
            own = {prefix + name: value for name, value in own.items()}
            saved = self.load(keep=own.__contains__)
            path = self.checkpoints()[-1]
        with _report_mismatch(path):
            load_all(own, saved.tensors)
        networks.train(False)
        return networks, saved.step

    def restore(self, trainer: Trainer) -> None:
        """Bring the trainer to the newest checkpoint; where there is none, it starts over.

        Raises:
            RunError: The run has ended and kept its networks alone, or its checkpoint is of no use.
        """
        if self.checkpoints():
            checkpoint = self.load()
            self.lines_until(checkpoint.step)
            with _report_mismatch(self.checkpoints()[-1]):
                trainer.load_state(checkpoint.step, checkpoint.tensors)
        elif networks_step(self.networks_folder):
            raise RunError(
                f"{self.directory} has ended and kept its networks without a checkpoint, so it cannot go on; "
                f"delete {self.networks_folder}, and it starts over"
            )

    # -- the lock -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """Lock the run for this process.

        While another process trains it, wait if `wait` is given; else raise RunError.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.directory / "timing.jsonl", wait))
            except BlockingIOError as error:
                raise RunError(f"{self.directory} is being trained by another process") from error
            yield

    def is_locked(self) -> bool:
        """Return whether a process has locked the run."""
        return is_locked(self.directory / "timing.jsonl")

    # -- files that training writes -----------------------------------------------------------------

    def samples(self) -> list[Path]:
        """Return the grids of samples, oldest first."""
        return sorted((self.directory / "samples").glob(f"step-{'[0-9]' * 8}.png"))

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl."""
        path = self.directory / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def lines_until(self, step: int) -> list[bytes]:
        """Return the whole lines of metrics.jsonl until `step`."""
        path = self.directory / "metrics.jsonl"
        text = path.read_bytes() if path.exists() else b""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
        if len(lines) < step:
            raise RunError(
                f"{path} has {len(lines)} lines, and the checkpoint is of step {step}; delete that checkpoint, "
                "and the run starts over"
            )
        return lines[:step]

    def seconds(self) -> float:
        """Return how long training took until the newest checkpoint, in seconds."""
        lines = read_json_lines(self.directory / "timing.jsonl")
        return float(sum(line.get("seconds", 0.0) for line in lines))


def free_directory(folder: Path, settings: Settings) -> Path:
    """Return a name in `folder` for a new run: mnist-seed0, or mnist-seed0-2, -3, … where that is taken."""
    objective = "" if settings.objective == "infogan" else f"-{settings.objective}"
    name = f"{settings.experiment}{objective}-seed{settings.seed}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(folder / free for free in names if not (folder / free).exists())


def versions() -> dict[str, str]:
    """Return the versions that a run's bits depend on."""
    from importlib.metadata import version

    packages = ("numpy", "scipy", "numba")
    return {
        "minigan": minigan.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _step_of(path: Path) -> int:
    """Return the step in a checkpoint's name."""
    return int(path.stem.removeprefix("step-"))


def _identity(settings: Settings) -> dict[str, Any]:
    """Return the settings that a checkpoint shares with its run."""
    own = {
        name: value for name, value in settings_to_json(settings).items() if name not in _RESUMABLE
    }
    length = settings.schedule_length if settings.extensions else 0
    return {**own, "schedule_steps": length}


@contextlib.contextmanager
def _report_mismatch(path: Path) -> Iterator[None]:
    """Report a state that does not fit the networks, though its settings do: it is of another minigan."""
    try:
        yield
    except (KeyError, ValueError) as error:
        raise RunError(
            f"checkpoint {path} does not fit the networks of this minigan {minigan.__version__}"
        ) from error
