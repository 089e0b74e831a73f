"""Profiles by line, and how they are shown."""

import dataclasses
import html.parser
import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import minigan as mg
from minigan.devices.device import KERNELS
from minigan.devices.sources import kernel_sources
from minigan.errors import SettingsError
from minigan.experiments.declarations import MNIST
from minigan.inspect.annotate import terminal
from minigan.inspect.calls import Call, training_calls
from minigan.inspect.profile import Counts, KernelProfile, calls_of, profile_call
from minigan.inspect.profile_page import hottest, page

SMALL = dataclasses.replace(
    MNIST, trunk="conv 4 | conv 6 bn | fc 8 bn", generator="fc 8 bn | fc 7x7x6 bn | up 4 bn | up 1 sigmoid",
    batch_size=4,
)  # fmt: skip


def test_the_calls_of_a_step() -> None:
    calls = training_calls(SMALL)
    assert {call.kernel for call in calls} <= set(KERNELS)
    text = [str(call) for call in calls]
    assert "conv2d(8×28×28×1, 4×4×1×4, 4)" in text  # real and generated images in one batch
    assert "conv2d(4×28×28×1, 4×4×1×4, 4)" in text
    assert len(set(text)) > 20
    assert not set(vars(mg.get_device("cpu"))) & set(KERNELS)  # nothing is recorded any more


def test_a_call_gives_on_any_device_what_it_gave() -> None:
    for call in calls_of("conv2d", SMALL):
        found, expected = (call.on(mg.get_device(name))() for name in ("emulated", "cpu"))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_call_can_be_made_again() -> None:
    """Arguments that a kernel changes in place are as they were before, also the statistics that it fills."""
    (fills, *_) = (c for c in calls_of("conv2d", SMALL) if c.arguments[-1].statistics is not None)
    statistics = fills.arguments[-1].statistics
    held = [array.copy() for pair in statistics.running for array in pair]
    for _ in range(2):
        fills.on(mg.get_device("cpu"))()
        assert statistics.of is None
        for array, value in zip(
            (a for pair in statistics.running for a in pair), held, strict=True
        ):
            np.testing.assert_array_equal(array, value)
    (call, *_) = calls_of("accumulate", SMALL)
    before = call.arguments[0].copy()
    call.on(mg.get_device("cpu"))()
    np.testing.assert_array_equal(call.arguments[0], before)


def test_a_kernel_that_no_step_calls() -> None:
    with pytest.raises(SettingsError, match=r"no step of mnist calls 'conv3d'; it calls .*conv2d"):
        calls_of("conv3d", SMALL)


@pytest.fixture(scope="module")
def profiled() -> KernelProfile:
    rows = np.random.default_rng(0).normal(size=(392, 6)).astype(np.float32)
    return profile_call(Call("batch_norm_statistics", (rows, 2), {}))[0]


def test_lines_sum_to_the_whole(profiled: KernelProfile) -> None:
    lines = [counts for of_file in profiled.lines.values() for counts in of_file.values()]
    for name in ("global_requests", "sectors", "shared_requests", "wavefronts", "flops"):
        assert sum(getattr(counts, name) for counts in lines) == getattr(profiled.total, name) > 0
    assert profiled.moved_bytes >= profiled.least_bytes > 0
    assert profiled.intensity == profiled.total.flops / profiled.least_bytes


def test_the_annotated_source_in_a_terminal(profiled: KernelProfile) -> None:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(terminal("a title", profiled, 160))
    text = console.export_text()
    assert (
        "a title" in text
        and "normalization.cu" in text
        and "KERNEL batch_norm_backward_data" not in text
    )
    assert "own.mean += difference / own.count;" in text
    (line,) = (part for part in text.splitlines() if "return x[i];" in part)
    assert "of" in line and line.split()[0].isdigit()


@pytest.mark.parametrize("width", [80, 120])
def test_a_narrow_terminal_cuts_no_code(profiled: KernelProfile, width: int) -> None:
    """A long line goes on below; columns of counts are left out before the code is too narrow."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal("a title", profiled, width))
    text = console.export_text()
    assert "…" not in text and "FLOPs" in text and ("barriers" in text) == (width == 120)
    words = {word for line in text.splitlines() for word in line.split()}
    assert words >= {"own.mean", "+=", "difference", "own.count;"}


def test_a_column_without_a_count_is_left_out(profiled: KernelProfile) -> None:
    lines = {
        file: {line: dataclasses.replace(counts, barriers=0) for line, counts in of_file.items()}
        for file, of_file in profiled.lines.items()
    }
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(terminal("a title", dataclasses.replace(profiled, lines=lines), 160))
    assert "barriers" not in console.export_text()


class _Text(html.parser.HTMLParser):
    """The text of a page, its tags balanced; links to elsewhere are collected."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone(profiled: KernelProfile) -> None:
    parser = _Text()
    parser.feed(page("minigan <profile>", [("one", profiled)]))
    assert parser.open == [] and parser.links == []
    assert "minigan <profile>" in parser.text  # escaped, and read back
    own = Path(profiled.launch.source).name
    header = kernel_sources() / "tile.cuh"
    both = dataclasses.replace(
        profiled, lines={header: {1: Counts(sectors=4000)}, **profiled.lines}
    )
    text = page("x", [("one", both)])
    folded = "<details><summary>tile.cuh: 4 k sectors</summary>"
    assert text.index("<h3>" + own) < text.index(folded)  # the kernel's file is first, and open
    for file, counted in profiled.lines.items():  # each line that costs something, whole
        source = file.read_text(encoding="utf-8").splitlines()
        assert all(source[number - 1] in parser.text for number in counted)


def test_the_costliest_lines_have_their_shares(profiled: KernelProfile) -> None:
    found = hottest(profiled)
    costs = {hot.cost for hot in found}
    assert costs == {"sectors of global memory", "wavefronts of shared memory", "FLOPs"}
    for cost in costs:
        shares = [hot.share for hot in found if hot.cost == cost]
        assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 1 and len(shares) <= 3
    sectors = [counts.sectors for lines in profiled.lines.values() for counts in lines.values()]
    assert found[0].share == max(sectors) / profiled.total.sectors
    assert found[0].line.text in found[0].file.read_text(encoding="utf-8")
