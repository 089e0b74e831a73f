"""`minigan kernel` and `minigan profile FILE.cu` as a person meets them."""

import re
import shutil
from pathlib import Path

import pytest

from minigan import cli
from minigan.devices import nvrtc
from minigan.inspect.template import example_folder

SWISH = example_folder() / "swish.cu"


@pytest.fixture(autouse=True)
def one_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ("sm_90",))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)


def ran(*arguments: object) -> int:
    return cli._run([str(argument) for argument in arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """One line on stderr, and exit code 2."""
    capsys.readouterr()
    assert ran(*arguments) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"minigan: [^\n]+\n", error), error
    return error


def copied(folder: Path) -> Path:
    for suffix in (".cu", ".py"):
        shutil.copy(SWISH.with_suffix(suffix), folder)
    return folder / SWISH.name


def test_a_line_a_check_and_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("kernel", "check", SWISH) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "swish.cu and swish.py" and lines[-1] == "all right"
    assert len(lines) == 13 and all(re.match(r"  [✓–] \w+ +\w", text) for text in lines[1:-1])


def test_exit_code_1_where_a_check_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = copied(tmp_path)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("y[i] = x[i] * sigmoid", "y[i] = x[i] * sigmod"), encoding="utf-8")
    assert ran("kernel", "check", tmp_path) == 1
    output = capsys.readouterr().out
    assert "  ✗ compiles  swish.cu does not compile for the emulated device:\n" in output
    assert re.search(r"\n {14}.*swish\.cu:11:\d+: error: .*sigmod", output)
    assert re.search(r"\n  ✗ sm_90     swish\.cu does not compile for sm_90:\n {14}swish\.cu\(11\): error: .*sigmod|\n  – sm_90     not checked: NVRTC", output)  # fmt: skip
    assert re.search(r"\n[12] failed\n$", output)


def test_bench_counts_and_says_what_is_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("kernel", "bench", SWISH, "--example", 2, "--gpu", "A100") == 0
    output = capsys.readouterr().out
    assert "swish.cu, 31, float32: counted on the emulated device" in output
    for row in ("grid │ 1 │", "sectors │ 4 of 4 │", "bank conflicts │ 0 │", "least │ 248 B │"):
        assert re.search(row.replace(" ", " +"), output), row
    assert "leaves out the launch overhead" in output and "only a GPU can tell it" in output
    assert "134.2 MB and 0.0671 GFLOP at least; a model, not a measurement: 65.8 µs" in output
    assert "not timed: " in output or " GB/s" in output


def test_profile_takes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert ran("profile", SWISH, "--call", 2, "--html", page) == 0
    output = capsys.readouterr().out
    assert "swish_backward, 4×257: swish.cu" in output and "swish, 4×257" not in output
    assert "KERNEL swish_backward(" in page.read_text(encoding="utf-8")
    assert "makes 2 launches" in refused(capsys, "profile", SWISH, "--call", 3)


def test_new_writes_a_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("kernel", "new", "gelu", tmp_path) == 0
    assert f"minigan kernel check {tmp_path / 'gelu.cu'}" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gelu.cu", "gelu.py"]
    assert "exists already" in refused(capsys, "kernel", "new", "gelu", tmp_path)
    assert "nowhere" in refused(capsys, "kernel", "new", "gelu", tmp_path / "nowhere")


@pytest.mark.parametrize("command", ["check", "bench"])
def test_bad_input_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No such file" in refused(capsys, "kernel", command, tmp_path / "gone.cu")
    assert "no .cu file in it" in refused(capsys, "kernel", command, tmp_path)
    file = copied(tmp_path)
    contract = file.with_suffix(".py")
    text = contract.read_text(encoding="utf-8")
    contract.write_text("import nonsense\n" + text, encoding="utf-8")
    assert "swish.py:1: ModuleNotFoundError: No module named 'nonsense'" in refused(capsys, "kernel", command, file)  # fmt: skip
    contract.write_text(text.replace("yield (rng", "(rng"), encoding="utf-8")
    assert "examples(rng) gives None" in refused(capsys, "kernel", command, file)
    contract.write_bytes(b"\xff")
    assert "not text in UTF-8" in refused(capsys, "kernel", command, file)


def test_bench_of_what_cannot_be_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = copied(tmp_path).with_suffix(".py")
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("def oracle", "def orakel"), encoding="utf-8")
    assert "swish.py lacks 'oracle'" in refused(capsys, "kernel", "bench", tmp_path)
    contract.write_text(text.replace("*arrays, np.int64(n)", "*arrays"), encoding="utf-8")
    error = refused(capsys, "kernel", "bench", tmp_path)
    assert "takes 3 arguments" in error and "'minigan kernel check swish.cu' says more" in error
    assert "are not known; there are H200" in refused(
        capsys, "kernel", "bench", SWISH, "--gpu", "T1"
    )
    assert "there is no example 9" in refused(capsys, "kernel", "bench", SWISH, "--example", 9)


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("kernel") == 0
    assert "check" in capsys.readouterr().out
