"""The settings of older runs are read under today's names."""

import dataclasses
from typing import Any

import pytest

from minigan.errors import SettingsError
from minigan.experiments.declarations import MNIST_EXTENDED
from minigan.experiments.older_settings import read_settings, translated_tensor

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
    found = read_settings(STROKES)
    extended = dataclasses.replace(MNIST_EXTENDED, experiment="mnist-strokes", schedule_steps=4000)
    averaging = found.extension("weight_averaging")
    assert averaging.window == pytest.approx(1 / 8)
    # an older run moved no category
    consistency = dataclasses.replace(extended.extension("consistency"), split_merge_threshold=0.0)
    expected = (consistency, extended.extensions[1], averaging)
    assert found == dataclasses.replace(extended, extensions=expected)


def test_an_older_run_of_the_paper_has_no_extensions() -> None:
    values = {**STROKES, "lambda_consistency": 0.0, "views": "", "average_decay": 0.0}
    found = read_settings({**values, "experiment": "mnist"})
    assert found.extensions == ()
    assert (found.schedule_steps, found.measures) == (0, "strokes")
    assert read_settings({**values, "data": "/fashion"}).measures == ""
    without = {k: v for k, v in values.items() if k not in ("views", "strips", "average_decay")}
    assert read_settings(without).extensions == ()


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
        read_settings(values)


def test_the_groups_of_older_checkpoints_have_new_names() -> None:
    start = "discriminator.trunk.3.running_mean."
    assert translated_tensor(start + "warped") == start + "augmented"
    assert translated_tensor(start + "copied") == start + "augmented_codes"
    assert translated_tensor(start + "real") == start + "real"
    older = "discriminator.trunk.1.running_variance."
    assert translated_tensor(older + "warped") == "discriminator.trunk.1.running_var.augmented"
