"""Batches for training: the rows of arrays, in an order that a seed gives."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar, cast, overload

import numpy as np

from minigan.devices import get_device
from minigan.random import checked_seed, uniform

__all__ = ["Batches", "batches"]

_STREAM = 14  # of the random numbers that order the rows; see `minigan.infogan.streams`


class _Rows(Protocol):
    """An array or a tensor: something with a shape, and rows that an array of integers picks."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, index: Any, /) -> Any: ...


Item = TypeVar("Item")
X = TypeVar("X", bound=_Rows)
Y = TypeVar("Y", bound=_Rows)


class Batches(Generic[Item]):
    """The batches that `batches` describes: each `for` loop over this object is one epoch.

    Args:
        arrays: arrays or tensors, (rows, …) each, of one number of rows. A batch of one array is
            that array's rows; of several, a tuple.
        batch_size: the number of rows in a batch, at least 1.
        seed: the seed of the epochs' orders, 0 … 2⁶⁴ − 1.
        drop_last: whether to leave out a last batch that is smaller.

    Attributes:
        epoch: the number of epochs so far.
    """

    def __init__(
        self, arrays: tuple[_Rows, ...], batch_size: int, seed: int, drop_last: bool
    ) -> None:
        self.arrays, self.batch_size, self.seed = arrays, batch_size, seed
        self.drop_last, self.epoch = drop_last, 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        rows = self.arrays[0].shape[0]
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)

    def __iter__(self) -> Iterator[Item]:
        order = _order(self.arrays[0].shape[0], self.seed, self.epoch)
        self.epoch += 1
        return self._of_order(order)

    def _of_order(self, order: np.ndarray[Any, Any]) -> Iterator[Item]:
        for number in range(len(self)):
            rows = order[number * self.batch_size : (number + 1) * self.batch_size]
            parts = tuple(array[rows] for array in self.arrays)
            yield cast(Item, parts if len(parts) > 1 else parts[0])


@overload
def batches(
    images: X, labels: None = None, batch_size: int = ..., seed: int = ..., drop_last: bool = ...
) -> Batches[X]: ...
@overload
def batches(
    images: X, labels: Y, batch_size: int = ..., seed: int = ..., drop_last: bool = ...
) -> Batches[tuple[X, Y]]: ...
def batches(
    images: _Rows,
    labels: _Rows | None = None,
    batch_size: int = 64,
    seed: int = 0,
    drop_last: bool = False,
) -> Batches[Any]:
    """Return the batches of images and labels, in random order, each row once an epoch.

    Each `for` loop over the result is one epoch and has an order of its epoch's number: the same
    seed gives the same orders. The last batch is smaller where the rows do not divide. Example::

        training = batches(digits.images, digits.labels, batch_size=64, seed=0)
        for epoch in range(3):
            for images, labels in training:
                x = mg.tensor(images / 255, dtype="float32")

    Args:
        images: an array or tensor, (rows, …), of any dtype. The batches hold its rows as they are.
        labels: an array or tensor, (rows, …). Without labels, a batch is the images alone.
        batch_size: the number of rows in a batch, at least 1.
        seed: 0 … 2⁶⁴ − 1.
        drop_last: whether to leave out a last batch that is smaller.

    Returns:
        The epochs: an iteration gives images, (batch_size, …), or the pair of images and labels.

    Raises:
        TypeError: images or labels are no array or tensor.
        ValueError: images and labels differ in length, or the batch size or the seed is out of
            range.
    """
    arrays = (images,) if labels is None else (images, labels)
    for name, array in zip(("images", "labels"), arrays, strict=False):
        if not getattr(array, "shape", ()):
            raise TypeError(
                f"batches: {name} is an array or tensor with rows, not {type(array).__name__}; "
                "numpy.asarray makes one of a list"
            )
    if labels is not None and images.shape[0] != labels.shape[0]:
        raise ValueError(
            f"batches: there are {images.shape[0]} images and {labels.shape[0]} labels; "
            "give a label for each image"
        )
    size = operator.index(batch_size)
    if size < 1:
        raise ValueError(f"batches: batch_size is at least 1, not {size}")
    return Batches(arrays, size, checked_seed(seed), drop_last)


def _order(rows: int, seed: int, epoch: int) -> np.ndarray[Any, Any]:
    """Return 0 … rows−1 in the order of random numbers."""
    key = (seed, _STREAM, epoch)
    draws = uniform((rows,), 0.0, 1.0, key, get_device("cpu"), np.float64)
    return np.argsort(np.asarray(draws), kind="stable")
