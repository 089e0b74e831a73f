"""The progress of a command as people see it: how far it is, how long it takes, and the next commands."""

import dataclasses
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_run import TINY, few_digits

from minigan import cli, get_device
from minigan.cli import progress as shown
from minigan.cli.progress import Display, Rate, compiling, preparing, progress
from minigan.experiments.declarations import MNIST_EXTENDED
from minigan.experiments.trainer import Trainer
from minigan.infogan.codes import CategoricalCode, UniformCode, share_read


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(shown.time, "monotonic", made)
    return made


def display(clock: Clock, lines: list[str], total: int = 1000, unit: str = "") -> Display:
    made = Display("step", total, 0, unit, lines.append)
    made.rate = Rate(0, clock)
    return made


# -- speed and time left --------------------------------------------------------------------------


def test_time_left_is_right_where_progress_comes_in_bursts() -> None:
    """A thousand images at once every three seconds: 333 a second, and not thousands."""
    clock = Clock()
    rate = Rate(0, clock)
    for burst in range(5):
        clock.now += 3
        for i in range(1000):
            clock.now += 1e-6
            rate.advance(1000 * burst + i + 1)
            assert rate.per_second <= 340
            if burst and i in (0, 999):  # a line may be printed at any of them
                assert rate.per_second == pytest.approx(1000 / 3, rel=0.01)
    assert rate.left(50_000) == "2:15 left"


def test_images_that_were_prepared_earlier_are_no_part_of_the_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(Rate.__init__, "__defaults__", (clock,))
    monkeypatch.setattr(shown, "PLAIN_EVERY", 0.0)
    lines: list[str] = []
    with preparing(None, say=lines.append) as preparation:
        for burst in (10, 11, 12):
            clock.now += 4
            for i in range(1000):
                preparation.progress(1000 * burst + i + 1, 63_000)
    assert lines[-1] == "prepare images 13,000/63,000  3:20 left"  # 250 a second


def test_the_speed_follows_the_last_half_minute() -> None:
    clock = Clock()
    rate = Rate(0, clock)
    for step in range(1, 41):
        clock.now += 1
        rate.advance(step)
    for step in range(41, 441):
        clock.now += 0.1
        rate.advance(step)
    assert rate.per_second == pytest.approx(10, rel=0.01)


def test_a_slow_step_still_has_a_speed() -> None:
    clock = Clock()
    rate = Rate(0, clock)
    for step in (1, 2, 3, 4, 5):
        clock.now += 100
        rate.advance(step)
    assert rate.per_second == pytest.approx(0.01)
    assert rate.left(50) == "1:15:00 left"


def test_speed_and_time_left_leave_compilation_out() -> None:
    clock = Clock()
    rate = Rate(0, clock)
    clock.now += 40
    rate.leave_out()
    for step in range(1, 11):
        clock.now += 0.5
        rate.advance(step)
    clock.now += 60
    rate.leave_out()
    clock.now += 0.5
    rate.advance(11)
    assert rate.per_second == pytest.approx(2)


def test_nothing_is_left_to_tell_before_the_first_progress_and_after_the_last() -> None:
    clock = Clock()
    rate = Rate(0, clock)
    assert (rate.per_second, rate.left(10)) == (0, "")
    clock.now += 1
    rate.advance(10)
    assert rate.left(10) == ""


# -- plain lines ----------------------------------------------------------------------------------


def test_off_a_terminal_there_is_a_line_every_five_seconds_and_the_last_one(clock: Clock) -> None:
    lines: list[str] = []
    made = display(clock, lines, total=25, unit="steps")
    for step in range(1, 26):
        clock.now += 0.5
        made.show(step, f"D 0.{step:02}")
    made.close()
    assert lines == [
        "step 1/25  D 0.01",
        "step 11/25  D 0.11  2 steps/s  0:07 left",
        "step 21/25  D 0.21  2 steps/s  0:02 left",
        "step 25/25  D 0.25  2 steps/s",
    ]


def test_the_end_is_said_once_while_something_still_follows(clock: Clock) -> None:
    """As in a sweep: its last steps are done while runs are evaluated."""
    lines: list[str] = []
    made = display(clock, lines, total=10)
    for ended in (0, 0, 0, 1, 1, 2):
        clock.now += 0.5
        made.show(10, f"{ended} of 2 runs have ended")
    assert [line.split()[2] for line in lines] == ["0", "1", "2"]


def test_a_line_says_how_many_kernels_are_compiled(clock: Clock) -> None:
    lines: list[str] = []
    made = display(clock, lines, unit="steps")
    for kernel in range(1, 24):
        clock.now += 1
        made.compiling(kernel, 23)
    clock.now += 5
    made.show(1, "D 1.39")
    assert lines[0] == "compiling kernels, once: 1 of 23"
    assert lines[1] == "compiling kernels, once: 6 of 23"
    assert lines[-1] == "step 1/1,000  D 1.39"
    clock.now += 5
    made.show(2, "D 1.38")
    assert lines[-1] == "step 2/1,000  D 1.38  0.2 steps/s  1:23:10 left"


