"""How modules hold modules and parameters: how they are found, named, printed, frozen and loaded."""

from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.tensor import Tensor


class Bag(nn.Module):
    """Modules and parameters in every kind of collection."""

    def __init__(self) -> None:
        self.layers = [nn.Linear(2, 3), (nn.Linear(3, 1, bias=False), "no module")]
        self.heads = {"slant": nn.Linear(3, 4), "width": nn.ModuleList([nn.Linear(3, 5)])}
        self.scales = [mg.ones((2,), requires_grad=True)]
        self.history = [mg.zeros((1,))]  # data, and no buffer

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x)  # type: ignore[operator]


BAG = [
    "scales.0", "layers.0.weight", "layers.0.bias", "layers.1.0.weight", "heads.slant.weight",
    "heads.slant.bias", "heads.width.0.weight", "heads.width.0.bias",
]  # fmt: skip


def test_modules_and_parameters_in_collections_are_found() -> None:
    bag = Bag()
    assert [name for name, _ in bag.named_parameters()] == BAG
    assert list(bag.state_dict()) == BAG
    bag.history.append(mg.zeros((1,)))
    assert list(bag.state_dict()) == BAG
    bag.eval()
    assert not bag.heads["width"][0].training  # type: ignore[index]


def test_a_child_that_knows_its_parent() -> None:
    parent, child = Bag(), nn.Linear(2, 2)
    parent.child, child.parent = child, parent  # type: ignore[attr-defined]
    child.siblings = [child, parent]  # type: ignore[attr-defined]
    assert [n for n, _ in parent.named_parameters()] == [*BAG, "child.weight", "child.bias"]
    assert "(parent): Bag(…)" in repr(parent)
    assert parent.eval() is parent and not child.training


def test_a_shared_parameter_is_counted_once() -> None:
    layer = nn.Linear(3, 3)
    twin = nn.Linear(3, 3)
    twin.weight = layer.weight
    model = nn.Sequential(layer, layer, twin)
    assert [n for n, _ in model.named_parameters()] == ["0.weight", "0.bias", "2.bias"]
    assert repr(model).endswith("\n15 parameters")


def test_printing_shows_layers_shapes_and_parameters() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.Sequential(nn.BatchNorm(4), nn.ReLU()), nn.Identity()
    )
    lines = repr(model).splitlines()
    assert lines[0] == "Sequential("
    assert "(0): Conv2d(weight=(3, 3, 1, 4), bias=(4,), stride=2, padding=0" in lines[1]
    assert lines[2] == "  (1): Sequential("
    assert "(0): BatchNorm(weight=(4,), bias=(4,), running_mean.default=(4,)" in lines[3]
    assert lines[-3:] == ["  (2): Identity()", ")", "48 parameters"]
    assert repr(model.requires_grad_(False)).endswith("48 parameters")


# -- containers -------------------------------------------------------------------------------------


def test_a_sequential_is_read_as_a_list() -> None:
    layers = [nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)]
    model = nn.Sequential(*layers)
    assert len(model) == 3 and list(model) == layers
    assert model[0] is layers[0] and model[-1] is layers[2] and model[np.int64(1)] is layers[1]
    part = model[:2]
    assert isinstance(part, nn.Sequential) and list(part) == layers[:2]
    x = mg.ones((2, 3))
    np.testing.assert_array_equal(part(x).numpy(), layers[1](layers[0](x)).numpy())
    with pytest.raises(IndexError):
        model[3]


def test_a_slice_of_what_derives_from_a_sequential_keeps_its_mode() -> None:
    class Encoder(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(3, 2), nn.ReLU(), nn.Flatten())

    part = Encoder().eval()[:2]
    assert type(part) is Encoder and len(part) == 2 and not part.training


def test_a_module_list() -> None:
    first, second, third = nn.Linear(1, 2), nn.Linear(2, 3), nn.Tanh()
    modules = nn.ModuleList([first]).append(second).extend(iter([third]))
    assert list(modules) == [first, second, third] and len(modules[1:]) == 2
    modules[2] = nn.Linear(3, 1)
    assert [n for n, _ in modules.named_parameters()][-1] == "2.bias"
    with pytest.raises(TypeError, match="ModuleList"):
        modules[0] = np.tanh  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="ModuleList"):
        modules.append(mg.tanh)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (mg.tanh, "write a class with `forward`"),
        (nn.ReLU, r"write ReLU\(\)"),
        ([nn.ReLU()], r"\*modules"),
        (None, "NoneType|None"),
    ],
)
def test_a_sequential_refuses_what_is_no_module(wrong: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=f"Sequential holds modules, and part 1 .*{advice}"):
        nn.Sequential(nn.Identity(), wrong)


def test_identity() -> None:
    x = mg.ones((2,))
    assert nn.Identity()(x) is x


# -- freezing and loading ---------------------------------------------------------------------------


def test_freezing_and_thawing_leave_buffers_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm(3))
    names = [n for n, _ in model.named_parameters()]
    state = list(model.state_dict())
    assert model.requires_grad_(False) is model
    assert not model.parameters() and list(model.state_dict()) == state
    assert not model(mg.ones((4, 2))).requires_grad
    model[0].requires_grad_()
    assert [n for n, _ in model.named_parameters()] == names[:2]
    model.requires_grad_()
    assert [n for n, _ in model.named_parameters()] == names


