"""Optimization steps: each important kernel as steps from the naive one to the one in use, every step with one idea more.

``steps.py`` defines the steps, and a module beside it declares each kernel's. ``conv2d.py`` has the
problem that its steps solve, the steps of the CUDA kernel (kernels/study/, and the kernel in use)
with their launches, and those of the CPU's (``cpu/``). ``run.py`` checks the steps, counts or times
them, and makes the table.
"""

from __future__ import annotations

from typing import Any

from benchmarks.ladder import adam, batch_norm, code_log_likelihood, conv2d
from benchmarks.ladder.steps import Ladder

LADDERS: dict[str, Ladder[Any]] = {
    ladder.name: ladder
    for ladder in (conv2d.LADDER, batch_norm.LADDER, code_log_likelihood.LADDER, adam.LADDER)
}
