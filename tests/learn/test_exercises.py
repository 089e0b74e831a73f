"""Each exercise: the start fails, the solution passes, and usual mistakes are named."""

from pathlib import Path

import pytest

from minigan.devices import get_device
from minigan.errors import DeviceError
from minigan.learn.catalogue import EXERCISES, find
from minigan.learn.exercise import Kernel
from minigan.learn.judging import Verdict, judged_here

# For each exercise: a piece of the solution, a usual mistake in its place, and words of the message.
SLIPS = {
    "square": [("2 * x * dy", "-2 * x * dy", "sign"), ("2 * x", "x", "0.5 times")],
    "reciprocal": [("-dy", "dy", "sign"), ("-dy", "-2 * dy", "2 times")],
    "tanh": [("dy * (", "-dy * (", "sign"), ("dy * (", "dy / 2 * (", "0.5 times")],
    "leaky_relu": [("dy * np", "-dy * np", "sign"), ("dy * np", "3 * dy * np", "3 times")],
    "multiply": [("dy * b", "-dy * b", "sign"), ("dy * a", "dy * a / 2", "0.5 times")],
    "add_bias": [("dy.sum(axis=0)", "dy", "sum is missing"), ("axis=0", "axis=1", "wrong axis")],
    "matrix_product": [
        ("dy @ b.T", "(dy @ b.T).T", "transposed"),
        ("a.T @ dy", "-a.T @ dy", "sign"),
    ],
    "mean_of_rows": [(" / x.shape[1]", "", "times"), ("(dy", "(-dy", "sign")],
    "log_softmax": [("dy - np", "-dy + np", "sign"), (" * dy.sum(axis=1, keepdims=True)", "", "Σ dy")],
    "batch_norm": [("return scale", "return -scale", "sign"), ("(dy - dy.mean(axis=0) - normal * (dy * normal).mean(axis=0))", "dy", "depend on x")],
    "walk_back": [("True", "False", "reversed"), ("{len(parents) - 1}", "set(range(len(parents)))", "depend")],
    "accumulate": [("+=", "=", "overwritten"), ("= 1", "= 2", "2 times")],
    "unbroadcast": [
        ("(axis=stretched, keepdims=True)", "(keepdims=True)", "shape"),
        ("tuple(range(front))", "()", "sum is missing"),
    ],
    "last_use": [("= node", "= node if last[parent] < 0 else last[parent]", "first use")],
    "adam_step": [
        ("return x - step", "return x + step", "sign"),
        ("step = ", "step = 1e-3 * m / (np.sqrt(v) + 1e-8)  # ", "bias correction"),
    ],
    "categorical_log_likelihood": [
        ("return log_q", "return logits", "not normalized"),
        ("shifted = logits - logits.max(axis=1, keepdims=True)", "shifted = logits", "NaN"),
        ("return log_q", "return -log_q", "sign"),
    ],
    "gaussian_log_likelihood": [
        (" - 0.5 * np.log(2 * np.pi)", "", "constant"),
        (" - log_std", "", "log σ"),
        ("sum(axis=1)", "sum(axis=0)", "wrong axis"),
    ],
    "information_bound": [
        (" + np.log(logits.shape[1])", "", "entropy"),
        ("+ np.log(logits.shape[1])", "- np.log(logits.shape[1])", "wrong sign"),
    ],
    "map": [
        ("i < n", "i <= n", "bound"),
        ("2 * x[i] + 1", "-2 * x[i] - 1", "sign"),
        ("i = blockIdx.x * blockDim.x + threadIdx.x", "i = threadIdx.x * gridDim.x + blockIdx.x", "uncoalesced"),
    ],
    "zip": [("i < n", "i <= n", "bound"), ("x[i] * y[i]", "-x[i] * y[i]", "sign")],
    "grid_stride": [("i < n", "i <= n", "bound"), ("i += step", "i += n", "NaN")],
    "bias": [("x[i] + addend", "-x[i] - addend", "sign"), ("column >=", "column >", "bound")],
    "stencil": [("__syncthreads();", "", "__syncthreads"), ("i + 1 < n", "i < n", "bound")],
    "warp_rows": [("if (threadIdx.x == 0)", "", "same element"), ("i < columns", "i <= columns", "bound")],
    "block_rows": [("__syncthreads();", "", "__syncthreads"), ("i < columns", "i <= columns", "bound")],
    "scan": [("__syncthreads();", "", "__syncthreads"), ("i < columns", "i <= columns", "bound")],
    "transpose": [
        ("__syncthreads();", "", "__syncthreads"),
        ("column < columns", "column <= columns", "bound"),
    ],
    "product": [("column >= n", "column > n", "bound"), ("c[row * n + column] = sum", "c[row * n + column] = -sum", "sign")],
    "tiled_product": [("__syncthreads();", "", "__syncthreads"), ("begin + x < k", "begin + x <= k", "bound")],
    "tensor_core_product": [
        ("__syncthreads();", "", "__syncthreads"),
        ("= sum[0][0][e]", "= -sum[0][0][e]", "sign"),
    ],
}  # fmt: skip


def judged(name: str, text: str, folder: Path) -> Verdict:
    file = folder / find(name).file_name
    file.write_text(text, encoding="utf-8")
    return judged_here(file)


@pytest.fixture(autouse=True)
def _compiler(request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params.get("name") if hasattr(request.node, "callspec") else None
    if name and isinstance(find(name), Kernel):
        try:
            get_device("emulated")
        except DeviceError as error:
            pytest.skip(str(error))


def test_there_are_thirty_in_four_chapters() -> None:
    chapters = [exercise.chapter for exercise in EXERCISES]
    counts = {chapter: chapters.count(chapter) for chapter in chapters}
    assert counts == {"gradients": 10, "engine": 5, "InfoGAN": 3, "CUDA kernels": 12}
    assert len({exercise.name for exercise in EXERCISES}) == 30
    assert set(SLIPS) == {exercise.name for exercise in EXERCISES}


@pytest.mark.parametrize("name", [exercise.name for exercise in EXERCISES])
def test_the_start_fails_and_the_solution_passes(name: str, tmp_path: Path) -> None:
    assert not judged(name, find(name).start, tmp_path).passed
    assert judged(name, find(name).solution, tmp_path).passed


@pytest.mark.parametrize(
    ("name", "right", "wrong", "words"),
    [(name, *slip) for name, slips in SLIPS.items() for slip in slips],
)
def test_a_mistake_is_named(name: str, right: str, wrong: str, words: str, tmp_path: Path) -> None:
    solution = find(name).solution
    assert right in solution.partition(find(name).header)[2]
    top, header, body = solution.partition(find(name).header)
    verdict = judged(name, top + header + body.replace(right, wrong), tmp_path)
    assert not verdict.passed
    assert words in verdict.message
    assert verdict.case
