"""The judge's answers to files that cannot be right, and the commands around it."""

import os
from pathlib import Path

import numpy as np
import pytest

from minigan.cli import main
from minigan.devices import get_device
from minigan.errors import DeviceError, SettingsError
from minigan.learn.catalogue import find
from minigan.learn.diagnosis import name_mistake
from minigan.learn.judging import judge
from minigan.learn.pictures import picture_of_result, picture_of_threads


def _file(folder: Path, text: str, name: str = "square.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_syntax_error_is_one_line(tmp_path: Path) -> None:
    verdict = judge(_file(tmp_path, "def square(dy, x:\n    return x\n"))
    assert not verdict.passed
    assert "line 1: syntax error" in verdict.message
    assert "\n" not in verdict.message


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    verdict = judge(_file(tmp_path, "a\0b"))
    assert verdict.message.startswith("square.py: syntax error") or "line 1" in verdict.message
    assert "None" not in verdict.message


def test_a_function_without_a_return(tmp_path: Path) -> None:
    verdict = judge(_file(tmp_path, "def square(dy, x):\n    dy * 2 * x\n"))
    assert verdict.message == "square returns nothing; does a 'return' lack?"


def test_a_file_that_asks_for_input_does_not_wait(tmp_path: Path) -> None:
    """The judge's own stdin stays open and silent here, as a terminal does."""
    reading, writing = os.pipe()
    own = os.dup(0)
    os.dup2(reading, 0)
    try:
        verdict = judge(_file(tmp_path, "def square(dy, x):\n    input()\n"), seconds=10)
    finally:
        os.dup2(own, 0)
        for descriptor in (own, reading, writing):
            os.close(descriptor)
    assert "EOFError" in verdict.message


def test_a_file_without_the_kernel_says_so(tmp_path: Path) -> None:
    try:
        get_device("emulated")
    except DeviceError as error:
        pytest.skip(str(error))
    assert judge(_file(tmp_path, "x", "map.cu")).message == "map.cu defines no kernel map"
    text = find("map").solution.replace(", int n)", ", int n, int m)")
    message = judge(_file(tmp_path, text, "map.cu")).message
    assert message.startswith("map of map.cu takes 4 arguments") and "3 were given" in message


def test_an_endless_loop_is_stopped(tmp_path: Path) -> None:
    text = "def square(dy, x):\n    while True:\n        pass\n"
    verdict = judge(_file(tmp_path, text), seconds=3)
    assert not verdict.passed
    assert "stopped after 3 s" in verdict.message


def test_a_kernel_that_hangs_is_stopped(tmp_path: Path) -> None:
    try:
        get_device("emulated")
    except DeviceError as error:
        pytest.skip(str(error))
    solution = find("map").solution
    text = solution.replace(
        "    const int", "    while (*(const volatile int*)&n > 0) {}\n    const int"
    )
    verdict = judge(_file(tmp_path, text, "map.cu"), seconds=10)
    assert not verdict.passed
    assert "stopped after 10 s" in verdict.message


def test_a_kernel_that_does_not_compile_names_the_line(tmp_path: Path) -> None:
    try:
        get_device("emulated")
    except DeviceError as error:
        pytest.skip(str(error))
    text = find("map").solution.replace("+ 1;", "+ q;")
    verdict = judge(_file(tmp_path, text, "map.cu"))
    assert not verdict.passed
    assert verdict.message.startswith("line 6 does not compile:")
    assert "\n" not in verdict.message


def test_an_exit_is_told(tmp_path: Path) -> None:
    verdict = judge(_file(tmp_path, "import os\nos._exit(3)\n"))
    assert not verdict.passed
    assert "exit code 3" in verdict.message


def test_an_error_names_the_line(tmp_path: Path) -> None:
    verdict = judge(_file(tmp_path, "def square(dy, x):\n    return 1 / 0\n"))
    assert verdict.message == "square.py, line 2: ZeroDivisionError: division by zero"


def test_a_file_of_no_exercise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no exercise 'cube'"):
        judge(_file(tmp_path, "", "cube.py"))
    with pytest.raises(SettingsError, match=r"wants map\.cu"):
        judge(_file(tmp_path, "", "map.py"))
    with pytest.raises(SettingsError, match="there is no file"):
        judge(tmp_path / "square.py")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "square.py"
    for arguments, code, words in [
        (["learn"], 0, "tensor_core_product"),
        (["learn", "start", "square", "--out", str(tmp_path)], 0, "wrote"),
        (["learn", "start", "square", "--out", str(tmp_path)], 2, "exists already"),
        (["learn", "check", str(path)], 1, "not written yet"),
        (["learn", "check", str(path), "--solution"], 0, "2 * x * dy"),
        (["learn", "start", "cube"], 2, "no exercise 'cube'"),
    ]:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        printed = capsys.readouterr()
        assert (end.value.code, words in printed.out + printed.err) == (code, True), arguments
    path.write_text(find("square").solution, encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main(["learn", "check", str(path)])
    assert end.value.code == 0


def test_pictures() -> None:
    picture = picture_of_result(np.array([1.0, np.nan, 5.0]), np.array([1.0, 2.0, 3.0]), 1e-5)
    assert picture.splitlines()[0] == "  ·?x"
    line = picture_of_threads("thread (34,0,0) of block (1,0,0) reads 4 bytes")
    assert line == "  ··#" + 29 * "·" + "  thread (34,0,0), block (1, 0, 0): reads"


def test_each_thread_has_its_own_access() -> None:
    first, second = "thread (0,0,0) of block (0,0,0)", "thread (3,0,0) of block (0,0,0)"
    picture = picture_of_threads(f"a barrier: {first} waits in a.cu:1, and {second} has ended")
    assert [line.rpartition(" ")[2] for line in picture.splitlines()] == ["waits", "ended"]


def test_a_result_without_a_usual_mistake_gets_no_name() -> None:
    assert name_mistake(np.array([1.0, 2.0]), np.array([5.0, 3.0]), {}, 1e-6) == ""
