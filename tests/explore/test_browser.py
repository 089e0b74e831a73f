"""The page in a real browser, used as people use it; skipped where there is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explore.live import served

from minigan.experiments.declarations import get_experiment
from minigan.experiments.settings_by_name import with_values
from minigan.explore.explorer import Explorer
from minigan.explore.export import export_page
from minigan.infogan.networks import Networks

pytestmark = pytest.mark.process
WIDTHS, SCHEMES = (390, 1440), ("light", "dark")
PIXELS = """canvas => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
}"""


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page when all of it is there; it must report no error and ask no other server."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    _note_errors(page, errors)
    page.on("request", lambda request: _note_foreign(request.url, address, errors))
    page.goto(address)
    page.wait_for_selector("#legend li")
    yield page
    assert not errors
    context.close()


def _note_errors(page: Any, errors: list[str]) -> None:
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))


def _note_foreign(url: str, address: str, errors: list[str]) -> None:
    if not url.startswith((address, "data:")):
        errors.append(f"asked for {url}")


def wait_for_picture(page: Any, explorer: Explorer, codes: list[float]) -> None:
    """Wait until the page shows G's picture for the codes and the noise it starts with."""
    expected = explorer.picture(0, codes)[0].ravel().tolist()
    page.wait_for_function(
        f"expected => ({PIXELS})(document.getElementById('picture')).every((p, i) => p === expected[i])",
        arg=expected,
    )


def test_a_slider_moves_the_picture(page: Any, trained: Explorer) -> None:
    wait_for_picture(page, trained, [0, 0, 0])
    page.get_by_role("slider", name="c2", exact=True).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    wait_for_picture(page, trained, [0, 0.15, 0])
    assert (
        page.get_by_role("slider", name="c2", exact=True).get_attribute("aria-valuetext") == "+0.15"
    )
    reading = trained.picture(0, [0, 0.15, 0])[1]
    assert page.inner_text("#judgement") == f"D: {round(100 * reading.real)} % real"
    assert f"Q reads {reading.codes[1]:+.2f}".replace("-", "−") in page.inner_text("#codes")


def test_categories_are_chosen_on_the_keyboard(page: Any, trained: Explorer) -> None:
    page.get_by_role("radio", name="0").focus()
    page.keyboard.press("ArrowRight")
    wait_for_picture(page, trained, [1, 0, 0])
    page.get_by_role("button", name="Codes to 0").click()
    wait_for_picture(page, trained, [0, 0, 0])


def test_new_noise_gives_another_picture(page: Any, trained: Explorer) -> None:
    wait_for_picture(page, trained, [0, 0, 0])
    before = page.eval_on_selector("#picture", PIXELS)
    page.get_by_role("button", name="New noise").click()
    page.wait_for_function(
        f"before => ({PIXELS})(document.getElementById('picture')).some((p, i) => p !== before[i])",
        arg=before,
    )


def test_a_traversal_is_shown_and_chosen_from(page: Any, trained: Explorer) -> None:
    page.get_by_label("Code that varies").select_option(label="c1")
    page.get_by_role("button", name="c1 = 7").click()
    wait_for_picture(page, trained, [7, 0, 0])
    assert page.get_by_role("radio", name="7").is_checked()


def read_and_redrawn(page: Any, explorer: Explorer) -> int:
    """Wait until the original's codes are on the page, check Q's reading of it, and return its category."""
    page.wait_for_function(
        "() => document.getElementById('reading').textContent.startsWith('Q reads')"
    )
    original = np.array(page.eval_on_selector("#original", PIXELS), np.uint8).reshape(1, 28, 28, 1)
    probabilities = explorer.read(original)[0].codes[0]
    category = int(np.argmax(probabilities))
    assert f"c1 = {category} " in page.inner_text("#reading")
    page.wait_for_function(
        f"() => document.querySelector('input[type=radio][value=\"{category}\"]').checked"
    )
    return category


