"""What everything is checked against: slow, obvious versions, and how far rounding may lead away from them.

A reference is computed in float64 by plain loops, NumPy or SciPy. Where the data are small whole numbers
every sum is exact in any order, and results must be *equal*. Elsewhere they must lie within a bound
that follows from the number of roundings. No tolerance was found by trying.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.signal
import scipy.special
import scipy.stats
from device_list import unwatched
from hypothesis import strategies as st

import minigan as mg

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Fill = Callable[[np.random.Generator, Shape], Array]


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def sides(padding: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) from each of the three forms of a padding."""
    vertical, horizontal = (padding, padding) if isinstance(padding, int) else padding
    return pair(vertical), pair(horizontal)


def padded(x: Array, padding: Any) -> Array:
    return np.pad(x, ((0, 0), *sides(padding), (0, 0)))


def output_size(image: Shape, kernel: Shape, stride: Any, padding: Any) -> tuple[int, int]:
    """How many windows fit, vertically and horizontally."""
    high, wide = (
        len(range(0, n + sum(p) - k + 1, s))
        for n, k, s, p in zip(image, kernel, pair(stride), sides(padding), strict=True)
    )
    return high, wide


def windows(size: tuple[int, int], kernel: Shape, stride: Any) -> list[tuple[int, int, Any]]:
    """(i, j, where window (i, j) lies in the padded image)."""
    (sh, sw), (kh, kw) = pair(stride), kernel
    return [
        (i, j, np.s_[:, i * sh : i * sh + kh, j * sw : j * sw + kw, :])
        for i, j in itertools.product(range(size[0]), range(size[1]))
    ]


def conv2d(x: Array, w: Array, b: Any = 0, stride: Any = 1, padding: Any = 0) -> Array:
    """Each window times the filter."""
    size = output_size(x.shape[1:3], w.shape[:2], stride, padding)
    y = np.zeros((x.shape[0], *size, w.shape[3]), np.result_type(x, w))
    for i, j, window in windows(size, w.shape[:2], stride):
        y[:, i, j, :] = np.tensordot(padded(x, padding)[window], w, axes=3)
    return y + b


def conv2d_by_scipy(x: Array, w: Array, b: Any = 0, stride: Any = 1, padding: Any = 0) -> Array:
    """SciPy's correlation, channel by channel; a stride keeps some of its results."""
    image, (sh, sw) = padded(x, padding), pair(stride)
    planes = [
        [
            sum(
                scipy.signal.correlate(one[:, :, c], w[:, :, c, o], mode="valid", method="direct")
                for c in range(w.shape[2])
            )
            for o in range(w.shape[3])
        ]
        for one in image
    ]
    return np.moveaxis(np.array(planes), 1, 3)[:, ::sh, ::sw, :] + b


def conv2d_weight_gradient(
    x: Array, dy: Array, kernel: Shape, stride: Any = 1, padding: Any = 0
) -> Array:
    """Each window times the gradient of its output."""
    dw = np.zeros((*kernel, x.shape[3], dy.shape[3]))
    for i, j, window in windows(dy.shape[1:3], kernel, stride):
        dw += np.tensordot(padded(x, padding)[window], dy[:, i, j, :], axes=((0,), (0,)))
    return dw


def conv_transpose2d(
    x: Array, w: Array, b: Any = 0, stride: Any = 1, padding: Any = 0, output_padding: Any = 0
) -> Array:
    """Each pixel paints the filter on a canvas; then the padding is cut off."""
    (top, bottom), (left, right) = sides(padding)
    (sh, sw), (eh, ew) = pair(stride), pair(output_padding)
    height = (x.shape[1] - 1) * sh + w.shape[0] + eh
    width = (x.shape[2] - 1) * sw + w.shape[1] + ew
    canvas = np.zeros((x.shape[0], height, width, w.shape[3]), np.result_type(x, w))
    for i, j, window in windows(x.shape[1:3], w.shape[:2], stride):
        canvas[window] += np.tensordot(x[:, i, j, :], w, axes=((1,), (2,)))
    return canvas[:, top : height - bottom, left : width - right, :] + b


