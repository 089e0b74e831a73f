"""Text for the terminal, broken between words."""

from __future__ import annotations

import shutil
import sys
import textwrap

import typer

_LEAST = 20  # columns that a broken line keeps for its words


def say(text: str, indent: int = 0) -> None:
    """Print lines; a terminal gets them broken between words. A file gets them as they are.

    Args:
        text: The lines.
        indent: Columns before the rest of a broken line.
    """
    typer.echo(
        wrapped(text, shutil.get_terminal_size().columns, indent) if _is_terminal() else text
    )


def wrapped(text: str, width: int, indent: int = 0) -> str:
    """Return the lines of `text`, each broken between words to at most `width` columns.

    A word that is longer stays whole: it may be a path, to be copied.
    """
    wrapper = textwrap.TextWrapper(
        width=width,
        subsequent_indent=" " * min(indent, max(width - _LEAST, 0)),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(wrapper.fill(line) for line in text.split("\n"))


def _is_terminal() -> bool:
    return sys.stdout.isatty()
