"""The commands as a person meets them: what they print, what they leave, and one line for what goes wrong."""

import functools
import gzip
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cupy import Machine, make_cupy
from PIL import Image

from minigan import cli, devices
from minigan.datasets import LabeledImages, mnist
from minigan.devices.cuda import CUDA
from minigan.devices.device import KERNELS
from minigan.experiments.checkpoints import load_checkpoint
from minigan.experiments.runs import Run
from minigan.infogan.step import Trainer

TINY = (
    "--trunk", "conv 4 | conv 8 bn | fc 16 bn",
    "--generator", "fc 16 bn | fc 7x7x8 bn | up 4 bn | up 1 sigmoid",
    "--batch-size", "4", "--iterations", "6", "--checkpoint-every", "2", "--sample-every", "3",
    "--device", "cpu", "--no-evaluate",
)  # fmt: skip
DIGITS = LabeledImages(
    np.random.default_rng(0).integers(0, 256, (300, 28, 28, 1), np.uint8),
    np.arange(300, dtype=np.uint8) % 10,
)
REAL_LOAD = mnist.load

Tree = dict[str, bytes | None]


def tree(directory: Path) -> Tree:
    """Every file and its content, every folder, hidden ones included."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
        if path.name != "timing.jsonl"
    }


@pytest.fixture(scope="module", autouse=True)
def a_few_digits() -> Iterator[None]:
    """Instead of 70,000, and with no wait for the disk; nothing asks for colours in a pipe."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist, "load", lambda split: DIGITS)
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.delenv("FORCE_COLOR", raising=False)
        patch.delenv("TTY_COMPATIBLE", raising=False)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps; not to be changed."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    assert cli._run(["train", "mnist", "--out", str(directory), *TINY]) == 0
    return directory


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def assert_refused(
    capsys: pytest.CaptureFixture[str], untouched: Path, arguments: tuple[object, ...], *words: str
) -> None:
    """One line on stderr with those words, exit code 2, no warning, and not a file other than before."""
    before = tree(untouched)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli._run([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"minigan: [^\n]+\n", error)
    for word in words:
        assert word in error
    assert tree(untouched) == before


# -- training -------------------------------------------------------------------------------------


def test_train_leaves_a_run(finished: Path) -> None:
    assert set(tree(finished)) == {
        "experiment.json", "metrics.jsonl", "samples", "checkpoints",
        *(f"samples/step-0000000{step}.png" for step in (1, 3, 6)),
        *(f"checkpoints/step-0000000{step}.safetensors" for step in (4, 6)),
    }  # fmt: skip
    lines = (finished / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(json.loads(lines[0])["information"]) == {"c1", "c2", "c3"}


def test_every_option_reaches_experiment_json(tmp_path: Path) -> None:
    options = {
        "device": "cpu", "seed": 7, "iterations": 1, "batch_size": 3, "dtype": "float64",
        "float32_precision": "tf32",
        "objective": "gan", "codes": "Cat(4) + Uniform", "noise": 5, "trunk": "fc 4",
        "generator": "fc 28x28x1 sigmoid", "lambda_categorical": 0.5, "lambda_continuous": 0.25,
        "checkpoint_every": 9, "sample_every": 8,
    }  # fmt: skip
    rates = {"learning_rate_discriminator": 1e-3, "learning_rate_generator": 1e-2}
    arguments = ["--out", str(tmp_path / "run"), "--no-evaluate"]
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    for name, value in rates.items():
        arguments += [f"--{name.replace('learning_rate', 'lr').replace('_', '-')}", str(value)]
    assert cli._run(["train", "mnist", *arguments]) == 0
    written = json.loads((tmp_path / "run/experiment.json").read_text())["settings"]
    assert {name: written[name] for name in options | rates} == options | rates


def test_any_setting_is_set_by_name(tmp_path: Path) -> None:
    arguments = ["--set", "noise=5", "--set", "consistency.weight=0.75", "--set", "image-low=0"]
    tiny = ["--trunk", "fc 4", "--generator", "fc 28x28x1 sigmoid", "--iterations", "1"]
    out = ["--out", str(tmp_path / "run"), "--no-evaluate", "--batch-size", "3"]
    assert cli._run(["train", "mnist", *tiny, *arguments, *out]) == 0
    written = json.loads((tmp_path / "run/experiment.json").read_text())["settings"]
    assert written["noise"] == 5
    assert written["extensions"]["consistency"]["weight"] == 0.75


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noise", "--set is NAME=VALUE, like --set noise=62; not 'noise'"),
        ("noize=3", "there is no setting noize; did you mean noise?"),
        ("noise=many", "noise is 'many', and not of type int"),
    ],
)
def test_a_setting_that_is_not_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    out = tmp_path / "run"
    assert cli._run(["train", "mnist", "--set", text, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_without_out_a_run_has_a_place_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli._run(["train", "mnist", *TINY, "--iterations", "1", "--seed", "3"]) == 0
    assert (tmp_path / "runs/mnist-seed3/experiment.json").exists()


def test_train_is_quiet_in_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["train", "mnist", "--out", str(tmp_path / "run"), *TINY]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out == (
        f"mnist: Cat(10) + 2*Uniform, seed 0, 6 steps of 4 images on cpu, in {tmp_path / 'run'}\n"
    )


def test_train_ends_with_the_papers_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "run"
    arguments = ["train", "mnist", "--out", str(directory), *TINY[:-1], "--iterations", "2"]
    assert cli._run(arguments) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", output.out)  # no bar, no colour
    numbers = json.loads((directory / "evaluation.json").read_text())
    assert numbers["step"] == 2
    assert numbers["test"]["images"] == 300
    for words in (
        "mnist, seed 0, step 2", "one-to-one", "5 % (paper)", f"{numbers['information']:.3f}",
        f"{100 * numbers['unsupervised_error']:.2f} %", f"{numbers['codes'][1]['rmse']:.3f}",
    ):  # fmt: skip
        assert words in output.out
    # and `evaluate` says the same of the checkpoint
    before = (directory / "evaluation.json").read_bytes()
    (directory / "evaluation.json").unlink()
    table = output.out[output.out.index("mnist, seed") :]
    assert cli._run(["evaluate", str(directory)]) == 0
    assert table in capsys.readouterr().out
    assert (directory / "evaluation.json").read_bytes() == before


def test_resume_goes_on_to_another_step(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["resume", str(run), "--iterations", "9", "--no-evaluate"]) == 0
    whole = tmp_path / "whole"
    assert cli._run(["train", "mnist", "--out", str(whole), *TINY, "--iterations", "9"]) == 0
    assert tree(run) == tree(whole)
    assert capsys.readouterr().err == ""


def test_resume_with_another_number_of_threads_says_so(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "experiment.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps(written | {"threads": written["threads"] + 1}))
    assert cli._run(["resume", str(run), "--iterations", "7", "--no-evaluate"]) == 0
    line = (
        f"was started with {written['threads'] + 1} threads and goes on with {written['threads']}"
    )
    assert line in capsys.readouterr().out
    assert json.loads(path.read_text())["threads"] == written["threads"] + 1


@pytest.mark.parametrize(("options", "capture"), [([], True), (["--no-capture"], False)])
def test_capture_reaches_the_trainer(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], capture: bool
) -> None:
    seen = []

    class Spy(Trainer):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            seen.append(self.capture)

    monkeypatch.setattr("minigan.infogan.step.Trainer", Spy)
    new = ["train", "mnist", "--out", str(tmp_path / "new"), *TINY, "--iterations", "1"]
    for command in (new, ["resume", str(run), "--no-evaluate"]):
        assert cli._run([*command, *options]) == 0
    assert seen == [capture, capture]


# -- in a process of its own ----------------------------------------------------------------------


def minigan(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "minigan", *map(str, arguments)]


def test_ctrl_c_saves_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "run"
    endless = ("--iterations", 10**7, "--checkpoint-every", 10**7)
    process = subprocess.Popen(
        minigan("train", "mnist", "--out", directory, *TINY, *endless),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    metrics = directory / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130, error
    step = len(metrics.read_text().splitlines())
    assert error == f"stopped at step {step}; go on with: minigan resume {directory}\n"

    # what was saved is what training to that step leaves
    monkeypatch.setattr(mnist, "load", REAL_LOAD)
    other = tmp_path / "other"
    assert cli._run(["train", "mnist", "--out", str(other), *TINY, "--iterations", str(step)]) == 0
    (saved,) = (directory / "checkpoints").iterdir()
    found = load_checkpoint(saved)
    expected = load_checkpoint(other / "checkpoints" / saved.name)
    assert found.step == expected.step == step
    assert set(found.tensors) == set(expected.tensors)
    for name, values in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], values)
    assert metrics.read_bytes() == (other / "metrics.jsonl").read_bytes()


def test_a_terminal_shows_how_it_goes(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="pseudo-terminals are Unix's")
    import pty
    import struct
    import termios

    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        minigan("train", "mnist", "--out", tmp_path / "run", *TINY, "--iterations", 40),
        stdin=inside, stdout=inside, stderr=inside, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(inside)
    shown = b""
    try:
        while part := os.read(terminal, 2**16):
            shown += part
    except OSError:  # the other side is closed
        pass
    os.close(terminal)
    assert process.wait() == 0
    last = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode()).split("train ")[-1]
    number = r"-?\d+\.\d\d"
    assert re.match(rf"\S+ 40/40 \d\d:\d\d\s+D {number}\s+G {number}\s+L_I\s", last)
    assert re.search(
        rf"L_I\s+c1 {number}/2\.30\s+c2 {number}/-0\.23\s+c3 {number}/-0\.23\s+\d+\.\d steps/s",
        last,
    )


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from minigan import cli\n"
        "codes = [cli._run(arguments) for arguments in (['--help'], ['train', '--help'], ['sweep', '--help'], [])]\n"
        "print(codes, *sorted(sys.modules), sep='\\n', file=sys.stderr)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    codes, *modules = process.stderr.splitlines()
    assert codes == "[0, 0, 0, 0]"
    heavy = {
        "numba", "llvmlite", "scipy", "safetensors", "PIL", "matplotlib", "threadpoolctl",
        "rich.progress", "rich.live", "minigan.devices.cpu", "minigan.infogan.step",
    }  # fmt: skip
    assert not heavy & set(modules)
    for command in (
        "train",
        "resume",
        "evaluate",
        "figures",
        "sample",
        "info",
        "--lambda-continuous",
    ):
        assert command in process.stdout


