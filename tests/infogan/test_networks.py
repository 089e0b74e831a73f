"""Networks from their text: shapes, layers, training and inference."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from tiny_networks import TINY

import minigan as mg
from minigan.errors import SettingsError
from minigan.infogan.layers import Builder
from minigan.infogan.networks import Networks
from minigan.infogan.parts import GENERATED, REAL
from minigan.nn import BatchNorm, Conv2d, ConvTranspose2d, LeakyReLU, Linear, Module, Sequential


def build(
    text: str, input_shape: tuple[int, ...], slope: float = 0.1
) -> tuple[Sequential, tuple[int, ...]]:
    builder = Builder(np.dtype(np.float64), mg.get_device("cpu"), (REAL,), slope)
    return builder.network(text, input_shape)


@pytest.mark.parametrize(
    ("text", "input_shape", "shape"),
    [
        ("fc 7", (3,), (7,)),
        ("fc 7 bn | fc 2 linear", (3,), (2,)),
        ("fc 2x3x5", (4,), (2, 3, 5)),
        ("fc 6 | fc 2x3x5 bn | up 2 bn | up 1 sigmoid", (4,), (8, 12, 1)),
        ("fc 3x5x2 tanh | conv 4 s1 | up 3 s1 bn tanh", (4,), (3, 5, 3)),
        ("conv 4", (8, 6, 3), (4, 3, 4)),
        ("conv 4 | conv 8 bn | fc 16 bn", (28, 28, 1), (16,)),
        ("  conv  4 bn|fc 5  ", (2, 2, 1), (5,)),
    ],
)
def test_shapes_are_what_the_layers_make(
    text: str, input_shape: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    network, found = build(text, input_shape)
    assert found == shape
    assert network(mg.tensor(np.ones((3, *input_shape)))).shape == (3, *shape)


@given(
    st.lists(
        st.tuples(st.sampled_from(["conv", "up"]), st.integers(1, 3), st.booleans()), max_size=3
    ),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
def test_stride_one_keeps_the_size(
    layers: list[tuple[str, int, bool]], size: tuple[int, int]
) -> None:
    text = "conv 2 s1" + "".join(f" | {k} {n} s1{' bn' * bn}" for k, n, bn in layers)
    network, shape = build(text, (*size, 1))
    channels = layers[-1][1] if layers else 2
    assert shape == (*size, channels)
    assert network(mg.tensor(np.ones((2, *size, 1)))).shape == (2, *shape)


def test_stride_one_looks_one_pixel_back_and_two_ahead() -> None:
    network, _ = build("conv 1 s1 linear", (6, 6, 1))
    network.state_dict()["0.weight"].copy_(np.ones((4, 4, 1, 1)))
    network.state_dict()["0.bias"].zero_()
    impulse = np.zeros((1, 6, 6, 1))
    impulse[0, 3, 3, 0] = 1
    seen = network(mg.tensor(impulse)).numpy()[0, :, :, 0]
    # Row i looks at rows i − 1 … i + 2, so rows 1 … 4 see row 3.
    expected = np.zeros((6, 6))
    expected[1:5, 1:5] = 1
    assert np.array_equal(seen, expected)


@pytest.mark.parametrize(
    ("text", "input_shape", "layer"),
    [
        ("", (3,), ""),
        ("fc 3 |", (3,), ""),
        ("fc", (3,), "fc"),
        ("fc 0", (3,), "fc 0"),
        ("fc -3", (3,), "fc -3"),
        ("fc 2x3", (3,), "fc 2x3"),
        ("fc 2x0x3", (3,), "fc 2x0x3"),
        ("fc 3 s1", (3,), "fc 3 s1"),
        ("fc 3 relu", (3,), "fc 3 relu"),
        ("fc 3 tanh bn", (3,), "fc 3 tanh bn"),
        ("dense 3", (3,), "dense 3"),
        ("conv 3", (3,), "conv 3"),
        ("up 3", (3,), "up 3"),
        ("conv 4 | fc 3 | up 2", (4, 4, 1), "up 2"),
        ("conv 2x2x3", (4, 4, 1), "conv 2x2x3"),
        ("conv 00", (4, 4, 1), "conv 00"),
        ("conv 3 s2", (4, 4, 1), "conv 3 s2"),
        ("conv 3 bn s1", (4, 4, 1), "conv 3 bn s1"),
        ("conv 3, fc 4", (4, 4, 1), "conv 3, fc 4"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(
    text: str, input_shape: tuple[int, ...], layer: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build(text, input_shape)
    assert str(caught.value).startswith(f"network '{text}': '{layer}' is not a layer that fits")


@pytest.mark.parametrize("size", [(7, 8), (8, 7)])
def test_a_convolution_of_stride_two_needs_even_sides(size: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match=f"even sides, not {size[0]}×{size[1]}"):
        build("conv 3", (*size, 1))


def linear_by_hand(network: Sequential, x: np.ndarray) -> np.ndarray:
    state = network.state_dict()
    y: np.ndarray = x @ state["0.weight"].numpy() + state["0.bias"].numpy()
    return y


@pytest.mark.parametrize(
    ("text", "slope", "activation"),
    [
        ("fc 4", 0.1, lambda x: np.where(x > 0, x, 0.1 * x)),
        ("fc 4", 0.0, lambda x: np.maximum(x, 0)),
        ("fc 4 linear", 0.1, lambda x: x),
        ("fc 4 sigmoid", 0.1, scipy.special.expit),
        ("fc 4 tanh", 0.1, np.tanh),
    ],
)
def test_activations(text: str, slope: float, activation: np.ufunc) -> None:
    network, _ = build(text, (3,), slope)
    x = np.random.default_rng(0).normal(size=(20, 3))
    expected = activation(linear_by_hand(network, x))
    assert (linear_by_hand(network, x) < 0).any()
    assert network(mg.tensor(x)).numpy() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "activation"),
    [
        ("fc 4 bn", lambda x: np.where(x > 0, x, 0.1 * x)),
        ("fc 4 bn linear", lambda x: x),
        ("fc 4 bn sigmoid", scipy.special.expit),
    ],
)
def test_an_activation_follows_the_norm(text: str, activation: np.ufunc) -> None:
    network, _ = build(text, (3,))
    x = np.random.default_rng(0).normal(size=(20, 3))
    h = x @ network.state_dict()["0.weight"].numpy()
    expected = activation((h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5))
    assert network(mg.tensor(x)).numpy() == pytest.approx(expected, abs=1e-9)


def test_an_image_is_its_columns_row_by_row() -> None:
    network, _ = build("fc 2x3x4 linear", (5,))
    x = np.random.default_rng(0).normal(size=(2, 5))
    expected = linear_by_hand(network, x).reshape(2, 2, 3, 4)
    assert network(mg.tensor(x)).numpy() == pytest.approx(expected, abs=1e-12)


def layers_of(networks: Networks) -> list[list[Module]]:
    """The modules of each chain of layers."""
    chains = [
        networks.generator.layers,
        networks.discriminator.trunk,
        networks.discriminator.head,
        networks.recognition.head,
        *([networks.recognition.trunk] if networks.recognition.trunk else []),
    ]
    return [list(chain.modules) for chain in chains]


@pytest.mark.parametrize("objective", ["infogan", "gan"])
def test_a_layer_has_a_bias_unless_a_norm_follows(objective: str) -> None:
    networks = Networks(dataclasses.replace(TINY, objective=objective))
    biases = []
    for chain in layers_of(networks):
        for layer, following in zip(chain, [*chain[1:], None], strict=True):
            if isinstance(layer, (Linear, Conv2d, ConvTranspose2d)):
                assert (layer.bias is None) == isinstance(following, BatchNorm)
                biases.append(layer.bias is not None)
    # G's last; the trunk's first, D's head and Q's last; and the first of Q's own trunk.
    assert sum(biases) == 4 + (objective == "gan")


@pytest.mark.parametrize("objective", ["infogan", "gan"])
def test_ds_logit_and_qs_parameters_are_linear(objective: str) -> None:
    networks = Networks(dataclasses.replace(TINY, objective=objective))
    for head in (networks.discriminator.head, networks.recognition.head):
        assert isinstance(head.modules[-1], Linear)


def test_d_and_q_have_a_norm_for_each_group_and_g_has_one() -> None:
    networks = Networks(TINY)
    for network, module in networks.named():
        norms = [m for _, m in module.named_modules() if isinstance(m, BatchNorm)]
        groups = [GENERATED] if network == "generator" else [REAL, GENERATED]
        assert norms
        assert all(list(norm.running) == groups for norm in norms)


def test_slopes() -> None:
    networks = Networks(dataclasses.replace(TINY, negative_slope=0.3))
    for network, module in networks.named():
        slope = 0.0 if network == "generator" else 0.3
        norms = [m for _, m in module.named_modules() if isinstance(m, BatchNorm)]
        assert all(norm.negative_slope == slope for norm in norms)


def test_a_layer_without_a_norm_has_the_activation_in_it() -> None:
    text = "conv 4 | conv 4 bn | up 4 s1 | up 2 tanh | fc 8 | fc 8 linear"
    network, _ = build(text, (4, 4, 1), slope=0.3)
    layers = [m for m in network.modules if isinstance(m, (Conv2d, ConvTranspose2d, Linear))]
    assert [layer.negative_slope for layer in layers] == [0.3, 1.0, 0.3, 1.0, 0.3, 1.0]
    assert not any(isinstance(m, LeakyReLU) for m in network.modules)


def test_the_parameters_of_the_papers_mnist_networks(mnist_networks: Networks) -> None:
    """Weights, and a bias or a norm's two parameters for each output."""
    d = [4 * 4 * 1 * 64 + 64, 4 * 4 * 64 * 128 + 2 * 128, 7 * 7 * 128 * 1024 + 2 * 1024, 1024 + 1]
    q = [1024 * 128 + 2 * 128, 128 * (10 + 2) + (10 + 2)]
    g = [
        (62 + 10 + 2) * 1024 + 2 * 1024,
        1024 * 7 * 7 * 128 + 2 * 7 * 7 * 128,
        4 * 4 * 128 * 64 + 2 * 64,
        4 * 4 * 64 * 1 + 1,
    ]
    counts = {n: sum(p.size for p in m.parameters()) for n, m in mnist_networks.named()}
    assert counts == {"generator": sum(g), "discriminator": sum(d), "recognition": sum(q)}
    assert counts == {
        "generator": 6_645_121,
        "discriminator": 6_558_017,
        "recognition": 132_876,
    }


