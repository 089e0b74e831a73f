"""A trained run to explore: pictures for codes, and what D and Q say of pictures."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.datasets.cache import Preparation
from minigan.datasets.catalogue import open_images
from minigan.errors import DatasetError, RunError
from minigan.experiments.evaluation import on_fast_device
from minigan.experiments.figures import pixels
from minigan.experiments.readings import real_batches, representation
from minigan.experiments.runs import Run
from minigan.infogan.codes import CategoricalCode, UniformCode
from minigan.infogan.latents import draw_noise_and_codes, encode
from minigan.infogan.networks import Networks
from minigan.infogan.parts import GENERATED, REAL
from minigan.infogan.settings import Settings
from minigan.infogan.streams import Stream
from minigan.recording import no_grad
from minigan.tensor import Tensor, tensor

TRAINED = Path(__file__).parent / "trained"  # the run that comes with minigan
LIMIT = 2.0  # sliders go from −2 to 2, as the paper's Fig. 2 does; training draws from (−1, 1)
TRAVERSAL_STEPS = 9  # values of a continuous code in a traversal
REAL_PICTURES = 400  # to choose from, and on the map


@dataclass(frozen=True)
class Reading:
    """What D and Q say of one picture.

    Attributes:
        real: D's probability that the picture is real.
        codes: of a categorical code the probability of each category; of a continuous one Q's mean.
    """

    real: float
    codes: tuple[tuple[float, ...] | float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"real": self.real, "codes": self.codes}


class Explorer:
    """The networks of a run, in inference; one calculation at a time."""

    def __init__(self, networks: Networks, settings: Settings, step: int) -> None:
        self.networks, self.settings, self.step = networks, settings, step
        self.layout = settings.layout
        self._images: np.ndarray | None = None
        self._readings: list[Reading] | None = None
        self._lock = threading.Lock()  # the kernels' threads serve one call at a time

    @classmethod
    def open(cls, directory: Path) -> Explorer:
        """Open the newest networks of a run, and the real images that its page shows.

        Raises:
            RunError: There is no run, or it is damaged or untrained.
        """
        run = Run.open(directory)
        networks, step = run.networks()
        networks, settings = on_fast_device(networks, run.settings)
        networks.train(False)
        explorer = cls(networks, settings, step)
        if not explorer.is_finite():
            raise RunError("these networks have diverged: what Q reads is not finite")
        return explorer

    def describe(self) -> dict[str, Any]:
        """Return the description of the model that the page builds its controls from."""
        kinds = [_describe(c, n) for c, n in zip(self.layout, self.layout.names, strict=True)]
        return {
            "title": self.settings.title,
            "step": self.step,
            "shape": self.settings.image_shape,
            "codes": kinds,
            "limit": LIMIT,
        }

    def picture(self, noise: int, codes: list[float]) -> tuple[np.ndarray, Reading]:
        """Return G's picture (height, width, channels), uint8, and what D and Q say of it.

        Args:
            noise: which sample of the noise z.
            codes: a value for each code; a category is its index.
        """
        with self._lock, no_grad():
            images = self._generate(noise, np.array([codes]))
            return pixels(images.numpy(), self.settings.image_low)[0], self._read(
                images, GENERATED
            )[0]

    def traversal(
        self, noise: int, codes: list[float], code: int
    ) -> tuple[np.ndarray, list[float]]:
        """Return G's pictures (values, height, width, channels), uint8, for the values of one code, and these."""
        chosen = self.layout.codes[code]
        values = (
            np.arange(chosen.size, dtype=np.float64)
            if isinstance(chosen, CategoricalCode)
            else np.linspace(-LIMIT, LIMIT, TRAVERSAL_STEPS)
        )
        rows = np.tile(np.array(codes), (len(values), 1))
        rows[:, code] = values
        with self._lock, no_grad():
            images = self._generate(noise, rows).numpy()
            return pixels(images, self.settings.image_low), values.tolist()

    def read(self, pixels: np.ndarray) -> list[Reading]:
        """Return what D and Q say of real pictures (n, height, width, channels), uint8."""
        with self._lock, no_grad():
            batches = real_batches(pixels, self.settings, 100)
            return [reading for batch in batches for reading in self._read(batch, REAL)]

    def real_pictures(self) -> np.ndarray:
        """Return some real pictures (n, height, width, channels), uint8; none if they are not on this machine."""
        if self._images is None:
            self._images = _real_pictures(self.settings)
        return self._images

    def real_readings(self) -> list[Reading]:
        """Return what D and Q say of each of those."""
        if self._readings is None:
            self._readings = self.read(self.real_pictures())
        return self._readings

    def is_finite(self) -> bool:
        """Return whether the networks give finite numbers: after a divergence they do not."""
        _, reading = self.picture(0, [0.0] * len(self.layout))
        return bool(np.isfinite(np.hstack([reading.real, *reading.codes])).all())

    def noise(self, noise: int) -> list[float]:
        """Return one sample of the noise z."""
        settings, streams = self.settings, (Stream.SAMPLE_NOISE, Stream.SAMPLE_CODES)
        z: list[float] = draw_noise_and_codes(settings, 1, *streams, noise)[0].numpy()[0].tolist()
        return z

    def _generate(self, noise: int, codes: np.ndarray) -> Tensor:
        settings = self.settings
        rows = np.tile(np.array(self.noise(noise), settings.dtype), (len(codes), 1))
        device = settings.device
        z, c = tensor(rows, device=device), tensor(codes.astype(settings.dtype), device=device)
        return self.networks.generator(encode(settings, z, c))

    def _read(self, images: Tensor, group: str) -> list[Reading]:
        networks = self.networks
        features = networks.discriminator.trunk(images, (group,))
        logits = networks.discriminator(features).numpy()[:, 0].astype(np.float64)
        own_trunk = networks.recognition.trunk is not None
        inputs = images if own_trunk else features
        parameters = networks.recognition(inputs, (group,)).numpy()
        codes, widths = representation(self.layout, parameters)
        ends = np.cumsum(widths)[:-1]
        return [
            self._reading(logit, np.split(row, ends))
            for logit, row in zip(logits, codes, strict=True)
        ]

    def _reading(self, logit: float, codes: list[np.ndarray]) -> Reading:
        values = tuple(
            tuple(columns.tolist()) if isinstance(code, CategoricalCode) else float(columns[0])
            for code, columns in zip(self.layout, codes, strict=True)
        )
        return Reading(0.5 * (1 + math.tanh(logit / 2)), values)


def _describe(code: CategoricalCode | UniformCode, name: str) -> dict[str, Any]:
    if isinstance(code, CategoricalCode):
        return {"name": name, "kind": "categorical", "size": code.size}
    return {"name": name, "kind": "continuous"}


def _real_pictures(settings: Settings) -> np.ndarray:
    """Return the first test pictures of the experiment, else of its training ones; none if they are not on this machine."""
    shape = settings.image_shape
    for split in ("test", "train"):
        try:
            data = open_images(settings.dataset, settings.data, split, shape, Preparation())
        except DatasetError:
            continue
        if data is not None:
            return np.asarray(data.images[:REAL_PICTURES])
    return np.empty((0, *shape), np.uint8)
