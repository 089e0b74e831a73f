"""Settings of all tests."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from device_list import unwatched
from hypothesis import HealthCheck, settings
from lanes import LANES, add_lane, runs_quick_lane_alone

import minigan as mg

# No deadline: the first call of a kernel compiles it. On CI the same examples every time, so that a
# failure there is the change's own; elsewhere new ones, so that they are explored.
settings.register_profile(
    "minigan",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("minigan")

# Strict: every access of every CUDA thread is watched. The tests' time includes its cost.
mg.get_device("emulated").strict = True


@pytest.fixture(name="unwatched")
def run_unwatched() -> Iterator[None]:
    """The emulated device without a watch on each access."""
    with unwatched():
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests: Playwright cannot be started twice in a thread. Skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def pytest_configure(config: pytest.Config) -> None:
    for lane, meaning in LANES.items():
        config.addinivalue_line("markers", f"{lane}: {meaning}")
    if runs_quick_lane_alone(config):
        config.option.markexpr = "quick"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        add_lane(item)