def test_a_frozen_parameter_gets_no_gradient() -> None:
    first, second = nn.Linear(2, 3), nn.Linear(3, 1)
    first.weight.requires_grad_(False)
    nn.Sequential(first, second)(mg.ones((4, 2))).sum().backward()
    assert first.weight.grad is None and second.weight.grad is not None
    assert first.bias is not None and first.bias.grad is not None
    with pytest.raises(RuntimeError, match=r"computed by 'multiply'.*detach\(\)"):
        (second.weight * 2).requires_grad_(False)


def test_loading_a_part_says_what_it_left_out() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = model[1].weight.numpy().copy()  # type: ignore[attr-defined]
    state = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(3), "head.bias": np.ones(1)}
    left_out = model.load_state_dict(state, strict=False)
    assert left_out == (["1.bias", "1.weight"], ["head.bias"])
    assert left_out.missing_keys == ["1.bias", "1.weight"]
    assert model[0].weight.numpy().min() == 1  # type: ignore[attr-defined]
    np.testing.assert_array_equal(model[1].weight.numpy(), before)  # type: ignore[attr-defined]
    assert model.load_state_dict(model.state_dict()) == ([], [])
    with pytest.raises(ValueError, match=r"'0.bias'.*\(3,\)"):
        model.load_state_dict({"0.weight": np.zeros((2, 3)), "0.bias": np.ones(4)}, strict=False)
    assert model[0].weight.numpy().min() == 1  # type: ignore[attr-defined]


# -- sizes and groups -------------------------------------------------------------------------------


def test_numpy_integers_are_sizes() -> None:
    n = np.int64(3)
    assert nn.Conv2d(n, n, n, stride=n, padding=n).weight.shape == (3, 3, 3, 3)
    assert nn.ConvTranspose2d(1, n, (n, np.int8(2))).weight.shape == (3, 2, 1, 3)
    assert nn.Linear(n, np.uint8(200)).weight.shape == (3, 200)
    assert nn.BatchNorm(n).weight.shape == (3,)
    assert nn.Reshape(n, 1)(mg.ones((2, 3))).shape == (2, 3, 1)
    with pytest.raises(TypeError, match="integer"):
        nn.Linear(2.5, 3)  # type: ignore[arg-type]


def test_groups_reach_the_batch_norms_of_any_module() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            self.norm = nn.BatchNorm(3, ("real", "generated"), dtype=np.float64)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.norm(x)

    x = mg.tensor(np.random.default_rng(0).normal(size=(6, 3)))
    own, alone = Residual(), Residual()
    with nn.batch_groups("real", "generated"):
        together = nn.Sequential(nn.Identity(), own)(x)
    np.testing.assert_array_equal(
        together.numpy(), nn.Sequential(own)(x, groups=("real", "generated")).numpy()
    )
    parts = []
    for group, rows in (("real", x[:3]), ("generated", x[3:])):
        with nn.batch_groups(group):
            parts.append(alone(rows).numpy())
    np.testing.assert_allclose(together.numpy(), np.concatenate(parts), rtol=1e-12)
    with pytest.raises(ValueError, match="say which of its groups, real, generated"):
        own(x)
    with pytest.raises(ZeroDivisionError), nn.batch_groups("real"):
        raise ZeroDivisionError
    with pytest.raises(ValueError, match="say which"):
        own(x)


def test_a_batch_norm_has_pytorch_s_names() -> None:
    layer = nn.BatchNorm(2, eps=0.1, momentum=0.25, dtype=np.float64)
    assert list(layer.state_dict())[2:] == ["running_mean.default", "running_var.default"]
    x = np.array([[1.0, 2.0], [3.0, 8.0], [5.0, 5.0]])
    y = layer(mg.tensor(x))
    np.testing.assert_allclose(y.numpy(), (x - x.mean(0)) / np.sqrt(x.var(0) + 0.1), rtol=1e-12)
    moved = [t.numpy() for t in layer.running["default"]]
    np.testing.assert_allclose(moved[0], 0.25 * x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moved[1], 0.75 + 0.25 * x.var(0, ddof=1), rtol=1e-12)
    assert (nn.BatchNorm(2).momentum, nn.BatchNorm(2).eps) == (0.1, 1e-5)


def test_what_derives_from_a_layer_has_parts_of_its_own() -> None:
    class Scaled(nn.BatchNorm):
        def __init__(self) -> None:
            super().__init__(2)
            self.scale = mg.ones((2,), requires_grad=True)

    class Residual(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(2, 2, bias=False))
            self.shortcut = nn.Linear(2, 2, bias=False)

    class Heads(nn.ModuleList):
        def __init__(self) -> None:
            super().__init__([nn.Linear(2, 2, bias=False)])
            self.body = [nn.Linear(2, 2, bias=False)]

    statistics = ["running_mean.default", "running_var.default"]
    assert list(Scaled().state_dict()) == ["weight", "bias", "scale", *statistics]
    assert len(Scaled().parameters()) == 3
    assert list(Residual().state_dict()) == ["0.weight", "shortcut.weight"]
    assert list(Heads().state_dict()) == ["0.weight", "body.0.weight"]


def test_an_error_in_a_property_is_its_own() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(2, 3)

        @property
        def width(self) -> int:
            return int(self.layer.wieght.shape[1])  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match="Linear has no 'wieght'"):
        _ = Wide().width
