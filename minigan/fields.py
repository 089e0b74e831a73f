"""Fields of settings: each has its meaning, unit and range beside it, and is checked and described by them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from minigan.errors import SettingsError

Value = int | float | str | tuple[int, ...]


class DescribedSetting(NamedTuple):
    """A setting as `minigan settings` prints it."""

    name: str
    type: str
    default: Any
    meaning: str
    unit: str


def setting(
    meaning: str,
    default: Any = dataclasses.MISSING,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Iterable[str] = (),
) -> Any:
    """Return a dataclass field with its meaning; values outside [low, high] or `choices` are refused."""
    about = {"meaning": meaning, "unit": unit, "low": low, "high": high, "choices": tuple(choices)}
    return dataclasses.field(default=default, metadata=about)


def check_fields(settings: Any, prefix: str = "") -> None:
    """Raise SettingsError for the first field with a value of another type, or out of its range."""
    for field in dataclasses.fields(settings):
        if field.metadata:
            _check(prefix + field.name, getattr(settings, field.name), field.metadata)


def _check(name: str, value: Any, about: Mapping[str, Any]) -> None:
    low, high, choices = about["low"], about["high"], about["choices"]
    if choices and value not in choices:
        raise SettingsError(f"{name} '{value}' is unknown; it is one of {', '.join(choices)}")
    if low is not None and not value >= low:  # a NaN is in no range
        raise SettingsError(f"{name} must be at least {low:,}, not {value}")
    if high is not None and value > high:
        raise SettingsError(f"{name} must be at most {high:,}, not {value}")


def convert(kind: type, name: str, value: Any, *, read_text: bool = False) -> Any:
    """Return a field's value if it is of the right type; with `read_text` a text is read as that type.

    Raises:
        SettingsError: The field is not there, or the value is of another type.
    """
    types = {n: hint for n, hint in get_type_hints(kind).items() if n in names(kind)}
    if name not in types:
        raise SettingsError(unknown(name, types))
    expected = get_origin(types[name]) or types[name]
    try:
        if read_text and isinstance(value, str) and expected is not str:
            value = _read(expected, value)
        allowed = {float: (float, int), tuple: (tuple, list)}.get(expected, (expected,))
        if type(value) not in allowed:
            raise ValueError(value)
        if expected is tuple and any(
            type(v) is not get_args(types[name])[0] for v in value
        ):  # every tuple has items of one type
            raise ValueError(value)
    except ValueError:
        raise SettingsError(f"{name} is {value!r}, and not of type {expected.__name__}") from None
    return tuple(value) if expected is tuple else value


def _read(kind: type, text: str) -> Any:
    if kind is tuple:
        return tuple(int(part) for part in text.replace("x", ",").split(",") if part.strip())
    return kind(text)


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the sentence for a setting that is not there, with the nearest name."""
    known = list(known)
    same_end = [other for other in known if other.endswith(f".{name}")]
    similar = same_end or difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {similar[0]}?" if similar else "'minigan settings' lists all of them"
    return f"there is no setting {name}; {hint}"


def names(kind: Any) -> list[str]:
    """Return the names of the fields that are settings."""
    return [field.name for field in dataclasses.fields(kind) if field.metadata]


def described(settings: Any, prefix: str = "") -> list[DescribedSetting]:
    """Return every setting of a dataclass of settings, with its value there as the default."""
    return [
        DescribedSetting(
            prefix + field.name,
            type(getattr(settings, field.name)).__name__,
            getattr(settings, field.name),
            field.metadata["meaning"],
            field.metadata["unit"],
        )
        for field in dataclasses.fields(settings)
        if field.metadata
    ]
