"""Progress in a Jupyter notebook: one line, in a cell of Python and below a `!` command."""

import os
import pty
import subprocess
import sys
from types import ModuleType

import pytest

from minigan.cli.notebook_line import is_notebook
from minigan.cli.progress import progress

PROGRAM = """
from minigan.cli.progress import progress
with progress("step", 3, unit="steps") as display:
    for step in (1, 2, 3):
        display.show(step, "D 1.40" if step < 3 else "end")
print("done")
"""


def in_terminal(**environment: str) -> str:
    """Return what a terminal shows of the program."""
    outer, inner = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-color", **environment}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=inner, env=environment)
    os.close(inner)
    shown = b""
    try:
        while part := os.read(outer, 65536):
            shown += part
    except OSError:  # the terminal's other end is closed
        pass
    os.close(outer)
    assert process.wait() == 0
    return shown.decode()


def test_a_command_below_a_cell_writes_one_line_without_controls() -> None:
    shown = in_terminal(JPY_PARENT_PID="1")
    assert "\x1b" not in shown
    _, first, last = shown.replace("\r\n", "\n").split("\r")
    assert first == "step 1/3  D 1.40"
    assert last.startswith("step 3/3  end") and last.endswith("\ndone\n")


def test_a_terminal_keeps_its_bar() -> None:
    assert "\x1b[" in in_terminal()


def test_a_cell_of_python_shows_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert not is_notebook()  # a pipe below a notebook
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    with progress("step", 100, say=pytest.fail) as display:
        display.show(1, "a note")
        display.show(2, "too soon after the first")
        display.show(100, "end")
    assert capsys.readouterr().out == "\rstep 1/100  a note\rstep 100/100  end \n"
