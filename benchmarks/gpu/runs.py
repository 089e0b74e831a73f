"""Whole runs on a GPU: the paper's MNIST at full width, InfoGAN and the plain GAN; the best preset; chairs on scenes.

A run keeps its state in the folder of ``--work``, and goes on from there in the next call. It needs neither safetensors nor rich.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.contenders import SMALL, images
from benchmarks.gpu.piece import Context, OutOfTimeError, Part, Piece, Values, has
from benchmarks.gpu.results import code
from benchmarks.gpu.table import measured_by
from minigan.experiments.declarations import MNIST, get_experiment
from minigan.experiments.pages import Table
from minigan.experiments.settings_by_name import settings_to_json
from minigan.experiments.trainer import Trainer
from minigan.files import replacing
from minigan.infogan.settings import Settings

BEST_PRESET = "extended"
_CURVE_EVERY = 50  # steps, over which L_I is averaged
_SAVE_EVERY = 30  # seconds
_RESERVE = 15  # seconds that are left for keeping the state
_SECONDS = 100  # that a part should have at least
_EVALUATION_SECONDS = 60
_SMALL_IMAGES = 200

GAN, CHAIRS = "mnist, plain GAN", "chairs on scenes"


def settings_by_name() -> dict[str, Settings]:
    """Return the settings of each run."""
    chairs = dataclasses.replace(get_experiment("chairs"), data="scenes")
    return {
        "mnist": MNIST,
        GAN: dataclasses.replace(MNIST, objective="gan"),
        f"mnist, preset {BEST_PRESET}": get_experiment("mnist", BEST_PRESET),
        CHAIRS: chairs,
    }


def train(context: Context, name: str) -> Values:
    """Train to the last step, and measure what came out."""
    settings = dataclasses.replace(settings_by_name()[name], device="cuda")
    if context.small:
        settings = _made_small(settings)
    trainer = Trainer(settings, _training_images(context, settings))
    state = _State(context.work / f"{name.replace(' ', '-').replace(',', '')}.npz", settings)
    state.load(trainer)
    saved = began = time.monotonic()
    while trainer.step_count < settings.iterations:
        metrics = trainer.step()
        state.note(metrics.step, metrics.information)
        now = time.monotonic()
        if now - saved > _SAVE_EVERY or context.left() < _RESERVE:
            state.save(trainer, now - began)
            saved = began = now
            context.say(f"{name}: step {trainer.step_count} of {settings.iterations}")
        if context.left() < _RESERVE:
            raise OutOfTimeError(f"at step {trainer.step_count} of {settings.iterations}", kept=True)  # fmt: skip
    state.save(trainer, time.monotonic() - began)
    if not context.small and context.left() < _EVALUATION_SECONDS:
        raise OutOfTimeError("it is trained, and not yet evaluated", kept=True)
    return {
        "iterations": settings.iterations,
        "seconds": round(state.seconds, 2),
        "settings": settings_to_json(settings),
        "code_names": list(settings.layout.names),
        "curve": state.curve,
        **_evaluated(context, trainer, settings),
    }


def _made_small(settings: Settings) -> Settings:
    """Return MNIST's settings with tiny networks and few steps; in place of chairs, MNIST's."""
    base = settings if settings.dataset == "mnist" else SMALL
    return dataclasses.replace(
        base, device="cuda", trunk=SMALL.trunk, generator=SMALL.generator, batch_size=SMALL.batch_size,
        iterations=6,
    )  # fmt: skip


def _training_images(context: Context, settings: Settings) -> np.ndarray[Any, Any]:
    if context.small:
        return images(context)
    from minigan.datasets.cache import Preparation
    from minigan.datasets.catalogue import open_images

    found = open_images(
        settings.dataset, settings.data, "train", settings.image_shape, Preparation()
    )
    assert found is not None
    return found.images


def _evaluated(context: Context, trainer: Any, settings: Settings) -> Values:
    """Return the evaluation; without SciPy, why there is none."""
    if not has("scipy"):
        return {"evaluation": None, "reason": "scipy is missing; bring the wheel of scipy"}
    from minigan.datasets.cache import Preparation
    from minigan.experiments.evaluation import evaluate, evaluation_images

    labelled, test, factored = evaluation_images(settings, Preparation())
    samples = 10_000
    if context.small:
        labelled, test = (
            found and dataclasses.replace(found, images=found.images[:_SMALL_IMAGES], labels=found.labels[:_SMALL_IMAGES])
            for found in (labelled, test)
        )  # fmt: skip
        samples = 50
    found = evaluate(trainer.result, settings, labelled, test, samples, factored=factored)
    return {"evaluation": found.to_json()}


class _State:
    """All that a run needs to go on: the trainer's tensors, its step, the curve of L_I, the seconds so far."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.identity = json.dumps([settings_to_json(settings), code()], sort_keys=True)
        self.curve: list[
            list[float]
        ] = []  # of each _CURVE_EVERY steps: the last one, and the mean L_I of each code
        self.seconds = 0.0
        self._since: list[tuple[float, ...]] = []

    def note(self, step: int, information: tuple[float, ...]) -> None:
        """Add a step to the curve."""
        self._since.append(information)
        if len(self._since) == _CURVE_EVERY or step == 1:
            means = np.mean(self._since, axis=0)
            self.curve.append([step, *(round(float(mean), 4) for mean in means)])
            self._since = []

    def save(self, trainer: Any, seconds: float) -> None:
        """Write the state whole or not at all."""
        self.seconds += seconds
        self.path.parent.mkdir(parents=True, exist_ok=True)
        notes = {
            "identity": self.identity, "step": trainer.step_count, "curve": self.curve, "seconds": self.seconds,
            "since": self._since,
        }  # fmt: skip
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, notes=np.array(json.dumps(notes)), **trainer.state())

    def load(self, trainer: Any) -> None:
        """Bring the trainer to the kept state, if there is one of the same settings and code."""
        if not self.path.exists():
            return
        with np.load(self.path) as file:
            notes = json.loads(str(file["notes"]))
            if notes["identity"] != self.identity:
                return
            tensors = {name: file[name] for name in file.files if name != "notes"}
        trainer.load_state(notes["step"], tensors)
        self.curve, self.seconds = notes["curve"], notes["seconds"]
        self._since = [tuple(one) for one in notes["since"]]


