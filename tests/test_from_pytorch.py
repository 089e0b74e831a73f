"""docs/from_pytorch.md agrees with the errors, and its statements hold."""

import re
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan.from_pytorch import ARGUMENTS, NAMES

PAGE = (Path(__file__).parents[1] / "docs" / "from_pytorch.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, str]:
    """The rows of the page's table under that heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.M))


def test_the_page_has_the_tables() -> None:
    assert table("Names") == NAMES and table("Arguments") == ARGUMENTS


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_pytorch_says_what_to_write(name: str) -> None:
    owners = [mg, mg.nn, mg.ones(2), mg.nn.Linear(1, 1)]
    for owner in owners if name != "spectral_norm" else owners[:1]:  # nn has a file of that name
        with pytest.raises(AttributeError, match=re.escape(f"PyTorch's '{name}' is {NAMES[name]}")):
            getattr(owner, name)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_says_to_write_exists(name: str) -> None:
    named = re.findall(r"(?:^|, or |and )([a-z_]+)\(", NAMES[name])
    for function in named:
        assert hasattr(mg, function) or hasattr(mg.ones(2), function), function


@pytest.mark.parametrize("name", ["no_such_name", "shap"])
def test_a_name_of_no_one_is_an_attribute_error(name: str) -> None:
    for owner in (mg, mg.ones(2)):
        with pytest.raises(AttributeError, match=name):
            getattr(owner, name)
        assert not hasattr(owner, name)


def test_arguments_of_pytorch() -> None:
    x = mg.ones((2, 3))
    calls = {
        "dim": [
            lambda: mg.sum(x, dim=0), lambda: x.max(dim=1), lambda: x.softmax(dim=1), lambda: mg.sort(x, dim=0),
            lambda: mg.concatenate([x, x], dim=0), lambda: mg.stack([x], dim=0), lambda: mg.split(x, 1, dim=0),
            lambda: x.unstack(dim=0), lambda: mg.cumulative_sum(x, dim=0), lambda: x.expand_dims(dim=0),
        ],
        "keepdim": [lambda: x.mean(axis=0, keepdim=True)],
        "min": [lambda: mg.clip(x, min=0)],
        "other": [lambda: mg.add(x, other=x)],
    }  # fmt: skip
    for argument, functions in calls.items():
        for function in functions:
            with pytest.raises(
                TypeError, match=re.escape(f"'{argument}' is {ARGUMENTS[argument]}")
            ):
                function()  # type: ignore[no-untyped-call]


def test_differences() -> None:
    """A sample of the page's rows, on numbers."""
    x = mg.tensor([[1.0, 2.0, 4.0]])
    np.testing.assert_allclose(x.std().item(), x.numpy().std(), rtol=1e-6)
    np.testing.assert_allclose(x.std(correction=1).item(), x.numpy().std(ddof=1), rtol=1e-6)
    assert [t.shape for t in mg.split(mg.ones(6), 2)] == [(3,), (3,)]
    assert mg.meshgrid(mg.ones(2), mg.ones(3))[0].shape == (3, 2)
    tied = mg.tensor([1.0, 1.0], requires_grad=True)
    tied.max().backward()
    assert tied.grad is not None and tied.grad.tolist() == [0.5, 0.5]
