"""The exported page: its JavaScript draws the pixels that Python draws."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minigan import no_grad, tensor
from minigan.errors import RunError
from minigan.experiments.declarations import get_experiment
from minigan.experiments.settings_by_name import with_values
from minigan.explore import export, reduction
from minigan.explore.explorer import Explorer
from minigan.explore.export import export_page
from minigan.infogan.latents import encode
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings
from minigan.nn import ReLU, Sequential

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no node to run JavaScript")


def rounded(settings: Settings) -> Explorer:
    """Return lively networks, their matrices rounded to float16 as the page has them."""
    networks = Networks(settings)
    rng = np.random.default_rng(0)
    for name, value in networks.generator.named_tensors():
        if value.ndim > 1:
            values = rng.normal(0, 6 / np.sqrt(np.prod(value.shape[:-1])), value.shape)
            value.copy_(values.astype(np.float16))
        elif "var" in name:
            value.copy_(rng.uniform(0.2, 3, value.shape).astype(np.float32))
        else:
            value.copy_(rng.normal(0.1, 0.4, value.shape).astype(np.float32))
    networks.train(False)
    return Explorer(networks, settings, step=7)


def run_page(page: Path, inputs: list[dict[str, Any]]) -> np.ndarray:
    """Return the images (n, values) that the page's generator makes of noise and codes."""
    assert NODE is not None
    script = Path(__file__).with_name("generate.js")
    run = subprocess.run(
        [NODE, str(script), str(page)],
        input=json.dumps(inputs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return np.array(json.loads(run.stdout))


NETWORKS = {
    "mnist": {
        "generator": "fc 9 bn | fc 7x7x5 bn | up 3 bn | up 1 sigmoid",
        "codes": "Cat(3) + 2*Uniform",
    },
    "no norm, stride 1": {
        "generator": "fc 6 | fc 7x7x3 | up 4 s1 bn | up 2 | up 1 tanh",
        "codes": "Uniform + 2*Cat(2)",
        "image_low": -1.0,
    },
}


SMALL = with_values(
    get_experiment("mnist"),
    {"trunk": "conv 4 | fc 16 bn", "device": "cpu", "noise": 5, "dtype": "float64"}
    | NETWORKS["mnist"],
)
LATENTS = [{"noise": [0.5, -0.25, 0.1, 0.9, -1.0], "codes": [2, 0.5, -1.5]}]


def images(explorer: Explorer) -> np.ndarray:
    """Return G's images of `LATENTS`."""
    noise, codes = (tensor(np.array([row[k] for row in LATENTS], np.float64)) for k in LATENTS[0])
    with no_grad():
        drawn: np.ndarray = explorer.networks.generator(encode(SMALL, noise, codes)).numpy()
    return drawn


@needs_node
@pytest.mark.parametrize("kind", NETWORKS)
def test_javascript_draws_what_python_draws(kind: str, tmp_path: Path) -> None:
    values = {"trunk": "conv 4 | conv 8 bn | fc 16 bn", "device": "cpu", "noise": 5}
    values["dtype"] = "float64"  # so that rounding hides nothing: a page calculates in float64 too
    settings = with_values(get_experiment("mnist"), values | NETWORKS[kind])
    explorer, page = rounded(settings), tmp_path / "page.html"
    size, note = export_page(explorer, page)
    assert size == page.stat().st_size and "float16" in note

    rng = np.random.default_rng(1)
    sizes = [getattr(code, "size", None) for code in settings.layout]
    codes = [
        [float(rng.uniform(-2, 2)) if n is None else int(rng.integers(n)) for n in sizes]
        for _ in range(6)
    ]
    noise = rng.uniform(-1, 1, (6, 5))
    inputs = [{"noise": z.tolist(), "codes": c} for z, c in zip(noise, codes, strict=True)]
    drawn = run_page(page, inputs)
    with no_grad():
        latents = encode(settings, tensor(noise), tensor(np.array(codes, np.float64)))
        expected = explorer.networks.generator(latents).numpy()
    assert np.ptp(expected) > 0.5
    assert_allclose(drawn.reshape(expected.shape), expected, rtol=0, atol=1e-11)

    start = run_page(page, [{"codes": codes[0]}])  # with the page's own noise
    picture, _ = explorer.picture(0, codes[0])
    pixels = np.round(
        (start.reshape(28, 28, 1) - settings.image_low) / (1 - settings.image_low) * 255
    )
    assert np.abs(pixels - picture).max() <= 1


def whole_numbers(weights: np.ndarray, bits: int) -> np.ndarray:
    """Return the weights as a page of few bits has them, column by column."""
    for column in weights.reshape(-1, weights.shape[-1]).T:
        step = np.abs(column).max() / (2 ** (bits - 1) - 1)
        if bits == 4:
            step = min(step, 0.38 * column.std())
        step = np.float32(step)
        numbers = np.clip(np.rint(column / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        column[:] = (numbers * step).astype(np.float32)
    return weights


@needs_node
@pytest.mark.parametrize("bits", [8, 4])
def test_large_matrices_of_a_large_page_have_few_bits(
    bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer, page = rounded(SMALL), tmp_path / "page.html"
    size = export_page(explorer, page).size
    monkeypatch.setattr(reduction, "LARGE", 9 * 245)  # the elements of the second matrix
    monkeypatch.setattr(export, "_NOTE", 0)
    monkeypatch.setattr(export, "_LARGEST", size - 1000 if bits == 8 else size - 2500)
    written = export_page(explorer, page)
    assert f"rounded to {bits} bits" in written.note and written.size < size
    for value in explorer.networks.generator.parameters():
        if value.ndim > 1:
            few = bits if value.size >= 9 * 245 else 8
            value.copy_(whole_numbers(value.numpy().copy(), few))
    expected = images(explorer)
    assert_allclose(run_page(page, LATENTS).ravel(), expected.ravel(), rtol=0, atol=1e-9)


@needs_node
def test_four_bits_hardly_change_a_picture(
    trained: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_LARGEST", 1_900_000)
    page = tmp_path / "page.html"
    note = export_page(trained, page).note
    assert "rounded to 4 bits" in note and "rank" not in note
    codes = [[digit, slant, 0.0] for digit in range(10) for slant in (-1.0, 1.0)]
    drawn = run_page(page, [{"codes": code} for code in codes])
    changes = [
        np.abs(255 * image - trained.picture(0, code)[0].ravel())
        for image, code in zip(drawn, codes, strict=True)
    ]
    assert np.mean(changes) < 0.8 and np.max(changes) < 40


def test_a_page_is_one_file_that_asks_for_nothing(explorer: Explorer, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    export_page(explorer, page)
    text = page.read_text("utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert not re.findall(r"\bfetch\(|XMLHttpRequest|import\(|https?://", text)
    assert "default-src 'none'" in text
    assert list(tmp_path.iterdir()) == [page]


def test_a_layer_that_the_page_lacks_is_named(settings: Settings, tmp_path: Path) -> None:
    explorer = rounded(settings)
    layers = explorer.networks.generator.layers
    explorer.networks.generator.layers = Sequential(*layers, ReLU())
    with pytest.raises(RunError, match="a layer ReLU, which the page cannot calculate"):
        export_page(explorer, tmp_path / "page.html")


def test_weights_beyond_float16_are_refused(settings: Settings, tmp_path: Path) -> None:
    explorer = rounded(settings)
    first = explorer.networks.generator.layers[0]
    first.weight.copy_(first.weight.numpy() + 1e5)  # type: ignore[attr-defined]
    with pytest.raises(RunError, match="float16 cannot hold"):
        export_page(explorer, tmp_path / "page.html")
