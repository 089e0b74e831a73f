"""Consistency: Q must predict the same categorical codes for a real image and for an augmented copy of it.

The term is L_I once more (eq. 5 of the paper), for real images x and their copies x̃::

    H(c) + E[log Q(c|x̃)],  c ~ Q(c|x)

c is Q's own prediction for x. So decision boundaries move between the kinds of real images, as in IMSAT (Hu et al. 2017) and IIC
(Ji et al. 2019). No label is read.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from minigan.devices.contract.images import AffineRanges, OcclusionSizes
from minigan.devices.contract.random import Step
from minigan.fields import setting
from minigan.infogan.codes import CodeLayout
from minigan.infogan.extensions.augmentation import (
    LARGEST,
    Occlusion,
    random_affine,
    random_occlusion,
)
from minigan.infogan.extensions.base import Addition, Context, Extension, ExtensionSettings
from minigan.infogan.extensions.split_merge import joint_distributions, mend
from minigan.infogan.parts import REAL
from minigan.infogan.streams import Stream
from minigan.ops.likelihood import code_consistency_information
from minigan.ops.reduction import weighted_sum
from minigan.tensor import Tensor

AUGMENTED = "augmented"  # the batch-norm group of the copies


@dataclass(frozen=True)
class ConsistencySettings(ExtensionSettings):
    """The settings of the consistency term. Fractions are of the schedule's steps."""

    name: ClassVar[str] = "consistency"
    group: ClassVar[str] = AUGMENTED

    weight: float = setting("Weight of the term.", 2.0, low=0, high=1e30)
    start: float = setting(
        "When the term begins.", 3 / 16, unit="fraction of the steps", low=0, high=1e6
    )
    symmetric_until: float = setting(
        "Until when the term goes both ways: half from image to copy, half back.",
        9 / 16, unit="fraction of the steps", low=0, high=1e6,
    )  # fmt: skip
    entropy_weight: float = setting(
        "Weight of H(c); over 1 it keeps all categories in use.", 1.2, low=0, high=1e30
    )
    entropy_weight_start: float = setting(
        "When H(c) has that weight; before, it has 1.",
        6 / 16, unit="fraction of the steps", low=0, high=1e6,
    )  # fmt: skip
    split_merge_threshold: float = setting(
        "A category begins anew if its merge with another one loses less than this share of (2/K)·log 2 nats, "
        "K the number of categories; 0 turns it off.",
        0.0, low=0, high=1e30,
    )  # fmt: skip
    split_merge_start: float = setting(
        "When a category may begin anew first; then again each 1/10 of the steps.",
        0.35, unit="fraction of the steps", low=0, high=10,
    )  # fmt: skip
    split_merge_end: float = setting(
        "When a category may begin anew last.", 0.45, unit="fraction of the steps", low=0, high=10
    )
    rotation: float = setting(
        "Largest rotation of a copy.", 20.0, unit="degrees", low=0, high=LARGEST["rotation"]
    )
    scale: float = setting(
        "Largest change of a copy's scale.", 0.2, unit="of its size", low=0, high=LARGEST["scale"]
    )
    shear: float = setting(
        "Largest shear of a copy.", 0.3, unit="pixels a pixel", low=0, high=LARGEST["shear"]
    )
    shift: float = setting(
        "Largest shift of a copy.", 3.0, unit="pixels", low=0, high=LARGEST["shift"]
    )
    rectangles: int = setting("Random rectangles that cover a copy.", 2, low=0, high=1000)
    rectangle_thickness: float = setting(
        "Largest thickness of a rectangle.", 4.0, unit="pixels", low=0, high=1e6
    )
    rectangle_length: float = setting(
        "Largest length of a rectangle.", 12.0, unit="pixels", low=0, high=1e6
    )

    @property
    def ranges(self) -> AffineRanges:
        """Return how far a copy may be changed, with the rotation in radians."""
        return AffineRanges(math.radians(self.rotation), self.scale, self.shear, self.shift)

    def create(self, context: Context) -> Consistency:
        return Consistency(self, context)


