"""All figures of finished runs: the paper's of an experiment, and others from its run directory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.errors import RunError, SettingsError
from minigan.experiments.figures import interpolation, save_animation, traversal
from minigan.experiments.plots import (
    Curve,
    Panel,
    code_ticks,
    grid_figure,
    information_figure,
    loss_figure,
    matrix_figure,
    panels_across,
    save,
    subscript,
)
from minigan.experiments.runs import Run
from minigan.infogan.codes import CategoricalCode, Code, CodeLayout, UniformCode
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings

_COLUMNS = 10  # values of a continuous code in a panel


@dataclass(frozen=True)
class FigureOptions:
    """The figure's codes (all if None), its numbers of rows and columns, and how far a continuous
    code goes."""

    codes: Sequence[str] | None = None
    rows: int = 5
    columns: int | None = None  # 10 if None, or as many as fill a panel
    limit: float | None = None
    step: int = 0


@dataclass(frozen=True)
class LoadedRun:
    """A run, its newest networks, and the lines of its files."""

    run: Run
    networks: Networks
    step: int
    curve: Curve
    evaluation: dict[str, Any] | None  # None if there is none of that step

    @property
    def settings(self) -> Settings:
        return self.run.settings

    @property
    def kind(self) -> str:
        return _kind(self.settings)

    @property
    def title(self) -> str:
        return f"{self.settings.experiment}, {self.kind}, seed {self.settings.seed}, step {self.step:,}"


def _kind(settings: Settings) -> str:
    return "plain GAN" if settings.objective == "gan" else "InfoGAN"


def draw_figures(
    directories: Sequence[Path],
    baseline: Path | None = None,
    out: Path | None = None,
    options: FigureOptions | None = None,
) -> Iterator[Path]:
    """Draw all figures, and yield each file when it is there. Nothing is written before all runs are read.

    Those of one run go to `out`, or its own figures/. Those of several go to a folder each in
    `out`, or in figures/ here, beside the one Fig. 1 of all.
    """
    options = options or FigureOptions()
    runs = [Run.open(directory) for directory in directories]
    other = None if baseline is None else Run.open(baseline)
    _check(runs, other, options)
    subjects = [_read(run) for run in runs]
    compared = None if other is None else _read(other)
    several = len(subjects) > 1
    out = out or (Path("figures") if several else runs[0].directory / "figures")
    out.mkdir(parents=True, exist_ok=True)
    yield from _information(subjects, compared, out)
    for subject in subjects:
        folder = out / subject.run.directory.resolve().name if several else out
        folder.mkdir(exist_ok=True)
        yield from _losses(subject, folder)
        yield from _codes(subject, compared, options, folder)
        yield from _interpolation(subject, options, folder)
        yield from _categories(subject, folder)
        yield from _factors(subject, folder)
        yield from _animation(subject, folder)


def unevaluated_runs(directories: Sequence[Path]) -> list[Path]:
    """Return the runs without an evaluation of their newest checkpoint: some figures need it."""
    runs = [Run.open(directory) for directory in directories]
    return [run.directory for run in runs if _evaluation(run, run.newest_step()) is None]


# -- reading ------------------------------------------------------------------------------------


def _check(runs: Sequence[Run], baseline: Run | None, options: FigureOptions) -> None:
    """SettingsError if these runs cannot be drawn together, or not as chosen."""
    if not runs:
        raise SettingsError("there is no run to draw; give its directory")
    first, layout = runs[0], runs[0].settings.layout
    for run in (*runs, *([baseline] if baseline else [])):
        s = run.settings
        if (s.experiment, s.layout) != (first.settings.experiment, layout):
            raise SettingsError(
                f"{run.directory} is of {s.experiment} with codes {s.layout}, and {first.directory} of "
                f"{first.settings.experiment} with codes {layout}; draw those of one kind together"
            )
    if baseline is not None and baseline.settings.objective != "gan":
        raise SettingsError(
            f"the baseline {baseline.directory} is an InfoGAN's run; give one of a plain GAN, trained with "
            "--set objective=gan"
        )
    names = Counter(run.directory.resolve().name for run in runs)
    if len(names) < len(runs):
        twice = names.most_common(1)[0][0]
        raise SettingsError(
            f"two runs are called {twice}, and so would be their folders of figures"
        )
    if unknown := [name for name in options.codes or () if name not in layout.names]:
        raise SettingsError(
            f"there is no code '{unknown[0]}'; the run has {', '.join(layout.names)}"
        )
    if options.limit is not None and not any(
        isinstance(layout.codes[i], UniformCode) for i in _chosen(layout, options)
    ):
        raise SettingsError(
            f"a limit is for continuous codes, and none is drawn: the run's codes are {layout}"
        )


def _chosen(layout: CodeLayout, options: FigureOptions) -> list[int]:
    names = layout.names if options.codes is None else options.codes
    return [layout.names.index(name) for name in names]


def _read(run: Run) -> LoadedRun:
    networks, step = run.networks()
    lines = run.metrics()
    if not lines:
        raise RunError(f"{run.directory} has no metrics.jsonl, and so no L_I to draw")
    names = run.settings.layout.names
    curve = Curve(
        f"{_kind(run.settings)}, seed {run.settings.seed}",
        run.settings.objective,
        np.array([line["step"] for line in lines]),
        np.array([[line["information"][name] for name in names] for line in lines]),
        np.array([[line["discriminator_loss"], line["generator_loss"]] for line in lines]),
    )
    return LoadedRun(run, networks, step, curve, _evaluation(run, step))


def _evaluation(run: Run, step: int) -> dict[str, Any] | None:
    path = run.directory / "evaluation.json"
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return values if values["step"] == step else None
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is damaged; 'minigan evaluate {run.directory}' writes it anew"
        ) from error


# -- drawing ------------------------------------------------------------------------------------


def _information(
    subjects: Sequence[LoadedRun], baseline: LoadedRun | None, out: Path
) -> Iterator[Path]:
    curves = [subject.curve for subject in (*subjects, *([baseline] if baseline else []))]
    settings = subjects[0].settings
    title = f"Fig. 1   How much Q reads of the codes in generated images ({settings.experiment})"
    yield from save(information_figure(curves, settings.layout, title), out / "fig1-information")


def _losses(subject: LoadedRun, out: Path) -> Iterator[Path]:
    yield from save(loss_figure([subject.curve], f"Losses\n{subject.title}"), out / "losses")


def _codes(
    subject: LoadedRun, baseline: LoadedRun | None, options: FigureOptions, out: Path
) -> Iterator[Path]:
    settings, panels = subject.settings, []
    chosen = _chosen(settings.layout, options)
    sources = [(i, subject, "") for i in chosen]
    if baseline is not None:
        sources[:1] = [
            (chosen[0], subject, f", {subject.kind}"),
            (chosen[0], baseline, f", {baseline.kind}"),
        ]
    kinds = [settings.layout.codes[i] for i, _, _ in sources]
    columns = [panel_columns(kinds, place, options.columns) for place in range(len(kinds))]
    for (i, source, whose), count in zip(sources, columns, strict=True):
        panels.append(_panel(source, i, count, options, whose))
    number = settings.figure
    head, stem = (f"Fig. {number}   ", f"fig{number}-codes") if number else ("", "codes")
    title = f"{head}Each row one random sample, one code varied\n{subject.title}"
    yield from save(grid_figure(panels, title), out / stem)


def panel_columns(codes: Sequence[Code], place: int, columns: int | None) -> int:
    """Return how many values a panel's code takes, so that no part of the page stays empty.

    A continuous code has 10. It has as many as the widest where panels have a row each, and twice
    as many where it is alone in the last row. `columns` says another number.
    """
    categories = [code.size if isinstance(code, CategoricalCode) else 0 for code in codes]
    if categories[place]:
        return categories[place]
    if columns is not None:
        return columns
    usual = [count or _COLUMNS for count in categories]
    if panels_across(usual) == 1:
        return max(usual)
    alone = 0 < place == len(codes) - 1 and place % 2 == 0
    return 2 * _COLUMNS if alone else _COLUMNS


def _panel(
    subject: LoadedRun, code: int, columns: int, options: FigureOptions, whose: str
) -> Panel:
    settings = subject.settings
    name, kind = subscript(settings.layout.names[code]), settings.layout.codes[code]
    limit = settings.figure_limit if options.limit is None else options.limit
    images = traversal(subject.networks, settings, code, options.rows, columns, limit, options.step)
    values = f"from {-limit:g} to {limit:g}".replace("-", "−")
    if not isinstance(kind, UniformCode):
        values = "over all categories"
    ticks = code_ticks(kind, images.shape[1], limit)
    return Panel(f"{name} {values}{whose}", images, settings.image_low, ticks)


def _interpolation(subject: LoadedRun, options: FigureOptions, out: Path) -> Iterator[Path]:
    settings = subject.settings
    columns = options.columns or _COLUMNS
    images = interpolation(subject.networks, settings, options.rows, columns, options.step)
    last = float(columns - 1)
    ticks = [(0.0, "one")] + ([(last, "other")] if last else [])
    panel = Panel(
        "each row from one random latent (z, c) to another", images, settings.image_low, ticks
    )
    title = f"Interpolation\n{subject.title}"
    yield from save(grid_figure([panel], title), out / "interpolation")


def _categories(subject: LoadedRun, out: Path) -> Iterator[Path]:
    """Draw the categories of a code against the classes, each category beside its class."""
    clustering = subject.evaluation and (subject.evaluation["test"] or subject.evaluation["train"])
    if not clustering:
        return
    matrix = np.array(clustering["matrix"])
    assigned = np.array(clustering["one_to_one_assignment"])
    order = np.argsort(np.where(assigned < 0, len(assigned), assigned), kind="stable")
    matrix = matrix[order]
    shares = matrix / np.maximum(matrix.sum(axis=0), 1)
    name, error = subscript(clustering["code"]), 100 * clustering["one_to_one_error"]
    which = "test" if subject.evaluation and subject.evaluation["test"] else "training"
    figure = matrix_figure(
        shares,
        [[f"{count:,}" if count else "" for count in row] for row in matrix.tolist()],
        (f"category of {name}, as Q reads it", [str(i) for i in order]),
        ("digit" if subject.settings.measures == "strokes" else "class",
         [str(i) for i in range(matrix.shape[1])]),
        f"{clustering['images']:,} {which} images: {error:.1f} % error by one-to-one matching\n{subject.title}",
    )  # fmt: skip
    yield from save(figure, out / "categories")


def _factors(subject: LoadedRun, out: Path) -> Iterator[Path]:
    """Draw how much each code tells of each known factor."""
    scores = subject.evaluation and subject.evaluation.get("disentanglement")
    if not scores:
        return
    shares = np.array(scores["shares"])
    figure = matrix_figure(
        shares,
        [[f"{share:.2f}" for share in row] for row in shares.tolist()],
        ("code", [subscript(name) for name in scores["codes"]]),
        ("factor", scores["factors"]),
        f"Share of a factor's entropy that a code tells: MIG {scores['mig']:.2f}, "
        f"FactorVAE score {scores['factor_vae']:.2f}\n{subject.title}",
    )
    yield from save(figure, out / "factors")


def _animation(subject: LoadedRun, out: Path) -> Iterator[Path]:
    pictures = subject.run.samples()
    if len(pictures) > 1:
        captions = [f"step {int(path.stem.removeprefix('step-')):,}" for path in pictures]
        save_animation(pictures, captions, out / "training.gif")
        yield out / "training.gif"
