"""How an operation of PyTorch's is written with one function of minigan's: arguments renamed, axes moved.

The keys are OpInfo's names, with a variant behind a dot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.conformance.adapters.arguments import UntranslatableError as UntranslatableError
from benchmarks.conformance.adapters.creation import CREATION
from benchmarks.conformance.adapters.elementwise import ELEMENTWISE
from benchmarks.conformance.adapters.layers import LAYERS
from benchmarks.conformance.adapters.reductions import REDUCTIONS
from benchmarks.conformance.adapters.shaping import SHAPING

Adapter = Callable[..., Any]
ADAPTERS: dict[str, Adapter] = {**ELEMENTWISE, **REDUCTIONS, **SHAPING, **LAYERS, **CREATION}
