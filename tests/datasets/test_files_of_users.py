"""Loaders on small files made in the official formats, and their errors on other files."""

import gzip
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from files_of_users import GREY, RGB, noise, refusal
from PIL import Image
from scipy.io import savemat

from minigan.datasets import (
    FactoredImages,
    LabeledImages,
    celeba,
    chairs,
    faces,
    folder,
    svhn,
)
from minigan.datasets.cache import Preparation


def write_mat(path: Path, images: np.ndarray, digits: list[int]) -> None:
    y = np.array(digits, np.uint8)[:, None]
    savemat(path, {"X": np.moveaxis(images, 0, 3), "y": y}, do_compression=True)


def write_celeba(home: Path, count: int) -> Path:
    images = home / "img_align_celeba"
    images.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(noise(218, 178, 3)).save(images / f"{i + 1:06d}.jpg", quality=95)
    return images


def test_svhn_train_extra_and_test(tmp_path: Path, how: Preparation) -> None:
    parts = {
        "train": noise(5, 32, 32, 3),
        "extra": noise(3, 32, 32, 3),
        "test": noise(2, 32, 32, 3),
    }
    digits = {"train": [10, 1, 2, 3, 9], "extra": [5, 10, 7], "test": [8, 10]}
    for name, images in parts.items():
        write_mat(tmp_path / f"{name}_32x32.mat", images, digits[name])
    both = svhn.load(tmp_path, "train", RGB, how)
    test = svhn.load(tmp_path / "train_32x32.mat", "test", RGB, how)
    alone = svhn.load(tmp_path / "extra_32x32.mat", "train", RGB, how)
    assert both is not None
    assert test is not None
    assert alone is not None
    np.testing.assert_array_equal(both.images, np.concatenate([parts["train"], parts["extra"]]))
    assert both.labels.tolist() == [0, 1, 2, 3, 9, 5, 0, 7]  # a zero is written as 10
    np.testing.assert_array_equal(test.images, parts["test"])
    np.testing.assert_array_equal(alone.images, parts["extra"])
    (tmp_path / "test_32x32.mat").unlink()
    assert svhn.load(tmp_path, "test", RGB, how) is None