def test_kernels_of_the_cpu_are_counted_as_they_are_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the device itself, for whoever asks; and the device is left as it was."""
    from minigan.devices.cpu import prepare

    monkeypatch.setattr(prepare, "kernel_folder", lambda: tmp_path)
    monkeypatch.setattr(prepare, "_cores", lambda: 1)
    for kernel in prepare._own_kernels().values():
        monkeypatch.setattr(kernel, "compile", lambda dtype: None)
    lines: list[str] = []
    with compiling("cpu", lines.append):
        get_device("cpu").compile_kernels("float32")
    assert re.fullmatch(r"compiling kernels, once: 1 of \d+", lines[0])
    get_device("cpu").compile_kernels("float64")
    assert len(lines) == 1


def test_the_last_kernel_is_counted_though_the_other_process_compiled_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from minigan.devices.cpu import prepare

    @contextmanager
    def helper(missing: deque[str], *rest: object) -> Iterator[None]:
        missing.pop()
        yield

    monkeypatch.setattr(prepare, "kernel_folder", lambda: tmp_path)
    monkeypatch.setattr(prepare, "_cores", lambda: 2)
    monkeypatch.setattr(prepare, "_helper", helper)
    for kernel in prepare._own_kernels().values():
        monkeypatch.setattr(kernel, "compile", lambda dtype: None)
    told: list[tuple[int, int]] = []
    prepare.prepare("float32", lambda done, total, name: told.append((done, total)))
    assert told[-1] == (len(prepare._own_kernels()), len(prepare._own_kernels()))


def test_a_terminal_shows_how_many_kernels_are_compiled(clock: Clock) -> None:
    """In the bar itself, which would say 0/0 else."""
    made = display(clock, [])
    made.only_compiling(7, 23)
    (task,) = made.bar.tasks
    assert (made.done, made.total) == (7, 23)
    made.is_live = True
    made.only_compiling(8, 23)
    made.close()
    assert (task.completed, task.total, task.fields["note"]) == (8, 23, "")


def test_a_device_that_compiles_during_training_is_heard() -> None:
    lines: list[str] = []
    device = get_device("emulated")
    with (
        progress("step", 10, say=lines.append) as made,
        device.showing_compilation(made.compiling),
    ):
        assert device.compile_progress is not None
        device.compile_progress(7, 23, "gemm")
    assert lines == ["compiling kernels, once: 7 of 23"]


# -- a run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("evaluate", [False, True])
def test_a_log_of_a_run_says_how_it_goes_and_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], evaluate: bool
) -> None:
    options = [option for option in TINY if not (evaluate and option == "--no-evaluate")]
    directory = tmp_path / "run"
    with few_digits():
        assert cli._run(["train", "mnist", "--out", str(directory), *options]) == 0
    out = capsys.readouterr().out
    number, percent = r"\d\.\d\d", r"\d+ %"
    for step in (1, 6):
        line = rf"^step {step}/6  D {number}  G {number}  c1 {percent}  c2 {percent}  c3 {percent}"
        assert re.search(line, out, re.MULTILINE)
    end = out[out.index("Samples of each stage") :]
    assert str(directory / "samples") in end
    for command in ("figures", "sample", "resume"):
        assert f"minigan {command} {directory}" in end
    assert ("error by one-to-one matching" in out) == evaluate
    assert (f"minigan evaluate {directory}" in end) != evaluate


def test_phases_have_names() -> None:
    settings = dataclasses.replace(MNIST_EXTENDED, batch_size=4)
    images = np.zeros((4, 28, 28, 1), np.uint8)
    trainer: Any = Trainer(settings, images)
    told = dict(m for extension in trainer.extensions for m in extension.milestones())
    assert told == {750: "consistency begins", 2250: "c2, c3 join"}
    for extension in trainer.extensions:
        for step, _ in extension.milestones():
            assert extension.phase(step - 1) != extension.phase(step)


@pytest.mark.parametrize("code", [CategoricalCode(10), UniformCode()])
def test_the_share_of_a_code_is_none_where_q_tells_nothing_and_one_at_best(code: Any) -> None:
    """Q that tells nothing gives each category 1/K, or the mean 0: then E[log Q] is known."""
    if isinstance(code, CategoricalCode):
        untold = -np.log(10)
    else:
        values = np.linspace(-1, 1, 20_001)
        untold = np.mean(-0.5 * np.log(2 * np.pi) - values**2 / 2)
    assert share_read(code, code.entropy + untold) == pytest.approx(0, abs=1e-3)
    assert share_read(code, code.attainable) == 1
