"""Every public name has a docstring that names its arguments, and stands in the reference."""

import importlib
import importlib.util
import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from docstrings import is_protocol

_PATH = Path(__file__).parents[1] / "docs" / "site" / "reference.py"
_SPEC = importlib.util.spec_from_file_location("reference", _PATH)
assert _SPEC is not None and _SPEC.loader is not None
reference: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

NAMED_AS_NUMPYS = ("invert", "left_shift", "right_shift")  # bitwise_invert, and the shifts

SHARED = {name for names in reference.SHARED for name in names.split(", ")}
NAMES = [(m, n) for m in reference.public_modules() for n in reference.public_names(m)]


def value_of(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def docstring(value: Any) -> str:
    """Return the docstring, and that of a class's `__init__`."""
    own = vars(value).get("__init__") if inspect.isclass(value) else None
    return f"{inspect.getdoc(value) or ''} {getattr(own, '__doc__', '') or ''}".strip()


def unexplained(value: Any) -> list[str]:
    """Return the arguments that neither the docstring nor the table of shared arguments names."""
    if inspect.isclass(value) and (issubclass(value, BaseException) or is_protocol(value)):
        return []
    text = docstring(value)
    names = set(inspect.signature(value).parameters) - SHARED
    return sorted(n for n in names if not re.search(rf"(?<!\w){re.escape(n)}(?!\w)", text))


def test_an_argument_that_is_left_out_is_seen() -> None:
    def scale(x: float, factor: float) -> float:
        """Return x·factors."""
        return x * factor

    assert unexplained(scale) == ["factor"]


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda part: part)
def test_a_public_name_has_a_docstring(module: str, name: str) -> None:
    assert docstring(value_of(module, name))


def test_docstrings_name_every_argument() -> None:
    missing = {f"{m}.{n}": unexplained(value_of(m, n)) for m, n in NAMES}
    found = {name: arguments for name, arguments in missing.items() if arguments}
    assert not found, "name these arguments in the docstrings"


def test_the_reference_has_every_public_name() -> None:
    pages = reference.pages()
    listed = {name for sections in pages.values() for names in sections.values() for name in names}
    assert listed == {f"{module}.{name}" for module, name in NAMES}
    assert {"minigan.conv2d", "minigan.Tensor", "minigan.tracing", "minigan.nn.Linear"} <= listed


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda part: part)
def test_a_public_function_can_be_pickled(module: str, name: str) -> None:
    """As a part of a module, which multiprocessing and `copy` take."""
    value = value_of(module, name)
    if inspect.isfunction(value) and not value.__qualname__.startswith(NAMED_AS_NUMPYS):
        assert pickle.loads(pickle.dumps(value)) is value
