"""Layers against their functional forms and NumPy; names, initial values and states."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_modules import contents, network

import minigan as mg
from minigan import nn
from minigan.random import Generator
from minigan.tensor import Tensor


def values(*shape: int, dtype: Any = np.float64, seed: int = 0) -> Tensor:
    return mg.tensor(np.random.default_rng(seed).normal(size=shape).astype(dtype))


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias: bool) -> None:
    layer = nn.Linear(5, 3, bias=bias, dtype=np.float64)
    x = values(4, 5)
    expected = x.numpy() @ layer.weight.numpy()
    if layer.bias is not None:
        expected = expected + layer.bias.numpy()
    assert (layer.bias is not None) == bias
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bias", [True, False])
def test_conv2d(bias: bool) -> None:
    padding = ((1, 2), (0, 1))
    layer = nn.Conv2d(3, 5, (4, 3), stride=(2, 1), padding=padding, bias=bias, dtype=np.float64)
    assert layer.weight.shape == (4, 3, 3, 5)
    x = values(2, 7, 6, 3)
    expected = mg.conv2d(x, layer.weight, layer.bias, (2, 1), padding)
    np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())
    assert (layer.bias is not None) == bias


@pytest.mark.parametrize("bias", [True, False])
def test_conv_transpose2d(bias: bool) -> None:
    layer = nn.ConvTranspose2d(
        3, 5, 4, stride=2, padding=1, output_padding=(1, 0), bias=bias, dtype=np.float64
    )
    assert layer.weight.shape == (4, 4, 3, 5)
    x = values(2, 3, 4, 3)
    expected = mg.conv_transpose2d(x, layer.weight, layer.bias, 2, 1, (1, 0))
    assert expected.shape == (2, 7, 8, 5)
    np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())
    assert (layer.bias is not None) == bias


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.LeakyReLU(), lambda x: np.where(x > 0, x, 0.1 * x)),
        (nn.LeakyReLU(0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
        (nn.ReLU(), lambda x: np.maximum(x, 0)),
        (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh(), np.tanh),
        (nn.Flatten(), lambda x: x.reshape(3, 8)),
        (nn.Reshape(2, 2, 2), lambda x: x.reshape(3, 2, 2, 2)),
    ],
)
def test_layers_without_parameters(layer: nn.Module, function: Callable[[Any], Any]) -> None:
    x = values(3, 4, 2)
    np.testing.assert_allclose(layer(x).numpy(), function(x.numpy()), rtol=1e-14)
    assert layer.state_dict() == {}


def test_sequential_is_one_after_another() -> None:
    first, second = nn.Linear(3, 4, dtype=np.float64), nn.Linear(4, 2, dtype=np.float64)
    x = values(5, 3)
    expected = second(first(x).sigmoid())
    result = nn.Sequential(first, nn.Sigmoid(), second)(x)
    np.testing.assert_array_equal(result.numpy(), expected.numpy())
    np.testing.assert_array_equal(nn.Sequential()(x).numpy(), x.numpy())


@pytest.mark.parametrize("slope", [0.2, 0.0])
def test_a_layer_has_the_activation_in_it(slope: float) -> None:
    shared = {"negative_slope": slope, "dtype": np.float64}
    for layer, x in (
        (nn.Linear(3, 4, **shared), values(5, 3)),
        (nn.Conv2d(3, 4, 2, **shared), values(2, 3, 3, 3)),
        (nn.ConvTranspose2d(3, 4, 2, **shared), values(2, 3, 3, 3)),
    ):
        result = layer(x).numpy()
        layer.negative_slope = 1.0
        expected = layer(x).numpy()
        assert (expected < 0).any()
        np.testing.assert_array_equal(result, np.where(expected > 0, expected, slope * expected))


def test_in_a_sequential_a_product_finds_the_statistics_for_the_norm_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the device is not asked for them; two norms in a row, or one behind another layer, ask for their own."""
    device = mg.get_device("cpu")
    asked: list[tuple[int, ...]] = []
    own = device.batch_norm_statistics

    def spy(x: Any, *rest: Any) -> Any:
        asked.append(x.shape)
        return own(x, *rest)

    monkeypatch.setattr(device, "batch_norm_statistics", spy)
    layers = [
        nn.Conv2d(1, 3, 2, dtype=np.float64), nn.BatchNorm(3, dtype=np.float64),
        nn.ConvTranspose2d(3, 4, 2, dtype=np.float64), nn.BatchNorm(4, dtype=np.float64),
        nn.Linear(4, 5, dtype=np.float64), nn.BatchNorm(5, dtype=np.float64),
        nn.BatchNorm(5, dtype=np.float64), nn.Linear(5, 6, dtype=np.float64), nn.Sigmoid(),
        nn.BatchNorm(6, dtype=np.float64),
    ]  # fmt: skip
    model, x = nn.Sequential(*layers), values(4, 3, 3, 1)
    together = model(x).numpy()
    assert asked == [(4 * 3 * 3, 5), (4 * 3 * 3, 6)]
    moved = [a.numpy() for layer in layers if isinstance(layer, nn.BatchNorm) for a in layer.running["default"]]  # fmt: skip
    for layer in layers:
        if isinstance(layer, nn.BatchNorm):
            layer.running["default"].mean.zero_()
            layer.running["default"].variance.copy_(np.ones(layer.weight.shape))
    y = x
    for layer in layers:
        y = layer(y)
    np.testing.assert_allclose(together, y.numpy(), rtol=1e-11, atol=1e-11)
    apart = [a.numpy() for layer in layers if isinstance(layer, nn.BatchNorm) for a in layer.running["default"]]  # fmt: skip
    for one, other in zip(moved, apart, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)
    model.eval()
    asked.clear()
    model(x)
    assert not asked


