"""`minigan` as a process: Ctrl-C, a terminal, and what help loads."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_run import REAL_LOAD, TINY, minigan, tiny

from minigan import cli
from minigan.datasets import mnist
from minigan.experiments.checkpoints import load_checkpoint

pytestmark = pytest.mark.usefixtures("a_few_digits")


def test_ctrl_c_saves_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "run"
    endless = (*tiny(checkpoint_every=10**7), "--iterations", 10**7)
    process = subprocess.Popen(
        minigan("train", "mnist", "--out", directory, *endless),
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

    # the saved state is that of training to this step
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
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode())
    number, percent = r"-?\d+\.\d\d", r"\d+ %"
    assert "how much of it Q reads" in " ".join(text.split())  # lines break between words
    assert re.search(
        rf"step 40/40 \S+ [\d.,]+ steps/s\s+D {number}  G {number}  c1 {percent}  c2 {percent}  c3 {percent}\s+\n",
        text,
    )
    assert f"minigan resume {tmp_path / 'run'} --iterations 80" in text


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
        "minigan.experiments.trainer",
    }  # fmt: skip
    assert not heavy & set(modules)
    for command in (
        "train",
        "resume",
        "evaluate",
        "figures",
        "sample",
        "info",
        "--set",
    ):
        assert command in process.stdout


def test_it_is_a_module_and_a_command() -> None:
    process = subprocess.run(minigan("train", "moose"), check=False, capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == (
        "minigan: there is no experiment 'moose'; there is mnist, svhn, celeba, faces, chairs, images with "
        "--data, or a .toml file of your own\n"
    )