def leaky_relu(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, slope * x)


def off_the_kink(values: Array) -> Array:
    """Return a bias for each channel (the last axis) that puts an activation's kink in the widest
    gap between the values. Both sides then have some, and none is near. Equal values, or a single
    one, lie after the kink."""
    rows = np.sort(values.reshape(-1, values.shape[-1]), axis=0)
    if not len(rows):
        return np.zeros(values.shape[-1])
    gaps = np.diff(rows, axis=0, append=rows[-1:])
    widest, channel = gaps.argmax(axis=0), np.arange(rows.shape[1])
    gap = gaps[widest, channel]
    return np.where(gap > 1e-3, -rows[widest, channel] - gap / 2, 1 - rows[0])


def batch_norm(
    x: Array,
    weight: Array,
    bias: Array,
    groups: int = 1,
    epsilon: float = 1e-5,
    negative_slope: float = 1.0,
) -> Array:
    """One group and one channel at a time."""
    y = np.empty_like(x)
    for run, result in zip(np.split(x, groups), np.split(y, groups), strict=True):
        for c in range(x.shape[-1]):
            values = run[..., c]
            deviation = values - values.mean()
            normalized = deviation / np.sqrt((deviation**2).mean() + epsilon)
            result[..., c] = leaky_relu(weight[c] * normalized + bias[c], negative_slope)
    return y


def categorical_log_likelihood(logits: Array, labels: Array) -> Array:
    log_probabilities = scipy.special.log_softmax(logits, axis=-1)
    return np.take_along_axis(log_probabilities, labels[..., None], axis=-1)[..., 0]


def gaussian_log_likelihood(x: Any, mean: Any, log_std: Any = 0.0) -> Array:
    density: Array = scipy.stats.norm.logpdf(x, mean, np.exp(log_std))
    return density


def binary_cross_entropy_with_logits(logits: Array, targets: Any) -> Array:
    log_expit = scipy.special.log_expit
    loss: Array = -(targets * log_expit(logits) + (1 - targets) * log_expit(-logits))
    return loss


def code_log_likelihood(parameters: Array, codes: Array, layout: Sequence[Any]) -> Array:
    """SciPy's densities, code after code."""
    values = np.empty(codes.shape)
    at = 0
    for i, density in enumerate(layout):
        columns = parameters[:, at : at + density.columns]
        at += density.columns
        if isinstance(density, mg.Categorical):
            values[:, i] = categorical_log_likelihood(columns, codes[:, i].astype(int))
        else:
            log_std = columns[:, 1] if density.std is None else np.log(density.std)
            values[:, i] = gaussian_log_likelihood(codes[:, i], columns[:, 0], log_std)
    return values


def consistency_information(first: Array, second: Array, entropy_weight: float = 1) -> float:
    """Of a category in two views: entropies by SciPy; E[Σ p·log q] = −E[H(p) + KL(p ‖ q)]."""
    p, q = scipy.special.softmax(first, axis=1), scipy.special.softmax(second, axis=1)
    entropy = scipy.stats.entropy
    return float(
        entropy_weight * entropy(p.mean(axis=0))
        - (entropy(p, axis=1) + entropy(p, q, axis=1)).mean()
    )


def code_consistency_information(
    first: Array, second: Array, layout: Sequence[Any], entropy_weight: float = 1
) -> Array:
    """Code after code; of a Gaussian 0."""
    values, at = np.zeros(len(layout)), 0
    for i, density in enumerate(layout):
        columns = slice(at, at + density.columns)
        at += density.columns
        if isinstance(density, mg.Categorical):
            values[i] = consistency_information(
                first[:, columns], second[:, columns], entropy_weight
            )
    return values