def test_names() -> None:
    tensors = dict(Networks(TINY).named_tensors())
    assert tensors["generator.layers.0.weight"].shape == (62 + 10 + 2, 16)
    assert tensors["discriminator.trunk.0.weight"].shape == (4, 4, 1, 4)
    assert tensors["discriminator.trunk.0.bias"].shape == (4,)
    assert tensors["discriminator.trunk.2.running_mean.real"].shape == (8,)
    assert tensors["discriminator.head.0.weight"].shape == (16, 1)
    assert tensors["recognition.head.0.weight"].shape == (16, 128)
    assert tensors["recognition.head.2.weight"].shape == (128, 12)
    assert len(tensors) == len(list(Networks(TINY).named_tensors()))


def test_q_of_a_plain_gan_has_a_trunk_of_its_own() -> None:
    networks = Networks(dataclasses.replace(TINY, objective="gan"))
    own, other = networks.recognition.trunk, networks.discriminator.trunk
    assert own is not None
    shapes = {name: value.shape for name, value in own.named_tensors()}
    assert shapes == {name: value.shape for name, value in other.named_tensors()}
    for name, value in own.named_parameters():
        twin = other.state_dict()[name]
        assert value is not twin
        if value.ndim > 1:
            assert not np.allclose(value.numpy(), twin.numpy())
    assert Networks(TINY).recognition.trunk is None


