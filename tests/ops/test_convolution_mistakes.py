"""Operands and settings of convolutions that do not fit are named."""

from typing import Any

import numpy as np
import pytest

import minigan as mg

OPERATIONS = ("conv2d", "conv_transpose2d")


IMAGE, FILTER = np.zeros((2, 5, 5, 3)), np.zeros((4, 4, 3, 6))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    ("operands", "chosen", "message"),
    [
        ((IMAGE[..., :2], FILTER), {}, r"channels.*\(2, 5, 5, 2\) and \(4, 4, 3, 6\)"),
        ((IMAGE[0], FILTER), {}, r"\(batch, height, width, channels\).*\(5, 5, 3\) and \(4, 4, 3, 6\)"),
        ((IMAGE, FILTER[0]), {}, r"kernel height.*\(2, 5, 5, 3\) and \(4, 3, 6\)"),
        ((IMAGE[..., :0], FILTER[:, :, :0]), {}, "w has at least one channel in and out"),
        ((IMAGE, FILTER[..., :0]), {}, "w has at least one channel in and out"),
        ((IMAGE, FILTER[:, :0]), {}, r"w has .* a kernel of at least 1×1"),
        ((IMAGE, FILTER, np.zeros(3)), {}, r"b has one element.*and \(3,\)"),
        ((IMAGE, FILTER.astype(np.float32)), {}, "float32, float64"),
        ((IMAGE.astype(int), FILTER.astype(int)), {}, "int64"),
        ((IMAGE, FILTER), {"stride": 0}, "stride .*at least 1; not 0"),
        ((IMAGE, FILTER), {"stride": (1, 2, 3)}, r"stride .*pair.*not \(1, 2, 3\)"),
        ((IMAGE, FILTER), {"stride": 1.5}, "stride .*int.*not 1.5"),
        ((IMAGE, FILTER), {"stride": (1.5, 2)}, r"stride .*int.*not \(1.5, 2\)"),
        ((IMAGE, FILTER), {"padding": -1}, "padding .*none negative; not -1"),
        ((IMAGE, FILTER), {"padding": (1, 2, 3, 4)}, r"padding .*not \(1, 2, 3, 4\)"),
        ((IMAGE, FILTER), {"padding": ((1, 2, 3), 1)}, r"padding .*not \(\(1, 2, 3\), 1\)"),
        ((IMAGE, FILTER), {"negative_slope": -0.1}, "negative_slope is at least 0 and finite; not -0.1"),
        ((IMAGE, FILTER), {"negative_slope": np.nan}, "negative_slope is at least 0 and finite; not nan"),
        ((IMAGE, FILTER), {"padding": "same"}, "padding .*not 'same'"),
    ],
)  # fmt: skip
def test_mistakes_are_named(name: str, operands: Any, chosen: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
        getattr(mg, name)(*map(mg.tensor, operands), **chosen)


def test_numbers_are_no_images_and_no_bias() -> None:
    with pytest.raises(ValueError, match="conv2d: b has one element for each channel out"):
        mg.conv2d(mg.tensor(IMAGE), mg.tensor(FILTER), 1.0)
    with pytest.raises(ValueError, match=r"conv2d: x is \(batch, height"):
        mg.conv2d(1.0, mg.tensor(FILTER))


def test_a_transposed_convolution_needs_a_pixel() -> None:
    with pytest.raises(ValueError, match="x has at least one row and one column"):
        mg.conv_transpose2d(mg.zeros((1, 0, 4, 3)), mg.zeros((4, 4, 3, 6)))


def test_a_kernel_larger_than_the_padded_image_is_named() -> None:
    with pytest.raises(ValueError, match=r"conv2d: the kernel \(4, 4\) .*\(2, 3, 3, 3\) and \(4,"):
        mg.conv2d(mg.tensor(IMAGE[:, :3, :3]), mg.tensor(FILTER))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"output_padding": 1}, r"output_padding \(1, 1\) must be less than the stride \(1, 1\)"),
        ({"stride": (2, 1), "output_padding": 1}, r"output_padding \(1, 1\) .*\(2, 1\)"),
        ({"output_padding": -1}, "output_padding .*at least 0; not -1"),
        ({"padding": 4}, r"padding \(\(4, 4\), \(4, 4\)\) leaves nothing"),
    ],
)
def test_mistakes_of_a_transposed_convolution(chosen: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^conv_transpose2d: .*{message}"):
        mg.conv_transpose2d(mg.tensor(IMAGE), mg.tensor(FILTER), **chosen)


def test_settings_may_be_numpy_s_integers() -> None:
    two = np.int64(2)
    found = mg.conv2d(mg.tensor(IMAGE), mg.tensor(FILTER), stride=two, padding=(two, (two, two)))
    assert found.shape == (2, 3, 3, 6)
