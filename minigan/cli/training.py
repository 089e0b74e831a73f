"""`minigan train` and `minigan resume`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from minigan.cli.data import Cache

Device = Annotated[
    str,
    typer.Option(
        help="Where to compute: cpu, cuda (a GPU), emulated, or auto: a GPU that passes its self-test."
    ),
]
Capture = Annotated[
    bool,
    typer.Option(
        help="On a device with graphs, launch a step's kernels together, once captured; without, one by one, with "
        "the same numbers."
    ),
]
Evaluate = Annotated[bool, typer.Option(help="At the end, measure the paper's numbers.")]


def chosen_settings(
    experiment: Annotated[
        str,
        typer.Argument(
            help="What to train: mnist, svhn, celeba, faces, chairs, or a .toml file of your own."
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            help="mnist: extended, the lowest error. faces: quick. None is the paper's recipe."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Where the images are, or scenes: faces or chairs that minigan draws. See: minigan data."
        ),
    ] = None,
    device: Device = "auto",
    seed: Annotated[
        int | None, typer.Option(help="Two runs of one seed are the same to the bit; 0.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Steps of training; mnist: 5000.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step; mnist: 128.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or float64.")] = None,
    float32_precision: Annotated[
        str | None,
        typer.Option(
            help="ieee, or tf32: products on the tensor cores of a GPU; the cpu has none."
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="infogan, or gan: the plain GAN of Fig. 1, whose Q only looks on."),
    ] = None,
    codes: Annotated[
        str | None,
        typer.Option(help='The codes; mnist: "Cat(10) + 2*Uniform".'),
    ] = None,
    noise: Annotated[int | None, typer.Option(help="Dimensions of z.")] = None,
    trunk: Annotated[
        str | None,
        typer.Option(help='D\'s trunk, like "conv 32 | conv 64 bn | fc 512 bn".'),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(help='G, like "fc 512 bn | fc 7x7x64 bn | up 32 bn | up 1 sigmoid".'),
    ] = None,
    lambda_categorical: Annotated[
        float | None, typer.Option(help="λ of categorical codes.")
    ] = None,
    lambda_continuous: Annotated[float | None, typer.Option(help="λ of continuous codes.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting: NAME=VALUE; see: minigan settings."),
    ] = None,
    lr_discriminator: Annotated[float | None, typer.Option(help="Adam's, for D and Q.")] = None,
    lr_generator: Annotated[float | None, typer.Option(help="Adam's, for G.")] = None,
    checkpoint_every: Annotated[int | None, typer.Option(help="Steps between checkpoints.")] = None,
    sample_every: Annotated[int | None, typer.Option(help="Steps between sample grids.")] = None,
) -> Any:
    """The `Settings` of an experiment, with what the options change in them."""
    from minigan.experiments.declarations import (
        absolute_data,
        get_experiment,
        parse_assignments,
    )
    from minigan.inspect.self_test import choose_device

    given: dict[str, Any] = {
        "device": choose_device(device, typer.echo), "seed": seed, "iterations": iterations, "batch_size": batch_size,
        "dtype": dtype, "float32_precision": float32_precision, "objective": objective, "codes": codes, "noise": noise,
        "trunk": trunk, "generator": generator,
        "lambda_categorical": lambda_categorical, "lambda_continuous": lambda_continuous,
        "learning_rate_discriminator": lr_discriminator,
        "learning_rate_generator": lr_generator,
        "checkpoint_every": checkpoint_every, "sample_every": sample_every,
    }  # fmt: skip
    base = get_experiment(experiment, preset)
    if data is not None:
        base = base.with_data(absolute_data(data, Path.cwd()))
    chosen = {k: v for k, v in given.items() if v is not None}
    return base.with_values(chosen).with_values(parse_assignments(set_ or []), read_text=True)


def with_settings(*left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes `command(settings, ...)` a command that has the options of `chosen_settings`, but for some, in its place."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        chosen = [
            parameter
            for parameter in inspect.signature(chosen_settings, eval_str=True).parameters.values()
            if parameter.name not in left_out
        ]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            settings = chosen_settings(**{p.name: given.pop(p.name) for p in chosen})
            command(settings, **given)

        # what typer makes options of
        run.__signature__ = inspect.Signature([*chosen, *own])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*chosen, *own)}
        return run

    return decorate


@with_settings()
def train(
    settings: Any,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run's directory; runs/EXPERIMENT-seedN if not given, or the next free name."
        ),
    ] = None,
    capture: Capture = True,
    evaluate: Evaluate = True,
    cache: Cache = None,
) -> None:
    """Train InfoGAN, with samples as it goes and the paper's numbers at the end.

    Ctrl-C saves the state; `minigan resume` goes on as if nothing had happened.
    """
    from minigan.cli.progress import preparation, run_and_report
    from minigan.experiments.runs import Run, free_directory, images_of
    from minigan.infogan.step import Trainer

    directory = out or free_directory(Path("runs"), settings)
    Run.check_free(directory)
    with preparation(cache) as how:
        trainer = Trainer(settings, images_of(settings, how), capture=capture)
    run = Run.create(directory, settings)
    with run.lock():
        run_and_report(run, trainer, evaluate, cache)


def resume(
    directory: Annotated[Path, typer.Argument(help="The run's directory.")],
    iterations: Annotated[
        int | None, typer.Option(help="Train to this step instead of the one that was set.")
    ] = None,
    capture: Capture = True,
    evaluate: Evaluate = True,
    cache: Cache = None,
) -> None:
    """Go on with a run from its newest checkpoint, as if it had never stopped."""
    from minigan.cli.progress import preparation, run_and_report
    from minigan.experiments.runs import Run, images_of
    from minigan.infogan.step import Trainer

    run = Run.open(directory)
    with preparation(cache) as how:
        trainer = Trainer(run.settings, images_of(run.settings, how), capture=capture)
    if note := run.about_threads():
        typer.echo(note)
    with run.lock():
        run.restore(trainer)
        if iterations is not None:
            run.extend(iterations, trainer.step_count)
        run_and_report(run, trainer, evaluate, cache)
