"""Pooling, normalization, dropout, embeddings, spectral norm and moving averages as layers."""

import threading
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.random import Generator

RNG = np.random.default_rng(17)

pytestmark = pytest.mark.parametrize("device", ["cpu", "emulated"])


def tensor(device: str, *shape: int) -> mg.Tensor:
    return mg.tensor(RNG.normal(size=shape), device=device, requires_grad=True)


def test_layers_are_their_functions(device: str) -> None:
    x = tensor(device, 2, 5, 6, 3)
    pairs = [
        (nn.MaxPool2d(2)(x), mg.max_pool2d(x, 2)),
        (nn.MaxPool2d(3, 1, padding=1)(x), mg.max_pool2d(x, 3, 1, 1)),
        (nn.AvgPool2d((3, 2), (2, 1))(x), mg.avg_pool2d(x, (3, 2), (2, 1))),
        (nn.Upsample(2)(x), mg.upsample_nearest(x, 2)),
        (nn.LayerNorm(3, dtype="float64", device=device)(x), mg.layer_norm(x)),
        (nn.LayerNorm((6, 3), 0.1, False)(x), mg.layer_norm(x, axes=2, eps=0.1)),
    ]
    for found, expected in pairs:
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
    layer = nn.LayerNorm((5, 6, 3), bias=False, dtype="float64", device=device)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    with pytest.raises(ValueError, match="last axes"):
        layer(x[:, 1:])


def test_a_model_of_them_trains(device: str) -> None:
    mg.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, device=device), nn.MaxPool2d(2), nn.ReLU(), nn.Upsample(2), nn.AvgPool2d(2),
        nn.Flatten(), nn.LayerNorm(16, device=device), nn.Dropout(0.2), nn.Linear(16, 3, device=device),
    )  # fmt: skip
    optimizer = mg.optim.Adam(model.parameters(), lr=0.05)
    x = mg.tensor(RNG.normal(size=(9, 4, 4, 1)), dtype="float32", device=device)
    losses = []
    for _ in range(25):
        loss = mg.cross_entropy(model(x), np.arange(9) % 3, label_smoothing=0.05)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.5 * losses[0]


def test_dropout_is_for_training(device: str) -> None:
    x, layer = mg.ones((40, 5), device=device), nn.Dropout(0.5, generator=Generator(2))
    first, second = layer(x).tolist(), layer(x).tolist()
    assert first != second and first != x.tolist()
    assert layer.eval()(x).tolist() == x.tolist()
    with pytest.raises(ValueError, match="probability"):
        nn.Dropout(-0.1)


def test_embedding(device: str) -> None:
    layer = nn.Embedding(6, 3, device=device, generator=Generator(4))
    assert layer.weight.is_leaf and [name for name, _ in layer.named_parameters()] == ["weight"]
    layer([[1, 5], [1, 0]]).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.numpy()[:, 0].tolist() == [1, 2, 0, 0, 0, 1]