@pytest.mark.parametrize(
    "generator", ["fc 7x7x8 | up 1 sigmoid", "fc 784", "fc 7x7x8 | up 4 | up 3 tanh"]
)
def test_a_generator_of_other_images_is_refused(generator: str) -> None:
    with pytest.raises(SettingsError, match=r"image_shape is \(28, 28, 1\); set image_shape to"):
        Networks(dataclasses.replace(TINY, generator=generator))


def test_dtype() -> None:
    for dtype in ("float32", "float64"):
        networks = Networks(dataclasses.replace(TINY, dtype=dtype))
        assert {value.dtype for _, value in networks.named_tensors()} == {np.dtype(dtype)}


def test_modes_reach_every_norm() -> None:
    networks = Networks(dataclasses.replace(TINY, objective="gan"))
    for mode in (False, True):
        networks.train(mode)
        modules = [m for _, network in networks.named() for _, m in network.named_modules()]
        assert all(module.training is mode for module in modules)


def test_what_is_read_in_inference_does_not_depend_on_the_batch() -> None:
    networks = Networks(dataclasses.replace(TINY, dtype="float64"))
    networks.train(False)
    images = np.random.default_rng(0).uniform(size=(5, 28, 28, 1))
    together = networks.read(mg.tensor(images), REAL).numpy()
    alone = [networks.read(mg.tensor(image[None]), REAL).numpy() for image in images]
    assert together == pytest.approx(np.concatenate(alone), abs=1e-12)


def test_networks_draw_each_weight_once_and_leave_other_draws_alone() -> None:
    """Every parameter has the value of its stream, for any content of the memory and any earlier
    draws."""
    mg.manual_seed(3)
    expected = mg.rand(4).numpy()
    mg.manual_seed(3)
    first = {name: value.numpy().copy() for name, value in Networks(TINY).named_tensors()}
    np.testing.assert_array_equal(mg.rand(4).numpy(), expected)
    for name, value in Networks(TINY).named_tensors():
        np.testing.assert_array_equal(value.numpy(), first[name], err_msg=name)
        assert np.isfinite(value.numpy()).all()


def test_layers_of_a_user_keep_their_initial_values_after_networks_were_made() -> None:
    with pytest.raises(SettingsError):
        Networks(dataclasses.replace(TINY, generator="fc 7x7x8 | up 1 sigmoid"))
    assert np.abs(mg.nn.Linear(50, 40).weight.numpy()).max() <= 1 / math.sqrt(50)
