"""The page of a trace in a real browser, without a network: skipped, with the reason, where there is none."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_training import IMAGES, TINY

import minigan as mg
from minigan.experiments.trainer import Trainer
from minigan.inspect.trace import Trace

pytestmark = pytest.mark.process
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

DARK, LIGHT = "dark", "light"
PHONE, DESKTOP = (390, 844), (1440, 900)
MOST_SECONDS = 2  # until the page answers


@pytest.fixture(scope="module")
def trace() -> Trace:
    trainer = Trainer(TINY, IMAGES, capture=False)
    with mg.tracing(trainer.networks.named_tensors(), title="a step") as trace:
        trainer.step()
    return trace


@pytest.fixture(scope="module")
def address(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    trace.save(path)
    return path.as_uri()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Open the page at a size and in a scheme; an error in a script fails the test."""
    errors: list[str] = []

    def open_page(size: tuple[int, int] = DESKTOP, scheme: str = LIGHT) -> Any:
        viewport = {"width": size[0], "height": size[1]}
        page = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True).new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        start = time.perf_counter()
        page.goto(address)
        page.wait_for_selector("html[data-ready=yes]")
        assert time.perf_counter() - start < MOST_SECONDS
        return page

    yield open_page
    assert not errors


def number(trace: Trace, name: str) -> int:
    return next(op.number for op in trace.operations if op.name == name)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_it_fits_the_window(visit: Callable[..., Any], size: tuple[int, int], scheme: str) -> None:
    page = visit(size, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == LIGHT)


def test_a_click_shows_the_operation(visit: Callable[..., Any], trace: Trace) -> None:
    page = visit()
    # the page begins at the slowest operation, whichever that is
    page.get_by_role("button", name="Show the top of the graph").click()
    page.locator(f'.node[data-number="{number(trace, "conv2d")}"]').click()
    detail = page.locator("#detail").inner_text()
    assert "discriminator.trunk.0.weight" in detail and "conv2d_backward_weight" in detail
    assert "in the backward pass of" in detail and "FLOP for each byte" in detail
    assert page.locator("#detail img").count() >= 1
    page.locator("#detail summary").click()
    assert "def conv2d(" in page.locator("#detail").inner_text()


def test_search_dims_the_others_and_enter_goes_on(visit: Callable[..., Any], trace: Trace) -> None:
    page = visit()
    page.fill("#query", "adam")
    total = len(trace.operations)
    assert page.locator("#found").inner_text() == f"2 of {total}"
    assert page.locator(".node:not(.dim)").count() == 2
    page.press("#query", "Enter")
    first = page.locator("#detail h2").inner_text()
    page.press("#query", "Enter")
    assert first.endswith("adam") and page.locator("#detail h2").inner_text() != first


def test_arrow_keys_go_from_operation_to_operation(visit: Callable[..., Any], trace: Trace) -> None:
    page = visit()
    page.evaluate("choose(0)")
    page.locator(".node.chosen").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#detail h2").inner_text() == f"#1 {trace.operations[1].name}"
    assert page.evaluate("document.activeElement.classList.contains('chosen')")


def test_the_graph_moves_and_zooms(visit: Callable[..., Any]) -> None:
    page = visit()
    graph = page.locator("#graph svg")
    box = graph.bounding_box()
    views = [graph.get_attribute("viewBox")]
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 250, steps=5)
    page.mouse.up()
    views.append(graph.get_attribute("viewBox"))
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(50)
    views.append(graph.get_attribute("viewBox"))
    assert len(set(views)) == 3
    moved, zoomed = ([float(n) for n in view.split()] for view in views[1:])
    assert zoomed[2] > moved[2] == pytest.approx(float(views[0].split()[2]))


def test_the_time_line_zooms_and_chooses(visit: Callable[..., Any], trace: Trace) -> None:
    page = visit()
    runs = page.locator("#time .run")
    calls = sum(len(span.kernels) for _, _, span in trace.spans())
    assert runs.count() == calls + len(list(trace.spans()))
    page.get_by_label("Zoom time in").click()
    page.wait_for_timeout(100)
    assert 0 < runs.count() < calls + len(list(trace.spans()))
    page.get_by_label("Show the whole step").click()
    page.wait_for_timeout(100)
    page.locator("#time .run.kernel").last.dispatch_event("click")
    chosen = int(page.locator("#detail h2").inner_text().split()[0].removeprefix("#"))
    assert trace.operations[chosen].function is None


def test_an_address_with_a_number_opens_that_operation(
    browser: Any, address: str, trace: Trace
) -> None:
    page = browser.new_page()
    page.goto(f"{address}#3")
    assert page.locator("#detail h2").inner_text() == f"#3 {trace.operations[3].name}"


def test_text_of_the_user_is_no_markup(browser: Any, tmp_path: Path) -> None:
    with mg.tracing(title="<img src=x onerror=alert(1)>") as trace:
        mg.tensor([1.0]) + 1
    path = tmp_path / "page.html"
    trace.save(path)
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.locator("h1").inner_text() == trace.title
    assert page.locator("img").count() == 0
