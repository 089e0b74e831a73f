"""Running statistics by group."""

from typing import Any

import numpy as np

import minigan as mg

FLOATS = (np.float32, np.float64)
NAMES = ("real", "generated", "other")


def running(
    *statistics: tuple[Any, Any], dtype: Any = np.float64
) -> dict[str, mg.RunningStatistics]:
    """Each with a (mean, variance), by name."""
    return {
        name: mg.RunningStatistics(*(mg.tensor(np.array(a), dtype=dtype) for a in pair))
        for name, pair in zip(NAMES, statistics, strict=False)
    }
