"""Every public name has a docstring that names its arguments, and stands in the reference."""

import importlib
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

_PATH = Path(__file__).parents[1] / "docs" / "site" / "reference.py"
_SPEC = importlib.util.spec_from_file_location("reference", _PATH)
assert _SPEC is not None and _SPEC.loader is not None
reference: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

SHARED = {name for names in reference.SHARED for name in names.split(", ")}
NAMES = [(m, n) for m in reference.public_modules() for n in reference.public_names(m)]

# Names with docstrings that leave an argument out: only entries may go, and none may come.
INCOMPLETE = {
    "minigan.datasets.Batches",
    "minigan.datasets.FactoredImages",
    "minigan.datasets.Images",
    "minigan.datasets.LabeledImages",
    "minigan.metrics.arrays.CodesAndFactors",
    "minigan.metrics.clustering_error.Clustering",
    "minigan.metrics.clustering_error.contingency",
    "minigan.metrics.clustering_error.majority_vote",
    "minigan.metrics.clustering_error.matching_error",
    "minigan.metrics.clustering_error.one_to_one_matching",
    "minigan.metrics.dci.DCI",
    "minigan.metrics.dci.dci",
    "minigan.metrics.disentanglement.Disentanglement",
    "minigan.metrics.disentanglement.measure",
    "minigan.metrics.factor_vae.factor_vae_score",
    "minigan.metrics.mig.MutualInformation",
    "minigan.metrics.mig.mutual_information",
    "minigan.metrics.mig.mutual_information_gap",
    "minigan.metrics.sap.attribute_predictability",
    "minigan.metrics.sap.attribute_scores",
    "minigan.nn.AvgPool2d",
    "minigan.nn.Dropout",
    "minigan.nn.LeakyReLU",
    "minigan.nn.LoadedState",
    "minigan.nn.MaxPool2d",
    "minigan.nn.Sequential",
    "minigan.nn.batch_groups",
}


def value_of(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def docstring(value: Any) -> str:
    """Return the docstring, and that of a class's `__init__`."""
    own = vars(value).get("__init__") if inspect.isclass(value) else None
    return f"{inspect.getdoc(value) or ''} {getattr(own, '__doc__', '') or ''}".strip()


def unexplained(value: Any) -> list[str]:
    """Return the arguments that neither the docstring nor the table of shared arguments names."""
    if inspect.isclass(value) and issubclass(value, BaseException):
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
    found = {f"{m}.{n}" for m, n in NAMES if unexplained(value_of(m, n))}
    assert not found - INCOMPLETE, "name these functions' arguments in their docstrings"
    assert not INCOMPLETE - found, "these are complete now: take them out of INCOMPLETE"


def test_the_reference_has_every_public_name() -> None:
    pages = reference.pages()
    listed = {name for sections in pages.values() for names in sections.values() for name in names}
    assert listed == {f"{module}.{name}" for module, name in NAMES}
    assert {"minigan.conv2d", "minigan.Tensor", "minigan.tracing", "minigan.nn.Linear"} <= listed
