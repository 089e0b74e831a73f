"""Losses with weights against plain loops, gradients against differences, and terms that a weight of 0 leaves out."""

import math
from typing import Any

import numpy as np
import pytest

import minigan as mg

RNG = np.random.default_rng(7)
LOGITS = 2 * RNG.normal(size=(3, 5, 4))
LABELS = RNG.integers(0, 4, (3, 5))
WEIGHT = np.array([0.5, 2.0, 0.0, 1.25])
REDUCTIONS = ("mean", "sum", "none")
FLOATS = (np.float32, np.float64)


def cross_entropy(
    logits: np.ndarray, labels: np.ndarray, reduction: str, weight: Any, ignored: Any, e: float
) -> Any:
    """Element after element: the target has 1 − ε at the label, and ε over all categories."""
    losses, divisor, k = np.zeros(labels.shape), 0.0, logits.shape[-1]
    for at in np.ndindex(labels.shape):
        row, label = logits[at], labels[at]
        if label == ignored:
            continue
        log_total = max(row) + math.log(sum(math.exp(v - max(row)) for v in row))
        for c in range(k):
            target = (1 - e) * (c == label) + e / k
            losses[at] += target * (1 if weight is None else weight[c]) * (log_total - row[c])
        divisor += 1 if weight is None else weight[label]
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / divisor}[reduction]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("ignored", [None, 2, -100])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_cross_entropy(reduction: str, smoothing: float, ignored: Any, weight: Any) -> None:
    labels = LABELS.copy()
    labels[0, 1:3] = labels[0, 1:3] if ignored is None else ignored
    expected = cross_entropy(LOGITS, labels, reduction, weight, ignored, smoothing)
    for dtype in FLOATS:
        logits = mg.tensor(LOGITS.astype(dtype))
        found = mg.cross_entropy(logits, labels, reduction, weight, ignored, smoothing)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=100 * np.finfo(dtype).eps)
    x = mg.tensor(LOGITS, requires_grad=True)
    mg.check_gradients(
        lambda x: mg.cross_entropy(x, labels, reduction, weight, ignored, smoothing), x
    )


def test_what_is_ignored_adds_nothing_even_where_it_is_not_finite() -> None:
    values = np.array([[1.0, 2, 3], [np.nan, np.inf, 0], [-np.inf, 0, 1]])
    x = mg.tensor(values, requires_grad=True)
    loss = mg.cross_entropy(x, [1, 9, 2], weight=[0, 1, 2], ignore_index=9, label_smoothing=0.1)
    loss.backward()
    assert np.isfinite(loss.item()) and x.grad is not None
    assert np.isfinite(x.grad.numpy()).all() and not x.grad.numpy()[1].any()


def test_labels_of_any_kind() -> None:
    x = mg.tensor(LOGITS)
    expected = mg.cross_entropy(x, LABELS, weight=WEIGHT).item()
    for labels in (LABELS.tolist(), LABELS.astype(np.uint8), mg.tensor(LABELS)):
        for weight in (WEIGHT.tolist(), WEIGHT.astype(np.float32), mg.tensor(WEIGHT)):
            assert mg.cross_entropy(x, labels, weight=weight).item() == expected


def binary_cross_entropy(x: Any, t: Any, weight: Any, pos_weight: Any) -> np.ndarray:
    x, t, weight, pos_weight = np.broadcast_arrays(x, t, weight, pos_weight)
    values = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        sigma = 1 / (1 + math.exp(-x[at]))
        positive, negative = pos_weight[at] * t[at] * math.log(sigma), (1 - t[at]) * math.log1p(-sigma)  # fmt: skip
        values[at] = -weight[at] * (positive + negative)
    return values


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("weight", "pos_weight"),
    [(WEIGHT, None), (None, WEIGHT), (RNG.uniform(0, 2, (5, 1)), WEIGHT), (2.0, 3)],
)
@pytest.mark.parametrize("targets", [1, 0.9, RNG.uniform(size=(3, 5, 4)), RNG.integers(0, 2, 4)])
def test_binary_cross_entropy(reduction: str, weight: Any, pos_weight: Any, targets: Any) -> None:
    factors = [1.0 if w is None else w for w in (weight, pos_weight)]
    values = binary_cross_entropy(LOGITS, targets, *factors)
    expected = {"none": values, "sum": values.sum(), "mean": values.mean()}[reduction]
    for dtype in FLOATS:
        logits = mg.tensor(LOGITS.astype(dtype))
        found = mg.binary_cross_entropy_with_logits(logits, targets, reduction, weight, pos_weight)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=100 * np.finfo(dtype).eps)