def normal(rng: np.random.Generator, shape: Shape) -> Array:
    return rng.standard_normal(shape)


def between(low: float, high: float) -> Fill:
    return lambda rng, shape: rng.uniform(low, high, shape)


def away_from_zero(rng: np.random.Generator, shape: Shape) -> Array:
    """On both sides of a kink or a pole at 0, and none nearer than 0.2."""
    return rng.uniform(0.2, 2, shape) * rng.choice([-1.0, 1.0], shape)


def distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """Each in the first half of another tenth: no two nearer than 0.05, so that nothing ties."""
    count = int(np.prod(shape))
    order = rng.permutation(count) - count // 2
    return ((order + rng.uniform(0, 0.5, count)) * 0.1).reshape(shape)


def whole(rng: np.random.Generator, shape: Shape) -> Array:
    """Whole numbers so small that their sums of products are exact, in float32 too."""
    return rng.integers(-4, 5, shape).astype(np.float64)


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": lambda a: a.copy(),
    "transposed": lambda a: a.T.copy().T,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a.copy(),
    "reversed": lambda a: np.flip(np.flip(a).copy()) if a.ndim else a.copy(),
}


@st.composite
def arrays(draw: st.DrawFn, shape: Shape, fill: Fill = normal, dtype: Any = np.float64) -> Array:
    """An array of that shape, which lies in memory in one of four ways."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    layout = draw(st.sampled_from(sorted(LAYOUTS)), label="layout")
    return LAYOUTS[layout](fill(rng, shape).astype(dtype))


class Example(NamedTuple):
    """A function of tensors, arrays to try it at, and perhaps the same by NumPy or SciPy."""

    function: Callable[..., mg.Tensor]
    inputs: tuple[Array, ...]
    reference: Callable[..., Array] | None = None


def wrap(array: Array, requires_grad: bool = False) -> mg.Tensor:
    """A tensor on the default device that lies in memory as that array does: `mg.tensor` would make it contiguous."""
    device = mg.get_device()
    return mg.Tensor(_laid_out_alike(device, np.asarray(array)), device, requires_grad)


def _laid_out_alike(device: Any, array: Array) -> Any:
    """The array on the device, in the one of the four ways above in which it lies; NumPy's own, as it is."""
    if device.array_module is np or array.flags.c_contiguous:
        return device.asarray(array)
    if array.T.flags.c_contiguous:
        return device.asarray(array.T).T
    if min(array.strides) < 0:
        everywhere = (slice(None, None, -1),) * array.ndim
        return device.asarray(array[everywhere])[everywhere]
    return device.array_module.repeat(device.asarray(array), 2, axis=-1)[..., ::2]


def gradients(
    function: Callable[..., mg.Tensor], inputs: Sequence[Array], dy: Array, only: int | None = None
) -> list[Any]:
    """The gradient of ⟨dy, function⟩ by each input, or by one; the others have None."""
    tensors = [wrap(a, requires_grad=only in (None, i)) for i, a in enumerate(inputs)]
    function(*tensors).backward(dy)
    return [None if t.grad is None else t.grad.numpy() for t in tensors]


def check_every_gradient(example: Example) -> None:
    """All inputs against central differences; then each alone, for which a rule may take a shorter way."""
    function, inputs = example.function, example.inputs
    with unwatched():
        mg.check_gradients(function, *(wrap(a, requires_grad=True) for a in inputs))
    output = function(*(wrap(a) for a in inputs)).numpy()
    dy = np.random.default_rng(1).uniform(0.5, 1.5, output.shape)
    together = gradients(function, inputs, dy)
    for i in range(len(inputs)):
        np.testing.assert_array_equal(gradients(function, inputs, dy, only=i)[i], together[i])


def operations(module: Any) -> set[str]:
    """The public functions of a module of operations; its public classes describe data."""
    return {name for name in module.__all__ if not isinstance(getattr(module, name), type)}
