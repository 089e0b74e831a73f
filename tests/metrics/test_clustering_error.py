"""The clustering error: matchings by hand and against brute force."""

import itertools

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.metrics.clustering_error import (
    UNMATCHED,
    Clustering,
    contingency,
    majority_vote,
    matching_error,
    one_to_one_matching,
)

MATRICES = hnp.arrays(
    np.int64,
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    elements=st.integers(0, 9),
).filter(lambda matrix: matrix.any())


def test_contingency_by_hand() -> None:
    categories, labels = np.array([0, 0, 2, 2, 2]), np.array([1, 1, 0, 1, 0], np.uint8)
    expected = [[0, 2], [0, 0], [2, 1]]
    assert contingency(categories, labels, 3, 2).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4))))
def test_contingency_counts_each_pair(pairs: list[tuple[int, int]]) -> None:
    categories, labels = np.array(pairs, np.int64).reshape(-1, 2).T
    matrix = contingency(categories, labels.astype(np.uint8), 4, 5)
    assert matrix.shape == (4, 5)
    for category, label in np.ndindex(4, 5):
        assert matrix[category, label] == pairs.count((category, label))


def test_contingency_refuses_what_is_outside() -> None:
    with pytest.raises(IndexError):
        contingency(np.array([3]), np.array([0]), 3, 2)
    with pytest.raises(IndexError):
        contingency(np.array([0]), np.array([2]), 3, 2)


def test_one_to_one_matching_by_hand() -> None:
    # Category 0 has most of class 0, but giving it class 1 lets category 1 have class 0: 5 + 6 > 7 + 1.
    assignment, error = one_to_one_matching(np.array([[7, 5], [6, 1]]))
    assert assignment.tolist() == [1, 0]
    assert error == 8 / 19


def test_more_categories_than_classes_leave_one_unmatched() -> None:
    assignment, error = one_to_one_matching(np.array([[9, 0], [0, 8], [4, 3]]))
    assert assignment.tolist() == [0, 1, UNMATCHED]
    assert error == 7 / 24


def test_fewer_categories_than_classes_leave_a_class_to_none() -> None:
    assignment, error = one_to_one_matching(np.array([[9, 0, 4], [0, 8, 3]]))
    assert assignment.tolist() == [0, 1]
    assert error == 7 / 24


@given(MATRICES)
def test_one_to_one_matching_is_the_best_of_all(matrix: np.ndarray) -> None:
    assignment, error = one_to_one_matching(matrix)
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    best = max(
        sum(tall[row, column] for column, row in enumerate(rows))
        for rows in itertools.permutations(range(tall.shape[0]), tall.shape[1])
    )
    assert error == (matrix.sum() - best) / matrix.sum()
    assert error == matching_error(matrix, assignment)
    matched = assignment[assignment != UNMATCHED].tolist()
    assert len(set(matched)) == len(matched) == min(matrix.shape)


def test_majority_vote_by_hand() -> None:
    assignment, error = majority_vote(np.array([[7, 1], [6, 2], [0, 0], [1, 3]]))
    assert assignment.tolist() == [0, 0, UNMATCHED, 1]
    assert error == 4 / 20


@given(MATRICES)
def test_majority_vote_is_the_best_of_all_assignments(matrix: np.ndarray) -> None:
    assignment, error = majority_vote(matrix)
    best = max(
        sum(matrix[category, label] for category, label in enumerate(labels))
        for labels in itertools.product(range(matrix.shape[1]), repeat=matrix.shape[0])
    )
    assert error == (matrix.sum() - best) / matrix.sum()
    assert error == matching_error(matrix, assignment) <= one_to_one_matching(matrix)[1]


def test_there_is_no_error_of_no_images() -> None:
    with pytest.raises(ValueError, match="no images"):
        matching_error(np.zeros((2, 2), np.int64), np.array([0, 1]))


def test_the_training_matching_is_applied_as_it_is() -> None:
    training = Clustering.of("c1", np.array([[5, 0], [1, 4]]))
    assert training.training_matching_error is None
    test = Clustering.of("c1", np.array([[1, 3], [2, 1]]), training)
    assert test.one_to_one_assignment == (1, 0)
    assert test.one_to_one_error == 2 / 7
    assert test.training_matching_error == 5 / 7
    assert test.majority_vote_error == 2 / 7
    assert (test.code, test.images, test.matrix) == ("c1", 7, ((1, 3), (2, 1)))
