"""Numbers with decimal prefixes, short enough for a table."""

from __future__ import annotations


def milliseconds(seconds: float) -> str:
    """Return milliseconds, to the microsecond."""
    return f"{1e3 * seconds:,.3f}"


def scaled(value: float, unit: str = "") -> str:
    """Return a number in three digits, with a prefix: "1.23 M", or with a unit "1.23 MB"."""
    for prefix in ("", "k", "M", "G"):
        if value < 999.5:
            return f"{value:.3g} {prefix}{unit}".rstrip()
        value /= 1000
    return f"{value:,.3g} T{unit}"