def test_a_layer_of_one_s_own_in_front_of_a_norm() -> None:
    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    layer, norm = Doubled(3, 4, dtype=np.float64), nn.BatchNorm(4, dtype=np.float64)
    x = values(5, 3)
    np.testing.assert_array_equal(nn.Sequential(layer, norm)(x).numpy(), norm(layer(x)).numpy())


def test_a_batch_norm_of_one_s_own_behind_a_layer() -> None:
    class Doubled(nn.BatchNorm):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return 2 * super().forward(x)

    layer, norm, x = nn.Linear(3, 4, dtype=np.float64), Doubled(4, dtype=np.float64), values(5, 3)
    np.testing.assert_array_equal(nn.Sequential(layer, norm)(x).numpy(), norm(layer(x)).numpy())


def test_gradients_reach_every_parameter() -> None:
    model = network()
    parameters = model.parameters()
    x = values(4, 8, 8, 1)

    def output(*parameters: Tensor) -> Tensor:
        return model(x, groups=("real", "generated"))

    mg.check_gradients(output, *parameters)


def test_initial_values_are_uniform_within_the_fan_in() -> None:
    for layer, fan_in in [
        (nn.Linear(400, 100), 400),
        (nn.Conv2d(16, 64, (4, 3)), 4 * 3 * 16),
        (nn.ConvTranspose2d(16, 64, 4), 4 * 4 * 16),
    ]:
        assert layer.bias is not None
        bound = 1 / np.sqrt(fan_in)
        for tensor in (layer.weight, layer.bias):
            array = tensor.numpy()
            assert array.dtype == np.float32
            assert np.abs(array).max() <= bound
        spread = (
            layer.weight.numpy() / bound
        )  # uniform in ±1: mean 0, variance 1/3, to 6 deviations
        assert abs(spread.mean()) < 6 * np.sqrt(1 / 3 / spread.size)
        assert abs(spread.var() - 1 / 3) < 6 * np.sqrt(4 / 45 / spread.size)


def test_initial_values_are_a_function_of_the_seed() -> None:
    def layer_of(seed: int) -> bytes:
        mg.manual_seed(seed)
        return nn.Linear(6, 5).weight.numpy().tobytes()

    assert layer_of(3) == layer_of(3)
    assert layer_of(3) != layer_of(4)
    mg.manual_seed(3)
    two = [nn.Linear(6, 5).weight.numpy().tobytes() for _ in range(2)]
    assert two[0] == layer_of(3) and two[0] != two[1]


def test_a_generator_of_its_own_leaves_the_default_alone() -> None:
    mg.manual_seed(3)
    expected = nn.Linear(6, 5).weight.numpy()
    mg.manual_seed(3)
    own = nn.Linear(6, 5, generator=Generator(9))
    np.testing.assert_array_equal(nn.Linear(6, 5).weight.numpy(), expected)
    np.testing.assert_array_equal(
        nn.Linear(6, 5, generator=Generator(9)).weight.numpy(), own.weight.numpy()
    )
    assert own.bias is not None
    assert own.bias.numpy()[0] != own.weight.numpy()[0, 0]  # each draw takes a new step


