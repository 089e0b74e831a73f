"""A sweep as tables: those of the recipes on MNIST, or those on rendered scenes."""

from __future__ import annotations

from minigan.errors import RunError
from minigan.experiments.pages import Table
from minigan.experiments.published import mnist, scenes
from minigan.experiments.published.checkout import Checkout
from minigan.experiments.sweeps.directory import Sweep


def publish(sweep: Sweep, checkout: Checkout, note: str = "") -> list[Table]:
    """Write the result of a sweep and its table into the pages of a checkout; return all tables of its kind.

    Raises:
        RunError: It is neither a sweep of one of the recipes nor one on scenes.
    """
    if scenes.is_on_scenes(sweep):
        scenes.write(sweep, checkout, note)
        return [scenes.run_table(values) for values in scenes.kept_in(checkout)]
    if mnist.is_recipe(sweep):
        mnist.write(sweep, checkout, note)
        kept = mnist.kept_in(checkout)
        return [*map(mnist.run_table, kept.values()), mnist.recipe_table(kept)]
    raise RunError(
        f"{sweep.directory} is not a sweep on scenes or of one of the recipes "
        f"({', '.join(mnist.RECIPES)}), with seeds and no grid"
    )
