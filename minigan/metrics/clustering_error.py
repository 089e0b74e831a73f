"""The unsupervised classification error: categories of a code against the classes of labelled images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNMATCHED = -1  # the class of a category that has none


def contingency(
    categories: np.ndarray, labels: np.ndarray, n_categories: int, n_classes: int
) -> np.ndarray:
    """Return how many images of each class fall in each category.

    Args:
        categories: the category of each image, integers (n,), 0 … n_categories − 1.
        labels: the class of each image, integers (n,), 0 … n_classes − 1.
        n_categories: the number of categories, the rows of the result.
        n_classes: the number of classes, the columns of the result.

    Returns:
        The counts, int64 (categories, classes).

    Raises:
        ValueError: there is not an integer of each for every image.
        IndexError: a category or a class is out of range.
    """
    given = ("categories", categories, n_categories), ("labels", labels, n_classes)
    for name, values, count in given:
        if values.ndim != 1 or len(values) != len(categories) or values.dtype.kind not in "iu":
            raise ValueError(
                f"categories and labels are integers, one for each image; {name} are {values.dtype} {values.shape}"
            )
        if len(values) and not 0 <= values.min() <= values.max() < count:
            raise IndexError(f"{name} are 0 … {count - 1}, not {values.min()} … {values.max()}")
    matrix = np.zeros((n_categories, n_classes), np.int64)
    np.add.at(matrix, (categories, labels), 1)
    return matrix


def matching_error(matrix: np.ndarray, assignment: np.ndarray) -> float:
    """Return the share of images in a category that is not assigned to their class.

    Args:
        matrix: the images of each class in each category, (categories, classes).
        assignment: the class of each category, integers (categories,), or `UNMATCHED`.

    Raises:
        ValueError: the matrix counts no images, or the assignment is not of its categories and
            classes.
    """
    least, most = (UNMATCHED, matrix.shape[1] - 1)
    if (
        assignment.shape != matrix.shape[:1]
        or not ((least <= assignment) & (assignment <= most)).all()
    ):
        raise ValueError(
            f"an assignment has {len(matrix)} classes in {least} … {most}; got {assignment}"
        )
    total = int(matrix.sum())
    if total == 0:
        raise ValueError("there is no error rate of no images")
    matched = np.flatnonzero(assignment != UNMATCHED)
    return (total - int(matrix[matched, assignment[matched]].sum())) / total


def one_to_one_matching(matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the one-to-one assignment of classes to categories with the least error, and that.

    With more categories than classes some are `UNMATCHED`. With fewer some classes have no
    category. Either way their images are errors.

    Args:
        matrix: the images of each class in each category, (categories, classes).

    Returns:
        The class of each category, integers (categories,), and the share of images that are errors.

    Raises:
        ValueError: the matrix counts no images.

    Reference: Kuhn (1955), "The Hungarian method for the assignment problem".
    """
    from scipy.optimize import linear_sum_assignment

    assignment = np.full(len(matrix), UNMATCHED)
    categories, classes = linear_sum_assignment(matrix, maximize=True)
    assignment[categories] = classes
    return assignment, matching_error(matrix, assignment)


def majority_vote(matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the most frequent class of each category, and the error of that assignment.

    Enough categories bring this error to 0. An empty category is `UNMATCHED`.

    Args:
        matrix: the images of each class in each category, (categories, classes).

    Returns:
        The class of each category, integers (categories,), and the share of images that are errors.

    Raises:
        ValueError: the matrix counts no images.
    """
    assignment = np.where(matrix.any(axis=1), matrix.argmax(axis=1), UNMATCHED)
    return assignment, matching_error(matrix, assignment)


@dataclass(frozen=True)
class Clustering:
    """One set of labelled images, as the categories of one code divide it.

    An assignment holds the class of each category, or −1. Errors are shares of the images.

    Attributes:
        code: the name of the code.
        images: the number of images.
        matrix: the images of each class in each category, (categories, classes).
        one_to_one_assignment: the assignment that `one_to_one_matching` finds on these images.
        one_to_one_error: its error, the paper's unsupervised error.
        training_matching_error: the error here of the assignment found on the training images. It
            matches without these images' labels. None for those images, or where there are none.
        majority_vote_assignment: the most frequent class of each category.
        majority_vote_error: the error of that assignment.
    """

    code: str
    images: int
    matrix: tuple[tuple[int, ...], ...]
    one_to_one_assignment: tuple[int, ...]
    one_to_one_error: float
    training_matching_error: float | None
    majority_vote_assignment: tuple[int, ...]
    majority_vote_error: float

    @classmethod
    def of(cls, code: str, matrix: np.ndarray, training: Clustering | None = None) -> Clustering:
        """Return the clustering that a contingency matrix gives.

        Args:
            code: the name of the code.
            matrix: the images of each class in each category, (categories, classes).
            training: the clustering of the training images, if there are any.

        Raises:
            ValueError: the matrix counts no images.
        """
        assignment, error = one_to_one_matching(matrix)
        votes, majority_error = majority_vote(matrix)
        transferred = None
        if training is not None:
            transferred = matching_error(matrix, np.array(training.one_to_one_assignment))
        return cls(
            code=code,
            images=int(matrix.sum()),
            matrix=tuple(tuple(row) for row in matrix.tolist()),
            one_to_one_assignment=tuple(assignment.tolist()),
            one_to_one_error=error,
            training_matching_error=transferred,
            majority_vote_assignment=tuple(votes.tolist()),
            majority_vote_error=majority_error,
        )
