"""minigan: a small array library with reverse-mode differentiation and its own kernels, and InfoGAN on it.

    import minigan as mg

    x = mg.tensor([[1.0, 2.0]], requires_grad=True)
    (x * x).sum().backward()
    x.grad  # tensor([[2., 4.]])

Importing it loads NumPy and nothing heavier; a device loads its own modules at its first use.
"""

from typing import TYPE_CHECKING

from minigan import datasets as datasets
from minigan import nn as nn
from minigan import optim as optim
from minigan.check import GradientMismatch as GradientMismatch
from minigan.check import check_gradients as check_gradients
from minigan.creation import *  # noqa: F403  (each module's __all__ is its public part)
from minigan.devices import device_names as device_names
from minigan.devices import get_device as get_device
from minigan.devices import set_default_device as set_default_device
from minigan.devices.precision import float32_precision as float32_precision
from minigan.devices.precision import set_float32_precision as set_float32_precision
from minigan.errors import MiniganError as MiniganError
from minigan.exchange import from_dlpack as from_dlpack
from minigan.operation import differentiable as differentiable
from minigan.ops.activations import *  # noqa: F403
from minigan.ops.aliases import *  # noqa: F403
from minigan.ops.arithmetic import *  # noqa: F403
from minigan.ops.comparison import *  # noqa: F403
from minigan.ops.convolution import *  # noqa: F403
from minigan.ops.einsum import *  # noqa: F403
from minigan.ops.elementwise import *  # noqa: F403
from minigan.ops.exponentials import *  # noqa: F403
from minigan.ops.indexing import *  # noqa: F403
from minigan.ops.joining import *  # noqa: F403
from minigan.ops.likelihood import *  # noqa: F403
from minigan.ops.linear import *  # noqa: F403
from minigan.ops.losses import *  # noqa: F403
from minigan.ops.moments import *  # noqa: F403
from minigan.ops.normalization import *  # noqa: F403
from minigan.ops.pooling import *  # noqa: F403
from minigan.ops.reduction import *  # noqa: F403
from minigan.ops.regularization import *  # noqa: F403
from minigan.ops.rounding import *  # noqa: F403
from minigan.ops.scans import *  # noqa: F403
from minigan.ops.shaping import *  # noqa: F403
from minigan.ops.special import *  # noqa: F403
from minigan.random import manual_seed as manual_seed
from minigan.recording import no_grad as no_grad
from minigan.serialization import load as load
from minigan.serialization import save as save
from minigan.tensor import Tensor as Tensor
from minigan.tensor import tensor as tensor

__version__ = "0.1.0"

if TYPE_CHECKING:
    from minigan.inspect.trace import tracing as tracing
else:  # a type checker knows the existing names

    def __getattr__(name: str) -> object:
        from importlib import import_module

        from minigan.from_pytorch import advice

        if name == "tracing":  # it stands on all the rest, so it loads when it is first used
            return import_module("minigan.inspect.trace").tracing

        raise AttributeError(f"minigan has no '{name}'{advice(name)}")
