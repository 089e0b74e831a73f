"""A user's Python file, run for its names; what goes wrong in it is said with its line."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from minigan.errors import SettingsError


def run_file(file: Path) -> dict[str, Any]:
    """Run a user's file and return its names.

    Raises:
        FileNotFoundError: There is no such file.
        SettingsError: It is no text, or it raised an error.
    """
    file = file.absolute()
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not text in UTF-8 (byte {error.start})") from None
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    try:
        exec(compile(text, str(file), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        place = place_of(error, file) or file.name
        message = error.msg if isinstance(error, SyntaxError) else error
        raise SettingsError(f"{place}: {type(error).__name__}: {message}") from error
    return vars(module)


def place_of(error: BaseException, file: Path) -> str:
    """Return the line of `file` that an error came from, "swish.py:12"; empty if from none."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{file.name}:{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    return f"{file.name}:{lines[-1]}" if lines else ""