def table(parts: Mapping[str, Values]) -> Table | None:
    """Return a row for each run."""
    rows = []
    for name, part in parts.items():
        found = part["values"]
        evaluation = found["evaluation"] or {}
        error = evaluation.get("unsupervised_error")
        information, attainable = evaluation.get("information"), evaluation.get("attainable")
        rows.append([
            name, f"{found['iterations']:,}", f"{found['seconds']:.1f}", f"{found['iterations'] / found['seconds']:.0f}",
            "–" if information is None else f"{information:.3f} of {attainable:.3f}",
            "–" if error is None else f"{100 * error:.2f} %",
            ", ".join(f"{at}: {value:.2f}" for at, value in _first_code(found["curve"])),
        ])  # fmt: skip
    columns = ("run", "steps", "s", "steps/s", "L_I, nats", "error", "L_I(c1) by step")
    notes = [
        "Seed 0, float32. Seconds are those of training. L_I is that of all codes in 10,000 fresh images; the error is the "
        "one-to-one error on the test images. L_I(c1) by step is Fig. 1: InfoGAN against the plain GAN, means of 50 steps.",
        *(f"{name}: {part['values']['reason']}." for name, part in parts.items() if "reason" in part["values"]),
        measured_by(parts),
    ]  # fmt: skip
    return Table("Whole runs on a GPU", columns, rows, notes)


def _first_code(curve: list[list[float]]) -> list[tuple[int, float]]:
    """L_I of the first code at a tenth, a half and the end of the run."""
    if not curve:
        return []
    chosen = dict.fromkeys((len(curve) // 10, len(curve) // 2, len(curve) - 1))
    return [(int(curve[i][0]), curve[i][1]) for i in chosen]


PIECE = Piece(
    "runs",
    "What do whole runs take, and what comes out?",
    [
        Part(name, functools.partial(train, name=name), _SECONDS, limit=3600)
        for name in settings_by_name()
    ],
    table,
)
