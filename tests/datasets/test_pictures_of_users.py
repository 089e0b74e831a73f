"""Pictures as cameras, scanners and file managers leave them: turned, deep, hidden, linked, in colour."""

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan.datasets import Images, celeba, faces, folder
from minigan.datasets.cache import Preparation
from minigan.datasets.pictures import PictureFiles
from minigan.errors import DatasetError

GREY, RGB = (8, 8, 1), (8, 8, 3)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def how(tmp_path: Path, said: list[str]) -> Preparation:
    return Preparation(tmp_path / "cache", say=said.append)


def load(path: Path, how: Preparation, shape: tuple[int, int, int] = GREY) -> np.ndarray:
    found = folder.load(path, "train", shape, how)
    assert isinstance(found, Images)
    return found.images


def save(path: Path, values: np.ndarray, **settings: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **settings)  # type: ignore[arg-type]


def oriented(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = number
    return exif


# What each EXIF orientation asks a viewer to do with the stored pixels (TIFF 6.0, tag Orientation).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("number", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_exif_orientation_is_followed(
    number: int, suffix: str, tmp_path: Path, how: Preparation
) -> None:
    stored = np.add.outer(16 * np.arange(8), 3 * np.arange(8) ** 2 // 2).astype(np.uint8)
    lossless = {"lossless": True} if suffix == "webp" else {}
    save(tmp_path / f"a/x.{suffix}", stored, exif=oriented(number), **lossless)
    np.testing.assert_array_equal(load(tmp_path / "a", how)[0, ..., 0], UPRIGHT[number](stored))


def test_renders_that_lie_on_their_side_are_of_their_upright_size(
    tmp_path: Path, how: Preparation
) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"f/{name}.jpg", np.zeros((8, 16), np.uint8), exif=oriented(6))
    save(tmp_path / "f/c.jpg", np.zeros((16, 8), np.uint8))
    found = faces.load(tmp_path / "f", "train", GREY, how)
    assert found is not None and len(found.images) == 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 4096], [256, 65535]], np.uint16), [[0, 16], [1, 255]]),
        (np.zeros((2, 2), np.uint16), [[0, 0], [0, 0]]),
        (np.array([[0, 0.25], [0.5, 1]], np.float32), [[0, 64], [128, 255]]),
        (np.array([[False, True], [True, False]]), [[0, 255], [255, 0]]),
    ],
)
def test_deep_pictures_are_scaled_by_a_rule(
    values: np.ndarray, expected: list[list[int]], tmp_path: Path, how: Preparation
) -> None:
    save(tmp_path / "a/x.tif", values)
    assert load(tmp_path / "a", how, (2, 2, 1))[0, ..., 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4), 200, np.uint16), "is 200, and 65,535 is white"),
        (np.full((4, 4), 4095, np.uint16), "is 4095"),
        (np.full((4, 4), 200, np.float32), "200 … 200, and not 0 … 1"),
        (np.full((4, 4), np.nan, np.float32), "nan … nan"),
        (np.full((4, 4), -0.5, np.float32), "-0.5"),
        (np.full((4, 4), 2**31 - 1, np.int32), "32-bit integers"),
    ],
)
def test_deep_pictures_without_a_scale_are_refused(
    values: np.ndarray, message: str, tmp_path: Path, how: Preparation
) -> None:
    save(tmp_path / "a/x.tif", values)
    with pytest.raises(DatasetError, match=r"cannot be used: x\.tif") as caught:
        load(tmp_path / "a", how)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("highest", "end"), [(100, "255"), (1008, "1023"), (4095, "4095"), (4096, "")]
)
def test_dark_colours_of_16_bits_are_refused(
    highest: int, end: str, tmp_path: Path, how: Preparation
) -> None:
    (tmp_path / "a").mkdir()
    values = np.zeros((4, 4, 3), ">u2")
    values[0, 0] = highest
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]  # fmt: skip
    data = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)  # fmt: skip
    (tmp_path / "a/x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    if end:
        with pytest.raises(DatasetError, match=f"is at most {end}, and 65,535 is white"):
            load(tmp_path / "a", how, (4, 4, 3))
    else:
        assert load(tmp_path / "a", how, (4, 4, 3)).max() == 16


def tiff(values: np.ndarray, white_is_zero: bool) -> bytes:
    """Return a TIFF of one strip; Pillow writes none in which 0 is white (TIFF 6.0, tag PhotometricInterpretation)."""
    (height, width), bits = values.shape, 8 * values.itemsize
    shorts = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: int(not white_is_zero),
        277: 1,
        278: height,
    }
    longs = {273: 8, 279: values.nbytes}
    entries = [struct.pack("<HHIHxx", tag, 3, 1, value) for tag, value in shorts.items()]
    entries += [struct.pack("<HHII", tag, 4, 1, value) for tag, value in longs.items()]
    entries.append(struct.pack("<HHIHxx", 339, 3, 1, 3 if values.dtype.kind == "f" else 1))
    directory = struct.pack("<H", len(entries)) + b"".join(sorted(entries, key=lambda e: e[1::-1]))
    start = struct.pack("<I", 8 + values.nbytes)
    return b"II*\0" + start + values.tobytes() + directory + struct.pack("<I", 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_the_white_of_a_tiff(
    dtype: type, white_is_zero: bool, tmp_path: Path, how: Preparation
) -> None:
    white = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    values = np.array([[0, white], [white, white]], dtype)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.tif").write_bytes(tiff(values, white_is_zero))
    black, bright = (255, 0) if white_is_zero else (0, 255)
    found = load(tmp_path / "a", how, (2, 2, 1))[0, ..., 0].tolist()
    assert found == [[black, bright], [bright, bright]]


def test_16_bits_in_a_pgm(tmp_path: Path, how: Preparation) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.pgm").write_bytes(b"P5 2 1 65535\n" + bytes([0x80, 0, 0xFF, 0xFF]))
    assert load(tmp_path / "a", how, (1, 2, 1)).ravel().tolist() == [128, 255]


LEFT_OUT = [
    ".hidden/a.png",
    ".ipynb_checkpoints/a-checkpoint.png",
    "__MACOSX/a.png",
    "deep/__MACOSX/a.png",
    "deep/.thumbnails/a.png",
    "deep/Thumbnails/a.png",
    "deep/@eaDir/a.png",
    "@__thumb/a.png",
    "#recycle/a.png",
    "$RECYCLE.BIN/a.png",
    "deep/.a.png",
    "__MACOSX/._a.png",
    "notes.txt",
]


def test_what_other_programs_leave_is_no_picture(tmp_path: Path) -> None:
    grey = np.zeros((2, 2), np.uint8)
    home = tmp_path / ".mine"  # a hidden folder that is asked for by name
    for name in (*LEFT_OUT[:-2], "a.png", "deep/thumbnails.png", "deep/.b/../b.PNG"):
        save(home / name, grey)
    assert PictureFiles(home).names == ["a.png", "deep/b.PNG", "deep/thumbnails.png"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in (*LEFT_OUT, "deep\\__MACOSX\\c.png", "deep/b.png"):
            archive.write(home / "a.png", name)
        archive.mkdir("folder.png")
    assert PictureFiles(tmp_path / "a.zip").names == ["deep/b.png"]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(home / "a.png", LEFT_OUT[0])
    with pytest.raises(DatasetError, match="holds no pictures"):
        PictureFiles(tmp_path / "b.zip")


def test_linked_folders_are_read_once(tmp_path: Path, how: Preparation) -> None:
    for name in ("home/z/a.png", "elsewhere/b.png", "elsewhere/deep/c.png"):
        save(tmp_path / name, np.zeros((2, 2), np.uint8))
    home = tmp_path / "home"
    for link, target in (
        ("again", home / "z"),
        ("first", tmp_path / "elsewhere"),
        ("second", tmp_path / "elsewhere"),
        ("third", tmp_path / "elsewhere/deep"),
        ("itself", home),
        ("above", tmp_path),
        ("z/back", home),
        ("nowhere", tmp_path / "absent"),
    ):
        (home / link).symlink_to(target)
    (tmp_path / "elsewhere/round").symlink_to(home)
    assert PictureFiles(home).names == ["first/b.png", "first/deep/c.png", "z/a.png"]
    (tmp_path / "link").symlink_to(home)
    assert len(PictureFiles(tmp_path / "link").names) == 3
    (home / "gone.png").symlink_to(tmp_path / "absent.png")
    with pytest.raises(DatasetError, match=r"1 of 4 images cannot be used: gone\.png \(No such"):
        load(home, how)


NAMES = ("000001.jpg", "000002.jpg", "000003.jpg")
PARTITIONS = {
    "list_eval_partition.txt": "000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n",
    "list_eval_partition.csv": 'image_id,"partition"\r\n000001.jpg,0\r\n"000002.jpg",1\r\n000003.jpg,2\r\n',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", PARTITIONS)
@pytest.mark.parametrize("given", [".", "img_align_celeba", "img_align_celeba/img_align_celeba"])
@pytest.mark.parametrize("place", [".", "Eval"])
def test_celebas_partition_is_found(
    encoding: str, name: str, given: str, place: str, tmp_path: Path, how: Preparation
) -> None:
    home = tmp_path / "set"
    for picture in NAMES:
        pixels = np.full((218, 178, 3), int(picture[:6]) * 60, np.uint8)
        save(home / "img_align_celeba/img_align_celeba" / picture, pixels)
    (home / place).mkdir(exist_ok=True)
    (home / place / name).write_bytes(PARTITIONS[name].encode(encoding))
    for split, value in (("train", 60), ("test", 180)):
        found = celeba.load(home / given, split, RGB, how)  # type: ignore[arg-type]
        assert found is not None and found.images.shape == (1, *RGB)
        assert abs(int(found.images[0, 4, 4, 0]) - value) < 3


def test_a_fortran_ordered_array_becomes_one_that_is_read_in_rows(
    tmp_path: Path, how: Preparation
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    for i, shape in enumerate([RGB, (4, 4, 3)]):
        np.save(tmp_path / f"c{i}.npy", images)
        np.save(tmp_path / f"f{i}.npy", np.asfortranarray(images))
        found = load(tmp_path / f"f{i}.npy", how, shape)
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, load(tmp_path / f"c{i}.npy", how, shape))


def test_colour_that_is_read_in_grey_is_said(
    tmp_path: Path, how: Preparation, said: list[str]
) -> None:
    colour = np.zeros((3, 8, 8, 3), np.uint8)
    colour[..., 1] = 90
    grey = np.full((3, 8, 8, 3), 90, np.uint8)
    save(tmp_path / "colour/b.png", colour[0])
    save(tmp_path / "colour/a.png", grey[0, ..., 0])
    save(tmp_path / "grey/a.png", grey[0])  # grey that is stored as RGB
    np.save(tmp_path / "colour.npy", colour)
    load(tmp_path / "grey", how)
    for name in ("colour", "grey", "colour.npy"):
        load(tmp_path / name, how, RGB)
    assert not said
    for _ in range(2):  # prepared now, and kept from before
        load(tmp_path / "colour", how)
    load(tmp_path / "colour.npy", how)
    assert said == [
        f"{tmp_path}/colour: pictures in colour, such as b.png, are read in grey"
    ] * 2 + [f"{tmp_path}/colour.npy: its images are in colour, and are read in grey"]
    with pytest.warns(UserWarning, match="are read in grey"):
        load(tmp_path / "colour", Preparation(tmp_path / "cache"))


def test_an_encrypted_archive_is_refused(tmp_path: Path, how: Preparation) -> None:
    save(tmp_path / "x.png", np.zeros((8, 8), np.uint8))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "x.png", "x.png")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(header) + flags] |= 1  # the bit that says so
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DatasetError, match=r"x\.png .*encrypted"):
        load(tmp_path / "a.zip", how)
