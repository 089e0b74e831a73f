"""A contract that passes every check, and mistakes in it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contracts import EXAMPLES, replaced, text_of

from minigan.devices import nvrtc


@pytest.fixture(scope="module")
def swish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, compiled once; tests may write other contracts beside it."""
    folder = tmp_path_factory.mktemp("swish")
    for suffix in (".cu", ".py"):
        shutil.copy(EXAMPLES / f"swish{suffix}", folder)
    return folder / "swish.cu"


@pytest.fixture
def contract(swish: Path) -> Iterator[Callable[..., Path]]:
    """Writes swish.py with a mistake in it; the right one comes back afterwards."""

    def write(*pairs: tuple[str, str]) -> Path:
        swish.with_suffix(".py").write_text(replaced(text_of("swish.py"), *pairs), encoding="utf-8")
        return swish

    yield write
    write()


@pytest.fixture
def one_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ("sm_90",))
