"""`minigan info` fits one screen, lists kernels if asked, and prints JSON."""

import json
import re

import pytest

from minigan.cli import main
from minigan.devices import get_device
from minigan.devices.device import KERNELS


def info(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["info", *arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_it_fits_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    output = info(capsys)
    assert len(output.splitlines()) <= 24
    threads = get_device("cpu").threads
    assert f"device cpu: {len(KERNELS)} of {len(KERNELS)} kernels, {threads} threads" in output
    assert "\ncache      " in output
    assert not any(f" {kernel} " in output for kernel in KERNELS)


def test_it_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    values = json.loads(info(capsys, "--json"))
    assert set(values) == {"versions", "processor", "cache", "devices"}
    assert values["devices"]["cpu"]["kernels"] == sorted(KERNELS)
    assert all(
        bool(device["absent"]) != bool(device["kernels"]) for device in values["devices"].values()
    )


def test_it_lists_kernels_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    output = info(capsys, "--kernels")
    for name in ("minigan", "python", "numpy", "scipy", "numba", "platform", "processor"):
        assert re.search(rf"^{name} +\S", output, re.MULTILINE)
    assert f"device cpu: {len(KERNELS)} of {len(KERNELS)} kernels" in output
    for kernel, description in KERNELS.items():
        assert re.search(rf"^  ✓ {kernel} +{re.escape(description)}$", output, re.MULTILINE)
