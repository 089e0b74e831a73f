"""Log-likelihoods. Densities are exact, constants included; units are nats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigan.devices import Device
from minigan.devices.contract.likelihood import CodeTable
from minigan.operation import as_tensor, differentiable, explained
from minigan.ops.shared import array_beside, check_one_float_dtype, differentiable_of_reals, integer
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = [
    "Categorical", "Gaussian", "categorical_log_likelihood", "code_consistency_information",
    "code_log_likelihood", "gaussian_log_likelihood",
]  # fmt: skip

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Categorical:
    """A code in 0 … size−1, read through `size` logits.

    Attributes:
        size: the number of categories, at least 1.

    Raises:
        TypeError: the size is no integer.
        ValueError: it is less than 1.
    """

    size: int

    def __post_init__(self) -> None:
        if integer(self.size, "Categorical: size") < 1:
            raise ValueError(f"Categorical: a code needs a category; got size {self.size}")

    @property
    def columns(self) -> int:
        """Return the number of columns that Q reads the code through."""
        return self.size


@dataclass(frozen=True)
class Gaussian:
    """A real code, read through a mean, with a fixed σ, or through (mean, log σ).

    Attributes:
        std: σ, over 0; None where Q predicts log σ.

    Raises:
        ValueError: σ is not positive and finite.
    """

    std: float | None = 1.0

    def __post_init__(self) -> None:
        if self.std is not None and not 0 < self.std < math.inf:
            raise ValueError(f"Gaussian: std must be positive, or None; got {self.std}")

    @property
    def columns(self) -> int:
        """Return the number of columns that Q reads the code through."""
        return 2 if self.std is None else 1


Density = Categorical | Gaussian


def code_table(layout: Sequence[Density]) -> CodeTable:
    """Return the layout as kernels read it: the codes' columns lie side by side, in order."""
    widths = [density.columns for density in layout]
    kinds = [
        CodeTable.CATEGORICAL if isinstance(density, Categorical)
        else CodeTable.PREDICTED_GAUSSIAN if density.std is None
        else CodeTable.FIXED_GAUSSIAN
        for density in layout
    ]  # fmt: skip
    log_std = [math.log(getattr(density, "std", None) or 1.0) for density in layout]
    offsets = np.cumsum([0, *widths])[:-1].tolist()
    return CodeTable(tuple(kinds), tuple(offsets), tuple(widths), tuple(log_std))


@differentiable
def _code_log_likelihood(
    device: Device, parameters: Array, codes: Array, table: CodeTable
) -> Result:
    check_one_float_dtype(parameters, codes)
    parameters, codes = device.contiguous(parameters), device.contiguous(codes)
    values, derivative = device.code_log_likelihood(parameters, codes, table)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (device.scale_code_gradient(derivative, device.contiguous(dy), table),)

    return values, vjp, (derivative,)


@explained
def code_log_likelihood(
    parameters: Tensor, codes: Tensor | Any, layout: Sequence[Density], check_codes: bool = True
) -> Tensor:
    """log Q(cᵢ|x) of every code of a layout, in one pass; nats.

    Args:
        parameters: Q's output, (batch, columns), each code's columns side by side. They are the
            logits of a `Categorical`, the mean of a `Gaussian` of fixed σ, or (mean, log σ).
        codes: the values, (batch, codes): an index for a categorical. They are data: no gradient
            reaches them.
        layout: the density of each code, in order.
        check_codes: whether to read the codes back to the host, to refuse values that are no
            category. Codes that minigan drew itself need no check.

    Returns:
        A tensor (batch, codes).

    Raises:
        ValueError: the shapes do not fit the layout, the codes require a gradient, or one is no
            category.

    Reference: Chen et al. (2016), "InfoGAN: interpretable representation learning by information
    maximizing generative adversarial nets", eq. 5.
    """
    table = code_table(layout)
    values = array_beside("code_log_likelihood", parameters, codes)
    if isinstance(codes, Tensor) and codes.requires_grad:
        raise ValueError("code_log_likelihood: the codes are data; pass them detached")
    if parameters.ndim != 2 or values.ndim != 2 or parameters.shape[0] != values.shape[0]:
        raise ValueError(
            "code_log_likelihood: parameters are (batch, columns) and codes (batch, codes); got "
            f"{parameters.shape} and {tuple(values.shape)}"
        )
    if parameters.shape[1] != table.columns or values.shape[1] != len(layout):
        raise ValueError(
            f"code_log_likelihood: the layout has {len(layout)} codes in {table.columns} columns; got "
            f"codes {tuple(values.shape)} and parameters {parameters.shape}"
        )
    if check_codes:
        _check_categories(values, layout)
    values = values.astype(parameters.dtype, copy=not isinstance(codes, Tensor))
    return _code_log_likelihood(parameters, Tensor(values, parameters.device), table=table)


@differentiable
def _code_consistency_information(
    device: Device, first: Array, second: Array, table: CodeTable, entropy_weight: float
) -> Result:
    check_one_float_dtype(first, second)
    values, *derivatives = device.code_consistency_information(
        device.contiguous(first), device.contiguous(second), table, entropy_weight
    )

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return tuple(
            device.scale_code_gradient(derivative, device.contiguous(dy), table) if need else None
            for derivative, need in zip(derivatives, needs, strict=True)
        )

    return values, vjp, derivatives


