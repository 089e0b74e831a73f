"""The text of a code augmentation, and the mistakes in one that is not understood."""

import math

import numpy as np
import pytest

from minigan.devices.contract.images import AffineRanges
from minigan.errors import SettingsError
from minigan.infogan.codes import CodeLayout
from minigan.infogan.extensions.code_augmentation import Augmentation, parse_augmentations

LAYOUT = CodeLayout.parse("Cat(10) + 2*Uniform")


def test_augmentations_are_read() -> None:
    text = "c2 scale 0.3 shear 0.25 shift 3 shear_offset 0.6 | c3 rotation 90 shear 0.5"
    assert parse_augmentations(text, LAYOUT) == (
        Augmentation(1, AffineRanges(0.0, 0.3, 0.25, 3.0), 0.6),
        Augmentation(2, AffineRanges(math.pi / 2, 0.0, 0.5, 0.0), 0.0),
    )
    assert parse_augmentations("", LAYOUT) == ()


def test_a_full_shear_adds_to_its_code_alone() -> None:
    (augmentation,) = parse_augmentations("c2 shear 0.25 shear_offset 0.6", LAYOUT)
    uniforms = np.array([[0.1, 0.2, 1.0, 0.3, 0.4], [0.5, 0.6, -0.5, 0.7, 0.8]])
    np.testing.assert_allclose(uniforms @ augmentation.code_shift(3), [[0, 0.6, 0], [0, -0.3, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c3", "'c3' is not understood; write texts like c3 rotation 90"),
        ("c3 rotation", "'c3 rotation' is not understood"),
        ("c3 rotation -5", "'c3 rotation -5' is not understood"),
        ("c3 shear 0.5 |", "'' is not understood"),
        ("slant shear 0.5", "'slant shear 0.5' is not understood"),
        ("c1 shear 0.5", r"c1 is no continuous code of Cat\(10\) \+ 2\*Uniform; name others, or switch it off with code_augmentation=off"),
        ("c4 shear 0.5", "c4 is no continuous code"),
        ("c3 turn 5", "there is no 'turn'; there is rotation, scale, shear, shift, shear_offset"),
        ("c3 rotation 181", "rotation is at most 180, not 181"),
        ("c3 scale 0.95", "scale is at most 0.9, not 0.95"),
        ("c2 shear_offset 0.6", "'c2 shear_offset 0.6' has a shear_offset and no shear"),
        ("c2 shear 0.5 | c2 scale 0.5", "a code has one augmentation, and one of these has two"),
    ],
)  # fmt: skip
def test_a_wrong_list_is_an_error_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_augmentations(text, LAYOUT)
