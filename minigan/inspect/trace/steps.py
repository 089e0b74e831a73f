"""The steps that `minigan trace` records: of an experiment, of a run, or a function of a user's file."""

from __future__ import annotations

from pathlib import Path

from minigan.errors import MiniganError, SettingsError
from minigan.experiments.runs import Run
from minigan.experiments.trainer import Trainer
from minigan.experiments.training import images_of
from minigan.infogan.settings import Settings
from minigan.inspect.trace.recorder import tracing
from minigan.inspect.trace.result import Trace
from minigan.inspect.user_code import place_of, run_file
from minigan.serialization import load_all

_WARM_UP = 2  # steps that compile kernels and bring constants to the device


def trace_experiment(settings: Settings, values: bool = True) -> Trace:
    """Record the third step of an experiment."""
    trainer = Trainer(settings, images_of(settings), capture=False)
    return _trace_step(trainer, settings.experiment, values)


def trace_run(directory: Path, values: bool = True) -> Trace:
    """Record a step that goes on from where a run is. Nothing is written there.

    Where a run kept its networks alone, the optimizers remember nothing.
    """
    run = Run.open(directory)
    trainer = Trainer(run.settings, images_of(run.settings), capture=False)
    if run.checkpoints():
        run.restore(trainer)
    elif run.newest_step():
        networks, trainer.step_count = run.networks()
        load_all(dict(trainer.networks.named_tensors()), dict(networks.named_tensors()))
    return _trace_step(trainer, str(directory), values)


def _trace_step(trainer: Trainer, title: str, values: bool) -> Trace:
    for _ in range(_WARM_UP):
        trainer.step()
    names = trainer.networks.named_tensors()
    title = f"{title}, step {trainer.step_count + 1}"
    with tracing(names, trainer.device, values, title) as record:
        trainer.step()
    return record


def trace_function(target: str, values: bool = True) -> Trace:
    """Record the second call of "FILE.py:function"; the first one compiles kernels.

    Raises:
        SettingsError: There is no such file or function, or it raised an error.
    """
    name, _, function_name = target.rpartition(":")
    file = Path(name)
    function = run_file(file).get(function_name)
    if not callable(function):
        raise SettingsError(f"{file} has no function '{function_name}'")
    try:
        function()
        with tracing(values=values, title=target) as record:
            function()
    except MiniganError:
        raise
    except (Exception, SystemExit) as error:
        place = place_of(error, file.absolute()) or file.name
        raise SettingsError(
            f"{place}: {function_name} raised {type(error).__name__}: {error}"
        ) from error
    if not record.operations:
        raise SettingsError(f"{target} runs no operation and no kernel: there is nothing to trace")
    return record
