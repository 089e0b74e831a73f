"""`minigan train images`: the choices for a user's images, and the messages."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan.cli import main
from minigan.errors import DatasetError, SettingsError
from minigan.experiments.own_images import declare_own_images
from minigan.experiments.runs import Run
from minigan.infogan.networks import Networks


def pictures(
    folder: Path, sizes: list[tuple[int, int]], colour: tuple[int, int, int] = (9, 9, 9)
) -> Path:
    """Write 12 pictures of these sizes, (width, height), in turn."""
    folder.mkdir()
    for i in range(12):
        Image.new("RGB", sizes[i % len(sizes)], colour).save(folder / f"{i:02d}.png")
    return folder


@pytest.mark.parametrize(
    ("sizes", "colour", "shape"),
    [
        ([(70, 90), (64, 300)], (9, 9, 9), (64, 64, 1)),
        ([(63, 90)], (9, 9, 9), (32, 32, 1)),
        ([(40, 33), (500, 500)], (200, 10, 10), (32, 32, 3)),
        ([(20, 20)], (9, 9, 9), (28, 28, 1)),
        ([(64, 64)], (9, 9, 10), (64, 64, 3)),
    ],
)
def test_the_networks_fit_the_pictures(
    tmp_path: Path,
    sizes: list[tuple[int, int]],
    colour: tuple[int, int, int],
    shape: tuple[int, int, int],
) -> None:
    folder = pictures(tmp_path / "mine", sizes, colour)
    settings, line = declare_own_images(str(folder))
    assert settings.image_shape == shape and settings.batch_size == 12
    assert settings.data == str(folder) and not settings.measures and not settings.reference
    assert Networks(settings).generator.image_shape == shape
    assert "12 images" in line and ("in colour" in line) == (shape[2] == 3)
    assert f"{shape[1]}×{shape[0]}" in line and "--set image_shape=" in line


def test_the_shape_can_be_chosen(tmp_path: Path) -> None:
    settings, _ = declare_own_images(str(pictures(tmp_path / "mine", [(90, 90)])), "28,28,3")
    assert Networks(settings).generator.image_shape == settings.image_shape == (28, 28, 3)


def test_arrays_are_looked_at_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "grey.npy", rng.integers(0, 256, (300, 33, 40), dtype=np.uint8))
    np.savez(tmp_path / "rgb.npz", images=rng.integers(0, 256, (15, 28, 28, 3), dtype=np.uint8))
    grey, _ = declare_own_images(str(tmp_path / "grey.npy"))
    rgb, line = declare_own_images(str(tmp_path / "rgb.npz"))
    assert grey.image_shape == (32, 32, 1) and grey.batch_size == 128
    assert rgb.image_shape == (28, 28, 3) and "15 images of 28×28, in colour" in line


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    folder = str(pictures(tmp_path / "mine", [(90, 90)]))
    with pytest.raises(SettingsError, match="needs --data PATH"):
        declare_own_images(None)
    with pytest.raises(SettingsError, match=r"image_shape is one of .*32,32,3.*not 48,48,3"):
        declare_own_images(folder, "48,48,3")
    with pytest.raises(DatasetError, match="there is no such folder or file"):
        declare_own_images(str(tmp_path / "nowhere"))
    np.save(tmp_path / "few.npy", np.zeros((3, 28, 28), np.uint8))
    with pytest.raises(SettingsError, match="3 images are too few"):
        declare_own_images(str(tmp_path / "few.npy"))


def test_they_are_trained_with_no_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "mine", [(30, 28)])
    small = ["--set", "trunk=conv 2", "--set", "generator=fc 14x14x2 bn | up 1 sigmoid"]
    with pytest.raises(SystemExit) as end:
        main(["train", "images", "--data", "mine", "--iterations", "2", "--no-evaluate", "--device", "cpu",
              "--cache", str(tmp_path / "cache"), *small])  # fmt: skip
    assert not end.value.code
    assert "12 images of 30×28, grey; networks for 28×28 grey" in capsys.readouterr().err
    run = Run.open(tmp_path / "runs" / "images-seed0")
    assert run.settings.data == str(tmp_path / "mine") and run.settings.image_shape == (28, 28, 1)


def test_settings_that_do_not_fit_say_which_one_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "mine", [(64, 64)])
    Path("mine.toml").write_text('base = "faces"\ndata = "mine"\nimage_shape = [64, 64, 1]\n')
    with pytest.raises(SystemExit) as end:
        main(["train", "mine.toml", "--device", "cpu", "--set", "batch_size=4"])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "set image_shape to 32,32,1, or a generator for 64×64 with 1 channels" in message
