"""Options that `minigan train` no longer has, and their replacement."""

from __future__ import annotations

import shlex
from typing import Any

_STILL_OPTIONS = ("experiment", "data", "device", "seed", "iterations", "batch_size")


def about_vanished_option(error: Any, arguments: list[str]) -> str | None:
    """Return the message for an unknown option that names a setting, where the command has `--set`; else None.

    Args:
        error: what typer raised for the command line.
        arguments: those of the command line.
    """
    if type(error).__name__ != "NoSuchOption":  # typer has click's class, or its own copy of it
        return None
    if not any("--set" in parameter.opts for parameter in error.ctx.command.params):
        return None
    from minigan.experiments.names import long_name
    from minigan.experiments.settings_by_name import setting_names

    option: str = error.option_name
    name = long_name(option.lstrip("-"))
    if name in _STILL_OPTIONS or name not in setting_names():
        return None
    value = shlex.quote(_value(option, arguments) or "VALUE")
    return f"there is no option {option}; write --set {name}={value}"


def _value(option: str, arguments: list[str]) -> str:
    """Return the value that follows an option, after a space or `=`; "" if none does."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
        if argument == option:
            return following
    return ""
