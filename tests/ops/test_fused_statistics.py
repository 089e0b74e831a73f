"""Statistics of a batch norm that the product in front of it finds."""

from typing import Any, NamedTuple

import numpy as np
import oracles
import pytest
from device_list import unwatched
from oracles import Array
from running_statistics import FLOATS, NAMES, running

import minigan as mg


class Product(NamedTuple):
    """An operation that also returns its result's statistics, its input shapes, and its
    settings."""

    operation: Any
    x: tuple[int, ...]
    w: tuple[int, ...]
    settings: dict[str, Any]

    def inputs(self, groups: int, dtype: Any) -> list[Array]:
        """x, w, and the weight and bias of the norm, which keep the activation off its kink."""
        rng, channels = np.random.default_rng(0), self.w[-1]
        x, w = (rng.standard_normal(shape) for shape in (self.x, self.w))
        y = self.operation(oracles.wrap(x), oracles.wrap(w), **self.settings).numpy()
        weight = oracles.away_from_zero(rng, (channels,))
        bias = oracles.off_the_kink(
            oracles.batch_norm(y, weight, np.zeros(channels), groups, epsilon=1e-5)
        )
        return [a.astype(dtype) for a in (x, w, weight, bias)]

    def normalized(
        self, x: Any, w: Any, weight: Any, bias: Any, running: Any, groups: int, fused: bool
    ) -> mg.Tensor:
        names = NAMES[:groups]
        statistics = mg.allocate_batch_statistics(weight, running, names) if fused else None
        y = self.operation(x, w, **self.settings, statistics=statistics)
        return mg.batch_norm(
            y, weight, bias, running, names, negative_slope=0.1, statistics=statistics
        )


FUSED = {
    "linear": Product(mg.linear, (6, 5), (5, 3), {}),
    "linear, of several axes": Product(mg.linear, (6, 2, 5), (5, 3), {}),
    "conv2d": Product(mg.conv2d, (6, 4, 3, 2), (3, 2, 2, 3), {"stride": (2, 1), "padding": 1}),
    "conv_transpose2d": Product(
        mg.conv_transpose2d, (6, 2, 2, 3), (3, 2, 3, 2), {"stride": 2, "padding": ((1, 0), (0, 1))}
    ),
    "conv_transpose2d, whole tiles": Product(
        mg.conv_transpose2d, (12, 4, 4, 2), (4, 4, 2, 2), {"stride": 2, "padding": 1}
    ),
}


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("name", FUSED)
def test_gradients_through_a_product_that_finds_the_statistics(name: str, groups: int) -> None:
    product = FUSED[name]

    def function(*inputs: mg.Tensor) -> mg.Tensor:
        return product.normalized(*inputs, None, groups, fused=True)

    inputs = [oracles.wrap(a, requires_grad=True) for a in product.inputs(groups, np.float64)]
    with unwatched():
        mg.check_gradients(function, *inputs)
    function(*inputs).sum().backward()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("name", FUSED)
def test_a_product_that_finds_the_statistics_gives_what_a_pass_of_their_own_gives(
    name: str, groups: int, dtype: Any
) -> None:
    """Values, running statistics and gradients, up to the rounding of a few sums of some hundred terms."""
    product, outcomes = FUSED[name], []
    for fused in (False, True):
        channels = product.w[-1]
        averages = running(*[(np.ones(channels), np.ones(channels))] * groups, dtype=dtype)
        versions = [a._version.count for pair in averages.values() for a in pair]
        inputs = [oracles.wrap(a, requires_grad=True) for a in product.inputs(groups, dtype)]
        y = product.normalized(*inputs, averages, groups, fused)
        (y * y).sum().backward()
        moved = [a for pair in averages.values() for a in pair]
        assert all(a._version.count > v for a, v in zip(moved, versions, strict=True))
        outcomes.append([t.numpy() for t in (y, *moved)] + [t.grad.numpy() for t in inputs])
    for apart, together in zip(*outcomes, strict=True):
        assert together.dtype == dtype
        scale = np.abs(apart).max()
        np.testing.assert_allclose(together, apart, rtol=0, atol=1000 * np.finfo(dtype).eps * scale)


def test_statistics_of_another_x_are_refused() -> None:
    x, w, one, zero = (mg.tensor(np.full(s, 2.0)) for s in ((4, 3), (3, 5), (5,), (5,)))

    def filled() -> tuple[mg.BatchStatistics, mg.Tensor]:
        statistics = mg.allocate_batch_statistics(one)
        return statistics, mg.linear(x, w, statistics=statistics)

    def normalize(y: mg.Tensor, statistics: mg.BatchStatistics, groups: Any = ("default",)) -> Any:
        return mg.batch_norm(y, one, zero, groups=groups, statistics=statistics)

    message = r"^batch_norm: these statistics are not those of x as it is; pass the same"
    statistics, y = filled()
    normalize(y, statistics)
    for wrong in (
        lambda: normalize(mg.linear(x, w), statistics),
        lambda: normalize(y, mg.allocate_batch_statistics(one)),
        lambda: normalize(y[:2], statistics),
        lambda: normalize(y, statistics, ("one", "two")),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    y[0] = 0.0
    with pytest.raises(ValueError, match=message):
        normalize(y, statistics)


@pytest.mark.parametrize(
    ("rows", "groups", "channels", "dtype", "message"),
    [
        (4, 1, 6, np.float64, "the statistics are of 6 channels of float64, and the result has 5 of float64"),
        (4, 1, 5, np.float32, "the statistics are of 5 channels of float32, and the result has 5 of float64"),
        (5, 2, 5, np.float64, "a batch of 5 does not divide into 2 groups"),
        (3, 3, 5, np.float64, r"a group of \(3, 5\) has 1 value a channel"),
    ],
)  # fmt: skip
def test_statistics_that_an_operation_could_not_fill(
    rows: int, groups: int, channels: int, dtype: Any, message: str
) -> None:
    averages = running(*[(np.ones(channels), np.ones(channels))] * groups, dtype=dtype)
    weight = mg.tensor(np.ones(channels), dtype=dtype)
    statistics = mg.allocate_batch_statistics(weight, averages, NAMES[:groups])
    with pytest.raises(ValueError, match=f"^linear: .*{message}"):
        mg.linear(mg.tensor(np.ones((rows, 3))), mg.tensor(np.ones((3, 5))), statistics=statistics)
    for pair in averages.values():
        for average in pair:
            np.testing.assert_array_equal(average, np.ones(channels))
