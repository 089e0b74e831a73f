"""The paper's figures in Matplotlib: their curves, labels and layout. What goes in comes as
arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minigan.experiments.figures import assemble
from minigan.files import replacing
from minigan.infogan.codes import CategoricalCode, Code, CodeLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 7.2  # inches: a page's text.
_DOTS = 200  # an inch of a PNG.
_POINTS = 200  # of a curve
WIDE = 12  # columns of a panel as wide as the page
_COLOURS = {"infogan": ("#0b3d7a", "#2f7fd0", "#7fb8ee"), "gan": ("#c2571a", "#e8934a", "#f3bf8f")}
_LOSS_COLOURS = ("#0b3d7a", "#c2571a")  # of D, of G
_STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,  # text stays text
    "legend.frameon": False,
}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def subscript(name: str) -> str:
    """c12 as c₁₂."""
    return name.translate(_SUBSCRIPTS)


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write it as `stem`.png and `stem`.pdf, the same bytes each time."""
    paths = []
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        path = stem.parent / f"{stem.name}.{kind}"
        with _style(), replacing(path) as temporary:
            figure.savefig(temporary, format=kind, dpi=_DOTS, metadata=metadata)
        paths.append(path)
    return paths


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def _figure(height: float, title: str, width: float = _WIDTH) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    figure.suptitle(title, fontsize=10.5, wrap=True)
    return figure


# -- Fig. 1 -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """L_I of each code (columns), and the losses of D and G (columns), at each step of a run."""

    label: str
    objective: str
    steps: np.ndarray
    information: np.ndarray
    losses: np.ndarray


def information_figure(curves: Sequence[Curve], layout: CodeLayout, title: str) -> Figure:
    """L_I over training steps: of the categorical codes together, and of the continuous ones, with their limits."""
    kinds = [
        (name, [i for i, code in enumerate(layout) if isinstance(code, CategoricalCode) == kind])
        for kind, name in ((True, "categorical"), (False, "continuous"))
    ]
    panels = [(name, chosen) for name, chosen in kinds if chosen]
    with _style():
        figure = _figure(3.1, title, _WIDTH if len(panels) > 1 else 0.65 * _WIDTH)
        for place, (kind, chosen) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), place + 1)
            names = ", ".join(subscript(layout.names[i]) for i in chosen)
            axes.set_title(f"{names} ({kind}{', summed' if len(chosen) > 1 else ''})")
            drawn = Counter[str]()  # of each objective: one colour, in turn dark and light
            for curve in curves:
                shades = _COLOURS[curve.objective]
                shade = shades[drawn[curve.objective] % len(shades)]
                _draw_curve(
                    axes, curve, curve.information[:, chosen].sum(axis=1), shade, curve.label
                )
                drawn[curve.objective] += 1
            _mark_limit(axes, [layout.codes[i] for i in chosen])
            axes.set_xlabel("training step")
            axes.set_ylabel("$L_I$ (nats)")
            axes.margins(x=0)
            if place == 0:
                axes.legend(loc="center right")
    return figure


def loss_figure(curves: Sequence[Curve], title: str) -> Figure:
    """Draw the losses of D and G over training steps, a panel for each run."""
    with _style():
        figure = _figure(0.4 + 2.3 * len(curves), title, 0.65 * _WIDTH)
        for place, curve in enumerate(curves):
            axes = figure.add_subplot(len(curves), 1, place + 1)
            axes.set_title(curve.label)
            for losses, name, colour in zip(curve.losses.T, ("D", "G"), _LOSS_COLOURS, strict=True):
                _draw_curve(axes, curve, losses, colour, name)
            axes.set_xlabel("training step")
            axes.set_ylabel("loss (nats)")
            axes.margins(x=0)
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)  # above the curves
    return figure


def _draw_curve(axes: Axes, curve: Curve, values: np.ndarray, colour: str, label: str) -> None:
    """Draw the mean over windows of steps: single batches would hide the course."""
    starts = np.unique(np.linspace(0, len(values), _POINTS + 1).astype(int)[:-1])
    counts = np.diff([*starts, len(values)])
    steps = np.add.reduceat(curve.steps, starts) / counts
    means = np.add.reduceat(values, starts) / counts
    axes.plot(steps, means, color=colour, linewidth=1.3, label=label)


def _mark_limit(axes: Axes, codes: Sequence[Code]) -> None:
    """Mark the largest possible L_I: H(c), or less with Gaussians of σ = 1."""
    limit = sum(code.attainable for code in codes)
    entropy = sum(code.entropy for code in codes)
    text = (
        f"H(c) = {entropy:.3f}"
        if limit == entropy
        else f"the most with σ = 1: {limit:.3f}".replace("-", "−")
    )
    axes.axhline(limit, color="black", linewidth=0.9, linestyle="--")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.0) if limit > 0 else low, max(high, limit) + 0.12 * abs(high - low))
    axes.annotate(
        text, (0.98, limit), xycoords=("axes fraction", "data"), xytext=(0, 3),
        textcoords="offset points", ha="right", va="bottom",
    )  # fmt: skip


