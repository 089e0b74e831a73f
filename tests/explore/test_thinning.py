"""Two thin layers in place of a wide one: the least error of a rank, and pages that fit."""

from pathlib import Path

import numpy as np
import pytest
from explore.test_export import (
    LATENTS,
    SMALL,
    images,
    needs_node,
    rounded,
    run_page,
    whole_numbers,
)
from numpy.testing import assert_allclose

from minigan import Tensor, no_grad, tensor
from minigan.experiments.declarations import get_experiment
from minigan.experiments.settings_by_name import with_values
from minigan.explore import export, reduction
from minigan.explore.explorer import Explorer
from minigan.explore.export import export_page
from minigan.explore.reduction import change_of_pictures
from minigan.explore.thinning import thin
from minigan.infogan.latents import draw_latents
from minigan.infogan.networks import Networks
from minigan.nn import Linear, Module, Sequential


def layer(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a weight, and inputs that vary more in some directions and have a mean."""
    rng = np.random.default_rng(3)
    mixed = rng.normal(0, 1, (300, rows)) * 0.8 ** np.arange(rows)
    inputs = mixed @ rng.normal(0, 1, (rows, rows)) + rng.normal(0, 2, rows)
    return rng.normal(0, 1, (rows, columns)), inputs


@pytest.mark.parametrize("columns", [7, 31])
def test_thin_layers_of_full_rank_are_the_layer(columns: int) -> None:
    weight, inputs = layer(11, columns)
    into, out, bias = thin(weight, inputs, 11)
    assert_allclose(inputs @ into @ out + bias, inputs @ weight, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rank", [1, 4, 10])
def test_thin_layers_lose_what_every_rank_must(rank: int) -> None:
    """The error is that of the outputs' singular values beyond the rank (Eckart & Young 1936); their mean stays."""
    weight, inputs = layer(11, 31)
    into, out, bias = thin(weight, inputs, rank)
    assert into.shape == (11, rank) and out.shape == (rank, 31)
    wanted = inputs @ weight
    error = inputs @ into @ out + bias - wanted
    singular = np.linalg.svd(wanted - wanted.mean(axis=0), compute_uv=False)
    assert_allclose((error**2).sum(), (singular[rank:] ** 2).sum(), rtol=1e-9)
    assert_allclose(error.mean(axis=0), 0, atol=1e-9)


def test_inputs_that_never_change_do_no_harm() -> None:
    weight, inputs = layer(11, 31)
    inputs[:, [2, 5]] = 0.0
    into, out, bias = thin(weight, inputs, 11)
    assert_allclose(inputs @ into @ out + bias, inputs @ weight, rtol=0, atol=1e-9)


@needs_node
def test_javascript_draws_the_thin_layers_that_python_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second matrix is thin: its first part has 8 bits, its second part 4."""
    settings = with_values(SMALL, {"generator": "fc 40 bn | fc 7x7x5 bn | up 3 bn | up 1 sigmoid"})
    explorer, page = rounded(settings), tmp_path / "page.html"
    monkeypatch.setattr(reduction, "LARGE", 40 * 245)
    size = export_page(explorer, page).size
    monkeypatch.setattr(export, "_NOTE", 400)
    most = size - 20_000
    monkeypatch.setattr(export, "_LARGEST", most)
    written = export_page(explorer, page)
    rank = int(written.note.split("rank ")[1].split(" ")[0])
    assert 5 < rank < 35 and most - 800 < written.size < most

    layers = explorer.networks.generator.layers
    wide = layers[2]
    assert isinstance(wide, Linear)
    with no_grad():
        inputs = layers[:2](draw_latents(settings, 4096, 5, 6, 0)[0]).numpy()
    into, out, bias = thin(wide.weight.numpy(), inputs, rank)
    wide.weight.copy_(whole_numbers(into, 8) @ whole_numbers(out.copy(), 4))
    wide.bias = tensor(bias.astype(np.float32), dtype=np.float64)
    for value in explorer.networks.generator.parameters():
        if value.ndim > 1 and value is not wide.weight:
            value.copy_(whole_numbers(value.numpy().copy(), 8))
    expected = images(explorer)
    assert_allclose(run_page(page, LATENTS).ravel(), expected.ravel(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["mnist", "faces", "svhn", "celeba", "chairs"])
def test_the_page_of_the_paper_s_networks_is_small(name: str, tmp_path: Path) -> None:
    settings = with_values(get_experiment(name), {"device": "cpu"})
    networks = Networks(settings)
    networks.train(False)
    written = export_page(Explorer(networks, settings, step=0), tmp_path / "page.html")
    assert 3_500_000 < written.size < 5_000_000


def test_a_change_of_pictures_is_of_255(explorer: Explorer) -> None:
    own = explorer.networks.generator.layers
    assert change_of_pictures(explorer, own) == (0, 0)
    mean, largest = change_of_pictures(explorer, Sequential(*own, Dark()))
    latents = draw_latents(explorer.settings, 500, 5, 6, 1)[0]
    with no_grad():
        drawn = own(latents).numpy()
    assert_allclose([mean, largest], [255 * drawn.mean(), 255 * drawn.max()], rtol=1e-5)


class Dark(Module):
    """Black pictures."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 0
