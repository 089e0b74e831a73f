"""Split and merge: a way out where two categories share a kind of images, and one category holds two kinds.

Gradients cannot mend such a partition: an image would have to pass through a worse one. So a category is moved, as in the
split-and-merge EM of Ueda et al. (2000). With p = Q(c|x) for a real image and q = Q(c|x̃) for its augmented copy, the
joint distribution of both predictions is::

    J = E[p·qᵀ],  made symmetric        I(J) = Σₖₗ Jₖₗ·log(Jₖₗ / (mₖ·mₗ)),  m the sums of J's rows

Two categories that share a kind are often mistaken for each other, so one in place of both loses little of I(J). Two equal
kinds that are never mistaken would lose (2/K)·log 2. Where a pair loses less than a share of that, the smaller one is
emptied. It begins anew as a copy of the largest category, with noise. Training then finds how the two copies differ. No
label is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from minigan.infogan.extensions.base import Context
from minigan.infogan.parts import REAL
from minigan.infogan.streams import Stream
from minigan.ops.exponentials import softmax
from minigan.ops.likelihood import code_table
from minigan.random import normal
from minigan.tensor import Tensor

BATCHES = 20  # from which J is estimated
NOISE = 0.2  # of a copy's weights, in standard deviations of those that are copied

Array = np.ndarray


class Move(NamedTuple):
    """Category `emptied` begins anew as a copy of category `split`.

    Attributes:
        emptied: the number of the category.
        split: the number of the other.
    """

    emptied: int
    split: int

    def shifted(self, by: int) -> Move:
        """Return the move of the same categories where the first of them has another number.

        Args:
            by: that number.
        """
        return Move(self.emptied + by, self.split + by)


def mutual_information(joint: Array) -> float:
    """Return Σₖₗ Jₖₗ·log(Jₖₗ / (mₖ·nₗ)) of a joint distribution, with m and n its marginals; nats.

    Args:
        joint: J, (K, K).
    """
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())


def merge_loss(joint: Array, first: int, second: int) -> float:
    """Return the information that is lost where one category stands for both; nats.

    Args:
        joint: J, (K, K).
        first: the number of a category.
        second: the number of the other.
    """
    merged = joint.copy()
    merged[first] += merged[second]
    merged[:, first] += merged[:, second]
    kept = np.delete(np.delete(merged, second, axis=0), second, axis=1)
    return mutual_information(joint) - mutual_information(kept)


def find_move(joint: Array, threshold: float) -> Move | None:
    """Return the move that mends a partition, or None where each category holds a kind.

    Args:
        joint: J, symmetric, (K, K).
        threshold: the share of (2/K)·log 2 under which a merge is worth it.

    Reference: Ueda et al. (2000), "SMEM algorithm for mixture models".
    """
    categories = len(joint)
    if categories < 3:
        return None
    sizes = joint.sum(axis=1)
    losses = {pair: merge_loss(joint, *pair) for pair in combinations(range(categories), 2)}
    pair = min(losses, key=lambda pair: losses[pair])
    if losses[pair] >= threshold * 2 / categories * math.log(2):
        return None
    emptied = min(pair, key=lambda k: sizes[k])
    others = [k for k in range(categories) if k not in pair]
    return Move(emptied, max(others, key=lambda k: sizes[k]))


def copy_category(
    weights: Tensor, axis: int, move: Move, noise: float, key: tuple[int, int, int]
) -> None:
    """Write the weights of the category that is split, with noise, over those of the emptied one.

    Args:
        weights: a tensor of any shape, changed in place.
        axis: the axis along which the categories lie; `move` counts along it.
        move: the two categories.
        noise: the standard deviation of the noise, in those of the weights that are copied.
        key: the place in a stream of random numbers, (seed, stream, step).
    """
    values = np.moveaxis(weights.numpy().copy(), axis, 0)
    source = values[move.split]
    values[move.emptied] = source + normal(source.shape, noise * source.std(), key, source.dtype)
    weights.copy_(np.moveaxis(values, 0, axis))


def joint_distributions(
    context: Context, step: int, copies: Callable[[Tensor, int], Tensor], group: str
) -> dict[int, Array]:
    """Return J of each categorical code, from the images of the last steps.

    Args:
        context: the training.
        step: the number of the step before which Q is asked.
        copies: a function that makes the augmented copies of a step's images.
        group: the batch-norm group of the copies.

    Returns:
        J, (K, K), by the code's first column in Q's output.
    """
    table = code_table(context.layout.densities)
    joints = {
        offset: np.zeros((width, width))
        for kind, offset, width in zip(table.kind, table.offset, table.width, strict=True)
        if kind == table.CATEGORICAL
    }
    steps = range(max(1, step - BATCHES), step)
    for earlier in steps:
        images = context.real_images(earlier)
        q_images, q_copies = (
            context.read(images, REAL),
            context.read(copies(images, earlier), group),
        )
        for offset, joint in joints.items():
            columns = slice(offset, offset + len(joint))
            p, q = (softmax(q[:, columns], axis=1).numpy() for q in (q_images, q_copies))
            joints[offset] = joint + p.T.astype(np.float64) @ q / (len(p) * len(steps))
    return {offset: (joint + joint.T) / 2 for offset, joint in joints.items()}


def mend(context: Context, step: int, joints: Mapping[int, Array], threshold: float) -> None:
    """Move a category of each code, in Q's last layer and G's first, where that mends the partition.

    Args:
        context: the training; its networks are changed in place.
        step: the number of the step before which this is.
        joints: J, (K, K), as `joint_distributions` gives it.
        threshold: as for `find_move`.
    """
    q_weights, q_bias, g_weights = context.networks.code_layers()
    first_row = g_weights.shape[0] - context.layout.encoded_columns
    for offset, joint in joints.items():
        move = find_move(joint, threshold)
        if move is None:
            continue
        column, row = move.shifted(offset), move.shifted(first_row + offset)
        copy_category(q_weights, 1, column, NOISE, (context.seed, Stream.SPLIT_IN_Q, step))
        copy_category(q_bias, 0, column, 0.0, (context.seed, Stream.SPLIT_IN_Q, step))
        copy_category(g_weights, 0, row, NOISE, (context.seed, Stream.SPLIT_IN_G, step))
