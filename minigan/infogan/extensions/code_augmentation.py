"""Code augmentation: D's half reads a continuous code in copies of generated images that are augmented in every other respect.

Q can learn only features that survive the augmentation, so it excludes meanings of a code. It is written as
``"c2 scale 0.3 shear 0.3 shift 3 shear_offset 0.6 | c3 rotation 90 shear 0.5 shift 3"``: Q reads c3 in copies that are rotated by
up to 90°, sheared and shifted, so c3 cannot become the slant. It reads c2 in copies that are scaled, sheared and shifted. A copy with the
full shear of 0.3 counts as an image of c2 + 0.6, so c2 becomes the slant.
"""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minigan.devices.contract.images import AFFINE_UNIFORMS, AffineRanges
from minigan.errors import SettingsError
from minigan.fields import setting
from minigan.infogan.codes import CodeLayout, UniformCode
from minigan.infogan.extensions.augmentation import LARGEST, affine_uniforms
from minigan.infogan.extensions.base import Addition, Context, Extension, ExtensionSettings
from minigan.infogan.objective import log_likelihood, weighted_information
from minigan.infogan.streams import Stream
from minigan.tensor import Tensor

AUGMENTED_CODES = "augmented_codes"  # the batch-norm group of the copies
_LARGEST = {**LARGEST, "shear_offset": 100.0}
_AUGMENTATION = re.compile(r"c(?P<code>[1-9]\d*)(?P<changes>(?: [a-z_]+ \d+(?:\.\d+)?)+)")
_SHEAR = 2  # its place among the uniforms of `Device.random_affine`


@dataclass(frozen=True)
class Augmentation:
    """One code, by its column; how far its copies may be changed; and the change of the code by a full shear."""

    code: int
    ranges: AffineRanges
    shear_offset: float

    def code_shift(self, codes: int) -> np.ndarray:
        """Return what each uniform of a copy adds to each code, (uniforms, codes)."""
        matrix = np.zeros((AFFINE_UNIFORMS, codes))
        matrix[_SHEAR, self.code] = self.shear_offset
        return matrix


def parse_augmentations(text: str, layout: CodeLayout) -> tuple[Augmentation, ...]:
    """Read the augmentations of a text, no code twice; SettingsError names the part that is not understood."""
    parts = text.split("|") if text.strip() else ()
    augmentations = tuple(_parse(part.strip(), layout) for part in parts)
    if len({a.code for a in augmentations}) < len(augmentations):
        raise SettingsError(
            f"code augmentation '{text}': a code has one augmentation, and one of these has two"
        )
    return augmentations


def _parse(text: str, layout: CodeLayout) -> Augmentation:
    match = _AUGMENTATION.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"code augmentation: '{text}' is not understood; write texts like "
            "c3 rotation 90 shear 0.5 shift 3, separated by |"
        )
    code = int(match["code"]) - 1
    if code >= len(layout) or not isinstance(layout.codes[code], UniformCode):
        raise SettingsError(
            f"code augmentation: c{code + 1} is no continuous code of {layout}; name others, or "
            "switch it off with code_augmentation=off"
        )
    changes = dict.fromkeys(_LARGEST, 0.0)
    words = match["changes"].split()
    for name, number in zip(words[::2], words[1::2], strict=True):
        if name not in changes:
            known = ", ".join(changes)
            raise SettingsError(f"code augmentation: there is no '{name}'; there is {known}")
        changes[name] = float(number)
        if changes[name] > _LARGEST[name]:
            raise SettingsError(
                f"code augmentation: {name} is at most {_LARGEST[name]:,g}, not {number}"
            )
    shear_offset = changes.pop("shear_offset")
    if shear_offset and not changes["shear"]:
        raise SettingsError(f"code augmentation: '{text}' has a shear_offset and no shear")
    changes["rotation"] = math.radians(changes["rotation"])
    return Augmentation(code, AffineRanges(**changes), shear_offset)


