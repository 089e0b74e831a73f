"""Layers: modules that hold parameters, with the names that PyTorch users know."""

from typing import TYPE_CHECKING

from minigan.from_pytorch import advice
from minigan.nn import utils as utils
from minigan.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from minigan.nn.averaging import MovingAverage
from minigan.nn.container import ModuleList, Sequential
from minigan.nn.embedding import Embedding
from minigan.nn.module import LoadedState, Module
from minigan.nn.normalization import BatchNorm, batch_groups
from minigan.nn.pooling import AvgPool2d, MaxPool2d, Upsample
from minigan.nn.products import Conv2d, ConvTranspose2d, Linear
from minigan.nn.regularization import Dropout, LayerNorm
from minigan.nn.shapes import Flatten, Identity, Reshape
from minigan.nn.spectral_norm import SpectralNorm

__all__ = [
    "AvgPool2d", "BatchNorm", "Conv2d", "ConvTranspose2d", "Dropout", "Embedding", "Flatten", "Identity", "LayerNorm",
    "LeakyReLU", "Linear", "LoadedState", "MaxPool2d", "Module", "ModuleList", "MovingAverage", "ReLU", "Reshape",
    "Sequential", "Sigmoid", "SpectralNorm", "Tanh", "Upsample", "batch_groups",
]  # fmt: skip

if not TYPE_CHECKING:  # a type checker knows the existing names

    def __getattr__(name: str) -> object:
        raise AttributeError(f"minigan.nn has no '{name}'{advice(name)}")