# -- Fig. 2 to 6 --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """Images (rows, columns, height, width, channels) in which one code varies, or `caption` says what.

    Under the columns stand `ticks`: where, counted in columns from the first one's middle, and what.
    """

    caption: str
    images: np.ndarray
    low: float
    ticks: Sequence[tuple[float, str]]


def code_ticks(code: Code, columns: int, limit: float) -> list[tuple[float, str]]:
    """Return all categories; or whole numbers from −limit to limit, and its ends."""
    if isinstance(code, CategoricalCode):
        return [(float(i), str(i)) for i in range(code.size)]
    if columns == 1 or limit == 0:
        return [(0.0, f"{-limit:g}".replace("-", "−"))]
    whole = [float(v) for v in range(-int(limit), int(limit) + 1)] if limit <= 5 else [0.0]
    values = sorted({-limit, *whole, limit})
    scale = (columns - 1) / (2 * limit)
    return [((value + limit) * scale, f"{value:g}".replace("-", "−")) for value in values]


def panels_across(columns: Sequence[int]) -> int:
    """Return how many panels stand in a row, given the image columns of each: 1, or 2 narrow ones."""
    first = columns[: len(columns) - len(columns) % 2]
    return 1 if len(columns) == 1 or max(first) > WIDE else 2


def grid_figure(panels: Sequence[Panel], title: str) -> Figure:
    """Draw panels two a row, lettered as in the paper; wide ones one a row.

    A last one alone has the page's width if it is wide, and is centred else. All images have one size.
    """
    columns = [panel.images.shape[1] for panel in panels]
    across = panels_across(columns)
    page = _WIDTH if len(panels) > 1 or columns[0] > WIDE else 0.65 * _WIDTH
    pictures = [assemble(panel.images, panel.low, gap=255) for panel in panels]
    spans = [_span(i, columns, across) for i in range(len(panels))]
    # a row's picture takes its share of the page's width, and no more than its images need beside wider ones
    widths = [p.shape[1] * 2 * across / len(span) for p, span in zip(pictures, spans, strict=True)]
    starts = range(0, len(panels), across)
    heights = [
        0.42 + 0.96 * page * max(p.shape[0] for p in pictures[i : i + across]) / max(widths)
        for i in starts
    ]
    with _style():
        figure = _figure(0.5 + sum(heights), title, page)
        grid = figure.add_gridspec(len(heights), 2 * across, height_ratios=heights)
        for i, (panel, picture, span) in enumerate(zip(panels, pictures, spans, strict=True)):
            axes = figure.add_subplot(grid[i // across, span.start : span.stop])
            letter = f"({chr(ord('a') + i)})  " if 1 < len(panels) <= 26 else ""
            _draw_panel(axes, panel, picture, letter)
    return figure


def _span(i: int, columns: Sequence[int], across: int) -> range:
    """Return the columns of the page's grid, two for a panel of a row, that panel i takes."""
    alone = across == 2 and i == len(columns) - 1 and i % 2 == 0
    if alone:
        return range(4) if columns[i] > WIDE else range(1, 3)
    return range(2 * (i % across), 2 * (i % across) + 2)


def _draw_panel(axes: Axes, panel: Panel, picture: np.ndarray, letter: str) -> None:
    axes.imshow(
        picture[..., 0] if picture.shape[2] == 1 else picture, cmap="gray", vmin=0, vmax=255
    )
    axes.set_title(f"{letter}{panel.caption}", pad=4)
    cell = (picture.shape[1] + 1) / panel.images.shape[1]
    axes.set_xticks(
        [(place + 0.5) * cell - 1 for place, _ in panel.ticks], [text for _, text in panel.ticks]
    )
    axes.set_yticks([])
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)


# -- matrices -----------------------------------------------------------------------------------


def matrix_figure(
    shares: np.ndarray,
    texts: Sequence[Sequence[str]],
    rows: tuple[str, Sequence[str]],
    columns: tuple[str, Sequence[str]],
    title: str,
) -> Figure:
    """Shares in [0, 1], (rows, columns), as shades with a text in each; `rows` and `columns` are axis and names."""
    height, width = shares.shape
    with _style():
        figure = _figure(1.3 + 0.36 * height, title, max(4.6, 1.5 + 0.52 * width))
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(shares.shape):
            dark = shares[row, column] > 0.55
            axes.text(
                column, row, texts[row][column], ha="center", va="center", fontsize=8,
                color="white" if dark else "black",
            )  # fmt: skip
        axes.set_yticks(range(height), rows[1])
        axes.set_xticks(range(width), columns[1])
        axes.set_ylabel(rows[0])
        axes.set_xlabel(columns[0])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure
