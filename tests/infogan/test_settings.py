"""Settings by name, and those of older runs."""

import dataclasses
import json
from typing import Any

import pytest

from minigan.errors import SettingsError
from minigan.experiments.declarations import MNIST, MNIST_EXTENDED
from minigan.infogan.extensions import EXTENSIONS, WeightAveragingSettings
from minigan.infogan.older_settings import translated_tensor
from minigan.infogan.settings import Settings


def test_settings_come_back_from_json() -> None:
    for settings in (MNIST, MNIST_EXTENDED):
        assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


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
    assert MNIST.with_values(values, read_text=True) == expected


def test_extensions_are_in_one_order_and_can_be_switched_off() -> None:
    values = dict.fromkeys(reversed(EXTENSIONS), "on")
    assert [e.name for e in MNIST.with_values(values).extensions] == list(EXTENSIONS)
    off = MNIST_EXTENDED.with_values(dict.fromkeys(EXTENSIONS, "off"))
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
        MNIST.with_values(values, read_text=True)


def test_every_setting_is_described() -> None:
    described = {s.name: s for s in MNIST_EXTENDED.described()}
    fields = {f.name for f in dataclasses.fields(Settings)} - {"extensions"}
    assert fields <= set(described)
    assert described["consistency.rotation"].unit == "degrees"
    assert described["consistency.rotation"].default == 20.0
    assert all(s.meaning.endswith(".") for s in described.values())


# The settings of a run of the former preset `strokes`, as its experiment.json has them.
STROKES = {
    "experiment": "mnist-strokes", "image_shape": [28, 28, 1],
    "trunk": "conv 32 | conv 64 bn | fc 512 bn",
    "generator": "fc 512 bn | fc 7x7x64 bn | up 32 bn | up 1 sigmoid", "noise": 62,
    "codes": "Cat(10) + 2*Uniform", "dataset": "mnist", "data": "", "objective": "infogan", "image_low": 0.0,
    "negative_slope": 0.1, "learning_rate_discriminator": 0.0002, "learning_rate_generator": 0.001,
    "beta1": 0.5, "beta2": 0.999, "lambda_categorical": 1.0, "lambda_continuous": 1.0,
    "lambda_consistency": 2.0, "consistency_start": 750, "consistency_balance": 1.2,
    "consistency_balance_start": 1500, "consistency_two_way_until": 2250, "warp_rotation": 20.0,
    "warp_scale": 0.2, "warp_shear": 0.3, "warp_shift": 3.0, "strips": 2, "strip_thickness": 4.0,
    "strip_length": 12.0,
    "views": "c2 scale 0.3 shear 0.3 shift 3 adds 0.6 | c3 rotation 90 shear 0.5 shift 3",
    "views_start": 2250, "average_decay": 0.998, "batch_size": 128, "iterations": 4000, "seed": 0,
    "dtype": "float32", "float32_precision": "ieee", "device": "cpu", "checkpoint_every": 500,
    "sample_every": 250,
}  # fmt: skip


def test_an_older_run_is_read() -> None:
    found = Settings.from_json(STROKES)
    extended = dataclasses.replace(MNIST_EXTENDED, experiment="mnist-strokes", schedule_steps=4000)
    averaging = found.extension("weight_averaging")
    assert averaging.window == pytest.approx(1 / 8)
    # an older run moved no category
    consistency = dataclasses.replace(extended.extension("consistency"), split_merge_threshold=0.0)
    expected = (consistency, extended.extensions[1], averaging)
    assert found == dataclasses.replace(extended, extensions=expected)


def test_an_older_run_of_the_paper_has_no_extensions() -> None:
    values = {**STROKES, "lambda_consistency": 0.0, "views": "", "average_decay": 0.0}
    found = Settings.from_json({**values, "experiment": "mnist"})
    assert found.extensions == ()
    assert (found.schedule_steps, found.measures) == (0, "strokes")
    assert Settings.from_json({**values, "data": "/fashion"}).measures == ""
    without = {k: v for k, v in values.items() if k not in ("views", "strips", "average_decay")}
    assert Settings.from_json(without).extensions == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({k: v for k, v in STROKES.items() if k != "seed"}, r"missing \['seed'\]|: missing"),
        ({**STROKES, "color": 1}, "there is no setting color"),
        ({**STROKES, "views": 3}, "these are not the settings of an older run"),
        ([], "settings are names with values"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(values: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.from_json(values)


def test_the_groups_of_older_checkpoints_have_new_names() -> None:
    start = "discriminator.trunk.3.running_mean."
    assert translated_tensor(start + "warped") == start + "augmented"
    assert translated_tensor(start + "copied") == start + "augmented_codes"
    assert translated_tensor(start + "real") == start + "real"
    older = "discriminator.trunk.1.running_variance."
    assert translated_tensor(older + "warped") == "discriminator.trunk.1.running_var.augmented"
