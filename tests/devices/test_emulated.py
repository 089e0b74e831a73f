"""The emulated device: the CUDA dialect, what it catches, and a training step against the CPU's."""

import dataclasses
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_list import KERNEL_DEVICES, moved_back, moved_to

import minigan as mg
from minigan.datasets import mnist
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.images import AffineRanges, OcclusionSizes
from minigan.devices.contract.normalization import BatchNormalization
from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.device import KERNELS
from minigan.devices.emulated import Emulated
from minigan.devices.sources import kernel_names, kernel_sources
from minigan.errors import KernelError
from minigan.experiments.declarations import MNIST
from minigan.infogan.step import Trainer
from minigan.ops.likelihood import code_table

DIALECT = Path(__file__).parent / "kernels" / "dialect.cu"
DEVICES = {
    "x86-64 switch": {},
    "portable switch": {"portable_switch": True},
    "another order": {"order_seed": 7},
    "one worker": {"workers": 1},
    "strict": {"strict": True},
}


@pytest.fixture(scope="module", params=DEVICES, ids=lambda name: name.replace(" ", "-"))
def device(request: pytest.FixtureRequest) -> Emulated:
    return Emulated(**DEVICES[request.param])


@pytest.fixture(
    scope="module",
    params=[name for name in DEVICES if name != "strict"],
    ids=lambda name: name.replace(" ", "-"),
)
def fast_device(request: pytest.FixtureRequest) -> Emulated:
    """For what a strict one refuses (test_strict.py)."""
    return Emulated(**DEVICES[request.param])


def launch(
    device: Emulated,
    kernel: str,
    *arguments: Any,
    grid: Any = (1,),
    block: Any = (64,),
    **settings: Any,
) -> None:
    path = settings.pop("path", DIALECT)
    device.launch_file(path, kernel, np.float32, grid, block, arguments, **settings)


X = np.arange(128, dtype=np.float32)


def test_static_shared_memory_is_of_the_block(device: Emulated) -> None:
    y = np.zeros_like(X)
    launch(device, "reverse", X, y, grid=(2,))
    np.testing.assert_array_equal(y, X.reshape(2, 64)[:, ::-1].ravel())


def test_dynamic_shared_memory(device: Emulated) -> None:
    y = np.zeros(96, np.float32)
    launch(device, "reverse_dynamic", X, y, block=(96,), shared_bytes=96 * 4)
    np.testing.assert_array_equal(y, X[95::-1])


def test_shared_memory_starts_as_nan_in_every_block(fast_device: Emulated) -> None:
    """Also after a kernel of the same library has written it."""
    y = np.zeros_like(X)
    launch(fast_device, "reverse", X, y, grid=(2,))
    z = np.zeros(64, np.float32)
    launch(fast_device, "uninitialised", z)
    assert np.isnan(z).all()


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (
            "divergent_barrier",
            r"divergent_barrier: .*waits in dialect.cu:\d+, and thread \(\d+,0,0\) of .* has ended",
        ),
        (
            "different_barriers",
            r"different_barriers: .*dialect.cu:\d+, and thread .* is at the barrier in dialect.cu:\d+",
        ),
        ("warp_without_a_lane", r"warp_without_a_lane: a barrier that not all threads reach"),
    ],
)
def test_a_barrier_that_not_all_threads_reach_is_an_error(
    device: Emulated, kernel: str, message: str
) -> None:
    y = np.zeros(64, np.float32)
    with pytest.raises(KernelError, match=message):
        launch(device, kernel, y)
    launch(device, "reverse", X, np.zeros_like(X), grid=(2,))  # and the device goes on


def test_the_line_of_a_barrier_is_its_line_in_the_source(device: Emulated) -> None:
    lines = DIALECT.read_text(encoding="utf-8").splitlines()
    with pytest.raises(KernelError) as error:
        launch(device, "divergent_barrier", np.zeros(64, np.float32))
    (line,) = re.findall(r"waits in dialect.cu:(\d+)", str(error.value))
    assert "if (threadIdx.x < 40) __syncthreads();" in lines[int(line) - 1]


def test_shuffles(device: Emulated) -> None:
    y = np.zeros(256, np.float32)
    launch(device, "shuffles", X[:64], y)
    lane, base = np.arange(64) % 32, np.arange(64) // 32 * 32
    np.testing.assert_array_equal(y[:64], base + (lane ^ 1))
    np.testing.assert_array_equal(y[64:128], base + np.where(lane + 3 < 32, lane + 3, lane))
    np.testing.assert_array_equal(y[128:192], base + np.where(lane >= 2, lane - 2, lane))
    np.testing.assert_array_equal(y[192:], base + 5)


