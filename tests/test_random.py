"""Random numbers, word for word, against Philox as its paper describes it; and their distributions."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given, settings
from hypothesis import strategies as st
from threads import in_threads

import minigan as mg
from minigan import random
from minigan.devices import Device
from minigan.devices.contract.likelihood import CodeTable
from minigan.errors import DeviceError
from minigan.infogan.streams import Stream
from minigan.random import Generator

Key = tuple[int, int, int]
WORD = 2**32 - 1


def philox(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Philox 4×32-10 (Salmon et al. 2011) in unbounded integers: ten rounds, the key bumped between them."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD  # √3 − 1 and the golden ratio
    return c0, c1, c2, c3


def words(key: Key) -> Iterator[int]:
    """The contract: block b is Philox(key = seed, counter = (b's two words, step, stream))."""
    seed, stream, step = key
    block = 0
    while True:
        counter = (block & WORD, block >> 32, step, stream)
        yield from philox(counter, (seed & WORD, seed >> 32))
        block += 1


def uniform_float32(key: Key, count: int, low: float, high: float) -> np.ndarray:
    source = words(key)
    u = np.array([(next(source) >> 8) * 2.0**-24 for _ in range(count)], np.float32)  # exact
    last = max(np.float32(low), np.nextafter(np.float32(high), np.float32(-np.inf)))
    return np.minimum(u * np.float32(high - low) + np.float32(low), last)


def unit_float64(key: Key, count: int) -> list[float]:
    source = words(key)
    return [((next(source) >> 5) * 2**26 + (next(source) >> 6)) / 2**53 for _ in range(count)]


def uniform_float64(key: Key, count: int, low: float, high: float) -> np.ndarray:
    values = np.array(unit_float64(key, count), np.float64) * (high - low) + low
    return np.minimum(values, max(low, np.nextafter(high, -np.inf)))


KNOWN_ANSWERS = [  # of the authors' Random123 library
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((WORD,) * 4, (WORD,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),  # the digits of π
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

KEYS = st.tuples(
    st.integers(0, 2**64 - 1), st.sampled_from(list(Stream)), st.integers(0, 2**31 - 1)
)
SHAPES = st.lists(st.integers(0, 7), max_size=3).map(tuple)
BOUNDS = [
    (0.0, 1.0),
    (-1.0, 1.0),
    (-0.02, 0.02),
    (3.0, 4.5),
    (0.1, 0.1),
    (1e8, 1e8 + 16),
    (-3.0, 1e-9),
]


@pytest.fixture(scope="module", params=mg.device_names())
def device(request: pytest.FixtureRequest) -> Device:
    try:
        return mg.get_device(request.param)
    except DeviceError as error:
        pytest.skip(str(error))


# -- word for word ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    from minigan.devices.cpu.random import philox as compiled

    assert philox(counter, key) == expected
    assert compiled(*map(np.uint32, (*key, *counter))) == expected


@settings(max_examples=50)
@given(key=KEYS, shape=SHAPES, bounds=st.sampled_from(BOUNDS))
@example(key=(2**64 - 1, Stream.NOISE, 2**31 - 1), shape=(13,), bounds=(0.0, 1.0))
@example(key=(0, 0, 0), shape=(), bounds=(-1.0, 1.0))
def test_uniform_is_the_contracts(
    device: Device, key: Key, shape: tuple[int, ...], bounds: tuple[float, float]
) -> None:
    for dtype, oracle in ((np.float32, uniform_float32), (np.float64, uniform_float64)):
        found = device.to_numpy(random.uniform(shape, *bounds, key, device, dtype))
        assert (found.shape, found.dtype) == (shape, dtype)
        np.testing.assert_array_equal(found.ravel(), oracle(key, math.prod(shape), *bounds))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("low", "high"),
    [(1.0, 1.0000002384185791), (-1.0, -0.9999999403953552), (1e8, 1e8 + 8), (0.1, 0.10000001), (-1e30, 1e-30),
     (2.0, 2.0000000000000004), (-5.0, -4.999999999999999), (1e16, 1e16 + 4), (0.0, 1.401298464324817e-45), (0.0, 5e-324),
     (16777215.0, 16777217.0), (-3e38, 0.0), (-0.0, 0.3)],
)  # fmt: skip
def test_the_end_of_an_interval_is_never_reached(
    device: Device, low: float, high: float, dtype: type
) -> None:
    found = device.to_numpy(random.uniform((5000,), low, high, (5, 1, 1), device, dtype))
    first, end = dtype(low), dtype(high)
    assert found.dtype == dtype and (found >= first).all()
    if first < end:
        assert (found < end).all()
    else:  # no number of that dtype lies between
        assert (found == first).all()


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(2.0, 1.0, "float32"), (0.0, math.inf, "float32"), (math.nan, 1.0, "float64"), (0.0, 1e39, "float32"),
     (-3e38, 3e38, "float32"), (-1e308, 1e308, "float64")],
)  # fmt: skip
def test_an_interval_that_is_none_is_refused(
    device: Device, low: float, high: float, dtype: str
) -> None:
    with pytest.raises(ValueError, match="low ≤ high"):
        mg.rand((3,), low, high, dtype=dtype, device=device)
    with pytest.raises(TypeError, match="float32 or float64, not float16"):
        mg.rand((3,), dtype="float16", device=device)


@settings(max_examples=50)
@given(key=KEYS, shape=SHAPES, high=st.integers(1, 2**32))
@example(key=(1, Stream.BATCHES, 1), shape=(9,), high=2**32)
@example(key=(1, Stream.BATCHES, 1), shape=(9,), high=1)
def test_integers_are_the_contracts(
    device: Device, key: Key, shape: tuple[int, ...], high: int
) -> None:
    found = device.to_numpy(random.integers(shape, high, key, device))
    assert (found.shape, found.dtype) == (shape, np.int64)
    source = words(key)
    expected = [next(source) * high >> 32 for _ in range(math.prod(shape))]
    assert found.ravel().tolist() == expected
    assert all(0 <= value < high for value in expected)


@settings(max_examples=25)
@given(key=KEYS, batch=st.integers(0, 9))
def test_sampled_codes_are_the_contracts(device: Device, key: Key, batch: int) -> None:
    table = CodeTable((0, 1, 0, 2), (0, 10, 11, 14), (10, 1, 3, 2), (0.0,) * 4)
    for dtype in (np.float32, np.float64):
        found = device.to_numpy(device.sample_codes(batch, table, dtype, key))
        assert (found.shape, found.dtype) == ((batch, 4), dtype)
        source = words(key)
        for row in found.tolist():
            first, second, third, fourth = (next(source) for _ in range(4))
            assert row == [
                first * 10 >> 32, (second >> 8) / 2**23 - 1, third * 3 >> 32, (fourth >> 8) / 2**23 - 1
            ]  # fmt: skip


@settings(max_examples=25)
@given(key=KEYS, shape=SHAPES, std=st.sampled_from([1.0, 0.02]))
def test_normal_is_box_and_mullers(key: Key, shape: tuple[int, ...], std: float) -> None:
    count = math.prod(shape)
    pairs = (count + 1) // 2
    u = unit_float64(key, 2 * pairs)
    polar = [(math.sqrt(-2 * math.log(1 - a)), 2 * math.pi * b) for a, b in zip(u[:pairs], u[pairs:], strict=True)]  # fmt: skip
    expected = [r * math.cos(t) for r, t in polar] + [r * math.sin(t) for r, t in polar]
    found = random.normal(shape, std, key, np.float64)
    assert (found.shape, found.dtype) == (shape, np.float64)
    np.testing.assert_allclose(
        found.ravel(), std * np.array(expected[:count]), rtol=1e-13, atol=1e-15
    )
    rounded = random.normal(shape, std, key, np.float32)
    np.testing.assert_array_equal(rounded, found.astype(np.float32))


def test_many_blocks_agree_with_the_oracle(device: Device) -> None:
    """Enough for every thread of a kernel."""
    key = (12345678901234567890, Stream.NOISE, 77)
    found = device.to_numpy(random.uniform((40_003,), 0.0, 1.0, key, device))
    for i in (0, 1, 4095, 19_999, 20_000, 20_003, 40_002):
        block = philox((i // 4, 0, 77, Stream.NOISE), (key[0] & WORD, key[0] >> 32))
        assert found[i] == (block[i % 4] >> 8) / 2**24


# -- keys and shapes ----------------------------------------------------------------------------------


def test_numbers_do_not_depend_on_the_shape(device: Device) -> None:
    key = (3, Stream.NOISE, 5)
    draws = {
        "float32": lambda shape: random.uniform(shape, -1.0, 1.0, key, device, np.float32),
        "float64": lambda shape: random.uniform(shape, -1.0, 1.0, key, device, np.float64),
        "integers": lambda shape: random.integers(shape, 10, key, device),
    }
    for draw in draws.values():
        whole = device.to_numpy(draw((3001,)))
        for shape in [(1,), (2, 3, 4), (7,), (1000, 3), (3001, 1)]:
            part = device.to_numpy(draw(shape)).ravel()
            np.testing.assert_array_equal(part, whole[: part.size])


def drawn(device: Device, key: Key) -> bytes:
    return device.to_numpy(random.integers((8,), 2**32, key, device)).tobytes()


def test_seeds_streams_and_steps_draw_different_numbers(device: Device) -> None:
    seeds = [0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 2, 2**64 - 1]
    keys = [(seed, Stream.NOISE, 1) for seed in seeds]
    keys += [(0, stream, 1) for stream in Stream if stream != Stream.NOISE]
    keys += [(0, Stream.NOISE, step) for step in (0, 2, 3, 4, 5, 2**31)]
    assert len({drawn(device, key) for key in keys}) == len(keys)
    assert [drawn(device, key) for key in keys] == [drawn(device, key) for key in keys]


def test_two_purposes_have_two_streams() -> None:
    assert len(Stream) == len(Stream.__members__)  # equal values would be aliases


def test_what_is_out_of_range_is_refused(device: Device) -> None:
    for high in (0, -1, 2**32 + 1):
        with pytest.raises(ValueError, match=f"high is 1 … 2³², not {high}"):
            random.integers((2,), high, (0, 0, 0), device)
    for seed in (-1, 2**64):
        with pytest.raises(OverflowError):
            random.uniform((2,), 0.0, 1.0, (seed, 0, 0), device)


def test_a_generator_takes_a_new_step_each_time() -> None:
    generator = Generator(seed=7)
    keys = [generator.next_key() for _ in range(3)]
    assert keys == [(7, 0, step) for step in (1, 2, 3)]
    resumed = Generator(seed=7, step=2)
    assert resumed.next_key() == keys[2]


def test_threads_take_different_steps() -> None:
    generator, taken = Generator(seed=7), []
    in_threads(lambda: taken.extend(generator.next_key()[2] for _ in range(2000)))
    assert sorted(taken) == list(range(1, 8 * 2000 + 1))


def test_manual_seed_starts_the_default_generator() -> None:
    assert mg.manual_seed(11) is random.default_generator()
    assert random.default_generator().next_key() == (11, 0, 1)
    mg.manual_seed(11)
    assert random.default_generator().next_key() == (11, 0, 1)


# -- distributions: the seeds are fixed, so the outcome is too ----------------------------------------

COUNT = 100_000


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_numbers_are_uniform(device: Device, seed: int, dtype: type) -> None:
    x = device.to_numpy(random.uniform((COUNT,), -1.0, 1.0, (seed, Stream.NOISE, 1), device, dtype))
    assert x.min() >= -1 and x.max() < 1
    assert scipy.stats.kstest(x, "uniform", args=(-1, 2)).pvalue > 1e-3
    neighbours = np.corrcoef(x[:-1], x[1:])[0, 1]
    assert abs(neighbours) < 4 / math.sqrt(COUNT)


@pytest.mark.parametrize("high", [2, 10, 60_000])
def test_integers_are_uniform(device: Device, high: int) -> None:
    x = device.to_numpy(random.integers((COUNT,), high, (1, Stream.BATCHES, 1), device))
    counts = np.bincount(x * min(high, 100) // high, minlength=min(high, 100))
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_streams_and_steps_are_independent(device: Device) -> None:
    keys = [(0, 1, 1), (0, 2, 1), (0, 1, 2), (1, 1, 1), (2**32, 1, 1)]
    draws = [device.to_numpy(random.uniform((COUNT,), 0.0, 1.0, key, device)) for key in keys]
    correlations = np.corrcoef(draws) - np.eye(len(keys))
    assert abs(correlations).max() < 4 / math.sqrt(COUNT)


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_normal_numbers_are_normal(seed: int) -> None:
    std = 0.02
    x = random.normal((COUNT // 10, 10), std, (seed, Stream.WEIGHTS, 1), np.float64).ravel()
    assert np.isfinite(x).all()
    assert scipy.stats.kstest(x / std, "norm").pvalue > 1e-3
    z = x / std
    # Each moment within 4 standard deviations of it: √(1, 2, 15, 96)/√n.
    for power, expected, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((z**power).mean() - expected) < 4 * math.sqrt(variance / COUNT)
    halves = z[: COUNT // 2], z[COUNT // 2 :]  # of one radius each: uncorrelated all the same
    assert abs(np.corrcoef(*halves)[0, 1]) < 4 / math.sqrt(COUNT / 2)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "3", None])
def test_a_seed_out_of_range_is_refused_when_it_is_given(seed: object) -> None:
    before = random.default_generator().seed
    generator = Generator(4)
    with pytest.raises((ValueError, TypeError), match="a seed is"):
        Generator(seed)  # type: ignore[arg-type]
    with pytest.raises((ValueError, TypeError), match="a seed is"):
        mg.manual_seed(seed)  # type: ignore[arg-type]
    with pytest.raises((ValueError, TypeError), match="a seed is"):
        generator.seed = seed  # type: ignore[assignment]
    assert (random.default_generator().seed, generator.seed) == (before, 4)
    assert Generator(np.int32(7)).seed == 7 and Generator(2**64 - 1).seed == 2**64 - 1  # type: ignore[arg-type]
