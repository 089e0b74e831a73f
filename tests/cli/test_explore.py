"""`minigan explore`."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tiny_run import assert_refused, minigan, tree

from minigan import cli
from minigan.explore.explorer import TRAINED, Explorer
from minigan.explore.serving import open_port


def test_it_serves_the_trained_run_until_it_is_interrupted() -> None:
    command = minigan("explore", "--no-browser", "--port", 0)
    environment = os.environ | {"MINIGAN_QUIET": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            line = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)
            assert address, line
            body = json.dumps({"noise": 0, "codes": [3, 0.5, -0.5]}).encode()
            with urllib.request.urlopen(f"{address[0]}api/picture", body, timeout=60) as response:
                assert 0 <= json.load(response)["real"] <= 1
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) in (0, 130)
        assert process.stdout.read() == ""
        assert "Traceback" not in process.stderr.read()


def test_the_trained_run_reads_its_own_digits() -> None:
    """G's digit of each category is read as that category, and a continuous code moves its reading."""
    explorer = Explorer.open(TRAINED)
    for category in range(10):
        reading = explorer.picture(category, [category, 0.0, 0.0])[1].codes[0]
        assert isinstance(reading, tuple) and reading[category] > 0.9
    for code in (1, 2):
        ends = []
        for value in (-1.0, 1.0):
            codes = [0.0, 0.0, 0.0]
            codes[code] = value
            ends.append(explorer.picture(0, codes)[1].codes[code])
        assert ends[1] > ends[0] + 0.5
    sizes = [path.stat().st_size for path in TRAINED.rglob("*.safetensors")]
    assert max(sizes) < 5_000_000 and sum(sizes) < 7_000_000


def test_export_and_pack_write_and_end(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(run)
    page, packed = tmp_path / "page.html", tmp_path / "packed"
    arguments = ["explore", str(run), "--export", str(page), "--pack", str(packed)]
    assert cli._run(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and f"wrote {page}, {page.stat().st_size:,} bytes" in lines
    assert lines[-1].startswith("Weights are rounded to float16. In 500 pictures, a pixel changes")
    assert lines[-1] in page.read_text("utf-8")
    assert (packed / "experiment.json").exists() and tree(run) == before
    assert cli._run(["sample", str(packed), "--out", str(tmp_path / "grid.png")]) == 0


def test_the_exported_page_of_the_trained_run_is_small(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert cli._run(["explore", "--export", str(page)]) == 0
    assert page.stat().st_size < 5_000_000


def test_what_is_no_trained_run_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve = ("--no-browser", "--port", 0)
    assert_refused(capsys, tmp_path, ("explore", tmp_path / "none", *serve), "holds no run")
    for checkpoint in run.glob("*/*.safetensors"):
        checkpoint.unlink()
    assert_refused(capsys, tmp_path, ("explore", run, *serve), "has no checkpoint yet")
    (run / "experiment.json").write_text('{"settings": {"exper')
    assert_refused(capsys, tmp_path, ("explore", run, *serve), "is damaged")


def test_a_port_in_use_and_a_missing_package_are_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_port(0) as listener:
        port = listener.getsockname()[1]
        words = (f"port {port} is in use", "--port")
        assert_refused(capsys, tmp_path, ("explore", run, "--port", port), *words)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert_refused(capsys, tmp_path, ("explore", run), "pip install 'minigan[explore]'")
