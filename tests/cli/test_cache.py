"""`minigan cache` shows and clears the folder of what can be made again."""

import json
from pathlib import Path

import pytest

from minigan.cli import main


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, size in (("kernels", 2_000_000), ("images", 500_000)):
        (tmp_path / "minigan" / name).mkdir(parents=True)
        (tmp_path / "minigan" / name / "file").write_bytes(bytes(size))
    return tmp_path / "minigan"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_it_is_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cache") == 0
    assert capsys.readouterr().out == f"cache: {root}\n  images: 0.5 MB\n  kernels: 2.0 MB\n"
    assert run("cache", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"folder": str(root), "bytes": {"images": 500_000, "kernels": 2_000_000}}


def test_one_cache_or_all_are_cleared(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cache", "clear", "images") == 0
    assert capsys.readouterr().out == "freed 0.5 MB\n"
    assert [path.name for path in root.iterdir()] == ["kernels"]
    assert run("cache", "clear") == 0
    assert list(root.iterdir()) == []


def test_an_unknown_cache_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cache", "clear", "kernel") == 2
    assert capsys.readouterr().err == (
        "minigan: there is no cache 'kernel'; there is images, kernels\n"
    )
    assert (root / "kernels" / "file").exists()
