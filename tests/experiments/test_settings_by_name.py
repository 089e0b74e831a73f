"""Settings by name."""

import dataclasses
import json
from typing import Any

import pytest

from minigan.errors import SettingsError
from minigan.experiments.declarations import MNIST, MNIST_EXTENDED
from minigan.experiments.settings_by_name import settings_from_json, settings_to_json, with_values
from minigan.experiments.settings_page import all_settings
from minigan.infogan.extensions import EXTENSIONS, WeightAveragingSettings
from minigan.infogan.settings import Settings


def test_settings_come_back_from_json() -> None:
    for settings in (MNIST, MNIST_EXTENDED):
        assert settings_from_json(json.loads(json.dumps(settings_to_json(settings)))) == settings


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"noise": "7"}, dataclasses.replace(MNIST, noise=7)),
        ({"image_shape": "6x10x3"}, dataclasses.replace(MNIST, image_shape=(6, 10, 3))),
        ({"lambda_continuous": 2}, dataclasses.replace(MNIST, lambda_continuous=2)),
        (
            {"weight_averaging.window": "0.5"},
            dataclasses.replace(MNIST, extensions=(WeightAveragingSettings(0.5),)),
        ),
        (
            {"weight_averaging": "on"},
            dataclasses.replace(MNIST, extensions=(WeightAveragingSettings(),)),
        ),
    ],
)
def test_values_by_name(values: dict[str, Any], expected: Settings) -> None:
    assert with_values(MNIST, values, read_text=True) == expected


def test_extensions_are_in_one_order_and_can_be_switched_off() -> None:
    values = dict.fromkeys(reversed(EXTENSIONS), "on")
    assert [e.name for e in with_values(MNIST, values).extensions] == list(EXTENSIONS)
    off = with_values(MNIST_EXTENDED, dict.fromkeys(EXTENSIONS, "off"))
    assert off.extensions == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"noize": 3}, "there is no setting noize; did you mean noise?"),
        ({"consistency.wieght": 3}, r"there is no setting consistency.wieght; did you mean consistency.weight\?"),
        ({"noise": "many"}, "noise is 'many', and not of type int"),
        ({"noise": 1.5}, "noise is 1.5, and not of type int"),
        ({"noise": True}, "noise is True, and not of type int"),
        ({"image_shape": "28"}, "image_shape is height, width and channels"),
        ({"image_shape": "axb"}, "image_shape is 'axb', and not of type tuple"),
        ({"batch_size": 1}, "batch_size must be at least 2, not 1"),
        ({"beta1": float("nan")}, "beta1 must be at least 0, not nan"),
        ({"dtype": "int8"}, "dtype 'int8' is unknown; it is one of float32, float64"),
        ({"consistency": "maybe"}, "consistency is on or off, not 'maybe'"),
        ({"consistency.weight": -1}, "consistency.weight must be at least 0, not -1"),
        ({"consistency.scale": 0.95}, "consistency.scale must be at most 0.9, not 0.95"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_in_one_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{message}"):
        with_values(MNIST, values, read_text=True)


def test_every_setting_is_described() -> None:
    described = {s.name: s for s in all_settings(MNIST_EXTENDED)}
    fields = {f.name for f in dataclasses.fields(Settings)} - {"extensions"}
    assert fields <= set(described)
    assert described["consistency.rotation"].unit == "degrees"
    assert described["consistency.rotation"].default == 20.0
    assert all(s.meaning.endswith(".") for s in described.values())