def test_gradients_of_binary_cross_entropy() -> None:
    x = mg.tensor(LOGITS, requires_grad=True)
    for shape in ((3, 5, 4), (5, 1), ()):
        t = mg.tensor(RNG.uniform(0.1, 0.9, shape), requires_grad=True)
        mg.check_gradients(
            lambda x, t: mg.binary_cross_entropy_with_logits(
                x, t, "none", weight=WEIGHT, pos_weight=3
            ),
            x,
            t,
        )


def test_weights_of_binary_cross_entropy_at_extreme_logits() -> None:
    x = mg.tensor([1e4, -1e4, np.inf, -np.inf, np.nan], requires_grad=True)
    loss = mg.binary_cross_entropy_with_logits(
        x, np.array([1, 0, 1, 0, 0]), "sum", weight=[1, 1, 2, 2, 0], pos_weight=5
    )
    loss.backward()
    assert loss.item() == 0 and x.grad is not None and not x.grad.numpy().any()
    found = mg.binary_cross_entropy_with_logits(mg.tensor([-1e4, 1e4]), [1.0, 0.0], "none", 2, 3)
    assert found.tolist() == [6e4, 2e4]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_mse_loss(reduction: str) -> None:
    a, b = RNG.normal(size=(3, 5)), RNG.normal(size=(3, 5))
    square = np.array([[(a[i, j] - b[i, j]) ** 2 for j in range(5)] for i in range(3)])
    expected = {"none": square, "sum": square.sum(), "mean": square.mean()}[reduction]
    for dtype in FLOATS:
        found = mg.mse_loss(mg.tensor(a.astype(dtype)), mg.tensor(b.astype(dtype)), reduction)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=100 * np.finfo(dtype).eps)
    x, t = (mg.tensor(v, requires_grad=True) for v in (a, b))
    mg.check_gradients(lambda x, t: mg.mse_loss(x, t, reduction), x, t)


def test_mse_loss_of_numbers_integers_and_two_dtypes() -> None:
    x = mg.tensor([1.0, 3.0], dtype="float32", requires_grad=True)
    assert mg.mse_loss(x, 2).item() == 1 and mg.mse_loss(x, np.array([1, 5])).dtype == np.float32
    assert mg.mse_loss(mg.tensor(np.array([2], np.uint8)), np.array([5], np.uint8)).item() == 9
    t = mg.tensor([2.0, 5.0], dtype="float64", requires_grad=True)
    mg.mse_loss(x, t, "sum").backward()
    assert x.grad is not None and x.grad.tolist() == [-2, -4] and x.grad.dtype == np.float32
    assert t.grad is not None and t.grad.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mg.mse_loss(x, np.zeros((3, 1))), "reshape one"),
        (lambda x: mg.mse_loss(x, x, "average"), "reduction"),
        (lambda x: mg.cross_entropy(x, [0, 1, 4], weight=np.ones(4)), "label 4 is none of"),
        (lambda x: mg.cross_entropy(x, [0, 1, -1], ignore_index=-100), "label -1 is none of"),
        (lambda x: mg.cross_entropy(x, [0.0, 1, 2], ignore_index=1), "integer labels"),
        (lambda x: mg.cross_entropy(x, [0, 1], weight=np.ones(4)), "need integer labels"),
        (lambda x: mg.cross_entropy(x, [0, 1, 2], weight=np.ones(3)), "each of 4"),
        (lambda x: mg.cross_entropy(x, [0, 1, 2], label_smoothing=1.5), r"in \[0, 1\]; not 1.5"),
        (lambda x: mg.cross_entropy(x, [0, 1, 2], "average", np.ones(4)), "reduction"),
        (lambda x: mg.binary_cross_entropy_with_logits(x, 1, weight=np.ones(3)), "broadcast"),
        (lambda x: mg.binary_cross_entropy_with_logits(x, np.ones((2, 3, 4)), weight=2), "shape"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(mg.tensor(np.zeros((3, 4))))


def test_weights_are_data() -> None:
    weight = mg.ones(4, requires_grad=True)
    with pytest.raises(ValueError, match="detached"):
        mg.cross_entropy(mg.ones((3, 4)), [0, 1, 2], weight=weight)
    with pytest.raises(ValueError, match="detached"):
        mg.binary_cross_entropy_with_logits(mg.ones((3, 4)), 1, pos_weight=weight)
