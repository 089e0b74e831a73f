"""One page that runs a generator in the browser: it needs no server, and no network.

Weights are rounded to float16. Where the page would pass five million bytes, they are rounded to 8 bits, then those of
large layers to 4. If this is not enough, two thin layers stand for each large linear one. generator.js calculates the
layers.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigan.errors import RunError
from minigan.explore import rounding
from minigan.explore.explorer import Explorer
from minigan.explore.reduction import change_of_pictures, is_large, with_thin_layers
from minigan.files import write_text
from minigan.infogan.parts import GENERATED
from minigan.nn import (
    BatchNorm,
    ConvTranspose2d,
    Flatten,
    Linear,
    Module,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from minigan.ops.convolution import padding_of, pair_of

_STATIC = Path(__file__).parent / "static"
_LARGEST = 5_000_000  # bytes of a page
_NOTE = 500  # bytes of its sentences on the weights, at most
_ROUNDINGS = {
    16: "Weights are rounded to float16.",
    8: "Weights are rounded to 8 bits.",
    4: "Weights of large layers are rounded to 4 bits, others to 8.",
}
Shape = tuple[int, ...]


class Exported(NamedTuple):
    """A page that was written: its bytes, and how its weights were reduced."""

    size: int
    note: str


class Model(NamedTuple):
    """A generator as a page has it.

    Attributes:
        text: for the page, ready for JSON.
        layers: G's layers with the page's numbers.
    """

    text: dict[str, Any]
    layers: Sequential


def export_page(explorer: Explorer, path: Path) -> Exported:
    """Write the page of an explorer's generator.

    Raises:
        RunError: G has a layer that the page cannot calculate, or a value that float16 cannot hold.
    """
    model, done = _small_model(explorer)
    note = f"{done} {change_of_pictures(explorer, model.layers)}"
    write_text(path, _page({**model.text, "note": note}))
    return Exported(path.stat().st_size, note)


def _small_model(explorer: Explorer) -> tuple[Model, str]:
    """Return a model for a page of under `_LARGEST` bytes, and a sentence on how its weights were reduced."""
    own, most = explorer.networks.generator.layers, _LARGEST - _NOTE
    for bits, done in _ROUNDINGS.items():
        model = describe_generator(explorer, copy.deepcopy(own), bits)
        size = len(_page(model.text).encode())
        if size < most:
            return model, done
    thin = with_thin_layers(explorer, own, size - most)
    for second in thin.seconds:
        done += f" Two layers of rank {second.weight.shape[0]} stand for a large linear one."
    return describe_generator(explorer, thin.layers, bits, thin.seconds), done


def _page(model: dict[str, Any]) -> str:
    page = (_STATIC / "exported.html").read_text(encoding="utf-8")
    page = re.sub(r'<link rel="stylesheet" href="(.*?)">', _style, page)
    page = re.sub(r'<script src="(.*?)">', _script, page)
    text = json.dumps(model, allow_nan=False).replace("</", "<\\/")
    return page.replace('id="model">', f'id="model">{text}')


def describe_generator(
    explorer: Explorer, layers: Sequential, bits: int, seconds: Sequence[Linear] = ()
) -> Model:
    """Return the model as the page reads it: its codes, one noise to start with, and G's layers.

    Args:
        explorer: the run's.
        layers: G's layers; their weights are rounded.
        bits: 16, 8 or 4, of a weight; only those of large layers have 4.
        seconds: thin layers that count as large.

    Raises:
        RunError: G has a layer that the page cannot calculate, or a value that float16 cannot hold.
    """
    noise = explorer.noise(0)
    shape: Shape = (len(noise) + explorer.layout.encoded_columns,)
    described = []
    for module in layers:
        few = bits if is_large(module) or module in seconds else max(bits, 8)
        layer, shape = _layer(module, shape, few)
        described += layer
    low = explorer.settings.image_low
    return Model({**explorer.describe(), "noise": noise, "low": low, "layers": described}, layers)


def _layer(module: Module, shape: Shape, bits: int) -> tuple[list[dict[str, Any]], Shape]:
    """Return a module's layers in the page, and the shape of its output for an input of `shape`."""
    match module:
        case Linear():
            outputs = module.weight.shape[1]
            layer = {"kind": "linear", "outputs": outputs, **_product(module, bits)}
            return [layer], (outputs,)
        case ConvTranspose2d() if pair_of(module.output_padding, "output_padding", 0) == (0, 0):
            return _conv_transpose2d(module, shape, bits)
        case BatchNorm():
            running = module.running[GENERATED]
            values = {
                "weight": module.weight,
                "bias": module.bias,
                "mean": running.mean,
                "variance": running.variance,
            }
            tensors = {name: rounding.vector(value) for name, value in values.items()}
            eps, slope = module.eps, module.negative_slope
            return [{"kind": "batch_norm", "eps": eps, "slope": slope, **tensors}], shape
        case Sigmoid() | Tanh():
            return [{"kind": type(module).__name__.lower()}], shape
        case Reshape():
            return [], module.shape
        case Flatten():
            return [], (int(np.prod(shape)),)
    raise RunError(f"G has a layer {type(module).__name__}, which the page cannot calculate")


def _conv_transpose2d(
    module: ConvTranspose2d, shape: Shape, bits: int
) -> tuple[list[dict[str, Any]], Shape]:
    stride, padding = pair_of(module.stride, "stride", 1), padding_of(module.padding)
    kernel = module.weight.shape[:2]
    size = [
        (n - 1) * s + k - sum(p)
        for n, s, k, p in zip(shape[:2], stride, kernel, padding, strict=True)
    ]
    output = (*size, module.weight.shape[3])
    layer = {
        "kind": "conv_transpose2d",
        "input": shape,
        "kernel": kernel,
        "output": output,
        "stride": stride,
        "padding": [before for before, _ in padding],
        **_product(module, bits),
    }
    return [layer], output


def _product(module: Linear | ConvTranspose2d, bits: int) -> dict[str, Any]:
    bias = None if module.bias is None else rounding.vector(module.bias)
    weight = rounding.matrix(module.weight.numpy(), bits)
    module.weight.copy_(weight.values)
    return {"weight": weight.text, "bias": bias, "slope": module.negative_slope}


def _style(match: re.Match[str]) -> str:
    return f"<style>\n{(_STATIC / match[1]).read_text(encoding='utf-8')}</style>"


def _script(match: re.Match[str]) -> str:
    return f"<script>\n{(_STATIC / match[1]).read_text(encoding='utf-8')}"