def test_a_digit_drawn_with_the_mouse_is_read_and_drawn_again(page: Any, trained: Explorer) -> None:
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    seven = [(80, 60), (200, 60), (130, 220)]
    places = [
        (box["x"] + x * box["width"] / 280, box["y"] + y * box["width"] / 280) for x, y in seven
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()
    page.wait_for_timeout(500)
    sevens = [trained.read(trained.real_pictures()[[0]])[0].codes[0]]  # the first test digit is a 7
    assert read_and_redrawn(page, trained) == int(np.argmax(sevens[0]))
    page.get_by_role("button", name="Clear").click()
    assert not any(page.eval_on_selector("#pad", PIXELS))


def test_a_digit_drawn_on_the_keyboard_is_read(page: Any, trained: Explorer) -> None:
    page.locator("#pad").focus()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    ones = trained.read(trained.real_pictures()[[2]])[0].codes[0]  # the third test digit is a 1
    assert read_and_redrawn(page, trained) == int(np.argmax(ones))
    assert "The pen is up" in page.inner_text("#pad-help")


def test_a_real_picture_is_chosen_from_the_list_and_from_the_map(
    page: Any, trained: Explorer
) -> None:
    pictures = trained.real_pictures()
    page.get_by_role("button", name="Real picture 4", exact=True).click()
    read_and_redrawn(page, trained)
    original = page.eval_on_selector("#original", PIXELS)
    assert original == pictures[3].ravel().tolist()

    page.locator("#map").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    chosen = int(page.inner_text("#map-status").split(":")[0].removeprefix("Picture ")) - 1
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"expected => ({PIXELS})(document.getElementById('original')).every((p, i) => p === expected[i])",
        arg=pictures[chosen].ravel().tolist(),
    )
    page.locator("#map").click(position={"x": 300, "y": 200})
    assert page.inner_text("#map-status") != f"Picture {chosen + 1}"


def test_a_server_that_is_gone_is_said(page: Any) -> None:
    page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError('gone')); }")
    page.get_by_role("button", name="New noise").click()
    page.wait_for_function("() => document.getElementById('error').textContent !== ''")
    assert "does not answer" in page.inner_text("#error")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_screen_and_axe_finds_nothing(
    browser: Any, address: str, trained: Explorer, tmp_path: Path, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright", reason="axe is not installed")
    exported = tmp_path / "page.html"
    export_page(trained, exported)
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    for url, ready in ((address, "#legend li"), (exported.as_uri(), "#traversal button")):
        page.goto(url)
        page.wait_for_selector(ready)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        violations = axe.Axe().run(page)["violations"]
        assert not [(found["id"], found["nodes"][0]["html"]) for found in violations]
    context.close()


def test_the_exported_page_draws_python_s_pixels_with_the_network_off(
    browser: Any, trained: Explorer, tmp_path: Path
) -> None:
    exported = tmp_path / "page.html"
    note = export_page(trained, exported).note
    context = browser.new_context(offline=True)
    page = context.new_page()
    errors: list[str] = []
    _note_errors(page, errors)
    page.goto(exported.as_uri())
    page.get_by_role("slider", name="c3", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("radio", name="5").check()
    page.wait_for_selector("#traversal button")
    drawn = np.array(page.eval_on_selector("#picture", PIXELS))
    expected = trained.picture(0, [5, 0, -0.05])[0].ravel().astype(int)
    assert np.abs(drawn - expected).max() <= 1 and np.ptp(expected) > 200
    assert page.inner_text("#weights") == note
    page.get_by_role("button", name="New noise").click()
    page.wait_for_timeout(500)
    other = np.array(page.eval_on_selector("#picture", PIXELS))
    assert np.abs(other - drawn).max() > 50
    assert not errors
    context.close()


def test_a_run_in_colour_without_real_pictures_has_no_place_for_them(browser: Any) -> None:
    values = {
        "trunk": "conv 4 | conv 8 bn | fc 16 bn",
        "generator": "fc 8x8x4 bn | up 4 bn | up 3 tanh",
        "codes": "2*Cat(3) + Uniform",
        "device": "cpu",
    }
    settings = with_values(get_experiment("svhn"), values)
    networks = Networks(settings)
    networks.train(False)
    page = browser.new_page()
    with served(Explorer(networks, settings, 0)) as port:
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#traversal button")
        page.get_by_role("group", name="c2: category").get_by_role("radio", name="1").check()
        page.wait_for_function(
            "() => document.getElementById('picture').ariaLabel.includes('c2 1')"
        )
        page.wait_for_load_state("networkidle")
        for section in ("drawing", "choice", "map", "reading"):
            assert not page.is_visible(f"#{section}-section"), section
        assert page.inner_text("#error") == ""
    page.close()
