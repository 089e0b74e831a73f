"""`minigan evaluate`."""

from __future__ import annotations

from minigan.cli import options


def evaluate(directory: options.RunDirectory, cache: options.Cache = None) -> None:
    """Measure the paper's numbers for a run's newest checkpoint.

    Print a table and write evaluation.json: the unsupervised error, L_I of
    each code, and how slant and stroke width of digits follow the codes.
    Where factors are known: MIG, FactorVAE score, SAP and DCI.
    """
    from minigan.cli.progress import evaluate_and_report
    from minigan.experiments.runs import Run

    run = Run.open(directory)
    networks, step = run.networks()
    evaluate_and_report(run, networks, step, cache)
