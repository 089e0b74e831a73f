"""The pages of a checkout that tables of sweeps are written into."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from minigan.errors import RunError
from minigan.experiments import pages


class Checkout(NamedTuple):
    """A checkout of minigan: its README, its page of experiments, and the results behind their tables."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Checkout:
        """Return the checkout in a folder.

        Raises:
            RunError: The folder has no page of experiments.
        """
        checkout = cls(folder)
        if not checkout.experiments.is_file():
            raise RunError(f"{folder} is no checkout of minigan: it has no docs/experiments.md")
        return checkout

    @property
    def readme(self) -> Path:
        return self.folder / "README.md"

    @property
    def experiments(self) -> Path:
        return self.folder / "docs" / "experiments.md"

    @property
    def picture(self) -> Path:
        """The grid of digits of the README."""
        return self.folder / "docs" / "images" / "mnist.png"

    def result(self, name: str) -> Path:
        """Return the file of a result."""
        return self.folder / "benchmarks" / "results" / f"{name}.json"

    def results(self, pattern: str) -> list[Path]:
        """Return the files of the results whose names match."""
        return sorted((self.folder / "benchmarks" / "results").glob(f"{pattern}.json"))

    def write_result(self, name: str, values: dict[str, Any]) -> None:
        """Keep a result."""
        pages.write_json(self.result(name), values)

    def write_table(self, page: Path, name: str, text: str) -> None:
        """Put the text between the markers ``sweep NAME`` of a page, if it has them."""
        pages.rewrite_section(page, f"sweep {name}", text)
