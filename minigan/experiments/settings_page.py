"""Every setting of every declared experiment: a table for the terminal, and the page of the docs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from minigan.experiments.declarations import EXPERIMENTS, PRESETS
from minigan.fields import DescribedSetting, described
from minigan.files import write_text
from minigan.infogan.extensions import EXTENSIONS
from minigan.infogan.settings import Settings


def own_settings(settings: Settings) -> list[DescribedSetting]:
    """Return the settings outside extensions, with their values."""
    return described(settings)


def extension_settings(settings: Settings) -> list[DescribedSetting]:
    """Return the settings of all extensions: with their values where one is on, else with its defaults."""
    found: list[DescribedSetting] = []
    for name, kind in EXTENSIONS.items():
        found += described(settings.extension(name) or kind(), f"{name}.")
    return found


def all_settings(settings: Settings) -> list[DescribedSetting]:
    """Return the settings outside extensions, then those of all extensions."""
    return [*own_settings(settings), *extension_settings(settings)]


def shown(value: object) -> str:
    """Return a value as it is typed after `--set NAME=`."""
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def settings_page() -> str:
    """Return docs/settings.md: all settings with MNIST's values, then what differs in each experiment."""
    mnist = EXPERIMENTS["mnist"]
    parts = [
        "# Settings",
        "`minigan train EXPERIMENT --set NAME=VALUE` changes a setting.\n"
        "`minigan settings EXPERIMENT` prints the values of an experiment.\n"
        "This page is written by `minigan settings --page docs/settings.md`.",
        "## The paper's",
        "The values are those of `mnist`.",
        _table(own_settings(mnist)),
        "## Extensions",
        "What the paper does not have. `--set consistency=on` adds an extension with these values, `off` removes it.",
        *(
            f"### {name}\n\n{_table(s for s in extension_settings(mnist) if s.name.startswith(name + '.'))}"
            for name in EXTENSIONS
        ),
        "## The experiments",
        "What differs from `mnist`.",
        *(_differences(settings, mnist) for settings in [*EXPERIMENTS.values(), *PRESETS.values()]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_settings_page(path: Path) -> None:
    """Write docs/settings.md to a path."""
    write_text(path, settings_page())


def _table(settings: Iterable[DescribedSetting]) -> str:
    rows = [
        f"| `{s.name}` | `{_escaped(shown(s.default))}` | {s.unit or '–'} | {_escaped(s.meaning)} |"
        for s in settings
    ]
    return "\n".join(["| setting | value | unit | meaning |", "|---|---|---|---|", *rows])


def _differences(settings: Settings, base: Settings) -> str:
    rows = _changed(own_settings(settings), own_settings(base))[1:]  # its name has a heading
    for extension in settings.extensions:
        name, usual = extension.name, type(extension)()
        rows.append(f"| `{name}` | on |")
        rows += _changed(described(extension, f"{name}."), described(usual))
    if not rows:
        return ""
    head = ["| setting | value |", "|---|---|"]
    return "\n".join([f"### {settings.experiment}", "", *head, *rows])


def _changed(settings: list[DescribedSetting], usual: list[DescribedSetting]) -> list[str]:
    """Return a row for each setting that has another value than usual."""
    return [
        f"| `{s.name}` | `{_escaped(shown(s.default))}` |"
        for s, other in zip(settings, usual, strict=True)
        if s.default != other.default
    ]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
