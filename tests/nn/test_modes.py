"""Training and inference of modules, and the groups of a batch norm."""

from typing import Any

import numpy as np
import pytest
from small_modules import contents, network

import minigan as mg
from minigan import nn


def test_train_and_eval_reach_every_module() -> None:
    model = network()
    assert all(m.training for _, m in model.named_modules())
    assert model.eval() is model
    assert not any(m.training for _, m in model.named_modules())
    assert model.train() is model
    assert all(m.training for _, m in model.named_modules())


def batch(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(3.0, 2.0, (rows, 2, 5))


def normalize(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, layer: nn.BatchNorm) -> Any:
    y = layer.weight.numpy() * (x - mean) / np.sqrt(variance + 1e-5) + layer.bias.numpy()
    return np.where(y > 0, y, layer.negative_slope * y)


def some_batch_norm(groups: tuple[str, ...], slope: float = 1.0) -> nn.BatchNorm:
    layer = nn.BatchNorm(5, groups, negative_slope=slope, dtype=np.float64)
    rng = np.random.default_rng(0)
    layer.weight.copy_(rng.uniform(0.5, 2.0, 5))
    layer.bias.copy_(rng.normal(size=5))
    return layer


@pytest.mark.parametrize("slope", [1.0, 0.1, 0.0])
def test_batch_norm_in_training_and_inference(slope: float) -> None:
    layer = some_batch_norm(("default",), slope)
    mean, variance = np.zeros(5), np.ones(5)
    for step in range(3):
        x = batch(6, seed=step)
        rows = x.reshape(-1, 5)
        expected = normalize(x, rows.mean(axis=0), rows.var(axis=0), layer)
        np.testing.assert_allclose(layer(mg.tensor(x)).numpy(), expected, rtol=1e-11, atol=1e-12)
        mean = 0.9 * mean + 0.1 * rows.mean(axis=0)
        variance = 0.9 * variance + 0.1 * rows.var(axis=0, ddof=1)  # unbiased
    state = layer.state_dict()
    np.testing.assert_allclose(state["running_mean.default"].numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(state["running_var.default"].numpy(), variance, rtol=1e-12)
    layer.eval()
    before, x = contents(layer), batch(1, seed=9)[:1, :1]  # a single row has no variance
    expected = normalize(x, mean, variance, layer)
    np.testing.assert_allclose(layer(mg.tensor(x)).numpy(), expected, rtol=1e-11, atol=1e-12)
    assert contents(layer) == before


def test_each_group_has_its_own_statistics() -> None:
    layer = some_batch_norm(("real", "generated"))
    real, generated = batch(4, seed=1), 10 * batch(4, seed=2)
    result = layer(mg.tensor(np.concatenate([real, generated])), groups=("real", "generated"))
    halves = []
    for group, x in (("real", real), ("generated", generated)):
        alone = some_batch_norm((group,))
        halves.append(alone(mg.tensor(x)).numpy())
        for name in (f"running_mean.{group}", f"running_var.{group}"):
            np.testing.assert_allclose(
                layer.state_dict()[name].numpy(), alone.state_dict()[name].numpy(), rtol=1e-12
            )
    np.testing.assert_allclose(result.numpy(), np.concatenate(halves), rtol=1e-11, atol=1e-12)


def test_a_call_moves_only_the_groups_that_it_names() -> None:
    layer = some_batch_norm(("real", "generated"))
    before = contents(layer)
    layer(mg.tensor(batch(4, seed=1)), groups=("generated",))
    changed = {name for name, content in contents(layer).items() if content != before[name]}
    assert changed == {"running_mean.generated", "running_var.generated"}


def test_inference_names_one_group() -> None:
    layer = some_batch_norm(("real", "generated"))
    x = mg.tensor(batch(4, seed=1))
    layer(x, groups=("generated",))
    layer.eval()
    results = [layer(x, groups=(group,)).numpy() for group in ("real", "generated")]
    assert not np.allclose(*results)
    with pytest.raises(ValueError, match="say which of its groups, real, generated"):
        layer(x)
    with pytest.raises(ValueError, match="no group 'fake'; there is real, generated"):
        layer(x, groups=("fake",))
    with pytest.raises(ValueError, match="names one group"):
        layer(x, groups=("real", "generated"))


def test_groups_reach_the_batch_norms_of_a_sequential() -> None:
    def made() -> list[nn.BatchNorm]:
        return [some_batch_norm(("real", "generated")) for _ in range(2)]

    x = mg.tensor(batch(4, seed=1))
    first, second = made()
    expected = second(first(x, groups=("generated",)).tanh(), groups=("generated",))
    outer, inner = made()
    model = nn.Sequential(outer, nn.Tanh(), nn.Sequential(inner))
    result = model(x, groups=("generated",))
    np.testing.assert_array_equal(result.numpy(), expected.numpy())
    with pytest.raises(ValueError, match="say which of its groups"):
        model(x)


def test_a_computed_tensor_kept_on_a_module_is_no_parameter() -> None:
    layer = mg.nn.Linear(2, 3)
    names = list(layer.state_dict())
    layer.features = layer(mg.ones((4, 2)))  # type: ignore[attr-defined]
    assert list(layer.state_dict()) == names and len(layer.parameters()) == 2


def test_an_average_stays_in_evaluation_when_a_module_around_it_trains() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            self.trained = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm(3), nn.Dropout(0.5))
            self.average = nn.MovingAverage(self.trained)

    both = Both()
    for around in (both, nn.ModuleList([both])):
        around.eval()
        around.train()
        assert all(m.training for _, m in both.trained.named_modules())
        assert not any(m.training for _, m in both.average.named_modules())
    before = contents(both.average)
    x = mg.rand((4, 2))
    np.testing.assert_array_equal(both.average(x).numpy(), both.average(x).numpy())
    for name, value in contents(both.average).items():
        np.testing.assert_array_equal(value, before[name])


def test_an_average_of_tied_and_of_frozen_weights() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = nn.Linear(1, 1), nn.Linear(1, 1)
            self.b.weight = self.a.weight

    model = Tied()
    model.a.weight.copy_(0.0)
    average = nn.MovingAverage(model, decay=0.5)
    model.a.weight.copy_(1.0)
    average.update()
    assert average.module.a.weight.item() == 0.5 == average.module.b.weight.item()
    model.requires_grad_(False)
    average.update()
    assert average.module.a.weight.item() == 0.75


def test_an_average_of_parameters_in_a_list() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            self.scales = [mg.ones(2, requires_grad=True), mg.zeros(2, requires_grad=True)]

    model = Listed()
    average = nn.MovingAverage(model, decay=0.5)
    model.scales[1].copy_(4.0)
    average.update()
    found = {name: t.tolist() for name, t in average.state_dict().items()}
    assert found == {"module.scales.0": [1, 1], "module.scales.1": [2, 2]}
    assert not nn.ModuleList([average]).requires_grad_().parameters()


def test_a_frozen_module_forgets_its_gradients() -> None:
    layer, x = nn.Linear(1, 1), mg.ones((1, 1))
    layer(x).sum().backward()
    layer.requires_grad_(False)
    layer.zero_grad()
    layer.requires_grad_()
    layer(x).sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.item() == 1
