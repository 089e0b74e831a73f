"""The scripts of examples/ run for two steps, and print correct results."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minigan as mg

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs a script in an empty folder, and gives its names and its output."""

    def run_script(name: str, steps: int = 2) -> tuple[dict[str, Any], str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", [name, "--steps", str(steps)])
        mg.manual_seed(0)
        names = runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return names, capsys.readouterr().out

    return run_script


def weights(*modules: Any) -> list[np.ndarray]:
    return [p.numpy().copy() for module in modules for p in module.parameters()]


def all_differ(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) > 0 and all(
        np.isfinite(b).all() and (a != b).any() for a, b in zip(first, second, strict=True)
    )


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, f"no {pattern!r} in {text!r}"
    return float(found[1])


def picture(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_every_example_is_run_here() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(
        re.findall(r'run\("(\w+\.py)"', tests)
    )


def test_infogan_trains_g_d_and_q(run: Any) -> None:
    before, _ = run("infogan_mnist.py", steps=0)
    after, output = run("infogan_mnist.py")
    for network in ("G", "trunk", "D", "Q"):
        assert all_differ(weights(before[network]), weights(after[network])), network
    # L_I is a lower bound of the mutual information, which is at most H(c1).
    assert number(r"L_I\(c1\) (-?[\d.]+)", output) < np.log(10)
    # V starts at -ln 4: D cannot tell real images from generated ones.
    assert number(r"step 2: V (-[\d.]+)", output) == pytest.approx(-np.log(4), rel=0.2)


def test_infogan_draws_a_noise_a_row_and_a_category_a_column(run: Any) -> None:
    names, output = run("infogan_mnist.py", steps=0)
    cells = picture("infogan_mnist.png").reshape(10, 28, 10, 28).swapaxes(1, 2)
    assert "wrote infogan_mnist.png" in output
    assert len(np.unique(cells.reshape(100, -1), axis=0)) == 100
    row, column = 3, 7
    z, c23 = names["z"][row], names["c23"][row]
    latents = np.concatenate([z, np.eye(10)[column], c23])[None]
    digit = names["G"](mg.tensor(latents, dtype="float32")).numpy()[0, :, :, 0]
    np.testing.assert_allclose(cells[row, column], 255 * digit, atol=0.51)


def test_infogan_information_is_the_bound_in_nats(run: Any) -> None:
    names, _ = run("infogan_mnist.py", steps=0)
    features = mg.tensor(np.random.default_rng(1).normal(size=(6, 1024)), dtype="float32")
    codes = np.array([[0, 0.1, 0.2], [9, -1, 1], [3, 0, 0], [4, 0.5, -0.5], [5, 1, 1], [6, 0, 1]])
    found = names["information"](features, mg.tensor(codes, dtype="float32")).numpy()
    outputs = names["Q"](features).numpy().astype(np.float64)
    logits = outputs[:, :10]
    log_q = logits[np.arange(6), codes[:, 0].astype(int)] - np.log(np.exp(logits).sum(axis=1))
    gaussian = -0.5 * (codes[:, 1:] - outputs[:, 10:]) ** 2 - 0.5 * np.log(2 * np.pi)
    expected = [log_q.mean() + np.log(10), *(gaussian.mean(axis=0) + np.log(2))]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_classifier_counts_right_answers(run: Any) -> None:
    before, _ = run("classifier.py", steps=0)
    names, output = run("classifier.py")
    assert all_differ(weights(before["model"]), weights(names["model"]))
    images, labels = names["test"].images[:300], names["test"].labels[:300]
    names["model"].eval()
    logits = names["model"](mg.tensor(images / 255, dtype="float32")).numpy()
    right = sum(int(np.argmax(row) == label) for row, label in zip(logits, labels, strict=True))
    assert names["accuracy"](images, labels) == right / 300
    assert names["model"].training  # the measure leaves batch norm as it was
    assert 10 < number(r"accuracy on the test images: ([\d.]+) %", output) <= 100


def test_the_vae_bound_rises_and_digits_are_drawn(run: Any) -> None:
    _, output = run("vae.py", steps=0)
    untrained = number(r"test images: (-[\d.]+) nats", output)
    _, output = run("vae.py", steps=8)
    assert untrained + 50 < number(r"test images: (-[\d.]+) nats", output) < 0
    assert picture("vae.png").shape == (280, 280)


def test_the_vae_bound_is_below_the_log_likelihood(run: Any) -> None:
    """With q(z|x) = p(z) and a decoder that ignores z the bound is the log likelihood itself."""
    names, _ = run("vae.py", steps=0)
    with mg.no_grad():
        for p in [*names["encoder"].parameters(), *names["decoder"].parameters()]:
            p.zero_()
    images = np.random.default_rng(2).integers(256, size=(5, 28, 28, 1))
    bound = names["lower_bound"](images, np.random.default_rng(3)).item()
    assert bound == pytest.approx(-784 * np.log(2), rel=1e-5)  # each pixel has p = 1/2


def test_the_vae_divergence_is_that_of_two_normal_distributions(run: Any) -> None:
    """A constant q(z|x) = N(m, v) and a decoder that ignores z leave KL(N(m, v) || N(0, 1))."""
    names, _ = run("vae.py", steps=0)
    mean, variance = np.linspace(-1, 1, 20), np.linspace(0.5, 2, 20)
    with mg.no_grad():
        for p in [*names["encoder"].parameters(), *names["decoder"].parameters()]:
            p.zero_()
        last = names["encoder"].parameters()[-1]
        last.copy_(np.concatenate([mean, np.log(variance)]).astype(np.float32))
    images = np.zeros((3, 28, 28, 1), np.uint8)
    bound = names["lower_bound"](images, np.random.default_rng(3)).item()
    z = np.linspace(-12, 12, 4001)[:, None]
    q = np.exp(-0.5 * (z - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    p = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    divergence = (q * np.log(np.maximum(q, 1e-300) / p)).sum() * (z[1, 0] - z[0, 0])
    assert -784 * np.log(2) - bound == pytest.approx(divergence, rel=1e-4)


def test_the_own_operation_is_checked_and_trained(run: Any) -> None:
    before, output = run("own_operation.py", steps=0)
    assert "rms_norm: the gradients agree with central differences" in output
    assert "found, as it should be: wrong_rms_norm: the gradient of input 1" in output
    after, output = run("own_operation.py")
    assert all_differ(weights(before["model"]), weights(after["model"]))
    assert 0 < number(r"step 2: cross entropy ([\d.]+)", output) < np.log(10)


def test_the_own_operation_is_the_papers_norm(run: Any) -> None:
    names, _ = run("own_operation.py", steps=0)
    rng = np.random.default_rng(5)
    x, weight = rng.normal(size=(2, 3, 7)), rng.normal(size=7)
    found = names["rms_norm"](mg.tensor(x), mg.tensor(weight)).numpy()
    for i, j in np.ndindex(2, 3):
        r = np.sqrt(sum(value**2 for value in x[i, j]) / 7 + 1e-5)
        np.testing.assert_allclose(found[i, j], weight * x[i, j] / r, rtol=1e-12)
