"""A kernel and a contract to start from: docs/examples/swish.cu and swish.py, under another name."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from minigan.errors import MiniganError, SettingsError

_EXAMPLE = "swish"


def example_folder() -> Path:
    """Return the examples: in docs/ of a checkout, inside the package in an installed one."""
    package = Path(__file__).parents[1]
    for folder in (package.parent / "docs" / "examples", package / "examples"):
        if (folder / f"{_EXAMPLE}.cu").exists():
            return folder
    raise MiniganError("the example kernels (docs/examples) are missing; reinstall minigan")


def write_template(name: str, folder: Path) -> list[Path]:
    """`name`.cu and `name`.py in that folder, which work as they are. SettingsError if one is there already."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise SettingsError(
            f"'{name}' cannot name a kernel: lowercase letters, digits and underscores, and no digit in front"
        )
    paths = [folder / f"{name}.cu", folder / f"{name}.py"]
    for path in paths:
        if path.exists():
            raise SettingsError(f"{path} exists already; 'minigan kernel check {path}' checks it")
    for path in paths:
        text = (example_folder() / f"{_EXAMPLE}{path.suffix}").read_text(encoding="utf-8")
        path.write_text(re.sub(rf"\b{_EXAMPLE}(?=\b|_)", name, text), encoding="utf-8")
    return paths