def test_names_are_in_the_order_they_were_set() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            self.second = nn.Linear(2, 2)
            self.temperature = mg.tensor([1.0], requires_grad=True)
            self.first = nn.Sequential(nn.BatchNorm(2, groups=("a", "b")), nn.Linear(2, 1))
            self.count = mg.tensor([0])
            self.note = "not a tensor"

    pair = Pair()
    parameters = [
        "temperature", "second.weight", "second.bias",
        "first.0.weight", "first.0.bias", "first.1.weight", "first.1.bias",
    ]  # fmt: skip
    buffers = ["count"] + [
        f"first.0.running_{what}.{group}" for group in "ab" for what in ("mean", "var")
    ]
    assert [name for name, _ in pair.named_parameters()] == parameters
    assert set(pair.state_dict()) == {*parameters, *buffers}
    assert all(a is b for a, (_, b) in zip(pair.parameters(), pair.named_parameters(), strict=True))
    assert [n for n, _ in pair.named_modules()] == ["", "second", "first", "first.0", "first.1"]


def test_the_state_is_the_tensors_themselves() -> None:
    layer = nn.Linear(2, 3)
    assert layer.state_dict() == {"weight": layer.weight, "bias": layer.bias}


@pytest.mark.parametrize("as_arrays", [True, False])
def test_a_state_makes_the_same_network(as_arrays: bool) -> None:
    source, target = network(seed=1), network(seed=2)
    x = values(4, 8, 8, 1)
    source(x, groups=("real", "generated"))  # moves the running statistics
    state = source.state_dict()
    assert contents(target) != contents(source)
    before = target.state_dict()
    target.load_state_dict({k: t.numpy() for k, t in state.items()} if as_arrays else state)
    assert contents(target) == contents(source)
    assert all(t is before[name] for name, t in target.state_dict().items())  # overwritten in place
    results = [m.eval()(x, groups=("real",)).numpy() for m in (source, target)]
    np.testing.assert_array_equal(*results)
    source.parameters()[0].zero_()  # a copy: what happens to one does not reach the other
    assert contents(target) != contents(source)


def change(state: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**state, name: value}


LAST = "2.1.running_var.generated"  # of the state: all others would be loaded before it


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "4.bias"}, r"missing \['4.bias'\], unknown none"),
        (lambda s: change(s, "5.bias", np.zeros(3)), r"missing none, unknown \['5.bias'\]"),
        (lambda s: {}, "missing .*'0.bias', '0.weight'"),
        (lambda s: change(s, "4.bias", np.zeros(4)), r"'4.bias' .*shape \(3,\); .*shape \(4,\)"),
        (lambda s: change(s, "4.bias", np.zeros(1)), r"'4.bias' .*shape \(1,\)"),  # would broadcast
        (lambda s: change(s, "4.bias", mg.tensor(0.0)), r"'4.bias' .*shape \(\)"),
        (lambda s: change(s, LAST, np.zeros((6, 1))), rf"'{LAST}' .*shape \(6, 1\)"),
        (lambda s: change(s, LAST, np.array(["a"] * 6)), f"'{LAST}' holds numbers"),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_changes_nothing(
    broken: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    source, target = network(seed=1), network(seed=2)
    before = contents(target)
    with pytest.raises(ValueError, match=f"load_state_dict: .*{message}"):
        target.load_state_dict(broken(dict(source.state_dict())))
    assert contents(target) == before


def test_loading_is_a_change_in_place() -> None:
    layer = nn.Linear(2, 2, dtype=np.float64)
    loss = layer(values(3, 2)).sum()
    loss_of_weight = (layer.weight * layer.weight).sum()
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(RuntimeError, match="'multiply' saved its input 1"):
        loss_of_weight.backward()
    with pytest.raises(RuntimeError, match="'linear' saved its input 2"):
        loss.backward()


def test_zero_grad_forgets() -> None:
    layer = nn.Linear(2, 2, dtype=np.float64)
    layer(values(3, 2)).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    layer.zero_grad()
    assert all(p.grad is None for p in layer.parameters())
