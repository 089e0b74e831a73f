"""Where tests prepare data sets."""

from pathlib import Path

import pytest

from minigan.datasets.cache import Preparation


@pytest.fixture
def how(tmp_path: Path) -> Preparation:
    return Preparation(tmp_path / "cache")
