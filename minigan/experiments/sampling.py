"""A grid of samples of a finished run."""

from __future__ import annotations

from pathlib import Path

from minigan.errors import SettingsError
from minigan.experiments.figures import column_labels, save_grid, traversal
from minigan.experiments.runs import Run


def draw_samples(
    directory: Path, out: Path, code: str, rows: int, columns: int, limit: float, step: int
) -> None:
    """Draw a grid of a run's newest networks: one random sample a row, one code varied from left to right.

    Args:
        directory: the run's.
        out: the picture to write.
        code: the name of the code that varies, like "c1".
        rows: number of random samples.
        columns: number of values of a continuous code; a categorical one takes all its categories.
        limit: a continuous code runs from -limit to limit.
        step: another number gives other samples.

    Raises:
        RunError: There is no run or no checkpoint.
        SettingsError: The run has no such code.
    """
    run = Run.open(directory)
    names = run.settings.layout.names
    if code not in names:
        raise SettingsError(f"there is no code '{code}'; the run has {', '.join(names)}")
    networks, _ = run.networks()
    number = names.index(code)
    images = traversal(networks, run.settings, number, rows, columns, limit, step)
    labels = column_labels(run.settings.layout.codes[number], columns, limit)
    save_grid(images, out, run.settings.image_low, labels=labels)
