"""The five declarations have the paper's networks, and users' own are read, or refused in one sentence."""

import dataclasses
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from minigan import cli
from minigan.datasets.cache import Preparation
from minigan.errors import SettingsError
from minigan.experiments.declarations import (
    CELEBA,
    CHAIRS,
    EXPERIMENTS,
    FACES,
    MNIST,
    MNIST_EXTENDED,
    PRESETS,
    SVHN,
    get_experiment,
)
from minigan.experiments.settings_by_name import settings_from_json, settings_to_json
from minigan.experiments.trainer import Trainer
from minigan.experiments.training import images_of
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings

RNG = np.random.default_rng(0)


def conv(inputs: int, outputs: int) -> int:
    return 4 * 4 * inputs * outputs


# Weights, and a bias or a norm's two numbers for each output, layer by layer as the paper's tables list them.
PARAMETERS = {
    "svhn": (
        [(124 + 40 + 2) * 1792 + 2 * 1792, conv(448, 256) + 2 * 256, conv(256, 128) + 128, conv(128, 64) + 64,
         conv(64, 3) + 3],
        [conv(3, 64) + 64, conv(64, 128) + 2 * 128, conv(128, 256) + 2 * 256, 4 * 4 * 256 + 1],
        [4096 * 128 + 2 * 128, 128 * 42 + 42],
    ),
    "celeba": (
        [(128 + 100) * 1792 + 2 * 1792, conv(448, 256) + 2 * 256, conv(256, 128) + 128, conv(128, 64) + 64,
         conv(64, 3) + 3],
        [conv(3, 64) + 64, conv(64, 128) + 2 * 128, conv(128, 256) + 2 * 256, 4 * 4 * 256 + 1],
        [4096 * 128 + 2 * 128, 128 * 100 + 100],
    ),
    "faces": (
        [(128 + 5) * 1024 + 2 * 1024, 1024 * 8192 + 2 * 8192, conv(128, 64) + 2 * 64, conv(64, 1) + 1],
        [conv(1, 64) + 64, conv(64, 128) + 2 * 128, 8192 * 1024 + 2 * 1024, 1024 + 1],
        [1024 * 128 + 2 * 128, 128 * 5 + 5],
    ),
    "chairs": (
        [(128 + 80 + 1) * 1024 + 2 * 1024, 1024 * 16384 + 2 * 16384, conv(256, 256) + 512, conv(256, 256) + 512,
         conv(256, 128) + 2 * 128, conv(128, 64) + 2 * 64, conv(64, 1) + 1],
        [conv(1, 64) + 64, conv(64, 128) + 2 * 128, conv(128, 256) + 512, conv(256, 256) + 512,
         conv(256, 256) + 512, 16384 * 1024 + 2 * 1024, 1024 + 1],
        [1024 * 128 + 2 * 128, 128 * 81 + 81],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_parameters_of_the_papers_networks(name: str) -> None:
    networks = Networks(EXPERIMENTS[name])
    counts = tuple(sum(p.size for p in module.parameters()) for _, module in networks.named())
    assert counts == tuple(map(sum, PARAMETERS[name]))


def test_the_papers_settings() -> None:
    def of(s: Settings) -> tuple[object, ...]:
        return (
            s.noise, s.codes, s.image_low, s.learning_rate_discriminator, s.learning_rate_generator,
            s.lambda_categorical, s.lambda_continuous,
        )  # fmt: skip

    assert of(SVHN) == (124, "4*Cat(10) + 2*Uniform", -1, 2e-4, 1e-3, 1, 1)
    assert of(CELEBA) == (128, "10*Cat(10)", -1, 2e-4, 1e-3, 1, 1)
    assert of(FACES) == (128, "5*Uniform", 0, 2e-4, 5e-4, 1, 0.2)
    assert of(CHAIRS) == (128, "4*Cat(20) + Uniform", 0, 2e-4, 1e-3, 1, 10)
    appendix = dataclasses.replace(SVHN, codes="4*Cat(10) + 4*Uniform")
    assert appendix.noise + appendix.layout.encoded_columns == 168


def write_data(home: Path, name: str) -> Path:
    """A few images in the official format."""

    def noise(*shape: int) -> np.ndarray:
        """Black above, and noise towards white below: the resized picture has it, too."""
        picture = RNG.integers(200, 256, shape, np.uint8)
        picture[: shape[0] // 2] = 0
        return picture

    if name == "svhn":
        path = home / "train_32x32.mat"
        savemat(path, {"X": noise(32, 32, 3, 8), "y": np.arange(1, 9, dtype=np.uint8)[:, None]})
        return path
    names = {
        "celeba": "img_align_celeba/{:06d}.jpg",
        "faces": "{:04d}.png",
        "chairs": "chair/renders/image_{:03d}_p020_t011_r096.png",
    }
    size = {"celeba": (218, 178, 3), "faces": (64, 64), "chairs": (600, 600, 3)}[name]
    for i in range(8):
        path = home / names[name].format(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(*size)).save(path)
    return home


@pytest.mark.parametrize("name", PARAMETERS)
def test_steps_at_the_papers_shapes_on_files_in_the_official_format(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    settings = dataclasses.replace(
        EXPERIMENTS[name], data=str(write_data(tmp_path / "data", name)), batch_size=4
    )
    trainer = Trainer(settings, images_of(settings, Preparation(tmp_path / "cache")))
    real = trainer.real_images(1).numpy()
    assert real.shape == (4, *settings.image_shape)
    assert settings.image_low <= real.min() < settings.image_low + 0.3
    assert 0.7 < real.max() <= 1
    fake = trainer.generator(trainer.latents(1)[0]).numpy()
    assert fake.shape == real.shape
    assert settings.image_low <= fake.min() <= fake.max() <= 1
    first, second = trainer.step(), trainer.step()
    assert np.isfinite([*first[1:3], *first.information, *second.information]).all()
    assert len(first.information) == len(settings.layout)


def test_the_preset_of_mnist_keeps_the_papers_codes_and_rates() -> None:
    settings, mnist = get_experiment("mnist", "extended"), settings_to_json(MNIST)
    assert settings == get_experiment("mnist-extended") == PRESETS["mnist-extended"]
    changed = {name for name, value in settings_to_json(settings).items() if value != mnist[name]}
    assert changed == {"experiment", "trunk", "generator", "iterations", "extensions"}
    assert MNIST.extensions == ()


@pytest.mark.parametrize(
    ("iterations", "steps"), [(4000, (750, 1500, 2250)), (2500, (469, 938, 1406))]
)
def test_the_schedule_of_extended_is_in_fractions(
    iterations: int, steps: tuple[int, int, int]
) -> None:
    settings = dataclasses.replace(MNIST_EXTENDED, iterations=iterations, batch_size=2)
    trainer = Trainer(settings, np.zeros((2, 28, 28, 1), np.uint8))
    consistency, codes, averaging = trainer.extensions
    start, weighted, sharp = steps
    for extension, first in ((consistency, start), (codes, sharp)):
        assert not extension.is_active(first - 1)
        assert extension.is_active(first)
    assert (consistency.entropy_weight(weighted - 1), consistency.entropy_weight(weighted)) == (
        1,
        1.2,
    )
    assert consistency.is_symmetric(sharp - 1)
    assert not consistency.is_symmetric(sharp)
    assert averaging.decay(iterations) == pytest.approx(1 - 8 / iterations)


def test_the_preset_of_faces_keeps_the_papers_codes_and_rates() -> None:
    settings, faces = get_experiment("faces", "quick"), settings_to_json(EXPERIMENTS["faces"])
    assert settings == PRESETS["faces-quick"]
    changed = {name for name, value in settings_to_json(settings).items() if value != faces[name]}
    assert changed == {
        "experiment", "trunk", "generator", "iterations", "lambda_continuous", "extensions",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "preset", "message"),
    [
        ("mnist", "moose", "mnist has no preset 'moose'; it has extended"),
        ("mnist", "strokes", "the preset 'strokes' of mnist is now 'extended'"),
        ("svhn", "quick", "svhn has no preset 'quick'; it has none"),
        ("my.toml", "quick", "my.toml has no preset 'quick'; it has none"),
    ],
)
def test_presets_that_are_not_there(name: str, preset: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{message}$"):
        get_experiment(name, preset)


# -- users' own -----------------------------------------------------------------------------------


def test_a_declaration_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "tiles.toml"
    path.write_text(
        'base = "faces"\ndataset = "images"\ndata = "my/tiles"\nimage_shape = [32, 32, 3]\n'
        'generator = "fc 8x8x16 bn | up 8 bn | up 3 sigmoid"\nlambda_continuous = 1\n'
    )
    found = get_experiment(str(path))
    assert found == dataclasses.replace(
        FACES, experiment="tiles", dataset="images", data=str(tmp_path / "my/tiles"),
        image_shape=(32, 32, 3), generator="fc 8x8x16 bn | up 8 bn | up 3 sigmoid", lambda_continuous=1,
    )  # fmt: skip
    assert settings_from_json(json.loads(json.dumps(settings_to_json(found)))) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "",
            'expected base = "mnist" or another of mnist, svhn, celeba, faces, chairs, found none',
        ),
        ('base = "moose"', "found 'moose'"),
        ("base = mnist", "is not TOML"),
        ('base = "mnist"\ntrnk = "fc 3"', "there is no setting trnk; did you mean trunk?"),
        ('base = "mnist"\nseed = "0"', "seed is '0', and not of type int"),
        ('base = "mnist"\nnoise = true', "noise is True"),
        ('base = "mnist"\n[codes]\na = 1', "there is no setting codes.a"),
        ('base = "mnist"\nbatch_size = 1', "batch_size must be at least 2, not 1"),
        ('base = "mnist"\ndataset = "moose"', "dataset 'moose' is unknown; it is one of mnist"),
        ('base = "mnist"\nimage_shape = [0, 1]', "image_shape is height, width and channels"),
        ('base = "mnist"\ndevice = "cpu"', "choose it by --device"),
        ('base = "mnist"\nexperiment = "../x"', "experiment is a name of letters"),
    ],
)
def test_a_declaration_that_is_not_understood(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        get_experiment(str(path))
    assert str(caught.value).startswith(f"{path}")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


TINY = (
    "--set", "trunk=conv 4 | fc 8 bn", "--batch-size", "4", "--iterations", "2",
)  # fmt: skip


def test_a_run_on_ones_own_images_goes_on_and_is_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "fashion"
    home.mkdir()
    for split, count in (("train", 12), ("t10k", 10)):
        images = RNG.integers(0, 256, (count, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (home / f"{split}-{name}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    generator = ("--set", "generator=fc 7x7x4 bn | up 4 bn | up 1 sigmoid")
    assert cli._run(["train", "mnist", "--data", "fashion", "--out", "run", *TINY, *generator]) == 0
    output = capsys.readouterr().out
    assert "mnist on fashion" in output
    assert "(paper)" not in output  # its 5 % are of digits
    assert json.loads((tmp_path / "run/evaluation.json").read_text())["test"]["images"] == 10
    monkeypatch.chdir(home)  # the path is absolute
    assert cli._run(["resume", str(tmp_path / "run"), "--iterations", "3"]) == 0
    (tmp_path / "my.toml").write_text('base = "faces"\ndata = "scenes"\n')
    monkeypatch.setattr("minigan.datasets.scenes.load.__defaults__", (40, 0))
    generator = ("--set", "generator=fc 8x8x4 bn | up 4 bn | up 1 sigmoid")
    my = str(tmp_path / "my.toml")
    assert cli._run(["data", "prepare", my]) == 0
    assert "my on scenes: 40 images of 32×32×1 are ready" in capsys.readouterr().out
    assert cli._run(["train", my, "--out", str(tmp_path / "mine"), *TINY, *generator]) == 0
    assert len(list((tmp_path / "cache").glob("scenes-faces-*.npy"))) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train svhn", "svhn is not inside minigan; give --data PATH: train_32x32.mat"),
        ("train svhn --data absent.mat", "absent.mat: there is no such file"),
        ("train svhn --data scenes", "there are no scenes of svhn, only of faces, chairs"),
        ("train celeba --data .", "holds no pictures"),
        ("train my.toml", "there is no file my.toml"),
        ("data prepare chairs", "chairs is not inside minigan"),
        ("data prepare moose", "there is no experiment 'moose'"),
    ],
)
def test_data_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: str, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cli._run(arguments.split()) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_catalogue_names_every_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["data"]) == 0
    output = capsys.readouterr().out
    for words in (*EXPERIMENTS, "non-commercial", "rendered_chairs", "train_32x32.mat"):
        assert words in output
