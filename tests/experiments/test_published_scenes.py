"""What `minigan sweep publish` reads from a sweep on rendered scenes, and the table that it makes of it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from minigan import cli
from minigan.errors import RunError
from minigan.experiments.declarations import EXPERIMENTS
from minigan.experiments.published.checkout import Checkout
from minigan.experiments.published.publishing import publish
from minigan.experiments.sweeps.directory import Sweep
from minigan.experiments.sweeps.plan import Plan

STEPS = 20
SETTINGS = dataclasses.replace(EXPERIMENTS["faces"], data="scenes", codes="2*Uniform", iterations=STEPS)  # fmt: skip


def swept(directory: Path, runs: dict[int, tuple[float, float | None]], planned: int = 0) -> Sweep:
    """A sweep with runs of (MIG, DCI disentanglement), and the same other scores."""
    sweep = Sweep.create(directory, Plan(SETTINGS, (*runs, *range(100, 100 + planned))))
    sweep.create_runs()
    for seed, (mig, dci) in runs.items():
        scores: dict[str, Any] = {
            "images": 50, "codes": ["c1", "c2"], "factors": ["azimuth", "width"],
            "shares": [[0.125, 0.5], [0.75, 0.25]], "gaps": [0.625, 0.25], "mig": mig, "factor_vae": 0.875,
            "sap": 0.5, "dci_disentanglement": dci, "dci_completeness": dci, "dci_informativeness": dci,
        }  # fmt: skip
        evaluation = {"step": STEPS, "disentanglement": scores, "information": 1.0, "train": None, "test": None, "codes": []}  # fmt: skip
        run = sweep.run(f"seed{seed}").directory
        (run / "evaluation.json").write_text(json.dumps(evaluation))
        (run / "timing.jsonl").write_text('{"seconds": 90}\n')
    return sweep


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout with an empty page that has the markers."""
    folder = tmp_path / "checkout"
    (folder / "docs").mkdir(parents=True)
    page = folder / "docs" / "experiments.md"
    page.write_text("<!-- sweep scenes -->\n<!-- /sweep scenes -->\n")
    return Checkout.open(folder)


def test_a_finished_sweep_goes_into_the_results_and_the_page(
    tmp_path: Path, checkout: Checkout
) -> None:
    runs = {0: (0.25, 0.5), 3: (0.375, 0.125), 4: (0.125, 0.25)}
    publish(swept(tmp_path / "sweep", runs), checkout, note="Alone.")
    kept = json.loads(checkout.result("scenes-faces").read_text())
    assert [(run["seed"], run["mig"], run["seconds"]) for run in kept["runs"]] == [
        (0, 0.25, 90), (3, 0.375, 90), (4, 0.125, 90),
    ]  # fmt: skip
    text = checkout.experiments.read_text()
    assert "**faces on scenes, 2*Uniform, 20 steps**" in text and "Alone." in text
    assert "| DCI: D | C | I | azimuth | width |" in text
    # Of azimuth c2 tells 0.75, of width c1 tells 0.5.
    assert "| 3 | 0.38 | 0.88 | 0.50 | 0.12 | 0.12 | 0.12 | 0.75 | 0.50 |" in text
    assert "| median | 0.25 | 0.88 | 0.50 | 0.25 |" in text
    assert "| least | 0.12 |" in text and "| most | 0.38 |" in text


def test_what_has_not_ended_or_was_not_measured_is_said(tmp_path: Path, checkout: Checkout) -> None:
    publish(swept(tmp_path / "sweep", {0: (0.25, None), 1: (0.5, 0.25)}, planned=3), checkout)
    text = checkout.experiments.read_text()
    assert "2 of 5 runs have ended." in text
    assert "| 0 | 0.25 | 0.88 | 0.50 | – |" in text
    assert "| median | 0.38 | 0.88 | 0.50 | – |" in text


def test_a_sweep_of_something_else_is_refused(tmp_path: Path, checkout: Checkout) -> None:
    grid = (("lambda_continuous", (1.0, 3.0)),)
    other = dataclasses.replace(SETTINGS, data="/somewhere/else")
    for name, plan in (("grid", Plan(SETTINGS, (0,), grid)), ("other", Plan(other, (0,)))):
        with pytest.raises(RunError, match="not a sweep on scenes"):
            publish(Sweep.create(tmp_path / name, plan), checkout)
    assert not checkout.result("scenes-faces").parent.exists()


def test_the_command_prints_the_table_and_refuses_a_folder_that_is_no_checkout(
    tmp_path: Path, checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = swept(tmp_path / "sweep", {0: (0.25, 0.5)}).directory
    command = ["sweep", "publish", str(directory), "--note", "Alone.", "--checkout"]
    assert cli._run([*command, str(checkout.folder)]) == 0
    assert "0.25" in capsys.readouterr().out and "Alone." in checkout.experiments.read_text()
    assert cli._run([*command, str(tmp_path)]) == 2
    assert "is no checkout of minigan" in capsys.readouterr().err
