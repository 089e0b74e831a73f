"""The plots of the benchmarks, in Matplotlib: what goes in are results as JSON has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import machine
from benchmarks.operations import ELSEWHERE
from minigan.files import replacing
from minigan.inspect.cost import Roofline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 7.6  # inches
_DOTS = 160  # an inch
_STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
}
OWN, OTHER = "#0b3d7a", "#c2571a"

# Kernels of the contract by their family, with a colour each; the first prefix that fits.
FAMILIES = (
    ("gemm", "matrix product", "#0b3d7a"),
    ("conv", "convolution", "#2f9e8f"),
    ("batch_norm", "batch norm", "#c2571a"),
    ("adam", "Adam", "#8e44ad"),
    ("", "the rest: activations, sums, likelihoods, data", "#777777"),
)


def family(kernel: str) -> tuple[str, str]:
    """Return the family of a kernel, and its colour."""
    return next((name, colour) for prefix, name, colour in FAMILIES if kernel.startswith(prefix))


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, the same bytes each time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _style(), replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DOTS, metadata={"Software": None})


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def _figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH, height), layout="constrained")


# -- the roofline ---------------------------------------------------------------------------------


def roofline_figure(cases: Sequence[Mapping[str, Any]], roof: Roofline, title: str) -> Figure:
    """GFLOP/s against FLOP/byte, log–log, under the machine's roof: minigan filled, the library hollow, joined by a line.

    A case has `kernel`, `gflop`, `mbytes`, `minigan` (`median_ms`) and, where there is a library call, `baseline` (`median_ms`).
    """
    drawn = [case for case in cases if case["gflop"] > 0]
    with _style():
        figure = _figure(5.2)
        axes = figure.add_subplot()
        for case in drawn:
            _draw_case(axes, case)
        _draw_roof(axes, [case["gflop"] * 1e3 / case["mbytes"] for case in drawn], roof)
        _legend(axes, drawn)
        axes.set(xscale="log", yscale="log", title=title)
        axes.set_xlabel("FLOP for each byte that the call must move")
        axes.set_ylabel("GFLOP/s")
        axes.grid(which="major")
        axes.set_axisbelow(True)
    return figure


def _draw_case(axes: Axes, case: Mapping[str, Any]) -> None:
    intensity = case["gflop"] * 1e3 / case["mbytes"]
    own = case["gflop"] / case["minigan"]["median_ms"] * 1e3
    _, colour = family(case["kernel"])
    if baseline := case.get("peer"):
        other = case["gflop"] / baseline["median_ms"] * 1e3
        axes.plot([intensity] * 2, [own, other], color=colour, linewidth=0.6, alpha=0.5, zorder=2)
        axes.plot(
            intensity,
            other,
            "o",
            markersize=4.5,
            markerfacecolor="none",
            markeredgecolor=colour,
            zorder=3,
        )
    axes.plot(intensity, own, "o", markersize=4.5, color=colour, alpha=0.85, zorder=4)


def _draw_roof(axes: Axes, intensities: Sequence[float], roof: Roofline) -> None:
    low = min([*intensities, roof.ridge]) / 2
    high = max([*intensities, roof.ridge]) * 2
    xs = [low, roof.ridge, high]
    label = f"the roof: GEMM {roof.peak / 1e9:.0f} GFLOP/s, memory {roof.bandwidth / 1e9:.1f} GB/s"
    ys = [roof.attainable(x) / 1e9 for x in xs]
    axes.plot(xs, ys, color="black", linewidth=1.4, zorder=1, label=label)


def _legend(axes: Axes, cases: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    def mark(label: str, colour: str, face: str | None = None) -> Line2D:
        return Line2D(
            [], [], marker="o", linestyle="", color=colour, label=label, markersize=5,
            markerfacecolor=face or colour,
        )  # fmt: skip

    kinds = {family(case["kernel"]) for case in cases}
    marks = [mark(name, colour) for _, name, colour in FAMILIES if (name, colour) in kinds]
    if any(case.get("peer") for case in cases):
        marks += [mark("minigan", "black"), mark("the library's call", "black", "none")]
    axes.legend(
        handles=[*axes.get_legend_handles_labels()[0], *marks], loc="lower right", fontsize=8
    )


# -- a step by kernel -----------------------------------------------------------------------------


def operations_figure(result: Mapping[str, Any]) -> Figure:
    """Draw a bar for each kernel: its milliseconds in a step, and in a darker shade the time of its work under the machine's roofline."""
    from minigan.inspect.cost import Cost

    roof = machine.from_json(result["machine_rates"])
    found = result["operations"]
    total = sum(values["median_ms"] for values in found.values())
    shown = {name: values for name, values in found.items() if values["median_ms"] > 0.002 * total}
    names = list(shown)[::-1]
    with _style():
        figure = _figure(1.2 + 0.24 * len(names))
        axes = figure.add_subplot()
        for place, name in enumerate(names):
            values = shown[name]
            colour = "#bbbbbb" if name == ELSEWHERE else family(name)[1]
            axes.barh(place, values["median_ms"], color=colour, alpha=0.4)
            least = roof.seconds(Cost(1, values["mbytes"] * 1e6, values["gflop"] * 1e9)) * 1e3
            axes.barh(place, min(least, values["median_ms"]), color=colour)
            axes.annotate(
                f"{values['median_ms']:.1f} ms, {values['median_ms'] / total:.0%}",
                (values["median_ms"], place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("ms in a step (dark: the least under the machine's roof)")
        axes.set_title(
            f"One training step by kernel, batch {result['plan']['batch_size']}: {total:.0f} ms"
        )
        axes.margins(x=0.2)
    return figure


# -- cost against batch size ----------------------------------------------------------------------


def batch_figure(result: Mapping[str, Any]) -> Figure:
    """Milliseconds a step against the batch size, with the fitted lines; below, how far each is from its line."""
    sizes = np.array(result["plan"]["batch_sizes"], float)
    with _style():
        figure = _figure(5.0)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for (name, fit), colour in zip(result["fits"].items(), (OWN, OTHER), strict=False):
            times = result["contenders"][name]["median_ms"]
            label = f"{name}: {fit['fixed_ms']:.1f} ms + {fit['ms_an_image']:.3f} ms · n"
            above.plot(sizes, times, "o", color=colour, label=label)
            line = np.linspace(0, sizes.max())
            above.plot(line, fit["fixed_ms"] + fit["ms_an_image"] * line, color=colour, linewidth=1)
            below.plot(sizes, 100 * np.array(fit["residuals"]), "o-", color=colour, linewidth=0.8)
        above.set_ylim(bottom=0)
        above.legend(loc="upper left")
        above.set_ylabel("ms a step")
        above.set_title("One training step against its batch size n")
        below.axhline(0, color="black", linewidth=0.6)
        below.set_ylabel("residual (%)")
        below.set_xlabel("batch size")
        for axes in (above, below):
            axes.grid()
            axes.set_axisbelow(True)
    return figure