@dataclass(frozen=True)
class CodeAugmentationSettings(ExtensionSettings):
    """The settings of code augmentation."""

    name: ClassVar[str] = "code_augmentation"
    group: ClassVar[str] = AUGMENTED_CODES

    codes: str = setting(
        "The codes, and how the copies that they are read in are augmented.",
        "c2 scale 0.3 shear 0.3 shift 3 shear_offset 0.6 | c3 rotation 90 shear 0.5 shift 3",
    )
    start: float = setting(
        "When these codes join the objective; before, they are noise to G.",
        9 / 16, unit="fraction of the steps", low=0, high=1e6,
    )  # fmt: skip

    def check(self, layout: CodeLayout, batch_size: int) -> None:
        count = len(parse_augmentations(self.codes, layout))
        if count > batch_size:
            raise SettingsError(
                f"batch_size {batch_size} has no image for each of {count} code augmentations"
            )

    def create(self, context: Context) -> CodeAugmentation:
        return CodeAugmentation(self, context)


@dataclass(frozen=True)
class _Copies:
    """The images of a batch that one augmentation copies, with its constants on the device."""

    rows: slice
    ranges: AffineRanges
    code_shift: Tensor
    weights: Tensor  # λ of the code, 0 of the others


class CodeAugmentation(Extension):
    """L_I of the augmented codes, read in augmented copies of the generated images."""

    group: ClassVar[str] = AUGMENTED_CODES

    def __init__(self, settings: CodeAugmentationSettings, context: Context) -> None:
        self.settings, self.context = settings, context
        self.augmentations = parse_augmentations(settings.codes, context.layout)
        self.codes = [a.code for a in self.augmentations]
        self.copies = [self._share(i) for i in range(len(self.augmentations))]

    def _share(self, i: int) -> _Copies:
        """Return the copies of augmentation i; all of them share the images of a batch."""
        c, count, own = self.context, len(self.augmentations), self.augmentations[i]
        weights = np.where(np.arange(len(c.layout)) == own.code, c.code_weights, 0)
        rows = slice(c.batch_size * i // count, c.batch_size * (i + 1) // count)
        code_shift = c.constant(own.code_shift(len(c.layout)))
        return _Copies(rows, own.ranges, code_shift, c.constant(weights))

    def is_active(self, step: int) -> bool:
        return bool(self.copies) and step >= self.context.at(self.settings.start)

    def milestones(self) -> list[tuple[int, str]]:
        """Return when the codes join."""
        names = [self.context.layout.names[code] for code in self.codes]
        joining = f"{', '.join(names)} {'join' if len(names) > 1 else 'joins'}"
        return [(self.context.at(self.settings.start), joining)] if names else []

    def phase(self, step: int) -> Hashable:
        return self.is_active(step)

    def discriminator_weights(self, weights: np.ndarray, step: int) -> np.ndarray:
        """Return λ, 0 for the augmented codes: D's half reads them in the copies alone."""
        weights = weights.copy()
        weights[self.codes] = 0
        return weights

    def generator_weights(self, weights: np.ndarray, step: int) -> np.ndarray:
        """Return λ, 0 for the augmented codes until they join."""
        return weights if self.is_active(step) else self.discriminator_weights(weights, step)

    def add(self, real: Tensor, generated: Tensor, codes: Tensor, step: int) -> Addition:
        """Return augmented copies of the generated images, with L_I of the codes that they count as."""
        c, device = self.context, self.context.device
        uniforms = affine_uniforms(generated, (c.seed, Stream.CODE_AUGMENTATION, c.step))
        images, shifted = [], []
        for own in self.copies:
            u = uniforms[own.rows].data
            images.append(device.random_affine(generated[own.rows].data, u, own.ranges))
            shifted.append(device.gemm(u, own.code_shift.data))
            device.accumulate(shifted[-1], codes[own.rows].data)
        copies = Tensor(device.concatenate_rows(images), device)
        codes_of_copies = Tensor(device.concatenate_rows(shifted), device)
        return Addition(copies, lambda q: self.term(q[AUGMENTED_CODES], codes_of_copies))

    def term(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """Return Σ λᵢ·E[log Q(cᵢ|x̃)], each code over its own copies x̃."""
        log_likelihoods = log_likelihood(parameters, codes, self.context.layout)
        terms = [weighted_information(log_likelihoods[o.rows], o.weights) for o in self.copies]
        return functools.reduce(operator.add, terms)
