"""Small networks of the paper's layers."""

import dataclasses

from minigan.experiments.declarations import MNIST

TINY = dataclasses.replace(
    MNIST,
    trunk="conv 4 | conv 8 bn | fc 16 bn",
    generator="fc 16 bn | fc 7x7x8 bn | up 4 bn | up 1 sigmoid",
)
