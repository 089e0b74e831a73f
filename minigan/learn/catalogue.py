"""All exercises, in the tour's order."""

from __future__ import annotations

from minigan.errors import SettingsError
from minigan.learn.engine import ENGINE
from minigan.learn.exercise import Exercise
from minigan.learn.gradients import GRADIENTS
from minigan.learn.infogan import INFOGAN
from minigan.learn.kernels import KERNELS
from minigan.learn.tiles import TILES

EXERCISES: tuple[Exercise, ...] = (*GRADIENTS, *ENGINE, *INFOGAN, *KERNELS, *TILES)


def find(name: str) -> Exercise:
    """Return the exercise of that name. SettingsError if there is none."""
    for exercise in EXERCISES:
        if exercise.name == name:
            return exercise
    raise SettingsError(f"there is no exercise '{name}'; 'minigan learn' lists them")
