"""The shapes and errors that docstrings name are those that come."""

import builtins
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from docstrings import Name
from test_docstrings import ALL, ARRAYS

import minigan as mg
from minigan import errors, nn, optim
from minigan.datasets import batches, catalogue, mnist, scenes
from minigan.datasets.cache import Preparation
from minigan.infogan import networks, objective
from minigan.infogan.codes import CodeLayout
from minigan.infogan.parts import Parts
from minigan.metrics import arrays, clustering_error, dci, mig, sap, strokes

BY_NAME = {name.full: name for name in ALL}
ELEMENTWISE = [name for name in ALL if "elementwise" in name.docstring.summary]
ELEMENTWISE = [name for name in ELEMENTWISE if not inspect.isclass(name.value)]
ALONG_AN_AXIS = [name for name in ALL if "axis" in name.parameters and "." not in name.full[8:]]


def x(*shape: int, dtype: Any = np.float32, **settings: Any) -> mg.Tensor:
    return mg.full(shape, 1, dtype, **settings)


def ints(*shape: int) -> mg.Tensor:
    return x(*shape, dtype=np.int64)


def operands(name: Name, *shapes: tuple[int, ...]) -> list[mg.Tensor]:
    """Return the tensors for an elementwise function that takes any: one a shape, as far as it takes them."""
    makes = ints if "bitwise" in name.full else x
    taken = [n for n, kind in name.parameters.items() if ARRAYS.search(kind) and n != "log_std"]
    wide = [*shapes, *[shapes[-1]] * len(taken)]
    return [makes(*shape) for shape in wide[: len(taken)]]


def settings_of(name: Name) -> dict[str, Any]:
    return {"dtype": np.float64} if name.full == "minigan.astype" else {}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ELEMENTWISE, ids=lambda name: name.full)
def test_an_elementwise_function_broadcasts(name: Name) -> None:
    for shapes in (((), ()), ((2, 3), (2, 3)), ((0, 3), (0, 3)), ((2, 1), (3,))):
        given = operands(name, *shapes)
        expected = np.broadcast_shapes(*(t.shape for t in given))
        assert name.value(*given, **settings_of(name)).shape == expected
    if len(given) > 1:
        with pytest.raises(ValueError, match=r"shape|broadcast"):
            name.value(*operands(name, (2, 3), (4,)))


# How to call those that need more than x, of shape (2, 3), and an axis.
MORE: dict[str, Callable[[], tuple[Any, ...]]] = {
    "minigan.concatenate": lambda: ([x(2, 3)],),
    "minigan.stack": lambda: ([x(2, 3)],),
    "minigan.repeat": lambda: (x(2, 3), 2),
    "minigan.roll": lambda: (x(2, 3), 1),
    "minigan.split": lambda: (x(2, 3), 1),
    "minigan.take": lambda: (x(2, 3), 0),
    "minigan.take_along_axis": lambda: (x(2, 3), ints(2, 3)),
    "minigan.vecdot": lambda: (x(2, 3), x(2, 3)),
}


@pytest.mark.parametrize("name", ALONG_AN_AXIS, ids=lambda name: name.full)
def test_an_axis_that_is_not_there_is_a_documented_error(name: Name) -> None:
    given = MORE.get(name.full, lambda: (x(2, 3),))()
    with pytest.raises(ValueError, match=r"axis|axes"):
        name.value(*given, axis=9)
    assert "ValueError" in name.docstring.items["Raises"]


def leaf() -> mg.Tensor:
    return x(2, requires_grad=True)


def computed() -> mg.Tensor:
    return leaf() * 2


def used() -> mg.Tensor:
    """Return a tensor that was walked back from already."""
    y = (leaf() * leaf()).sum()
    y.backward()
    return y


def read_only() -> mg.Tensor:
    values = np.zeros(2)
    values.flags.writeable = False
    return mg.from_dlpack(values)


def opened(name: str, split: Any) -> Any:
    return catalogue.open_images(name, "", split, (28, 28, 1), Preparation())


