"""Layers: modules that hold parameters, with the names that PyTorch users know."""

from minigan.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from minigan.nn.container import Sequential
from minigan.nn.module import Module
from minigan.nn.normalization import BatchNorm
from minigan.nn.products import Conv2d, ConvTranspose2d, Linear
from minigan.nn.shapes import Flatten, Reshape

__all__ = [
    "BatchNorm", "Conv2d", "ConvTranspose2d", "Flatten", "LeakyReLU", "Linear", "Module", "ReLU",
    "Reshape", "Sequential", "Sigmoid", "Tanh",
]  # fmt: skip
