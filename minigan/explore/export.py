"""One page that runs a generator in the browser: it needs no server, and no network.

Matrices are rounded to float16. Where the page would pass five million bytes, they are rounded to 8 bits, then large ones
to 4. generator.js calculates the layers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigan.errors import RunError
from minigan.explore import rounding
from minigan.explore.explorer import Explorer
from minigan.files import write_text
from minigan.infogan.parts import GENERATED
from minigan.nn import BatchNorm, ConvTranspose2d, Flatten, Linear, Module, Reshape, Sigmoid, Tanh
from minigan.ops.convolution import padding_of, pair_of

_STATIC = Path(__file__).parent / "static"
_LARGEST = 5_000_000  # bytes of a page, if 4 bits a weight are enough for that
Shape = tuple[int, ...]


class Exported(NamedTuple):
    """A page that was written: its bytes, and the bits of a weight of its large matrices."""

    size: int
    bits: int


def export_page(explorer: Explorer, path: Path) -> Exported:
    """Write the page of an explorer's generator.

    Raises:
        RunError: G has a layer that the page cannot calculate, or a value that float16 cannot hold.
    """
    for bits in (16, 8, 4):
        page = _page(describe_generator(explorer, bits))
        if len(page.encode()) < _LARGEST:
            break
    write_text(path, page)
    return Exported(path.stat().st_size, bits)


def _page(model: dict[str, Any]) -> str:
    page = (_STATIC / "exported.html").read_text(encoding="utf-8")
    page = re.sub(r'<link rel="stylesheet" href="(.*?)">', _style, page)
    page = re.sub(r'<script src="(.*?)">', _script, page)
    text = json.dumps(model, allow_nan=False).replace("</", "<\\/")
    return page.replace('id="model">', f'id="model">{text}')


def describe_generator(explorer: Explorer, bits: int = 16) -> dict[str, Any]:
    """Return the model as the page reads it: its codes, one noise to start with, and G's layers.

    Large matrices have weights of `bits` bits, 16, 8 or 4; the others 8 at least.

    Raises:
        RunError: G has a layer that the page cannot calculate, or a value that float16 cannot hold.
    """
    noise = explorer.noise(0)
    shape: Shape = (len(noise) + explorer.layout.encoded_columns,)
    layers = []
    for module in explorer.networks.generator.layers:
        layer, shape = _layer(module, shape, bits)
        layers += layer
    low = explorer.settings.image_low
    return {**explorer.describe(), "noise": noise, "low": low, "layers": layers}


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
    weight = rounding.matrix(module.weight, bits)
    return {"weight": weight, "bias": bias, "slope": module.negative_slope}


def _style(match: re.Match[str]) -> str:
    return f"<style>\n{(_STATIC / match[1]).read_text(encoding='utf-8')}</style>"


def _script(match: re.Match[str]) -> str:
    return f"<script>\n{(_STATIC / match[1]).read_text(encoding='utf-8')}"