def test_it_is_a_module_and_a_command() -> None:
    process = subprocess.run(minigan("train", "moose"), check=False, capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == (
        "minigan: there is no experiment 'moose'; there is mnist, svhn, celeba, faces, chairs, or a .toml file of "
        "your own\n"
    )


# -- looking at a run -----------------------------------------------------------------------------


def test_sample_draws_a_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def grid(*arguments: object) -> Image.Image:
        out = tmp_path / "grid.png"
        assert cli._run(["sample", str(run), "--out", str(out), *map(str, arguments)]) == 0
        assert capsys.readouterr().out == f"wrote {out}\n"
        with Image.open(out) as picture:
            picture.load()
        return picture

    run = tmp_path / "lively"  # after six steps as they are, an image is grey all over
    assert cli._run(["train", "mnist", "--out", str(run), *TINY, "--lr-generator", "0.1"]) == 0
    capsys.readouterr()
    before = tree(run)
    assert grid().size == (2 * (10 * 29 - 1), 2 * (10 * 29 - 1))
    assert grid("--code", "c1", "--rows", 2).size == (2 * (10 * 29 - 1), 2 * (2 * 29 - 1))
    small = ("--code", "c2", "--rows", 3, "--columns", 4)
    varied = grid(*small)
    assert varied.size == (2 * (4 * 29 - 1), 2 * (3 * 29 - 1))
    assert varied.tobytes() == grid(*small).tobytes() == grid(*small, "--limit", 2).tobytes()
    for other in (("--code", "c3"), ("--limit", 1), ("--step", 1)):
        assert grid(*small, *other).tobytes() != varied.tobytes()
    assert tree(run) == before


def test_the_grid_of_training_is_that_of_sample(run: Path, tmp_path: Path) -> None:
    assert cli._run(["sample", str(run), "--out", str(tmp_path / "grid.png")]) == 0
    assert (tmp_path / "grid.png").read_bytes() == (run / "samples/step-00000006.png").read_bytes()


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain GAN's run; not to be changed."""
    directory = tmp_path_factory.mktemp("baseline") / "gan"
    train = ["train", "mnist", "--out", str(directory), *TINY, "--objective", "gan"]
    assert cli._run(train) == 0
    return directory


def figure_files(*names: str) -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}


