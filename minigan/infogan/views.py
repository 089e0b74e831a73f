"""Changed copies of generated images, in each of which one continuous code is read: what a code is not to mean.

A list of views is written as ``"c2 scale 0.3 shear 0.3 shift 3 adds 0.6 | c3 rotation 90 shear 0.5 shift 3"``: c2 is read in copies
that are scaled by up to 30 %, sheared by up to 0.3 and shifted by up to 3 pixels, and a copy sheared by all of 0.3 counts as an
image of c2 + 0.6; c3 is read in copies that are turned by up to 90°, sheared and shifted. So c3 cannot become the slant, and
c2 neither the size of a digit nor the width of its strokes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from minigan.devices.kernels import AFFINE_UNIFORMS, AffineRanges
from minigan.errors import SettingsError
from minigan.infogan.codes import CodeLayout, UniformCode

# How far a copy may be changed: turned by half a circle (degrees), scaled so that something is left, and otherwise what is no slip of
# the hand.
WARP_LIMITS = {"rotation": 180.0, "scale": 0.9, "shear": 10.0, "shift": 1e6}
_MOST = {**WARP_LIMITS, "adds": 100.0}
_VIEW = re.compile(r"c(?P<code>[1-9]\d*)(?P<changes>(?: [a-z]+ \d+(?:\.\d+)?)+)")
_SHEAR = 2  # its place among the uniforms of `Device.random_affine`


@dataclass(frozen=True)
class View:
    """The code that is read, by its column; how far its copies may be changed; and what a full shear adds to the code."""

    code: int
    ranges: AffineRanges
    adds: float

    def gain(self, codes: int) -> np.ndarray:
        """What each uniform of a copy adds to each code, (uniforms, codes)."""
        matrix = np.zeros((AFFINE_UNIFORMS, codes))
        matrix[_SHEAR, self.code] = self.adds
        return matrix


def parse_views(text: str, layout: CodeLayout) -> tuple[View, ...]:
    """Read a list of views, of no code twice; SettingsError says what is not understood."""
    views = tuple(_view(part.strip(), layout) for part in text.split("|")) if text.strip() else ()
    codes = [view.code for view in views]
    if len(set(codes)) < len(codes):
        raise SettingsError(f"views '{text}': a code has one view, and one of these has two")
    return views


def _view(text: str, layout: CodeLayout) -> View:
    match = _VIEW.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"views: '{text}' is no view; write views like c3 rotation 90 shear 0.5 shift 3, separated by |"
        )
    code = int(match["code"]) - 1
    if code >= len(layout) or not isinstance(layout.codes[code], UniformCode):
        raise SettingsError(
            f"views: c{code + 1} is no continuous code of {layout}; name others, or none: --views ''"
        )
    words = match["changes"].split()
    changes = dict.fromkeys(_MOST, 0.0)
    for name, number in zip(words[::2], words[1::2], strict=True):
        if name not in changes:
            raise SettingsError(f"views: there is no '{name}'; there is {', '.join(changes)}")
        changes[name] = float(number)
        if changes[name] > _MOST[name]:
            raise SettingsError(f"views: {name} is at most {_MOST[name]:,g}, not {number}")
    adds = changes.pop("adds")
    if adds and not changes["shear"]:
        raise SettingsError(f"views: '{text}' adds to its code by shearing, and has no shear")
    changes["rotation"] = math.radians(changes["rotation"])
    return View(code, AffineRanges(**changes), adds)