class Consistency(Extension):
    """The consistency term in D's half of a step."""

    group: ClassVar[str] = AUGMENTED

    def __init__(self, settings: ConsistencySettings, context: Context) -> None:
        self.settings, self.context = settings, context
        self.weights = context.constant(context.layout.weights(settings.weight, 0.0))
        sizes = OcclusionSizes(settings.rectangle_thickness, settings.rectangle_length)
        self.occlusion = Occlusion(settings.rectangles, sizes)
        first, last = settings.split_merge_start, settings.split_merge_end
        times = math.floor(10 * (last - first) + 1e-6) + 1 if settings.split_merge_threshold else 0
        self.split_merge_steps = {context.at(first + i / 10) for i in range(times)}

    def is_active(self, step: int) -> bool:
        return self.settings.weight > 0 and step >= self.context.at(self.settings.start)

    def is_symmetric(self, step: int) -> bool:
        """Return whether the step's term goes both ways."""
        return step < self.context.at(self.settings.symmetric_until)

    def entropy_weight(self, step: int) -> float:
        """Return the weight of H(c) in a step."""
        s = self.settings
        return s.entropy_weight if step >= self.context.at(s.entropy_weight_start) else 1.0

    def before_step(self, step: int) -> None:
        """Move a category of a code where two share a kind of images, and one holds two kinds."""
        if self.is_active(step) and step in self.split_merge_steps:
            joints = joint_distributions(self.context, step, self.copies, AUGMENTED)
            mend(self.context, step, joints, self.settings.split_merge_threshold)

    def milestones(self) -> list[tuple[int, str]]:
        """Return when the term begins."""
        begins = (self.context.at(self.settings.start), "consistency begins")
        return [begins] if self.settings.weight > 0 else []

    def phase(self, step: int) -> Hashable:
        return self.is_active(step), self.is_symmetric(step), self.entropy_weight(step)

    def add(self, real: Tensor, generated: Tensor, codes: Tensor, step: int) -> Addition:
        """Return an augmented copy of each real image, and the consistency of Q's predictions."""
        copies = self.copies(real, self.context.step)
        return Addition(copies, lambda q: self.term(q[REAL], q[AUGMENTED], step))

    def copies(self, images: Tensor, step: Step) -> Tensor:
        """Return the augmented copies of a step's images."""
        seed, low = self.context.seed, self.context.image_low
        covered = random_occlusion(images, self.occlusion, low, (seed, Stream.OCCLUSION, step))
        return random_affine(covered, self.settings.ranges, (seed, Stream.AUGMENTATION, step))

    def term(self, images: Tensor, copies: Tensor, step: int) -> Tensor:
        """Return the term of a step, from Q's parameters for images and for their copies."""
        layout, entropy_weight = self.context.layout, self.entropy_weight(step)
        one_way = consistency_information(images, copies, self.weights, layout, entropy_weight)
        if not self.is_symmetric(step):
            return one_way
        back = consistency_information(copies, images, self.weights, layout, entropy_weight)
        return 0.5 * (one_way + back)


def consistency_information(
    first: Tensor,
    second: Tensor,
    weights: Tensor,
    layout: CodeLayout,
    entropy_weight: float = 1.0,
) -> Tensor:
    """Return Σᵢ wᵢ·(H(cᵢ) + E[log Q(cᵢ|x̃)]), with cᵢ as Q predicts it from x.

    Args:
        first: Q's parameters for the images x, (batch, columns).
        second: Q's parameters for the copies x̃, (batch, columns).
        weights: The weight of each code, (codes,).
        layout: The codes.
        entropy_weight: The weight of H(c).

    Returns:
        The term, in nats, of no dimension.
    """
    information = code_consistency_information(first, second, layout.densities, entropy_weight)
    return weighted_sum(information, weights)
