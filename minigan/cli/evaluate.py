"""`minigan evaluate`."""

from __future__ import annotations

import typer

from minigan.cli import options


def evaluate(
    directory: options.RunDirectory, as_json: options.Json = False, cache: options.Cache = None
) -> None:
    """Measure the paper's numbers for a run's newest checkpoint.

    Print a table and write evaluation.json: the unsupervised error, L_I of
    each code, and how slant and stroke width of digits follow the codes.
    Where factors are known: MIG, FactorVAE score, SAP and DCI.
    """
    from minigan.cli.run_report import evaluate_and_report, evaluate_and_write
    from minigan.experiments.runs import Run

    run = Run.open(directory)
    networks, step = run.networks()
    if as_json:
        evaluate_and_write(run, networks, step, cache, say=options.say_on_stderr)
        typer.echo((run.directory / "evaluation.json").read_text(encoding="utf-8"), nl=False)
        return
    evaluate_and_report(run, networks, step, cache)
