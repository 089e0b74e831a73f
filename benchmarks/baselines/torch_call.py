"""The call of a PyTorch user in place of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor
aten = torch.ops.aten


@dataclass(frozen=True)
class TorchCall:
    """`run` makes the call; `read` gives what came out as minigan's kernel gives it; `says` names the call."""

    says: str
    run: Callable[[], Any]
    read: Callable[[Any], Sequence[Tensor]] = lambda result: (
        (result,) if isinstance(result, Tensor) else tuple(result)
    )
