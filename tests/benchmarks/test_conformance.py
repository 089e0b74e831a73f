"""The conformance harness finds a wrong value and a wrong gradient, and lets a right one pass."""

from typing import Any

import pytest

import minigan as mg
from benchmarks.conformance import standard
from benchmarks.conformance.command import entry_name, operations
from benchmarks.conformance.conventions import reason
from benchmarks.conformance.parts import Part

pytest.importorskip("expecttest", reason="needs the bench extra")
harness = pytest.importorskip("benchmarks.conformance.harness", exc_type=ImportError)


def outcomes(name: str) -> list[Any]:
    (info,) = [
        entry for entry in operations() if entry.name == name and not entry.variant_test_name
    ]
    return list(harness.run_operation(info, name, Part()))


@pytest.mark.parametrize("name", ["exp", "maximum", "softmax", "logaddexp"])
def test_right_operations_pass(name: str) -> None:
    found = outcomes(name)
    assert any(outcome.status == "passed" for outcome in found)
    assert not [outcome for outcome in found if outcome.status == "failed"]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [(lambda x: mg.exp(x) + 1e-3, "value"), (lambda x: mg.exp(x.detach() + 0 * x), "gradient")],
)
def test_a_wrong_operation_fails(wrong: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(harness.ADAPTERS, "exp", wrong)
    found = outcomes("exp")
    assert "failed" in {outcome.status for outcome in found}
    assert all(what in o.detail for o in found if o.status == "failed")


def test_a_difference_that_no_convention_names_has_no_reason() -> None:
    assert reason("exp", "value: at (0,) minigan 1.0, torch 2.0") is None
    assert reason("exp", "gradient: minigan 0.0, torch nan") is None
    assert reason("atan2", "gradient: minigan 0.0, torch nan") is not None


def test_a_type_error_of_minigans_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(x: Any) -> Any:
        raise TypeError("a tensor is no tensor")

    monkeypatch.setitem(harness.ADAPTERS, "exp", broken)
    assert {outcome.status for outcome in outcomes("exp")} == {"failed"}


def test_an_argument_that_the_adapter_does_not_have_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(harness.ADAPTERS, "maximum", lambda x: x)
    assert {outcome.status for outcome in outcomes("maximum")} == {"untranslatable"}


def test_at_least_260_entries_are_translated() -> None:
    assert len({entry_name(info) for info in operations()} & harness.ADAPTERS.keys()) >= 260


def test_the_functions_of_the_array_api_standard_compute_numpys_values() -> None:
    assert not standard.run()["faults"]


def test_a_wrong_function_of_the_standard_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mg, "tile", lambda x, repeats: x)
    monkeypatch.delattr(mg, "vecdot")
    assert standard.run()["faults"] == ["tile: other values than NumPy's", "vecdot is missing"]


def test_tensors_of_samples_that_are_not_contiguous_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bool] = []

    def note(x: Any) -> Any:
        seen.append(x.data.flags.c_contiguous)
        return mg.exp(x)

    monkeypatch.setitem(harness.ADAPTERS, "exp", note)
    (info,) = [entry for entry in operations() if entry_name(entry) == "exp"]
    found = list(harness.run_operation(info, "exp", Part(contiguous=False)))
    assert not all(seen) and {outcome.status for outcome in found} == {"passed"}
