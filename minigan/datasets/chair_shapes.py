"""The shapes of the chairs that `scenes` draws: each a list of boxes."""

from __future__ import annotations

import numpy as np

Box = tuple[
    float, float, float, float, float, float
]  # x, y, z of the low corner, and of the high one
_FLOOR, _SEAT = -0.86, -0.16
_NOTHING: Box = (0, 0, 0, -1e-3, -1e-3, -1e-3)


def _legs(half: float, top: float, thick: float) -> list[Box]:
    """Four legs from the floor, their outer edges at x and z = ±half."""
    ends = (-half, half - thick)
    return [(x, _FLOOR, z, x + thick, top, z + thick) for x in ends for z in ends]


def _pair(x: float, low_y: float, low_z: float, width: float, y: float, z: float) -> list[Box]:
    """A box from −x to −x + width, and its mirror image."""
    return [(-x, low_y, low_z, width - x, y, z), (x - width, low_y, low_z, x, y, z)]


def _kitchen_chair() -> list[Box]:
    return [_BOARD, *_legs(0.44, _SEAT, 0.1), (-0.44, _SEAT, -0.44, 0.44, 0.54, -0.34)]


def _slatted_chair() -> list[Box]:
    slats: list[Box] = [
        (x, _SEAT, -0.44, x + 0.07, 0.8, -0.37) for x in np.linspace(-0.42, 0.35, 4)
    ]
    return [_BOARD, *_legs(0.44, _SEAT, 0.1), *slats, (-0.44, 0.7, -0.45, 0.44, 0.88, -0.36)]


def _armchair() -> list[Box]:
    cushion: Box = (-0.42, -0.62, -0.44, 0.42, -0.1, 0.46)
    back: Box = (-0.54, -0.62, -0.56, 0.54, 0.58, -0.4)
    return [cushion, back, *_pair(0.54, -0.62, -0.44, 0.16, 0.12, 0.46), *_legs(0.46, -0.6, 0.1)]


def _bar_stool() -> list[Box]:
    seat: Box = (-0.36, 0.16, -0.36, 0.36, 0.26, 0.36)
    rungs: list[Box] = [(-0.3, -0.44, z, 0.3, -0.37, z + 0.07) for z in (-0.33, 0.26)]
    return [seat, *_legs(0.34, 0.2, 0.09), *rungs, (-0.36, 0.26, -0.36, 0.36, 0.56, -0.28)]


def _office_chair() -> list[Box]:
    foot: list[Box] = [
        (-0.46, _FLOOR, -0.07, 0.46, _FLOOR + 0.09, 0.07),
        (-0.07, _FLOOR, -0.46, 0.07, _FLOOR + 0.09, 0.46),
        (-0.07, _FLOOR, -0.07, 0.07, _SEAT, 0.07),
    ]
    return [
        _BOARD, *foot,
        (-0.05, _SEAT, -0.44, 0.05, 0.2, -0.38), (-0.38, 0.14, -0.46, 0.38, 0.74, -0.35),
    ]  # fmt: skip


def _chair_with_arms() -> list[Box]:
    arms = _pair(0.44, 0.14, -0.44, 0.09, 0.21, 0.4)
    posts = _pair(0.44, _SEAT, 0.3, 0.08, 0.14, 0.38) + _pair(0.44, _SEAT, -0.44, 0.08, 0.2, -0.36)
    return [
        _BOARD, *_legs(0.44, _SEAT, 0.1), *arms, *posts, (-0.44, 0.2, -0.44, 0.44, 0.8, -0.35),
    ]  # fmt: skip


_BOARD: Box = (-0.45, _SEAT - 0.1, -0.45, 0.45, _SEAT, 0.45)
SHAPES = (
    _kitchen_chair(), _slatted_chair(), _armchair(), _bar_stool(), _office_chair(), _chair_with_arms(),
)  # fmt: skip
_MOST_BOXES = max(map(len, SHAPES))
# The low and the high corner of each box, (shapes, boxes, 6); a chair of fewer boxes has empty ones.
CORNERS = np.array([[*s, *[_NOTHING] * (_MOST_BOXES - len(s))] for s in SHAPES], np.float32)