@explained
def code_consistency_information(
    first: Tensor | Any,
    second: Tensor | Any,
    layout: Sequence[Density],
    entropy_weight: float = 1.0,
) -> Tensor:
    """L_I from one view of each row to another, of every categorical code of a layout; nats.

    It is InfoGAN's bound (eq. 5) with a code that is not drawn from a prior. Q reads the code in
    the first view, and again in the second. p and q are the probabilities in either, and p̄ is the
    mean of p over the batch: H(p̄) + E[Σ p·log q]. It is at most log K for K categories: where both
    views are read as one category, for sure, and all categories alike often.

    Args:
        first: Q's output for one view, (batch, columns), as in `code_log_likelihood`.
        second: Q's output for the other view, of the same shape.
        layout: the density of each code, in order.
        entropy_weight: a factor of the entropy H(p̄); over 1 it favours the use of all categories.

    Returns:
        A tensor (codes,), 0 for a Gaussian.

    Raises:
        ValueError: the shapes do not fit the layout, or there is no row or no code.

    Reference: Hu et al. (2017), "Learning discrete representations via information maximizing
    self-augmented training".
    """
    table = code_table(layout)
    shapes = [tuple(x.shape) if hasattr(x, "shape") else np.shape(x) for x in (first, second)]
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][1] != table.columns:
        raise ValueError(
            f"code_consistency_information: both views are (batch, {table.columns}) for this layout; got "
            f"{shapes[0]} and {shapes[1]}"
        )
    if shapes[0][0] == 0 or not layout:
        raise ValueError("code_consistency_information: there must be a row and a code")
    return _code_consistency_information(first, second, table=table, entropy_weight=entropy_weight)


def _check_categories(codes: Array, layout: Sequence[Density]) -> None:
    """Refuse values that are no category. An index outside would read another code's columns, and a fraction is none."""
    for i, density in enumerate(layout):
        if isinstance(density, Categorical):
            column = codes[:, i]
            wrong = ~((column >= 0) & (column < density.size) & (column % 1 == 0))
            if wrong.any():
                raise ValueError(
                    f"code_log_likelihood: code {i} holds {float(column[wrong][0]):g}, which is not one of its "
                    f"categories 0 … {density.size - 1}"
                )


@explained
def categorical_log_likelihood(logits: Tensor, labels: Tensor | Any) -> Tensor:
    """log softmax(logits)[label]; nats.

    Args:
        logits: (…, categories).
        labels: the category of each row, integers (…).

    Returns:
        A tensor (…).

    Raises:
        ValueError: the labels have another shape, or one is no category.
    """
    values = array_beside("categorical_log_likelihood", logits, labels)
    if not logits.ndim or tuple(values.shape) != logits.shape[:-1]:
        raise ValueError(
            f"categorical_log_likelihood: logits {logits.shape} need labels {logits.shape[:-1]}; got "
            f"{tuple(values.shape)}"
        )
    categories = logits.shape[-1]
    flat = code_log_likelihood(
        logits.reshape(-1, categories), values.reshape(-1, 1), [Categorical(categories)]
    )
    return flat.reshape(values.shape)


@differentiable_of_reals
def _gaussian_log_likelihood(device: Device, x: Array, mean: Array, log_std: Array) -> Result:
    inverse = device.array_module.exp(-log_std)
    z = (x - mean) * inverse
    vjp = broadcast_rule(
        device,
        (x, mean, log_std),
        lambda dy: -dy * z * inverse,
        lambda dy: dy * z * inverse,
        lambda dy: dy * (z * z - 1),
    )
    return -0.5 * z * z - log_std - _HALF_LOG_2PI, vjp, (z, inverse)


@explained
def gaussian_log_likelihood(
    x: Tensor | Any,
    mean: Tensor | Any,
    std: Tensor | float | None = None,
    log_std: Tensor | Any = None,
) -> Tensor:
    """log N(x; mean, σ²) = −½((x − mean)/σ)² − log σ − ½ log 2π, elementwise; nats.

    σ is `std`, or e^log_std where that is given (as a network predicts it); by default 1.

    Args:
        x: the values, of any shape.
        mean: the mean of each value; it broadcasts with x.
        std: σ, over 0: a number, or a tensor or array that broadcasts with x.
        log_std: log σ, a tensor, an array or a number that broadcasts with x.

    Raises:
        ValueError: `std` and `log_std` are both given, or the number `std` is not positive
            and finite.
    """
    if std is not None and log_std is not None:
        raise ValueError("gaussian_log_likelihood: give std or log_std, not both")
    if log_std is None:
        log_std = _log_std(1.0 if std is None else std, like=mean if hasattr(mean, "dtype") else x)
    return _gaussian_log_likelihood(x, mean, log_std)


def _log_std(std: Tensor | float, like: Tensor | Any) -> Tensor | Any:
    if not isinstance(std, (int, float, np.number)):
        return as_tensor(std, getattr(like, "device", None)).log()
    if not 0 < std < math.inf:
        raise ValueError(f"gaussian_log_likelihood: std must be positive; got {std}")
    # float32 at least: a logarithm is no integer, even of integers
    return np.asarray(math.log(std), np.result_type(np.float32, getattr(like, "dtype", np.float32)))
