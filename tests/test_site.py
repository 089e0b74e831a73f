"""The documentation site that `mkdocs build` made, in a real browser; skipped where one of them is absent."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SITE = Path(__file__).parents[1] / "build" / "site"
PAGES = (
    "index.html",
    "tour/1_gradient/index.html",
    "tour/7_machine/index.html",
    "how_to/operation/index.html",
    "experiments/index.html",
    "reference/nn/index.html",
    "made/kernels/index.html",
)
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not SITE.is_dir(), reason="the site is not built: mkdocs build"),
]


class Silent(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *given: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = functools.partial(Silent, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing_and_no_other_server_is_asked(
    browser: Any, address: str, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright", reason="axe is not installed")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in PAGES:
        page.goto(address + name, wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        violations = axe.Axe().run(page)["violations"]
        serious = [v for v in violations if v["impact"] in ("serious", "critical")]
        assert not [(v["id"], v["nodes"][0]["html"]) for v in serious], name
    assert not [url for url in asked if not url.startswith((address, "data:"))]
    context.close()


def test_a_diagram_is_drawn(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(address + "tour/1_gradient/index.html")
    diagram = page.get_by_role("img", name="x to matmul: 2×1")
    assert diagram.locator("rect").count() == 6 and diagram.locator("line").count() == 6
    page.close()
