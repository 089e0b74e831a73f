"""What `python -m benchmarks mnist` reads from a sweep, and the tables that it makes of it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import mnist, report
from minigan.errors import RunError
from minigan.experiments.declarations import MNIST_EXTENDED
from minigan.experiments.sweeps.directory import Sweep
from minigan.experiments.sweeps.plan import Plan

STEPS = 20
SETTINGS = dataclasses.replace(MNIST_EXTENDED, iterations=STEPS)


def swept(directory: Path, runs: dict[int, tuple[float, float, float | None]], planned: int = 0) -> Sweep:  # fmt: skip
    """A sweep of runs with (agreement, training error, test error): all that the benchmark
    reads."""
    seeds = (*runs, *range(100, 100 + planned))
    sweep = Sweep.create(directory, Plan(SETTINGS, seeds))
    sweep.create_runs()
    for seed, (agreement, train, test) in runs.items():
        evaluation: dict[str, Any] = {
            "step": STEPS,
            "codes": [{"information": 2.29 + seed / 1000, "attainable": 2.303}],
            "information": 2.0,
            "agreement": agreement,
            "strokes": [
                {"code": code, "measure": measure, "correlation": rho}
                for code, measure, rho in (
                    ("c2", "slant", 0.5),
                    ("c3", "slant", -0.75),
                    ("c2", "stroke width", 0.25),
                    ("c3", "stroke width", 0.125),
                )
            ],
            "train": {"one_to_one_error": train},
            "test": None if test is None else {"one_to_one_error": test},
        }
        run = sweep.run(f"seed{seed}").directory
        (run / "evaluation.json").write_text(json.dumps(evaluation))
        (run / "timing.jsonl").write_text('{"seconds": 90}\n{"seconds": 150}\n')
        (run / "samples").mkdir()
        (run / "samples" / f"step-{STEPS:08d}.png").write_bytes(f"grid of seed {seed}".encode())
    return sweep


RUNS = {
    0: (0.95, 0.031, 0.04),
    1: (0.98, 0.012, 0.015),
    2: (0.97, 0.022, 0.01),
    3: (0.96, 0.02, 0.0625),
}


def test_runs_that_have_ended_are_read(tmp_path: Path) -> None:
    results = mnist.read(swept(tmp_path / "sweep", RUNS, planned=2))
    assert [result.seed for result in results] == [0, 1, 2, 3]
    second = results[1]
    assert (second.agreement, second.train_error, second.test_error) == (0.98, 0.012, 0.015)
    assert (second.steps, second.information, second.seconds) == (STEPS, 2.291, 240)


def test_the_chosen_run_is_that_of_the_most_agreement_whatever_its_error(tmp_path: Path) -> None:
    results = mnist.read(swept(tmp_path / "sweep", RUNS))
    assert mnist.chosen(results).seed == 1
    blind = [dataclasses.replace(result, agreement=None) for result in results]
    assert mnist.chosen(blind).seed == 3  # of the most L_I


def test_how_well_the_error_is_foretold(tmp_path: Path) -> None:
    """Ranks by hand. Errors of seeds 0–3: 4, 1, 3, 2; agreement 1, 4, 3, 2: ρ = 1 − 6·(9+9+0+0)/60 = −0.8."""
    results = mnist.read(swept(tmp_path / "sweep", RUNS))
    # L_I rises with the seed, 1, 2, 3, 4: ρ = 1 − 6·(9+1+0+4)/60 = −0.4
    assert mnist.foretold(results) == {"agreement": -0.8, "information": -0.4}
    assert mnist.foretold(results[:2]) == {}


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty pages with the markers, and a place for results."""
    for name, path, section in (
        ("EXPERIMENTS", tmp_path / "experiments.md", "mnist-extended"),
        ("README", tmp_path / "README.md", "mnist"),
    ):
        path.write_text(f"<!-- benchmarks {section} -->\n<!-- /benchmarks {section} -->\n")
        monkeypatch.setattr(mnist, name, path)
    monkeypatch.setattr(mnist, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(mnist, "GRID", tmp_path / "images" / "mnist.png")
    return tmp_path


def test_a_finished_sweep_goes_into_the_results_the_pages_and_the_picture(
    tmp_path: Path, pages: Path
) -> None:
    swept(tmp_path / "sweep", RUNS)
    mnist.write(tmp_path / "sweep", note="On a quiet machine.")
    kept = json.loads((pages / "results" / "mnist-extended.json").read_text())
    assert [run["test_error"] for run in kept["runs"]] == [0.04, 0.015, 0.01, 0.0625]
    table = (pages / "experiments.md").read_text()
    assert (
        "| 1 | 2.291 of 2.303 | 98.0 % | 1.20 % | 1.50 % | -0.75 (c3) | +0.25 (c2) | 4 |" in table
    )
    assert "Test error: median 2.8 %, best 1.0 %, worst 6.2 %." in table
    assert "agreement -0.80, L_I -0.40" in table and "On a quiet machine." in table
    row = "| `train mnist --preset extended` | 4 | 2.8 % | 1.0 % | 6.2 % | 1.5 % | 2.292 |"
    assert row in (pages / "README.md").read_text()
    assert (pages / "images" / "mnist.png").read_bytes() == b"grid of seed 1"


def test_what_has_not_ended_or_was_not_tested_is_said(tmp_path: Path, pages: Path) -> None:
    swept(tmp_path / "sweep", {0: (0.95, 0.031, None), 1: (0.98, 0.012, 0.015)}, planned=3)
    mnist.write(tmp_path / "sweep")
    table = (pages / "experiments.md").read_text()
    assert "| 0 | 2.290 of 2.303 | 95.0 % | 3.10 % | – | -0.75 (c3) | +0.25 (c2) | 4 |" in table
    assert "2 of 5 runs have ended." in table and "Test error" not in table
    assert "| 2 | – | – | – | 1.5 % |" in (pages / "README.md").read_text()


def test_a_sweep_of_something_else_is_refused(tmp_path: Path, pages: Path) -> None:
    grid = (("consistency.weight", (1.0, 3.0)),)
    Sweep.create(tmp_path / "grid", Plan(SETTINGS, (0,), grid))
    named = dataclasses.replace(SETTINGS, experiment="mine")
    Sweep.create(tmp_path / "mine", Plan(named, (0,)))
    for name in ("grid", "mine"):
        with pytest.raises(RunError, match="not a sweep of one of the recipes"):
            mnist.write(tmp_path / name)
    assert not (pages / "results").exists()


def test_the_pages_have_places_for_the_tables() -> None:
    for name in mnist.RECIPES:
        assert f"<!-- benchmarks {name} -->" in mnist.EXPERIMENTS.read_text()
    assert "<!-- benchmarks mnist -->" in report.README.read_text()
