"""Running statistics that do not fit: kernels would write beside them."""

from typing import Any

import numpy as np
import pytest
from running_statistics import FLOATS

import minigan as mg


@pytest.mark.parametrize("use", ["training", "inference", "fused"])
@pytest.mark.parametrize("length", [1, 2, 4, (1, 3)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_running_statistics_of_other_channels_or_another_dtype_are_refused(
    use: str, length: Any, dtype: Any
) -> None:
    x, one = mg.ones((4, 3), dtype=dtype), mg.ones(3, dtype=dtype)
    other = {np.float32: np.float64, np.float64: np.float32}[dtype]
    for shape, kind in ((length, dtype), (3, other)):
        pair = mg.RunningStatistics(mg.ones(3, dtype=dtype), mg.ones(shape, dtype=kind))
        averages = {"real": pair}
        with pytest.raises(ValueError, match=r"running statistics of 'real' are float.*; the chan"):
            if use == "fused":
                mg.allocate_batch_statistics(one, averages, ["real"])
            else:
                mg.batch_norm(x, one, one, averages, ["real"], training=use == "training")


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("reason", ["gaps", "read only"])
def test_running_statistics_that_kernels_cannot_write_are_refused(fused: bool, reason: str) -> None:
    held = mg.ones((2, 3) if reason == "read only" else (3, 2), dtype=np.float64)
    held.data.flags.writeable = reason == "gaps"
    averages = {"real": mg.RunningStatistics(*(held.T if reason == "gaps" else held))}
    x, one = mg.ones((4, 3), dtype=np.float64), mg.ones(3, dtype=np.float64)
    with pytest.raises(ValueError, match="running statistics are contiguous and can be written"):
        if fused:
            mg.allocate_batch_statistics(one, averages, ["real"])
        else:
            mg.batch_norm(x, one, one, averages, ["real"])
    assert (held.numpy() == 1).all()
