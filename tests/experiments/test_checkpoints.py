"""One file holds a whole state, to the bit; a changed file is never taken for it."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import safe_open
from safetensors.numpy import save_file

from minigan.errors import RunError
from minigan.experiments.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from minigan.experiments.declarations import MNIST

ANY_TENSORS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: name != "__metadata__"),
    st.sampled_from([np.float32, np.float64, np.int64]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0))
    ),
)


def example() -> Checkpoint:
    tensors = {
        "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "bias": np.array([-0.0, np.pi]),
    }
    return Checkpoint(42, replace(MNIST, seed=2**64 - 1, lambda_continuous=0.1), tensors)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The example's file."""
    file = tmp_path / "state.safetensors"
    save_checkpoint(file, example())
    return file


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to overwrite, once for each example that Hypothesis tries."""
    return tmp_path_factory.mktemp("checkpoints") / "state.safetensors"


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
        assert found[name].tobytes() == values.tobytes()


def test_reads_back_what_was_written(path: Path) -> None:
    found, expected = load_checkpoint(path), example()
    assert (found.step, found.settings) == (expected.step, expected.settings)
    assert_same(found.tensors, expected.tensors)


@settings(max_examples=25)  # each waits for the disk
@given(tensors=ANY_TENSORS, step=st.integers(0, 10**9))
def test_reads_back_any_tensors_to_the_bit(
    scratch: Path, tensors: dict[str, np.ndarray], step: int
) -> None:
    save_checkpoint(scratch, Checkpoint(step, MNIST, tensors))
    found = load_checkpoint(scratch)
    assert found.step == step
    assert_same(found.tensors, tensors)


def test_an_array_is_written_by_its_values_not_by_its_memory(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(3, 4)
    views = {"transposed": values.T, "strided": values[:, ::2], "reversed": values[::-1]}
    save_checkpoint(tmp_path / "state", Checkpoint(1, MNIST, views))
    assert_same(load_checkpoint(tmp_path / "state").tensors, views)


def test_only_what_is_kept_is_returned_but_all_is_verified(path: Path) -> None:
    found = load_checkpoint(path, keep=lambda name: name == "bias")
    assert_same(found.tensors, {"bias": example().tensors["bias"]})
    content = path.read_bytes()
    path.write_bytes(flipped(content, content.index(example().tensors["weight"].tobytes()), 1))
    with pytest.raises(RunError, match="damaged"):
        load_checkpoint(path, keep=lambda name: name == "bias")


def test_the_metadata_is_one_key_of_sorted_json(path: Path) -> None:
    """Several keys would be written in random order, and the same state would not be the same file."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    assert set(metadata) == {"minigan"}
    header = json.loads(metadata["minigan"])
    assert metadata["minigan"] == json.dumps(header, sort_keys=True, ensure_ascii=False)
    assert (header["step"], header["settings"]["seed"]) == (42, 2**64 - 1)


def test_a_state_is_always_the_same_file(path: Path) -> None:
    before, checkpoint = path.read_bytes(), example()
    backwards = dict(reversed(checkpoint.tensors.items()))
    save_checkpoint(path, replace(checkpoint, tensors=backwards))
    assert path.read_bytes() == before


# -- files that are no checkpoint ------------------------------------------------------------------


def flipped(content: bytes, position: int, mask: int) -> bytes:
    return content[:position] + bytes([content[position] ^ mask]) + content[position + 1 :]


def assert_refused(path: Path, *words: str) -> None:
    with pytest.raises(RunError) as caught:
        load_checkpoint(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.safetensors", "there is no checkpoint")


def test_a_file_cut_short_anywhere(path: Path) -> None:
    content = path.read_bytes()
    for length in [*range(12), *range(12, len(content), 37), len(content) - 1]:
        path.write_bytes(content[:length])
        assert_refused(path, "damaged")


def test_a_file_with_more_behind_it(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")
    assert_refused(path, "damaged")


def test_every_flipped_byte_of_a_tensor(path: Path) -> None:
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    assert len(content) - start == 6 * 4 + 2 * 8
    for position in range(start, len(content)):
        path.write_bytes(flipped(content, position, 0x10))
        assert_refused(path, "damaged", "or goes on from an older one")


@pytest.fixture(scope="module")
def written(scratch: Path) -> bytes:
    """The content of the example's file."""
    save_checkpoint(scratch, example())
    return scratch.read_bytes()


@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_never_changes_a_tensor(
    scratch: Path, written: bytes, share: float, bit: int
) -> None:
    scratch.write_bytes(flipped(written, int(share * len(written)), 1 << bit))
    try:
        found = load_checkpoint(scratch)
    except RunError:
        return
    assert_same(found.tensors, example().tensors)


@given(content=st.binary() | st.binary().map(lambda rest: struct.pack("<Q", len(rest)) + rest))
def test_any_bytes_are_refused(scratch: Path, content: bytes) -> None:
    scratch.write_bytes(content)
    assert_refused(scratch)


@pytest.mark.parametrize(
    "metadata",
    [
        None, {}, {"format": "pt"}, {"minigan": "{"}, {"minigan": "[]"}, {"minigan": "1"},
        {"minigan": "{}"}, {"minigan": '{"format": 1}'},
        {"minigan": '{"format": 999, "step": 1, "settings": {}, "sha256": ""}'},
    ],
)  # fmt: skip
def test_a_safetensors_file_of_something_else(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": np.zeros(3)}, path, metadata=metadata)
    assert_refused(path, "not a checkpoint of minigan's")


def test_settings_of_another_version(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b"beta2") == 1
    path.write_bytes(content.replace(b"beta2", b"gamma"))
    assert_refused(path, "another minigan", "gamma")
