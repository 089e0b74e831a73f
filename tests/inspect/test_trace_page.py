"""The page of a trace: it stands alone, says what the trace holds, and stays small."""

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import IMAGES, TINY

import minigan as mg
from minigan import html_page
from minigan.experiments.trainer import Trainer
from minigan.inspect.trace import Trace, page
from minigan.inspect.trace.page import page as page_of

WEB = Path(page.__file__).with_name("web")


@pytest.fixture(scope="module")
def trace() -> Trace:
    trainer = Trainer(TINY, IMAGES, capture=False)
    names = trainer.networks.named_tensors()
    with mg.tracing(names, title="a </script> & <b>title</b>") as trace:
        trainer.step()
    return trace


@pytest.fixture(scope="module")
def text(trace: Trace) -> str:
    return page_of(trace)


class _Page(html.parser.HTMLParser):
    """Collect links, scripts and open tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        if self.open[-1:] == ["title"]:
            self.title += data


def parsed(text: str) -> tuple[_Page, dict[str, Any]]:
    parser = _Page()
    parser.feed(text)
    return parser, json.loads(parser.scripts[0])


def test_the_page_stands_alone(text: str) -> None:
    parser, data = parsed(text)
    assert parser.open == [] and parser.links == []
    assert parser.title == data["title"] == "a </script> & <b>title</b>"
    outside = set(re.findall(r"https?://[^\s\"']+", text))
    assert outside == {"http://www.w3.org/2000/svg"}  # a name, which nothing loads


def test_the_data_are_those_of_the_trace(trace: Trace, text: str) -> None:
    _, data = parsed(text)
    assert [o["name"] for o in data["operations"]] == [o.name for o in trace.operations]
    calls = [
        c
        for o in data["operations"]
        for s in ("forward", "backward")
        if o[s]
        for c in o[s]["calls"]
    ]
    assert len(calls) == sum(len(span.kernels) for _, _, span in trace.spans())
    assert data["memory"] == [list(point) for point in trace.memory()]
    assert set(data["kernels"]) == {call["kernel"] for call in calls}
    convolution = next(o for o in data["operations"] if o["name"] == "conv2d")
    assert "def conv2d(" in data["codes"][convolution["code"]]
    assert convolution["inputs"][1]["name"] == "discriminator.trunk.0.weight"
    assert data["pictures"][convolution["inputs"][0]["values"]["picture"]].startswith(
        "data:image/png;base64,"
    )
    assert data["roof"]["peak"] > data["roof"]["bandwidth"] > 1e8


def test_a_large_trace_leaves_out_pictures_then_histograms(
    trace: Trace, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, data = parsed(text)
    whole = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    for limit, left_out in ((whole - 10, "pictures"), (1000, "pictures and histograms")):
        monkeypatch.setattr(html_page, "MOST_BYTES", limit)
        _, data = parsed(page_of(trace))
        assert data["leftOut"] == left_out and data["pictures"] == []
        values = data["operations"][-1]["inputs"][0]["values"]
        assert bool(values["counts"]) == (left_out == "pictures")


def test_a_long_trace_shows_its_start_and_says_so(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_OPERATIONS", 9)
    _, data = parsed(page_of(trace))
    assert (len(data["operations"]), data["all"]) == (9, len(trace.operations))
    links = [saved["by"] for operation in data["operations"] for saved in operation["saved"]]
    assert links and all(link is None or link < 9 for link in links)


def test_values_that_are_not_finite_are_counted() -> None:
    x = mg.tensor(np.array([1.0, np.nan, np.inf, 3.0], np.float32))
    with mg.tracing() as trace:
        x.exp()
    _, data = parsed(page_of(trace))
    values = data["operations"][0]["inputs"][0]["values"]
    assert (values["bad"], values["least"], values["largest"], values["mean"]) == (2, 1.0, 3.0, 2.0)


def test_an_empty_trace_has_a_page() -> None:
    with mg.tracing() as trace:
        pass
    _, data = parsed(page_of(trace))
    assert data["operations"] == []


def test_the_emulated_device_has_no_roof() -> None:
    x = mg.tensor(np.ones((4, 4), np.float32), device="emulated")
    with mg.tracing(device="emulated") as trace:
        x @ x
    _, data = parsed(page_of(trace))
    assert data["roof"] is None


def test_every_script_is_in_the_page_and_parses(text: str) -> None:
    parser, _ = parsed(text)
    scripts = sorted(WEB.glob("*.js"))
    assert all(script.read_text(encoding="utf-8") in parser.scripts[1] for script in scripts)
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    for script in scripts:
        subprocess.run([node, "--check", script], check=True)