def test_figures_of_a_run(run: Path, baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(run)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli._run(["figures", str(run), "--baseline", str(baseline)]) == 0
    expected = figure_files("fig1-information", "losses", "fig2-codes", "interpolation") | {
        "training.gif"
    }
    assert {path.name for path in (run / "figures").iterdir()} == expected
    *written, hint = capsys.readouterr().out.splitlines()
    assert {Path(line.removeprefix("wrote ")).name for line in written} == expected
    assert hint == f"for the figures of its evaluation, first: minigan evaluate {run}"
    first = tree(run)
    assert {name: first[name] for name in before} == before

    # with an evaluation there are its figures, and the others are the same to the bit
    assert cli._run(["evaluate", str(run)]) == 0
    capsys.readouterr()
    assert cli._run(["figures", str(run), "--baseline", str(baseline)]) == 0
    assert "first:" not in capsys.readouterr().out
    second = tree(run)
    assert set(second) - set(first) == {
        "evaluation.json", *(f"figures/{name}" for name in figure_files("categories"))
    }  # fmt: skip
    assert {name: second[name] for name in first} == first

    # known factors, had it had them
    evaluation = json.loads((run / "evaluation.json").read_text())
    evaluation["disentanglement"] = {
        "shares": [[0.1, 0.9], [0.5, 0.2], [0.0, 0.0]], "codes": ["c1", "c2", "c3"],
        "factors": ["azimuth", "width"], "mig": 0.4, "factor_vae": 0.8,
    }  # fmt: skip
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    assert cli._run(["figures", str(run)]) == 0
    assert set(tree(run)) - set(second) == {f"figures/{name}" for name in figure_files("factors")}

    # an evaluation of another step is none
    (run / "evaluation.json").write_text(json.dumps({**evaluation, "step": 5}))
    capsys.readouterr()
    assert cli._run(["figures", str(run), "--out", str(run / "other")]) == 0
    assert "first: minigan evaluate" in capsys.readouterr().out
    assert {path.name for path in (run / "other").iterdir()} == expected


def test_figures_of_several_runs_stand_apart(
    run: Path, baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--code", "c2", "--rows", "2", "--columns", "3", "--limit", "1", "--step", "4")
    assert cli._run(["figures", str(run), str(baseline), *options]) == 0
    own = figure_files("losses", "fig2-codes", "interpolation") | {"training.gif"}
    assert set(tree(tmp_path / "figures")) == {
        "run", "gan", *figure_files("fig1-information"),
        *(f"{name}/{file}" for name in ("run", "gan") for file in own),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--code c4", ["no code 'c4'", "c1, c2, c3"]),
        ("--code c1 --limit 1", ["a limit is for continuous codes", "Cat(10) + 2*Uniform"]),
        ("--limit nan", ["--limit"]),
        ("--rows 0", ["--rows"]),
        ("--columns 0", ["--columns"]),
        ("--step -1", ["--step"]),
        ("--baseline RUN", ["is an InfoGAN's run", "--set objective=gan"]),
        ("--baseline absent", ["absent holds no run"]),
        ("RUN", ["two runs are called run"]),
        ("OTHER", ["with codes Cat(10) + 2*Uniform", "draw those of one kind together"]),
        ("--baseline OTHER", ["with codes Cat(3)", "draw those of one kind together"]),
        ("--out RUN/metrics.jsonl", ["metrics.jsonl: File exists"]),
    ],
)
def test_a_wrong_option_draws_no_figure(
    run: Path,
    other_codes: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: list[str],
) -> None:
    places = {"RUN": str(run), "OTHER": str(other_codes)}
    given = [places.get(a, a.replace("RUN/", f"{run}/")) for a in arguments.split()]
    assert_refused(capsys, run, ("figures", run, *given), *words)


@pytest.fixture(scope="module")
def other_codes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain GAN's run without a continuous code; not to be changed."""
    directory = tmp_path_factory.mktemp("other") / "other"
    options = ("--objective", "gan", "--codes", "Cat(3)")
    assert cli._run(["train", "mnist", "--out", str(directory), *TINY, *options]) == 0
    return directory


def test_figures_without_a_continuous_code(
    other_codes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["figures", str(other_codes), "--out", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new/fig2-codes.png").exists()
    arguments = ("figures", other_codes, "--limit", "2")
    assert_refused(capsys, tmp_path, arguments, "a limit is for continuous codes", "are Cat(3)")


def test_figures_of_damaged_files(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "evaluation.json").write_text("{")
    assert_refused(capsys, run, ("figures", run), "evaluation.json is damaged", "minigan evaluate")
    (run / "evaluation.json").unlink()
    (run / "metrics.jsonl").unlink()
    assert_refused(capsys, run, ("figures", run), "has no metrics.jsonl")


def test_info_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["info", "--kernels"]) == 0
    output = capsys.readouterr().out
    for name in ("minigan", "python", "numpy", "scipy", "numba", "platform"):
        assert re.search(rf"^{name} +\S", output, re.MULTILINE)
    assert f"device cpu: {len(KERNELS)} of {len(KERNELS)} kernels" in output
    for kernel, description in KERNELS.items():
        assert re.search(rf"^  ✓ {kernel} +{re.escape(description)}$", output, re.MULTILINE)


# -- devices ----------------------------------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A GPU that is pretended: kernels run as on the emulated device."""
    machine = Machine()
    machine.free_bytes = 2**30
    monkeypatch.setattr("minigan.inspect.self_test_results.cache_folder", lambda name: None)
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(machine))
    others, opened = devices._open, functools.cache(CUDA)
    monkeypatch.setattr(devices, "_open", lambda name: opened() if name == "cuda" else others(name))
    return machine


AUTO = ("--device", "auto", "--iterations", "2", "--batch-size", "2")


def device_of(directory: Path) -> str:
    device: str = json.loads((directory / "experiment.json").read_text())["settings"]["device"]
    return device


def test_auto_takes_the_gpu_and_says_so(
    gpu: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run keeps the device's own name, and is resumed there; or not at all, where there is none."""
    directory = tmp_path / "run"
    assert cli._run(["train", "mnist", "--out", str(directory), *TINY, *AUTO]) == 0
    output = capsys.readouterr().out
    assert "cuda: self-test passed in" in output and "2 steps of 2 images on cuda, in" in output
    assert device_of(directory) == "cuda" and gpu.launched
    assert cli._run(["info"]) == 0
    output = capsys.readouterr().out
    assert "auto is cuda here" in output
    assert re.search(rf"device cuda.*: {len(KERNELS)} of", output)
    gpu.launched.clear()
    resume = ["resume", str(directory), "--iterations", "3", "--no-evaluate"]
    assert cli._run(resume) == 0
    assert gpu.launched


def test_auto_takes_the_cpu_where_there_is_no_gpu(
    gpu: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.gpus = 0
    directory = tmp_path / "run"
    assert cli._run(["train", "mnist", "--out", str(directory), *TINY, *AUTO]) == 0
    assert "2 steps of 2 images on cpu, in" in capsys.readouterr().out
    assert device_of(directory) == "cpu"
    assert cli._run(["info"]) == 0
    output = capsys.readouterr().out
    assert "auto is cpu here" in output
    assert re.search(
        r"^device cuda \(experimental: no run on a GPU is recorded yet\): not here: there is no NVIDIA GPU",
        output,
        re.MULTILINE,
    )


def test_a_gpu_that_is_not_there_is_one_line(
    gpu: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.gpus = 0
    train = ("train", "mnist", "--out", tmp_path / "run", *TINY, "--device", "cuda")
    assert_refused(capsys, tmp_path, train, "no NVIDIA GPU")


def test_too_little_memory_on_the_gpu_is_one_line(
    gpu: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.free_bytes = 1000
    train = ("train", "mnist", "--out", tmp_path / "run", *TINY, "--device", "cuda")
    assert_refused(capsys, tmp_path, train, "GPU has too little memory", "MiB were asked for")


# -- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", ["Missing argument 'experiment'"]),
        ("moose", ["no experiment 'moose'", "mnist, svhn", ".toml"]),
        ("mnist --nonsense", ["No such option", "--nonsense"]),
        ("mnist more", ["more"]),
        ("mnist --device cuda:9", ["no device 'cuda:9'", "there is cpu"]),
        ("mnist --seed x", ["--seed", "integer"]),
        ("mnist --seed -1", ["seed must be at least 0"]),
        ("mnist --seed 18446744073709551616", ["seed must be at most 18,446,744,073,709,551,615"]),
        ("mnist --iterations 0", ["iterations must be at least 1, not 0"]),
        ("mnist --batch-size 1", ["batch_size must be at least 2, not 1"]),
        ("mnist --batch-size 301", ["batch_size 301", "300 images"]),
        ("mnist --dtype float16", ["float16", "float32, float64"]),
        ("mnist --float32-precision bf16", ["float32_precision 'bf16'", "ieee, tf32"]),
        ("mnist --objective wgan", ["wgan", "infogan, gan"]),
        ("mnist --codes Cat(1)", ["'Cat(1)' is not a code", "Cat(10)"]),
        ("mnist --codes Cat(3)+Normal", ["'Normal' is not a code"]),
        ("mnist --trunk conv", ["'conv' is not a layer", "conv 64"]),
        ("mnist --trunk fc_16", ["'fc_16' is not a layer"]),
        ("mnist --generator fc_7x7x1", ["is not a layer"]),
        ("mnist --lambda-categorical -1", ["lambda_categorical must be at least 0"]),
        ("mnist --lambda-continuous nan", ["lambda_continuous must be at least 0"]),
        ("mnist --lambda-continuous inf", ["lambda_continuous must be at most 1e+30"]),
        ("mnist --codes Cat(99999999999999999999999)", ["is not a code", "up to 1,000"]),
        ("mnist --noise -1", ["noise must be at least 0"]),
        ("mnist --lr-generator 0", ["learning_rate_generator must be at least 1e-12"]),
        (
            "mnist --lr-discriminator inf",
            ["learning_rate_discriminator must be at most 1e+30"],
        ),
        ("mnist --checkpoint-every 0", ["checkpoint_every must be at least 1"]),
        ("mnist --sample-every -2", ["sample_every must be at least 1"]),
    ],
)
def test_a_wrong_option_makes_no_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(capsys, tmp_path, ("train", *arguments.split(), "--out", "new"), *words)


@pytest.mark.parametrize(
    ("option", "network", "words"),
    [
        ("--trunk", "conv 4 | conv 4 | conv 4", "even sides, not 7×7"),
        ("--trunk", "fc 16 | conv 4", "'conv 4' is not a layer that fits there"),
        ("--generator", "fc 16 bn", "makes images of (16,), and the data are (28, 28, 1)"),
        ("--generator", "fc 7x7x8 | up 1", "makes images of (14, 14, 1)"),
    ],
)
def test_networks_that_do_not_fit_the_data_make_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, network: str, words: str
) -> None:
    arguments = ("train", "mnist", "--out", tmp_path / "new", *TINY, option, network)
    assert_refused(capsys, tmp_path, arguments, words)


def test_no_such_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, tmp_path, ("dream",), "No such command 'dream'")


def test_train_where_something_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ("train", "mnist", *TINY, "--out")
    assert_refused(capsys, run, (*train, run), "already holds a run", f"minigan resume {run}")
    assert_refused(capsys, run, (*train, run / "samples"), "not an empty directory")
    assert_refused(capsys, run, (*train, run / "metrics.jsonl"), "not an empty directory")
    below = run / "metrics.jsonl" / "new"
    assert_refused(capsys, run, (*train, below), f"{below}: Not a directory")


@pytest.mark.parametrize("command", ["resume", "evaluate", "sample", "figures"])
def test_a_directory_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert_refused(capsys, tmp_path, (command,), "Missing argument 'director")
    assert_refused(capsys, tmp_path, (command, tmp_path), f"{tmp_path} holds no run")
    absent = tmp_path / "absent"
    assert_refused(capsys, tmp_path, (command, absent), f"{absent} holds no run")


@pytest.mark.parametrize("command", ["resume", "evaluate", "sample", "figures"])
def test_a_damaged_run(run: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    newest = run / "checkpoints/step-00000006.safetensors"
    content = newest.read_bytes()
    for damage in (content[:1000], b"garbage" + content[7:], content[:-1] + b"\x99"):
        newest.write_bytes(damage)
        assert_refused(capsys, run, (command, run), f"{newest} is damaged", "delete it")
    (run / "experiment.json").write_text('{"settings": {}}')
    assert_refused(capsys, run, (command, run), "experiment.json is damaged")


@pytest.mark.parametrize("command", ["resume", "evaluate", "sample", "figures"])
def test_a_checkpoint_of_another_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    other = tmp_path / "other"
    assert cli._run(["train", "mnist", "--out", str(other), *TINY, "--noise", "5"]) == 0
    newest = "checkpoints/step-00000006.safetensors"
    shutil.copy(other / newest, run / newest)
    assert_refused(capsys, run, (command, run), f"{run / newest} is of another run")


@pytest.mark.parametrize("command", ["evaluate", "sample", "figures"])
def test_no_checkpoint_yet(run: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    shutil.rmtree(run / "checkpoints")
    assert_refused(capsys, run, (command, run), "no checkpoint yet", f"minigan resume {run}")


def test_a_run_that_another_process_trains(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Run.open(run).lock():
        assert_refused(
            capsys, run, ("resume", run, "--iterations", 9, "--no-evaluate"),
            f"{run} is being trained by another process",
        )  # fmt: skip


def test_resume_to_where_it_has_been(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, run, ("resume", run, "--iterations", 5), "already at step 6, past 5")
    assert_refused(capsys, run, ("resume", run, "--iterations", 0), "already at step 6")


def test_resume_without_all_metrics(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "metrics.jsonl").write_text('{"step": 1}\n')
    for arguments in (("resume", run), ("resume", run, "--iterations", 9)):
        assert_refused(capsys, run, arguments, "has 1 lines", "of step 6")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--code c4", ["no code 'c4'", "c1, c2, c3"]),
        ("--rows 0", ["--rows"]),
        ("--columns 0", ["--columns"]),
        ("--limit nan", ["--limit"]),
        ("--limit -1", ["--limit"]),
        ("--step -1", ["--step"]),
        ("--step 99999999999999999999", ["--step"]),
        ("--out absent/grid.txt", ["absent/grid.txt: a picture's name ends in .png"]),
        ("--out samples", ["samples: Is a directory"]),
        ("--out metrics.jsonl/grid.png", ["metrics.jsonl/grid.png: Not a directory"]),
        ("--out .", [".: "]),
    ],
)
def test_a_wrong_option_draws_no_grid(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(run)
    assert_refused(capsys, run, ("sample", run, *arguments.split()), *words)


@pytest.mark.parametrize("command", ["train", "resume", "evaluate"])
def test_damaged_data(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("SHA256SUMS", "train-labels-idx1-ubyte.gz"):
        shutil.copy(mnist._PACKAGED / name, data)
    images = data / "train-images-idx3-ubyte.gz"
    images.write_bytes(gzip.compress(b"\0\0\x08\x03 and no more"))
    monkeypatch.setattr(mnist, "load", REAL_LOAD)
    monkeypatch.setattr(mnist, "_PACKAGED", data)
    arguments = {
        "train": ("train", "mnist", *TINY, "--out", tmp_path / "new"),
        "resume": ("resume", run, "--iterations", 9),
        "evaluate": ("evaluate", run),
    }[command]
    assert_refused(capsys, tmp_path, arguments, str(images), "SHA-256", "reinstall")
    images.unlink()
    assert_refused(capsys, tmp_path, arguments, str(images), "No such file")


def test_divergence_keeps_the_last_good_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "run"
    wild = ("--lr-generator", "1e30")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train = ["train", "mnist", "--out", str(directory), *TINY, *wild]
        assert cli._run([*train, "--checkpoint-every", "1"]) == 2
    error = capsys.readouterr().err
    kept = directory / "checkpoints/step-00000001.safetensors"
    assert re.fullmatch(
        r"minigan: training diverged at step 2: discriminator_loss is nan, and '[\w.]+' holds values "
        rf"that are not finite; the last good checkpoint is {kept}\n",
        error,
    )
    assert load_checkpoint(kept).step == 1
    assert cli._run([*train[:-2], *wild, "--out", str(tmp_path / "other")]) == 2
    assert "no checkpoint was written yet" in capsys.readouterr().err


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Longer files cannot be written: the error of a full disk, by another name."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "place"),
    [
        (500, "experiment.json: "),
        (1350, "samples/step-00000001.png: "),
        (2500, ""),  # metrics.jsonl, whose lines are not files
        (50_000, "checkpoints/step-00000002.safetensors: "),
    ],
)
def test_a_full_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], finished: Path, size: int, place: str
) -> None:
    """Whatever was to be written, and with room again the run ends as if there had always been."""
    directory = tmp_path / "run"
    train = ["train", "mnist", "--out", str(directory), *TINY]
    if not place:  # long before there is anything else to write
        train += ["--iterations", "20", "--checkpoint-every", "20", "--sample-every", "20"]
    with full_disk(size):
        assert cli._run(train) == 2
    expected = f"minigan: {directory / place if place else ''}File too large\n"
    assert capsys.readouterr().err == expected.replace(":File", ": File")
    if size == 500:
        assert tree(tmp_path) == {"run": None}
        assert cli._run(train) == 0
    else:
        assert cli._run(["resume", str(directory), "--no-evaluate"]) == 0
    whole = tmp_path / "whole"
    assert cli._run([*train, "--out", str(whole)]) == 0
    assert tree(directory) == tree(whole)
    if place:
        assert tree(directory) == tree(finished)


@pytest.mark.parametrize("command", ["evaluate", "sample"])
def test_a_full_disk_leaves_what_there_was(
    run: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    target = run / ("evaluation.json" if command == "evaluate" else "grid.png")
    target.write_bytes(b"old")
    arguments = (command, run, *(["--out", target] if command == "sample" else []))
    with full_disk(100):
        assert_refused(capsys, run, arguments, f"{target}: File too large")