def test_svhn_that_is_not(tmp_path: Path, how: Preparation) -> None:
    path = tmp_path / "train_32x32.mat"
    assert "there is no such file" in refusal(svhn.load, path, "train", RGB, how)
    assert "holds no train_32x32.mat" in refusal(svhn.load, tmp_path, "train", RGB, how)
    write_mat(path, noise(4, 32, 32, 3), [1, 2, 3, 4])
    whole = path.read_bytes()
    for content in (b"", b"not MATLAB's", whole[:200], whole[: len(whole) // 2], whole[:-9]):
        path.write_bytes(content)
        message = refusal(svhn.load, path, "train", RGB, how)
        assert (
            "cannot be read" in message or "found X uint8 (32, 32, 3, 4); give a whole" in message
        )
    savemat(path, {"Z": np.zeros((2, 2))})
    assert "expected SVHN's X, uint8 (32, 32, 3, N)" in refusal(svhn.load, path, "train", RGB, how)
    write_mat(path, noise(4, 32, 32, 3), [1, 2, 3, 14])
    assert "expected digits 1 … 10 in y, found 1 … 14" in refusal(
        svhn.load, path, "train", RGB, how
    )


def test_celeba_cuts_the_middle_and_keeps_the_partition(tmp_path: Path, how: Preparation) -> None:
    images = write_celeba(tmp_path / "celeba", 6)
    everything = celeba.load(images, "train", RGB, how)
    assert everything is not None
    assert everything.images.shape == (6, *RGB)
    assert celeba.load(images, "test", RGB, how) is None
    with Image.open(images / "000004.jpg") as picture:
        middle = picture.crop((35, 55, 143, 163)).resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(everything.images[3], np.asarray(middle))

    lines = [f"{i + 1:06d}.jpg {split}" for i, split in enumerate([0, 1, 2, 0, 0, 2])]
    (images.parent / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    train = celeba.load(images.parent, "train", RGB, how)
    test = celeba.load(images, "test", RGB, how)
    assert train is not None
    assert test is not None
    np.testing.assert_array_equal(train.images, everything.images[[0, 3, 4]])
    np.testing.assert_array_equal(test.images, everything.images[[2, 5]])

    archive = images.parent / "img_align_celeba.zip"  # as the authors zip it: with its folder
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(images.iterdir(), reverse=True):
            file.write(path, f"img_align_celeba/{path.name}")
    zipped = celeba.load(archive, "train", RGB, how)
    assert zipped is not None
    np.testing.assert_array_equal(zipped.images, train.images)


def test_celeba_that_is_not(tmp_path: Path, how: Preparation) -> None:
    images = write_celeba(tmp_path, 5)
    (images / "000002.jpg").write_bytes((images / "000002.jpg").read_bytes()[:3000])
    Image.fromarray(noise(64, 64, 3)).save(images / "000003.jpg")
    message = refusal(celeba.load, images, "train", RGB, how)
    assert message.startswith("2 of 5 images cannot be used: 000002.jpg (")
    assert "000003.jpg (it is 64×64, and not 178×218)" in message
    kept = celeba.load(images, "train", RGB, Preparation(how.folder, leave_out=True))
    again = celeba.load(images, "train", RGB, how)  # the decision holds
    assert kept is not None
    assert again is not None
    assert len(kept.images) == len(again.images) == 3

    (tmp_path / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg train\n")
    assert "line 2: expected a picture's name and 0, 1 or 2" in refusal(
        celeba.load, images, "train", RGB, how
    )
    (tmp_path / "list_eval_partition.txt").write_text("other.jpg 0\n")
    assert "names none of the 5 pictures" in refusal(celeba.load, images, "train", RGB, how)
    archive = tmp_path / "img.zip"
    archive.write_bytes(b"PK\x03\x04 and no more")
    assert "whole zip archive" in refusal(celeba.load, archive, "train", RGB, how)


def test_chairs_and_what_their_names_say(tmp_path: Path, how: Preparation) -> None:
    home = tmp_path / "rendered_chairs"
    for chair in ("b", "a"):
        (home / chair / "renders").mkdir(parents=True)
        for i, (p, t) in enumerate([(20, 11), (30, 348)]):
            name = f"image_{i:03d}_p{p:03d}_t{t:03d}_r096.png"
            picture = np.full((600, 600, 3), 255, np.uint8)
            picture[100:500, 100:500] = 90 if chair == "a" else 10
            Image.fromarray(picture).save(home / chair / "renders" / name)
    Image.fromarray(noise(9, 9, 3)).save(home / "thumbnails.png")
    found = chairs.load(home, "train", (64, 64, 1), how)
    assert found is not None
    assert found.images.shape == (4, 64, 64, 1)
    assert found.images[:, 32, 32, 0].tolist() == [90, 90, 10, 10]
    assert found.images[:, 1, 1, 0].tolist() == [90, 90, 10, 10]  # the margin of 100 is cut away
    assert found.names == ("shape", "elevation", "azimuth")
    assert found.factors.tolist() == [[0, 20, 11], [0, 30, 348], [1, 20, 11], [1, 30, 348]]
    shutil.rmtree(home / "a")
    shutil.rmtree(home / "b")
    assert "holds no chairs" in refusal(chairs.load, home, "train", (64, 64, 1), how)


def test_faces_with_and_without_factors(tmp_path: Path, how: Preparation) -> None:
    home = tmp_path / "faces"
    home.mkdir()
    for i in range(3):
        Image.fromarray(noise(64, 64)).save(home / f"{i}.png")
    plain = faces.load(home, "train", GREY, how)
    assert plain is not None
    assert not isinstance(plain, FactoredImages)
    (home / "factors.csv").write_text("name,azimuth,width\n2.png,1,2\n0.png,-3.5,4\n1.png,5,6\n")
    found = faces.load(home, "train", GREY, how)
    assert isinstance(found, FactoredImages)
    assert found.names == ("azimuth", "width")
    assert found.factors.tolist() == [[-3.5, 4], [5, 6], [1, 2]]
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for file in home.iterdir():
            archive.write(file, file.name)
    zipped = faces.load(tmp_path / "faces.zip", "train", GREY, how)
    assert isinstance(zipped, FactoredImages)
    np.testing.assert_array_equal(zipped.factors, found.factors)
    for wrong in ("0.png,left", "0.png,nan", "0.png,inf", "2.png,1", ",1", "0.png", "0.png,1,2"):
        (home / "factors.csv").write_text(f"name,azimuth\n2.png,1\n{wrong}\n")
        assert "line 3: expected a picture's name and 1 numbers" in refusal(
            faces.load, home, "train", GREY, how
        )
    (home / "factors.csv").write_text("name,azimuth\n2.png,1\n")
    assert "of 1 of 3 pictures: 0.png is not in it" in refusal(faces.load, home, "train", GREY, how)
    (home / "factors.csv").unlink()
    Image.fromarray(noise(32, 64)).save(home / "3.png")
    assert "1 of 4 images cannot be used: 3.png (it is 64×32, and not 64×64)" in refusal(
        faces.load, home, "train", GREY, how
    )


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


def test_idx_files_as_fashion_mnist_has_them(tmp_path: Path, how: Preparation) -> None:
    images = {"train": noise(7, 28, 28), "t10k": noise(3, 28, 28)}
    for split, array in images.items():
        (tmp_path / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(array)))
        labels = np.arange(len(array), dtype=np.uint8)
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(idx(labels))
    train = folder.load(tmp_path, "train", (28, 28, 1), how)
    test = folder.load(tmp_path, "test", (28, 28, 1), how)
    assert isinstance(train, LabeledImages)
    assert isinstance(test, LabeledImages)
    np.testing.assert_array_equal(train.images[..., 0], images["train"])
    np.testing.assert_array_equal(test.images[..., 0], images["t10k"])
    assert test.labels.tolist() == [0, 1, 2]
    one = folder.load(tmp_path / "train-images-idx3-ubyte.gz", "train", (28, 28, 1), how)
    assert one is not None
    np.testing.assert_array_equal(one.images, train.images)


def test_arrays(tmp_path: Path, how: Preparation) -> None:
    images = noise(6, 32, 32, 3)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(6), more=1)
    for name in ("a.npy", "a.npz"):
        found = folder.load(tmp_path / name, "train", RGB, how)
        assert found is not None
        np.testing.assert_array_equal(found.images, images)
    with pytest.warns(UserWarning, match="read in grey"):
        grey = folder.load(tmp_path / "a.npy", "train", (16, 16, 1), how)
    assert grey is not None
    assert grey.images.shape == (6, 16, 16, 1)
    luma = images @ [0.299, 0.587, 0.114]
    expected = luma.reshape(6, 16, 2, 16, 2).mean(axis=(2, 4))
    assert np.corrcoef(grey.images.ravel(), expected.ravel())[0, 1] > 0.9

    np.save(tmp_path / "b.npy", images / 255)
    assert "found float64 (6, 32, 32, 3)" in refusal(
        folder.load, tmp_path / "b.npy", "train", RGB, how
    )
    np.savez(tmp_path / "b.npz", images=images, labels=np.arange(5))
    assert "an integer label for each of the 6 images, found int64 (5,)" in refusal(
        folder.load, tmp_path / "b.npz", "train", RGB, how
    )
    np.savez(tmp_path / "c.npz", x=images, y=images)
    assert "expected an array 'images', found x, y" in refusal(
        folder.load, tmp_path / "c.npz", "train", RGB, how
    )
    for name in ("a.npy", "a.npz"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:700])
        assert "cannot be read" in refusal(folder.load, path, "train", RGB, how)


def test_pictures_of_any_size_are_cut_to_their_middle(tmp_path: Path, how: Preparation) -> None:
    home = tmp_path / "pictures"
    (home / "deeper").mkdir(parents=True)
    wide = np.zeros((20, 60), np.uint8)
    wide[:, 20:40] = 200
    Image.fromarray(wide).save(home / "b.png")
    tall = np.zeros((64, 32, 4), np.uint8)  # transparent: it shows white
    Image.fromarray(tall).save(home / "deeper/a.png")
    deep = (np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)) * 64
    Image.fromarray(deep).save(home / "c.png")
    (home / "notes.txt").write_text("no picture")
    found = folder.load(home, "train", GREY, how)
    assert found is not None
    assert (found.images[0] == 200).all()
    np.testing.assert_array_equal(found.images[1, ..., 0], deep >> 8)
    assert (found.images[2] == 255).all()
    for empty in (home / "nothing", home / "deeper" / "none"):
        empty.mkdir()
        assert "holds no pictures" in refusal(folder.load, empty, "train", GREY, how)
    assert "no such folder" in refusal(folder.load, home / "absent", "train", GREY, how)
    (home / "nothing/x.png").write_bytes(b"garbage")
    everything = Preparation(how.folder, leave_out=True)
    assert "1 of 1 images cannot be used: x.png (it is no picture" in refusal(
        folder.load, home / "nothing", "train", GREY, everything
    )
