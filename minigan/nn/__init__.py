"""Layers: modules that hold parameters, with the names that PyTorch users know."""

from minigan.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from minigan.nn.averaging import MovingAverage
from minigan.nn.container import Sequential
from minigan.nn.embedding import Embedding
from minigan.nn.module import Module
from minigan.nn.normalization import BatchNorm
from minigan.nn.pooling import AvgPool2d, MaxPool2d, Upsample
from minigan.nn.products import Conv2d, ConvTranspose2d, Linear
from minigan.nn.regularization import Dropout, LayerNorm
from minigan.nn.shapes import Flatten, Reshape
from minigan.nn.spectral_norm import SpectralNorm

__all__ = [
    "AvgPool2d", "BatchNorm", "Conv2d", "ConvTranspose2d", "Dropout", "Embedding", "Flatten", "LayerNorm",
    "LeakyReLU", "Linear", "MaxPool2d", "Module", "MovingAverage", "ReLU", "Reshape", "Sequential", "Sigmoid",
    "SpectralNorm", "Tanh", "Upsample",
]  # fmt: skip