def test_lanes_outside_a_mask_take_no_part(device: Emulated) -> None:
    y = np.zeros(64, np.float32)
    launch(device, "half_warp", X[:64], y)
    lane = np.arange(64) % 32
    np.testing.assert_array_equal(y, np.arange(64) // 32 * 32 + np.where(lane < 16, lane ^ 8, lane))


def test_votes(device: Emulated) -> None:
    x = np.zeros(64, np.int32)
    x[[1, 31]] = 1
    x[32:] = 1
    y = np.zeros(192, np.int32)
    launch(device, "votes", x, y)
    np.testing.assert_array_equal(y[:64].view(np.uint32), np.repeat([2**1 + 2**31, 2**32 - 1], 32))
    np.testing.assert_array_equal(y[64:128], 1)
    np.testing.assert_array_equal(y[128:], np.repeat([0, 1], 32))


def test_atomics_count_every_thread_of_every_block(device: Emulated) -> None:
    counter = np.zeros(1, np.int32)
    launch(device, "count", counter, grid=(13, 5), block=(33,))
    assert counter[0] == 13 * 5 * 33


def test_warp_sum(device: Emulated) -> None:
    y = np.zeros(64, np.float32)
    launch(device, "sum_of_warps", X[:64], y)
    np.testing.assert_array_equal(y, np.repeat(X[:64].reshape(2, 32).sum(axis=1), 32))


def test_an_asynchronous_copy_lands_at_its_wait(device: Emulated) -> None:
    x = np.arange(256, dtype=np.float32) + 1
    y = np.zeros(256, np.float32)
    launch(device, "copied", x, y, 1)
    in_bounds = np.repeat(np.arange(64) % 2 == 0, 4)
    np.testing.assert_array_equal(y, np.where(in_bounds, x, 0))


def test_an_asynchronous_copy_without_a_wait_does_not_land(fast_device: Emulated) -> None:
    y = np.zeros(256, np.float32)
    launch(fast_device, "copied", np.arange(256, dtype=np.float32), y, 0)
    assert np.isnan(y).all()


def test_threads_and_blocks_know_where_they_are(device: Emulated) -> None:
    grid, block = (2, 3, 2), (3, 2, 2)
    y = np.zeros(12 * 12, np.int32)
    launch(device, "coordinates", y, grid=grid, block=block)
    expected = [
        x + 10 * yy + 100 * z + 1000 * bx + 10000 * by + 100000 * bz
        for bz, by, bx, z, yy, x in itertools.product(*map(range, (*grid[::-1], *block[::-1])))
    ]
    np.testing.assert_array_equal(y, expected)


def test_the_seed_decides_the_order() -> None:
    orders = []
    for seed in (1, 1, 2):
        y, counter = np.zeros(64, np.int32), np.zeros(1, np.int32)
        launch(Emulated(order_seed=seed), "order", y, counter)
        assert sorted(y) == list(range(64))
        orders.append(y.tolist())
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_a_file_that_does_not_compile_says_why(tmp_path: Path) -> None:
    path = tmp_path / "broken.cu"
    path.write_text('#include "minigan.cuh"\nKERNEL broken(real* y) { y[0] = nonsense; }\n')
    report = r"^broken\.cu does not compile for the emulated device:\n[^<]*broken\.cu:2:33: error: .*nonsense"
    with pytest.raises(KernelError, match=report):
        launch(Emulated(), "broken", np.zeros(1, np.float32), path=path)


def test_every_kernel_of_the_contract_is_there() -> None:
    assert Emulated().kernels() == list(KERNELS)


def test_every_cuda_kernel_is_launched_by_the_plan() -> None:
    folder = Path(mg.__file__).parent / "devices" / "cuda_plan"
    plan = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    for source in kernel_sources().glob("*.cu"):
        for name in kernel_names(source.read_text(encoding="utf-8")):
            stem = re.sub(
                r"gemm_[nt]{2}", "gemm_{", re.sub("(_narrow)?(_vector)?(_tf32)?$", "", name)
            )
            assert f'"{source.stem}"' in plan
            assert f'"{stem}"' in plan or ("gemm_{" in stem and stem in plan), (
                f"{name} is in no launch plan"
            )


# -- whole steps ------------------------------------------------------------------------------------


@pytest.fixture
def not_strict() -> Iterator[None]:
    """Full-size networks are too much for watching each access."""
    emulated = mg.get_device("emulated")
    assert isinstance(emulated, Emulated)
    emulated.strict = False
    yield
    emulated.strict = True


def trainers(dtype: str, device: str) -> tuple[Trainer, Trainer]:
    """The same start on the CPU and on that device."""
    images = mnist.load("test").images
    # Of about 300,000 pre-activations a step one may lie so near a kink of the leaky ReLU that the rounding of float32
    # puts it on either side, and then a gradient jumps by percents on any pair of devices. With this seed none does.
    settings = dataclasses.replace(MNIST, batch_size=8, dtype=dtype, seed=6)
    other = dataclasses.replace(settings, device=device)
    # Launch by launch, since these tests look between the halves of a step.
    return Trainer(settings, images), Trainer(other, images, capture=False)


@pytest.mark.usefixtures("not_strict")
@pytest.mark.parametrize("device", KERNEL_DEVICES)
def test_latents_and_batches_are_the_cpus_to_the_bit(device: str) -> None:
    for dtype in ("float32", "float64"):
        cpu, emulated = trainers(dtype, device)
        for step in (1, 2, 77):
            for found, expected in zip(emulated.latents(step), cpu.latents(step), strict=True):
                np.testing.assert_array_equal(found.numpy(), expected.numpy())
            found, expected = emulated.real_images(step), cpu.real_images(step)
            np.testing.assert_array_equal(found.numpy(), expected.numpy())


State = dict[str, np.ndarray[Any, Any]]


def gradients_of_a_step(trainer: Trainer, after_first_half: State | None) -> tuple[State, State]:
    """The gradients that each optimizer sees in the next step, which is taken; and the networks between its halves.

    `after_first_half` replaces D and Q there, so that the second half starts from the same ones elsewhere.
    """
    gradients: State = {}
    between: State = {}

    def observe(name: str, optimizer: Any, then: Any) -> None:
        def step() -> None:
            for i, parameter in enumerate(optimizer.parameters):
                gradients[f"{name}.{i}"] = parameter.grad.numpy().copy()
            type(optimizer).step(optimizer)
            then()

        optimizer.step = step

    def at_half() -> None:
        for name, tensor in trainer.networks.named_tensors():
            if after_first_half is not None and not name.startswith("generator"):
                tensor.copy_(after_first_half[name])
            between[name] = tensor.numpy().copy()

    observe("D, Q", trainer.discriminator_optimizer, at_half)
    observe("G", trainer.generator_optimizer, lambda: None)
    trainer.step()
    del trainer.discriminator_optimizer.step, trainer.generator_optimizer.step  # type: ignore[method-assign]
    return gradients, between


@pytest.mark.usefixtures("not_strict")
@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-10), ("float32", 5e-4)])
@pytest.mark.parametrize("device", KERNEL_DEVICES)
def test_gradients_of_three_steps_of_full_size_networks(
    device: str, dtype: str, bound: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each half's gradients from the same parameters, tensor by tensor in norm."""
    cpu, emulated = trainers(dtype, device)
    monkeypatch.setattr(emulated.device, "prepare", lambda step: None)  # it would call the hooks
    for step in range(3):
        emulated.load_state(step, cpu.state())
        expected, between = gradients_of_a_step(cpu, None)
        found, _ = gradients_of_a_step(emulated, between)
        assert expected.keys() == found.keys()
        for name, gradient in expected.items():
            difference = np.linalg.norm(found[name] - gradient)
            assert difference <= bound * np.linalg.norm(gradient), (step, name)


@pytest.mark.usefixtures("not_strict")
@pytest.mark.parametrize("device", KERNEL_DEVICES)
def test_parameters_after_three_steps(device: str) -> None:
    """In float64 only: in float32 Adam's first steps turn rounding noise in a gradient near 0 into ±α."""
    cpu, emulated = trainers("float64", device)
    for _ in range(3):
        cpu.step()
        emulated.step()
    found = emulated.state()
    for name, expected in cpu.state().items():
        difference = np.linalg.norm(found[name] - expected)
        assert difference <= 1e-8 * np.linalg.norm(expected), name


# -- kernel by kernel -------------------------------------------------------------------------------


def kernel_calls(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """Arguments for each kernel of the contract: odd shapes, several blocks, every stride and side of padding."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return np.asarray(rng.normal(size=shape), dtype)

    def adam_of(sizes: list[int]) -> tuple[Any, ...]:
        lists = [[abs(normal(size)) for size in sizes] for _ in range(4)]
        return (*lists, np.array([3]), AdamSettings(1e-3, 0.5, 0.999, 1e-8))

    geometry = ConvolutionGeometry((9, 7), (4, 6), (4, 3), (2, 1), ((1, 2), (0, 1)))
    x, dy = normal(3, 9, 7, 5), normal(3, 4, 6, 8)
    table = code_table([mg.Categorical(4), mg.Gaussian(0.7), mg.Categorical(3), mg.Gaussian(None)])
    columns = [rng.integers(0, 4, 6), rng.normal(size=6), rng.integers(0, 3, 6), rng.normal(size=6)]
    codes = np.stack(columns, axis=1).astype(dtype)
    rows = normal(60, 37)
    mean, variance = mg.get_device("cpu").batch_norm_statistics(rows, 2)
    normalization = BatchNormalization(mean, variance, normal(37), normal(37), 1e-5, 0.1)
    key = (12345678901234, 3, 7)
    images = rng.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
    moments = [np.abs(normal(300)), np.abs(normal(300))]
    return {
        "gemm": (normal(70, 33), normal(33, 90), normal(90)),
        "gemm, A transposed": (normal(33, 70), normal(33, 90), None, True, False),
        "gemm, B transposed": (normal(70, 33), normal(90, 33), None, False, True),
        "gemm, both transposed": (normal(33, 70), normal(90, 33), normal(90), True, True),
        "column_sum": (normal(3, 50, 40),),
        "conv2d": (x, normal(4, 3, 5, 8), normal(8), geometry),
        "conv2d_backward_data": (dy, normal(4, 3, 5, 8), geometry),
        "conv2d_backward_weight": (x, dy, geometry),
        "conv_transpose2d": (dy, normal(4, 3, 8, 5), normal(5), geometry),
        "conv_transpose2d_backward_data": (x, normal(4, 3, 8, 5), geometry),
        "conv_transpose2d_backward_weight": (dy, x, geometry),
        "batch_norm_statistics": (rows, 2),
        "batch_norm_statistics, running": (rows, 2, [(normal(37), normal(37)) for _ in range(2)], 0.9),
        "batch_norm_statistics, more groups than a table holds": (
            normal(60, 5), 20, [(normal(5), normal(5)) for _ in range(20)], 0.3
        ),
        "batch_norm": (rows, normalization),
        "batch_norm_backward": (normal(60, 37), rows, normalization, True, True),
        "batch_norm_backward, running": (normal(60, 37), rows, normalization, False, True),
        "leaky_relu": (normal(3, 700), 0.1),
        "leaky_relu_backward": (normal(300), normal(300), 0.2),
        "sigmoid": (100 * normal(300),),
        "sigmoid_backward": (normal(300), normal(300)),
        "tanh": (3 * normal(300),),
        "tanh_backward": (normal(300), np.tanh(normal(300))),
        "scaled_sum": (normal(3, 700), 0.7, normal(3, 700), -1.3),
        "scaled_sum, alone": (normal(3, 700), 0.7, None, 0.0),
        "multiply": (normal(3, 700), normal(3, 700)),
        "weighted_sum": (normal(30, 37), normal(37), 30),
        "weighted_sum, of several blocks": (normal(300, 37), normal(37), 30),
        "weighted_sum, unweighted": (normal(300, 37), None, 7),
        "weighted_sum, of one": (normal(1), None, 1),
        "weighted_sum_backward": (normal(), normal(37), 30, (3, 10, 37)),
        "weighted_sum_backward, unweighted": (normal(1), None, 30, (30, 37)),
        "pad_rows": (normal(5, 3, 2), 2, 1),
        "pad_rows, no rows": (normal(0, 3), 2, 1),
        "binary_cross_entropy_with_logits": (10 * normal(300), np.abs(normal(300)) % 1),
        "code_log_likelihood": (normal(6, 10), codes, table),
        "code_consistency_information": (3 * normal(6, 10), 3 * normal(6, 10), table),
        "code_consistency_information, more rows than threads": (normal(300, 10), normal(300, 10), table, 1.5),
        "scale_code_gradient": (normal(6, 10), normal(6, 4), table),
        "scale_code_gradient, of every row": (normal(6, 10), normal(4), table),
        "adam": ([normal(300)], [normal(300)], [moments[0]], [moments[1]], 3, AdamSettings(1e-3, 0.5, 0.9, 1e-8)),
        "adam, in vectors and beside them": adam_of([1, 4095, 4096, 4097, 0, 20000]),
        "adam, of more tensors than a table holds": adam_of([*range(1, 141)]),
        "accumulate": (normal(300), normal(300)),
        "accumulate, scaled": (normal(300), normal(300), 0.9, -0.2),
        "increment": (np.array([2**40]),),
        "random_uniform": ((5, 7), -1.0, 1.0, dtype, key),
        "random_integers": ((11,), 60000, key),
        "sample_codes": (9, table, dtype, key),
        "encode_latents": (normal(6, 5), codes, table),
        "gather_images": (images, np.array([3, 1, 19]), -1.0, 1.0, dtype),
        "random_occlusion": (normal(5, 12, 14, 3), np.sin(9 * normal(5, 3, 6)), OcclusionSizes(3.0, 6.0), -1.0, 1.0),
        "random_occlusion, of one pixel": (normal(2, 1, 1, 1), np.sin(normal(2, 1, 6)), OcclusionSizes(3.0, 6.0), -1.0, 1.0),
        "random_affine": (normal(5, 7, 4, 3), np.sin(normal(5, 5)), AffineRanges(0.5, 0.2, 0.3, 2.5)),
        "random_affine, of one pixel": (normal(2, 1, 1, 1), np.sin(normal(2, 5)), AffineRanges(0.5, 0.2, 0.3, 2.5)),
        "concatenate_rows": ([normal(2, 3), normal(4, 3)],),
        "concatenate_rows, empty parts": ([normal(0, 3), normal(4, 3), normal(0, 3), normal(0, 3), normal(1, 3)],),
        "concatenate_rows, more parts than a table holds": ([normal(i % 3, 5) for i in range(131)],),
    }  # fmt: skip


def arrays_of(values: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(values, np.ndarray):
        return [values]
    return (
        [array for value in values for array in arrays_of(value)]
        if isinstance(values, (list, tuple))
        else []
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", kernel_calls(np.float32))
@pytest.mark.parametrize("device", KERNEL_DEVICES)
def test_a_kernel_gives_what_the_cpus_gives(device: str, name: str, dtype: Any) -> None:
    """Results, and arguments changed in place, up to the rounding of some hundred operations."""
    arguments = kernel_calls(dtype)[name]
    outcomes = []
    for place in (mg.get_device("cpu"), mg.get_device(device)):
        mine = moved_to(place, arguments)
        result = getattr(place, name.partition(",")[0])(*mine)
        outcomes.append(arrays_of(moved_back(place, [result, list(mine)])))
    tolerance = 300 * np.finfo(dtype).eps
    for expected, found in zip(*outcomes, strict=True):
        np.testing.assert_allclose(
            found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max(initial=0)
        )


def test_every_kernel_is_compared() -> None:
    assert {name.partition(",")[0] for name in kernel_calls(np.float32)} == set(KERNELS)


def test_arrays_with_gaps_are_refused() -> None:
    """A kernel would read, or change, what lies between; a contiguous copy would take a change that nobody sees."""
    device, settings = mg.get_device("emulated"), AdamSettings(1e-2, 0.5, 0.9, 1e-8)
    rows, strided = device.ones((4, 5), np.float32), device.ones((4, 10), np.float32)[:, ::2]
    column = strided[0]
    for total, gradient in ((strided, rows), (rows, strided)):
        with pytest.raises(ValueError, match=r"^accumulate: an array .* is not contiguous"):
            device.accumulate(total, gradient)
    with pytest.raises(ValueError, match=r"^batch_norm_statistics: an array .* is not contiguous"):
        device.batch_norm_statistics(rows, 1, [(rows[0], column)], 0.9)
    for i in range(4):
        arrays = [strided if i == j else rows for j in range(4)]
        with pytest.raises(ValueError, match=r"^adam: an array .* is not contiguous"):
            device.adam(*([a] for a in arrays), 1, settings)


@pytest.mark.parametrize("misaligned", range(4))
def test_adam_takes_arrays_that_are_not_aligned(misaligned: int) -> None:
    """Each of the four arrays in turn begins between two vectors of 16 bytes."""
    buffers = list(abs(np.random.default_rng(0).normal(size=(4, 10000))).astype(np.float32))
    results = []
    for device in (mg.get_device("cpu"), mg.get_device("emulated")):
        copies = [device.copy(device.asarray(buffer)) for buffer in buffers]
        arrays = [b[i == misaligned :][:9001] for i, b in enumerate(copies)]
        assert [a.ctypes.data % 16 != 0 for a in arrays] == [i == misaligned for i in range(4)]
        device.adam(*([a] for a in arrays), 2, AdamSettings(1e-2, 0.5, 0.9, 1e-8))
        results.append([np.asarray(b) for b in copies])
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
