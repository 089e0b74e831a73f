"""The short names of settings on the command line: `--grid lambda=0.5,1`, `--set lr_generator=0.001`."""

from __future__ import annotations

_SHORT = {
    "lambda_categorical": "lambda",
    "learning_rate_discriminator": "lr_discriminator",
    "learning_rate_generator": "lr_generator",
}
_LONG = {short: name for name, short in _SHORT.items()}


def short_name(name: str) -> str:
    """Return the short name of a setting; the same name if it has none."""
    return _SHORT.get(name, name)


def long_name(text: str) -> str:
    """Return the setting that a text names, like "lr-generator"."""
    name = text.strip().replace("-", "_")
    return _LONG.get(name, name)
