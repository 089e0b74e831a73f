"""Settings by name: changed, listed, and kept in files as plain values.

The settings of an extension are named "extension.setting".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from minigan.errors import SettingsError
from minigan.fields import convert, names, unknown
from minigan.infogan.extensions import EXTENSIONS
from minigan.infogan.settings import Settings

# Settings that every run has had from the start: a file without one of them is no experiment.json.
_REQUIRED = (
    "experiment", "image_shape", "trunk", "generator", "noise", "codes",
    "iterations", "seed", "dtype", "device",
)  # fmt: skip


def with_values(
    settings: Settings, values: Mapping[str, Any], *, read_text: bool = False
) -> Settings:
    """Return settings with other values, by name: ``{"noise": 62, "consistency.weight": 2.0}``.

    With `read_text` a text is read as the setting's type. ``{"consistency": "off"}`` removes an extension, "on" adds it.

    Raises:
        SettingsError: There is no such setting, or the value does not fit it.
    """
    own, of_extensions = {}, {e.name: e for e in settings.extensions}
    for full_name, value in values.items():
        extension, dot, name = full_name.partition(".")
        if extension not in EXTENSIONS:
            if full_name not in names(Settings):
                raise SettingsError(unknown(full_name, setting_names()))
            own[full_name] = convert(Settings, full_name, value, read_text=read_text)
        elif dot:
            before = of_extensions.get(extension, EXTENSIONS[extension]())
            if name not in names(before):
                raise SettingsError(unknown(full_name, setting_names()))
            changed = {name: convert(type(before), name, value, read_text=read_text)}
            of_extensions[extension] = dataclasses.replace(before, **changed)  # type: ignore[type-var]
        elif value == "on":
            of_extensions.setdefault(extension, EXTENSIONS[extension]())
        elif value == "off":
            of_extensions.pop(extension, None)
        else:
            raise SettingsError(f"{extension} is on or off, not '{value}'")
    ordered = tuple(of_extensions[n] for n in EXTENSIONS if n in of_extensions)
    return dataclasses.replace(settings, **own, extensions=ordered)


def setting_names() -> list[str]:
    """Return the names of all settings, those of extensions too."""
    return [*names(Settings), *(f"{e}.{n}" for e in EXTENSIONS for n in names(EXTENSIONS[e]))]


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Return plain values; `settings_from_json` reads them back."""
    values = {name: getattr(settings, name) for name in names(Settings)}
    values["image_shape"] = list(settings.image_shape)
    extensions = {
        e.name: {name: getattr(e, name) for name in names(e)} for e in settings.extensions
    }
    return {**values, "extensions": extensions}


def settings_from_json(values: Any) -> Settings:
    """Read what `settings_to_json` gave.

    A newer setting may be absent from an older file; its default is the earlier behaviour.

    Raises:
        SettingsError: The values are something else, in one sentence.
    """
    if not isinstance(values, dict):
        raise SettingsError(f"settings are names with values, not {values!r}")
    if missing := [name for name in _REQUIRED if name not in values]:
        raise SettingsError(f"these are not the settings of a run: missing {missing}")
    own = {name: convert(Settings, name, v) for name, v in values.items() if name != "extensions"}
    settings = Settings(**own)
    for extension, fields in values["extensions"].items():
        named = {f"{extension}.{name}": value for name, value in fields.items()}
        settings = with_values(settings, {extension: "on"} | named)
    return settings
