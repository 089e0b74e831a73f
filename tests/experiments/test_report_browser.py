"""The report in a real browser, on a phone and on a desktop: skipped, with the reason, where there is none."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from written_run import make_run

from minigan.experiments.report import collect
from minigan.experiments.report.page import page

pytestmark = pytest.mark.process

PHONE, DESKTOP = (390, 844), (1440, 900)
LEAST_HEIGHT = 11  # pixels of a line of text that can be read
ROW = ("error by the training images' matching, 10,000 test images", "96.23 %", "at most 1.851")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    record = dataclasses.replace(collect(make_run(folder, 30)), evaluation=[ROW])
    (folder / "page.html").write_text(page([record, record]), encoding="utf-8")
    return (folder / "page.html").as_uri()


@pytest.fixture
def visit(browser: Any, address: str) -> Callable[[tuple[int, int]], Any]:
    def open_page(size: tuple[int, int]) -> Any:
        opened = browser.new_page(viewport={"width": size[0], "height": size[1]})
        opened.goto(address)
        return opened

    return open_page


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_it_fits_the_screen_and_can_be_read(
    size: tuple[int, int], visit: Callable[[tuple[int, int]], Any]
) -> None:
    opened = visit(size)
    assert opened.evaluate("document.documentElement.scrollWidth") <= size[0]
    heights = opened.evaluate(
        "[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect().height)"
    )
    assert heights and min(heights) >= LEAST_HEIGHT
    value = opened.locator("td", has_text=ROW[1]).first
    lines = value.evaluate(
        "e => { const range = document.createRange(); range.selectNodeContents(e);"
        " return range.getClientRects().length; }"
    )
    assert lines == 1


def test_a_long_value_of_a_setting_still_breaks(visit: Callable[[tuple[int, int]], Any]) -> None:
    opened = visit(PHONE)
    opened.locator("summary", has_text="Settings").first.click()
    table = opened.locator("details table").first
    assert table.bounding_box()["width"] <= PHONE[0]
