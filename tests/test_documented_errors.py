"""The shapes and errors that docstrings name are those that come."""

import builtins
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from docstrings import Name
from provoked_errors import PROVOKED, ints, x
from provoked_errors_beyond import BEYOND
from test_docstrings import ALL, ARRAYS

import minigan as mg
from minigan import errors

# They need a GPU, a missing library, or a trainer, which has tests of its steps.
MOST_NOT_PROVOKED = 8
BY_NAME = {name.full: name for name in ALL}
ELEMENTWISE = [name for name in ALL if "elementwise" in name.docstring.summary]
ELEMENTWISE = [name for name in ELEMENTWISE if not inspect.isclass(name.value)]
ALONG_AN_AXIS = [name for name in ALL if "axis" in name.parameters and "." not in name.full[8:]]


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


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.float64])
@pytest.mark.parametrize("name", ELEMENTWISE, ids=lambda name: name.full)
def test_an_elementwise_function_takes_a_dtype_or_refuses_it(name: Name, dtype: Any) -> None:
    given = [mg.astype(t, dtype) for t in operands(name, (2, 3))]
    try:
        assert name.value(*given, **settings_of(name)).shape == (2, 3)
    except TypeError:
        assert "bitwise" in name.full or name.full[8:] in ("negative", "sign", "subtract")


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


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "error", "call"),
    [*PROVOKED, *BEYOND],
    ids=lambda part: getattr(part, "__name__", part),
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
    documented = {(name.full, e) for name in ALL for e in name.docstring.items.get("Raises", {})}
    provoked = {(f"minigan.{name}", error.__name__) for name, error, _ in [*PROVOKED, *BEYOND]}
    provoked |= {(name.full, "ValueError") for name in ALONG_AN_AXIS}
    same = {(id(BY_NAME[name].value), error) for name, error in provoked}  # by any of its names
    rest = {(n, error) for n, error in documented if (id(BY_NAME[n].value), error) not in same}
    print(f"provoked: {len(documented - rest)} of {len(documented)} documented errors")
    assert provoked <= documented
    assert len(rest) <= MOST_NOT_PROVOKED, "add a call that raises it to provoked_errors"