def layers(device: str) -> dict[str, tuple[nn.Module, mg.Tensor]]:
    x = mg.tensor(RNG.normal(size=(2, 4, 5, 3)), device=device)
    settings = {"dtype": "float64", "device": device, "generator": Generator(5)}
    return {
        "linear": (nn.Linear(3, 7, **settings), x),  # type: ignore[arg-type]
        "conv": (nn.Conv2d(3, 4, 3, **settings), x),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_spectral_norm(kind: str, device: str) -> None:
    layer, x = layers(device)[kind]
    weight = layer.weight.numpy().copy()  # type: ignore[attr-defined]
    sigma = np.linalg.svd(weight.reshape(-1, weight.shape[-1]), compute_uv=False)[0]
    plain, bias = layer(x).numpy(), layer.bias.numpy()  # type: ignore[attr-defined]
    normal = nn.SpectralNorm(layer, n_power_iterations=50, generator=Generator(6))
    np.testing.assert_allclose(normal(x).numpy(), (plain - bias) / sigma + bias, rtol=1e-6)
    names = [name for name, _ in normal.named_parameters()]
    assert names == ["layer.weight", "layer.bias"]
    assert {"u", "v"} < set(normal.state_dict())
    np.testing.assert_array_equal(layer.weight.numpy(), weight)  # type: ignore[attr-defined]


def test_the_gradient_of_spectral_norm(device: str) -> None:
    layer, x = layers(device)["linear"]
    normal = nn.SpectralNorm(layer, generator=Generator(6)).eval()  # u and v stay

    def call(weight: mg.Tensor) -> mg.Tensor:
        layer.weight = weight  # type: ignore[attr-defined]
        return normal(x)

    mg.check_gradients(call, layer.weight)  # type: ignore[attr-defined]
    before = normal.u.numpy().copy()  # type: ignore[attr-defined]
    normal(x)
    np.testing.assert_array_equal(normal.u.numpy(), before)  # type: ignore[attr-defined]


def test_two_calls_before_backward(device: str) -> None:
    """A discriminator sees real and generated images before its one backward."""
    layer, x = layers(device)["conv"]
    normal = nn.SpectralNorm(layer)
    (normal(x).sum() - normal(2 * x).sum()).backward()
    assert layer.weight.grad is not None  # type: ignore[attr-defined]


def test_threads_may_share_a_spectral_norm(device: str) -> None:
    """Each computes with a weight of its own making."""
    inside, looked = threading.Event(), threading.Event()

    class Slow(nn.Linear):
        def forward(self, x: mg.Tensor, statistics: Any = None) -> mg.Tensor:
            y = super().forward(x)
            inside.set()
            assert looked.wait(10)
            return y

    layer = Slow(2, 3, device=device)
    normal = nn.SpectralNorm(layer).eval()
    thread = threading.Thread(target=normal, args=(mg.ones((1, 2), device=device),))
    thread.start()
    assert inside.wait(10)
    held = layer.weight
    looked.set()
    thread.join()
    assert held.is_leaf and held is layer.weight


def test_what_a_layer_sets_on_itself_is_kept(device: str) -> None:
    class Counting(nn.Linear):
        calls = 0

        def forward(self, x: mg.Tensor, statistics: Any = None) -> mg.Tensor:
            self.calls += 1
            self.last = x.detach()
            return super().forward(x)

    layer = Counting(2, 3, device=device)
    normal, weight = nn.SpectralNorm(layer), layer.weight
    for _ in range(2):
        normal(mg.ones((1, 2), device=device))
    assert layer.calls == 2 and layer.last.tolist() == [[1, 1]] and layer.weight is weight


def test_spectral_norm_needs_a_matrix(device: str) -> None:
    for layer in (nn.ReLU(), nn.LayerNorm(3, device=device)):
        with pytest.raises(ValueError, match="two axes"):
            nn.SpectralNorm(layer)
    with pytest.raises(ValueError, match="at least 1"):
        nn.SpectralNorm(nn.Linear(2, 3, device=device), 0)
    with pytest.raises(TypeError, match="n_power_iterations is an integer"):
        nn.SpectralNorm(nn.Linear(2, 3, device=device), 1.5)  # type: ignore[arg-type]
    zero = nn.Linear(2, 3, device=device)
    zero.weight.copy_(np.zeros((2, 3)))
    found = nn.SpectralNorm(zero)(mg.ones((1, 2), device=device))
    np.testing.assert_array_equal(found.numpy()[0], zero.bias.numpy())  # type: ignore[union-attr]


def test_moving_average(device: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4, device=device), nn.BatchNorm(4, device=device))
    average = nn.MovingAverage(model, decay=0.75)
    expected = {name: t.numpy().copy() for name, t in model.named_tensors()}
    assert not average.parameters()
    for step in range(4):
        model(
            mg.tensor(RNG.normal(size=(5, 3)), dtype="float32", device=device)
        )  # moves the running statistics
        with mg.no_grad():
            for name, value in model.named_parameters():
                value.copy_(value + step + 1)
                expected[name] = 0.75 * expected[name] + 0.25 * value.numpy()
        average.update()
    expected |= {n: t.numpy() for n, t in model.named_tensors() if not t.requires_grad}
    found = average.state_dict()
    assert found.keys() == {f"module.{name}" for name in expected}
    for name, value in expected.items():
        np.testing.assert_allclose(found[f"module.{name}"].numpy(), value, rtol=1e-5)
    x = mg.tensor(RNG.normal(size=(1, 3)), dtype="float32", device=device)
    alone = average.train()(x).numpy()  # a batch of one: by the running statistics
    assert model.training and not average.module.training
    model.load_state_dict({n.removeprefix("module."): t for n, t in found.items()})
    np.testing.assert_array_equal(model.eval()(x).numpy(), alone)
    with pytest.raises(ValueError, match="decay"):
        nn.MovingAverage(model, 1.5)