LAYOUT, CPU = CodeLayout.parse("Cat(3)"), mg.get_device("cpu")
IMAGES, FILTERS = x(1, 4, 4, 2), x(3, 3, 2, 5)
CODES, FACTORS = np.arange(8.0).reshape(4, 2), np.arange(8.0).reshape(4, 2)
PROVOKED: list[tuple[str, type[Exception], Callable[[], Any]]] = [
    ("allclose", ValueError, lambda: mg.allclose(x(2), x(3))),
    ("arange", ZeroDivisionError, lambda: mg.arange(0, 3, 0)),
    ("arange", TypeError, lambda: mg.arange(1, 2, 3, 4)),
    ("astype", TypeError, lambda: mg.astype(x(2), "no type")),
    ("avg_pool2d", ValueError, lambda: mg.avg_pool2d(IMAGES, 5)),
    ("batch_norm", ValueError, lambda: mg.batch_norm(x(1, 3), x(3), x(3))),
    ("allocate_batch_statistics", ValueError, lambda: mg.allocate_batch_statistics(x(3), {})),
    (
        "binary_cross_entropy_with_logits",
        ValueError,
        lambda: mg.binary_cross_entropy_with_logits(x(2), x(3)),
    ),
    ("broadcast_arrays", ValueError, lambda: mg.broadcast_arrays(x(2), x(3))),
    ("broadcast_to", ValueError, lambda: mg.broadcast_to(x(2), 3)),
    ("broadcast_to", TypeError, lambda: mg.broadcast_to(x(1), 1.5)),
    (
        "categorical_log_likelihood",
        ValueError,
        lambda: mg.categorical_log_likelihood(x(2, 3), ints(3)),
    ),
    ("check_gradients", TypeError, lambda: mg.check_gradients(mg.exp, leaf())),
    (
        "check_gradients",
        mg.GradientMismatch,
        lambda: mg.check_gradients(
            lambda v: mg.exp(v) + mg.tensor(v.numpy()), x(1, dtype=float, requires_grad=True)
        ),
    ),
    (
        "code_consistency_information",
        ValueError,
        lambda: mg.code_consistency_information(x(2, 3), x(2, 3), [mg.Categorical(2)]),
    ),
    (
        "code_log_likelihood",
        ValueError,
        lambda: mg.code_log_likelihood(x(2, 3), x(2, 1) * 7, [mg.Categorical(3)]),
    ),
    ("concatenate", ValueError, lambda: mg.concatenate([])),
    ("conv2d", ValueError, lambda: mg.conv2d(x(1, 2, 2, 2), FILTERS)),
    ("conv_transpose2d", ValueError, lambda: mg.conv_transpose2d(IMAGES, FILTERS, padding=5)),
    ("cross_entropy", ValueError, lambda: mg.cross_entropy(x(2, 3), ints(2), label_smoothing=2)),
    ("diagonal", ValueError, lambda: mg.diagonal(x(2, 3), 0, 1, 1)),
    ("diff", TypeError, lambda: mg.diff(x(3), n=1.5)),
    ("differentiable", TypeError, lambda: mg.differentiable(lambda device, v: v)(x(2))),
    ("differentiable", ValueError, lambda: mg.differentiable(lambda device, v: v.reshape(9))(x(2))),
    ("dropout", ValueError, lambda: mg.dropout(x(2), 2)),
    ("dropout", TypeError, lambda: mg.dropout(ints(2))),
    ("einsum", ValueError, lambda: mg.einsum("ij", x(2))),
    ("embedding", TypeError, lambda: mg.embedding(x(2), x(3, 4))),
    ("embedding", IndexError, lambda: mg.embedding(ints(2) * 3, x(3, 4))),
    ("expand_dims", ValueError, lambda: mg.expand_dims(x(2), axis=(0, 0))),
    ("eye", ValueError, lambda: mg.eye(-1)),
    ("flatten", ValueError, lambda: mg.flatten(x(2, 3), 5)),
    ("from_dlpack", TypeError, lambda: mg.from_dlpack("text")),
    ("full", ValueError, lambda: mg.full(-1, 0)),
    ("gaussian_log_likelihood", ValueError, lambda: mg.gaussian_log_likelihood(x(2), x(2), -1)),
    ("get_device", errors.DeviceError, lambda: mg.get_device("abacus")),
    ("getitem", IndexError, lambda: x(2)[5]),
    ("layer_norm", ValueError, lambda: mg.layer_norm(x(2, 3), x(2))),
    ("linear", ValueError, lambda: mg.linear(x(2, 3), x(4, 5))),
    ("linspace", ValueError, lambda: mg.linspace(0, 1, -1)),
    ("load", FileNotFoundError, lambda: mg.load("no file")),
    ("load", ValueError, lambda: mg.load(__file__)),
    ("manual_seed", TypeError, lambda: mg.manual_seed(1.5)),
    ("manual_seed", ValueError, lambda: mg.manual_seed(-1)),
    ("matmul", ValueError, lambda: x(2, 3) @ x(2, 3)),
    ("matrix_transpose", ValueError, lambda: mg.matrix_transpose(x(2))),
    ("max", ValueError, lambda: mg.max(x(0))),
    ("max_pool2d", ValueError, lambda: mg.max_pool2d(IMAGES, 2, padding=2)),
    ("mean", ValueError, lambda: mg.mean(x(2, 3), axis=(0, 0))),
    ("meshgrid", ValueError, lambda: mg.meshgrid(x(2), indexing="yx")),
    ("moveaxis", ValueError, lambda: mg.moveaxis(x(2, 3), (0, 1), 0)),
    ("mse_loss", ValueError, lambda: mg.mse_loss(x(2), x(2, 1))),
    ("nonzero", ValueError, lambda: mg.nonzero(x())),
    ("one_hot", TypeError, lambda: mg.one_hot(x(2), 3)),
    ("one_hot", ValueError, lambda: mg.one_hot(ints(2), 1)),
    ("outer", ValueError, lambda: mg.outer(x(2, 3), x(2))),
    ("pad", ValueError, lambda: mg.pad(x(2), [(1, -1)])),
    ("power", ValueError, lambda: ints(2) ** -ints(2)),
    ("rand", TypeError, lambda: mg.rand(2, dtype=int)),
    ("rand", ValueError, lambda: mg.rand(2, low=1, high=0)),
    ("randint", ValueError, lambda: mg.randint(1, 1, 2)),
    ("randn", TypeError, lambda: mg.randn(2, dtype=int)),
    ("randn", ValueError, lambda: mg.randn(-1)),
    ("randperm", ValueError, lambda: mg.randperm(-1)),
    ("repeat", ValueError, lambda: mg.repeat(x(2), -1)),
    ("reshape", ValueError, lambda: x(2).reshape(3)),
    ("reshape", TypeError, lambda: x(2).reshape(2.0)),
    ("roll", ValueError, lambda: mg.roll(x(2, 3), (1, 1, 1), axis=(0, 1))),
    ("save", TypeError, lambda: mg.save("never", {"x": "text"})),
    ("save", OSError, lambda: mg.save("no folder/file", {"x": 1})),
    ("scatter_add", IndexError, lambda: mg.scatter_add(x(2), 5, 1)),
    ("scatter_add", ValueError, lambda: mg.scatter_add(x(2), slice(None), x(3))),
    ("searchsorted", ValueError, lambda: mg.searchsorted(x(2, 2), x(2))),
    ("set_default_device", errors.DeviceError, lambda: mg.set_default_device("abacus")),
    ("set_float32_precision", errors.SettingsError, lambda: mg.set_float32_precision("tf64")),
    ("split", ValueError, lambda: mg.split(x(3), 2)),
    ("squeeze", ValueError, lambda: mg.squeeze(x(2), axis=0)),
    ("stack", ValueError, lambda: mg.stack([x(2), x(3)])),
    ("std", ValueError, lambda: mg.std(x(1), correction=1)),
    ("swapaxes", ValueError, lambda: mg.swapaxes(x(2), 0, 1)),
    ("take", IndexError, lambda: mg.take(x(2), 5)),
    ("take_along_axis", IndexError, lambda: mg.take_along_axis(x(2), ints(1) * 5, 0)),
    ("tensor", TypeError, lambda: mg.tensor(1j)),
    ("tensor", ValueError, lambda: mg.tensor([[1], [1, 2]])),
    ("tensordot", ValueError, lambda: mg.tensordot(x(2, 3), x(2, 3), 1)),
    ("tile", TypeError, lambda: mg.tile(x(2), 1.5)),
    ("tile", ValueError, lambda: mg.tile(x(2), -1)),
    ("trace", ValueError, lambda: mg.trace(x(2))),
    ("transpose", ValueError, lambda: mg.transpose(x(2, 3), 0, 0)),
    ("upsample_nearest", ValueError, lambda: mg.upsample_nearest(IMAGES, 0)),
    ("vecdot", ValueError, lambda: mg.vecdot(x(2), x(3))),
    ("Categorical", ValueError, lambda: mg.Categorical(0)),
    ("Gaussian", ValueError, lambda: mg.Gaussian(-1)),
    ("Tensor.backward", RuntimeError, lambda: used().backward()),
    ("Tensor.backward", ValueError, lambda: computed().backward()),
    ("Tensor.check_writable", RuntimeError, lambda: computed().check_writable("test")),
    ("Tensor.check_writable", ValueError, lambda: read_only().check_writable("test")),
    ("Tensor.copy_", RuntimeError, lambda: computed().copy_(1)),
    ("Tensor.copy_", ValueError, lambda: x(2).copy_(x(3))),
    ("Tensor.item", ValueError, lambda: x(2).item()),
    ("Tensor.requires_grad_", RuntimeError, lambda: computed().requires_grad_(False)),
    ("Tensor.requires_grad_", TypeError, lambda: ints(2).requires_grad_()),
    ("Tensor.zero_", RuntimeError, lambda: computed().zero_()),
    ("Tensor.zero_", ValueError, lambda: read_only().zero_()),
    ("nn.BatchNorm", TypeError, lambda: nn.BatchNorm(1.5)),
    (
        "nn.BatchNorm.allocate_batch_statistics",
        ValueError,
        lambda: nn.BatchNorm(2, ("a", "b")).allocate_batch_statistics(),
    ),
    ("nn.Conv2d", ValueError, lambda: nn.Conv2d(1, 1, 0)),
    ("nn.Conv2d", TypeError, lambda: nn.Conv2d(1.5, 1, 1)),
    ("nn.ConvTranspose2d", ValueError, lambda: nn.ConvTranspose2d(1, -1, 1)),
    ("nn.Dropout", ValueError, lambda: nn.Dropout(2)),
    ("nn.Embedding", TypeError, lambda: nn.Embedding(2, 3, dtype=int)),
    ("nn.Embedding", ValueError, lambda: nn.Embedding(-2, 3)),
    ("nn.LayerNorm.forward", ValueError, lambda: nn.LayerNorm(3)(x(2, 2))),
    ("nn.Linear", TypeError, lambda: nn.Linear(1.5, 2)),
    ("nn.Linear", ValueError, lambda: nn.Linear(-1, 2)),
    ("nn.Module.load_state_dict", ValueError, lambda: nn.Linear(1, 2).load_state_dict({})),
    ("nn.ModuleList", TypeError, lambda: nn.ModuleList([nn.ReLU])),
    ("nn.ModuleList.append", TypeError, lambda: nn.ModuleList().append(1)),
    ("nn.ModuleList.extend", TypeError, lambda: nn.ModuleList().extend([1])),
    ("nn.MovingAverage", ValueError, lambda: nn.MovingAverage(nn.ReLU(), 2)),
    ("nn.Reshape.forward", ValueError, lambda: nn.Reshape(4)(x(2, 3))),
    ("nn.Sequential", TypeError, lambda: nn.Sequential(nn.ReLU)),
    ("nn.SpectralNorm", ValueError, lambda: nn.SpectralNorm(nn.ReLU())),
    ("nn.utils.clip_grad_norm_", ValueError, lambda: nn.utils.clip_grad_norm_([leaf()], 1)),
    ("optim.Adam", ValueError, lambda: optim.Adam([leaf()], betas=(1, 1))),
    ("optim.AdamW", ValueError, lambda: optim.AdamW([leaf()], weight_decay=-1)),
    ("optim.Optimizer", TypeError, lambda: optim.Optimizer(leaf())),
    ("optim.Optimizer", ValueError, lambda: optim.Optimizer([])),
    (
        "optim.Optimizer.load_state_dict",
        ValueError,
        lambda: optim.SGD([leaf()]).load_state_dict({}),
    ),
    ("optim.SGD", ValueError, lambda: optim.SGD([leaf()], nesterov=True)),
    ("random.Generator", ValueError, lambda: mg.random.Generator(-1)),
    ("random.Generator", TypeError, lambda: mg.random.Generator(1.5)),
    ("datasets.batches", TypeError, lambda: batches([1])),
    ("datasets.batches", ValueError, lambda: batches(np.zeros(2), np.zeros(3))),
    ("datasets.catalogue.open_images", errors.DatasetError, lambda: opened("no set", "train")),
    ("datasets.scenes.chairs", ValueError, lambda: scenes.chairs(0)),
    ("datasets.scenes.faces", ValueError, lambda: scenes.faces(-1)),
    ("datasets.mnist.load", errors.DatasetError, lambda: mnist.load("all")),
    ("infogan.codes.CodeLayout.parse", errors.SettingsError, lambda: LAYOUT.parse("Dog(3)")),
    (
        "infogan.networks.Generator",
        errors.SettingsError,
        lambda: networks.Generator("x", 2, 0, CPU),
    ),
    (
        "infogan.objective.discriminator_loss",
        ValueError,
        lambda: objective.discriminator_loss(x(2, 1), x(3, 1)),
    ),
    (
        "infogan.objective.generator_loss",
        ValueError,
        lambda: objective.generator_loss(x(2, 1), x(3, 1)),
    ),
    (
        "infogan.objective.log_likelihood",
        ValueError,
        lambda: objective.log_likelihood(x(2, 3), x(2, 2), LAYOUT),
    ),
    (
        "infogan.objective.weighted_information",
        ValueError,
        lambda: objective.weighted_information(x(2, 3), x(2)),
    ),
    ("infogan.parts.Parts", ValueError, lambda: Parts({"real": x(1, 2), "generated": x(1, 3)})),
    ("infogan.parts.Parts.rows", ValueError, lambda: Parts({"real": x(1, 2)}).rows(x(1), "fake")),
    ("metrics.arrays.checked", ValueError, lambda: arrays.checked(CODES, FACTORS, None, [3])),
    (
        "metrics.clustering_error.matching_error",
        ValueError,
        lambda: clustering_error.matching_error(np.zeros((2, 2)), np.arange(2)),
    ),
    ("metrics.dci.dci", ValueError, lambda: dci.dci(CODES, FACTORS[:3])),
    (
        "metrics.mig.mutual_information",
        ValueError,
        lambda: mig.mutual_information(CODES, 0 * FACTORS),
    ),
    ("metrics.sap.attribute_scores", ValueError, lambda: sap.attribute_scores(CODES / 0, FACTORS)),
    (
        "metrics.strokes.spearman_correlation",
        ValueError,
        lambda: strokes.spearman_correlation(np.arange(3), np.arange(4)),
    ),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "error", "call"), PROVOKED, ids=lambda part: getattr(part, "__name__", part)
)
def test_a_documented_error_comes(
    name: str, error: type[Exception], call: Callable[[], Any]
) -> None:
    with pytest.raises(error) as raised:
        call()
    documented = BY_NAME[f"minigan.{name}"].docstring.items["Raises"]
    kinds = [getattr(place, n, None) for n in documented for place in (builtins, errors, mg)]
    assert any(kind is not None and isinstance(raised.value, kind) for kind in kinds)


def test_most_documented_errors_are_provoked() -> None:
    provoked = {(f"minigan.{name}", error.__name__) for name, error, _ in PROVOKED}
    provoked |= {(name.full, "ValueError") for name in ALONG_AN_AXIS}
    documented = {(name.full, e) for name in ALL for e in name.docstring.items.get("Raises", {})}
    print(f"provoked: {len(provoked & documented)} of {len(documented)} documented errors")
    assert provoked <= documented
    assert len(provoked) > 0.75 * len(documented)
