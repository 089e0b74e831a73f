"""TensorBoard's own reader finds the metrics of a training among its events."""

import sys
from pathlib import Path

import pytest
import tiny_training

from minigan.errors import SettingsError
from minigan.experiments.runs import Run
from minigan.experiments.tensorboard_events import FOLDER, require_tensorboard, writing_events
from minigan.infogan.codes import share_read


def test_without_tensorboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(SettingsError, match=r"pip install 'minigan\[tensorboard\]'"):
        require_tensorboard()


def test_the_events_are_the_metrics(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = Run.create(tmp_path / "run", tiny_training.TINY)
    layout = run.settings.layout
    with writing_events(run.directory, layout) as events:
        tiny_training.train(run, events)
    found = EventAccumulator(str(run.directory / FOLDER))
    found.Reload()

    def series(tag: str) -> list[tuple[int, float]]:
        return [
            (event.step, pytest.approx(event.tensor_proto.float_val[0], rel=1e-6))
            for event in found.Tensors(tag)
        ]

    lines = run.metrics()
    assert series("loss/D") == [(m["step"], m["discriminator_loss"]) for m in lines]
    assert series("loss/G") == [(m["step"], m["generator_loss"]) for m in lines]
    for name, code in zip(layout.names, layout, strict=True):
        values = [(m["step"], m["information"][name]) for m in lines]
        assert series(f"L_I, nats/{name}") == values
        assert series(f"share read/{name}") == [(step, share_read(code, v)) for step, v in values]
    assert len(lines) == tiny_training.TINY.iterations
