"""What a list of views says, and what is wrong with one that says nothing."""

import math

import numpy as np
import pytest

from minigan.devices.kernels import AffineRanges
from minigan.errors import SettingsError
from minigan.infogan.codes import CodeLayout
from minigan.infogan.views import View, parse_views

LAYOUT = CodeLayout.parse("Cat(10) + 2*Uniform")


def test_views_are_read() -> None:
    text = "c2 scale 0.3 shear 0.25 shift 3 adds 0.6 | c3 rotation 90 shear 0.5"
    assert parse_views(text, LAYOUT) == (
        View(1, AffineRanges(0.0, 0.3, 0.25, 3.0), 0.6),
        View(2, AffineRanges(math.pi / 2, 0.0, 0.5, 0.0), 0.0),
    )
    assert parse_views("", LAYOUT) == ()


def test_a_full_shear_adds_to_its_code_alone() -> None:
    (view,) = parse_views("c2 shear 0.25 adds 0.6", LAYOUT)
    uniforms = np.array([[0.1, 0.2, 1.0, 0.3, 0.4], [0.5, 0.6, -0.5, 0.7, 0.8]])
    np.testing.assert_allclose(uniforms @ view.gain(3), [[0, 0.6, 0], [0, -0.3, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c3", "'c3' is no view; write views like c3 rotation 90"),
        ("c3 rotation", "'c3 rotation' is no view"),
        ("c3 rotation -5", "'c3 rotation -5' is no view"),
        ("c3 shear 0.5 |", "'' is no view"),
        ("slant shear 0.5", "'slant shear 0.5' is no view"),
        ("c1 shear 0.5", r"c1 is no continuous code of Cat\(10\) \+ 2\*Uniform; name others, or none: --views ''"),
        ("c4 shear 0.5", "c4 is no continuous code"),
        ("c3 turn 5", "there is no 'turn'; there is rotation, scale, shear, shift, adds"),
        ("c3 rotation 181", "rotation is at most 180, not 181"),
        ("c3 scale 0.95", "scale is at most 0.9, not 0.95"),
        ("c2 adds 0.6", "'c2 adds 0.6' adds to its code by shearing, and has no shear"),
        ("c2 shear 0.5 | c2 scale 0.5", "a code has one view, and one of these has two"),
    ],
)  # fmt: skip
def test_a_wrong_list_is_an_error_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_views(text, LAYOUT)
