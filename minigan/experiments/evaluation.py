"""The evaluation of a trained InfoGAN.

Are c1's categories the classes? How much does Q read of each code? How do codes follow known factors, and how do
continuous ones change the strokes of digits?

G makes its images with its own running statistics, so an image does not depend on its batch. Labels are read here
and nowhere else: training never sees one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from minigan import get_device, no_grad
from minigan.datasets import FactoredImages, LabeledImages
from minigan.datasets.cache import Preparation
from minigan.datasets.catalogue import open_images
from minigan.errors import SettingsError, TrainingError
from minigan.experiments.evaluation_result import Evaluation
from minigan.experiments.figures import traversal
from minigan.experiments.readings import (
    code_readings,
    first_categorical,
    real_batches,
    representation,
)
from minigan.infogan.codes import UniformCode
from minigan.infogan.extensions.augmentation import SLIGHT, random_affine
from minigan.infogan.latents import draw_latents
from minigan.infogan.networks import Networks, inference
from minigan.infogan.parts import GENERATED, REAL
from minigan.infogan.settings import Settings
from minigan.infogan.streams import Stream
from minigan.metrics.clustering_error import Clustering, contingency
from minigan.metrics.disentanglement import Disentanglement, measure
from minigan.metrics.strokes import (
    MEASURES,
    StrokeRelation,
    measure_strokes,
    spearman_correlation,
)
from minigan.tensor import Tensor

# Random digits, and values of a continuous code, for its effect on strokes with all else held.
_HELD_DIGITS, _HELD_VALUES = 100, 9
_SAMPLES, _FACTORED = 10_000, 30_000
_USUAL_PIXELS = 32 * 32
_COMPARED_VIEWS = 10_000  # training images that are read again, augmented


def on_fast_device(networks: Networks, settings: Settings) -> tuple[Networks, Settings]:
    """Return the networks on the device that computes many images fast, with settings that name it."""
    faster = get_device(settings.device).faster_device
    if not faster:
        return networks, settings
    moved = dataclasses.replace(settings, device=faster)
    copies = Networks(moved, initialized=False)
    values = dict(networks.named_tensors())
    for name, copy in copies.named_tensors():
        copy.copy_(values[name].numpy())
    return copies, moved


def evaluation_images(
    settings: Settings, preparation: Preparation
) -> tuple[LabeledImages | None, LabeledImages | None, FactoredImages | None]:
    """Return the images that an experiment is measured on: training and test images with labels, images with known factors."""
    shape = settings.image_shape
    train = open_images(settings.dataset, settings.data, "train", shape, preparation)
    test = open_images(settings.dataset, settings.data, "test", shape, preparation)
    return (
        train if isinstance(train, LabeledImages) else None,
        test if isinstance(test, LabeledImages) else None,
        train if isinstance(train, FactoredImages) else None,
    )


def evaluate(
    networks: Networks,
    settings: Settings,
    train: LabeledImages | None,
    test: LabeledImages | None,
    samples: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    factored: FactoredImages | None = None,
    batch_size: int = 500,
) -> Evaluation:
    """Measure the networks on real images, and on `samples` fresh ones, the same for the same seed.

    Real images are divided by the first categorical code. All codes are held against
    factors, where these are known. Each real image is read once. The networks are left as they were.

    Args:
        networks: G, D and Q, on the device of the settings.
        settings: The experiment.
        train: Training images and labels, if there are any.
        test: Test images and labels, if they are to be read.
        samples: The number of fresh images; 10,000 if None, and fewer of more than 32×32 pixels.
        progress: Called after each batch with the number of images that are done, and of all.
        factored: Images with known factors; 30,000 at most, and fewer of more than 32×32 pixels.
        batch_size: Images that are read at once.

    Raises:
        SettingsError: The images do not fit the experiment.
        TrainingError: The networks have diverged.
    """
    samples = _affordable(_SAMPLES, settings) if samples is None else samples
    if samples < 1:
        raise ValueError(f"evaluate: there must be at least one sample, not {samples}")
    layout = settings.layout
    dividing = first_categorical(layout)
    if dividing is None:
        train = test = None
    labeled = [images for images in (train, test) if images is not None]
    for images in labeled:
        _check(images, settings)
    if factored is not None:
        _check_factored(factored, settings)
        most = _affordable(_FACTORED, settings)
        factored = FactoredImages(factored.images[:most], factored.factors[:most], factored.names)
    n_classes = max((int(images.labels.max()) + 1 for images in labeled), default=0)
    views = 0 if train is None else len(train.images[:_COMPARED_VIEWS])
    total = samples + views + sum(len(images.labels) for images in labeled)
    total += len(factored.images) if factored is not None else 0
    q = _Reader(networks, settings, batch_size, total, progress)
    trained = tested = scores = agreement = None
    relations: tuple[StrokeRelation, ...] = ()
    strokes: list[np.ndarray] = []

    def generate(latents: Tensor) -> Iterator[Tensor]:
        for start in range(0, samples, batch_size):
            images = networks.generator(latents[start : start + batch_size])
            if settings.measures == "strokes":
                strokes.append(_strokes(images.numpy(), settings))
            yield images

    with no_grad(), inference(networks):
        if train is not None and dividing is not None:
            categories = q.categories(q.batches(train.images))
            matrix = contingency(categories, train.labels, dividing[1], n_classes)
            trained = Clustering.of(dividing[0], matrix, None)
            copies = augmented_batches(train.images[:_COMPARED_VIEWS], settings, batch_size)
            agreement = float((q.categories(copies) == categories[:_COMPARED_VIEWS]).mean())
        if test is not None and dividing is not None:
            categories = q.categories(q.batches(test.images))
            matrix = contingency(categories, test.labels, dividing[1], n_classes)
            tested = Clustering.of(dividing[0], matrix, trained)
        if factored is not None:
            scores = q.disentanglement(factored)
        latents, codes = draw_latents(
            settings, samples, Stream.EVALUATION_NOISE, Stream.EVALUATION_CODES, 0
        )
        readings = code_readings(layout, q.read(generate(latents), GENERATED), codes.numpy())
        if strokes:
            relations = stroke_relations(networks, settings, codes.numpy(), np.concatenate(strokes))
    return Evaluation(
        settings.title, samples, readings, trained, tested, relations, scores, agreement,
        settings.reference,
    )  # fmt: skip


class _Reader:
    """Reads images with Q, batch by batch, and says how many of all are done."""

    def __init__(
        self,
        networks: Networks,
        settings: Settings,
        batch_size: int,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.networks, self.settings, self.batch_size = networks, settings, batch_size
        self.done, self.total, self.progress = 0, total, progress

    def batches(self, images: np.ndarray) -> Iterator[Tensor]:
        """Yield real images in batches."""
        return real_batches(images, self.settings, self.batch_size)

    def read(self, batches: Iterable[Tensor], group: str) -> np.ndarray:
        """Return Q's parameters for all images of a group, (images, columns)."""
        parts = []
        for batch in batches:
            parts.append(self.networks.read(batch, group).numpy())
            self.done += batch.shape[0]
            if self.progress is not None:
                self.progress(self.done, self.total)
        parameters = np.concatenate(parts)
        if not np.isfinite(parameters).all():
            raise TrainingError(
                f"these networks have diverged: what Q reads in {group} images is not finite"
            )
        return parameters

    def categories(self, batches: Iterable[Tensor]) -> np.ndarray:
        """Return the category of the first categorical code that Q reads in each real image."""
        dividing = first_categorical(self.settings.layout)
        assert dividing is not None
        _, size, offset = dividing
        return np.asarray(self.read(batches, REAL)[:, offset : offset + size].argmax(axis=1))

    def disentanglement(self, data: FactoredImages) -> Disentanglement:
        """Return the scores of Q's codes against known factors."""
        layout = self.settings.layout
        parameters = self.read(self.batches(data.images), REAL)
        codes, widths = representation(layout, parameters)
        seed, threads = self.settings.seed, get_device(self.settings.device).threads
        return measure(codes, data.factors, layout.names, data.names, widths, seed, threads)


def _affordable(count: int, settings: Settings) -> int:
    """Return how many images to read of `count`: as many fewer as they are larger than 32×32 pixels."""
    height, width, _ = settings.image_shape
    return max(1, min(count, count * _USUAL_PIXELS // (height * width)))


def augmented_batches(images: np.ndarray, settings: Settings, batch_size: int) -> Iterator[Tensor]:
    """Yield a slightly augmented copy of each real image.

    Of how many Q reads the same category in both needs no label, so a run may be chosen by it.
    """
    consistency = settings.extension("consistency")
    ranges = consistency.ranges if consistency else SLIGHT
    for i, batch in enumerate(real_batches(images, settings, batch_size)):
        yield random_affine(batch, ranges, (settings.seed, Stream.EVALUATION_AUGMENTATION, i))


def stroke_relations(
    networks: Networks, settings: Settings, codes: np.ndarray, strokes: np.ndarray
) -> tuple[StrokeRelation, ...]:
    """Return how each continuous code moves slant and stroke width, in digits with those codes and strokes."""
    relations = []
    for i, (name, code) in enumerate(zip(settings.layout.names, settings.layout, strict=True)):
        if not isinstance(code, UniformCode):
            continue
        images = traversal(networks, settings, i, _HELD_DIGITS, _HELD_VALUES, limit=1.0)
        held = _strokes(images.reshape(-1, *images.shape[2:]), settings)
        held = held.reshape(_HELD_DIGITS, _HELD_VALUES, len(MEASURES))
        values = np.arange(_HELD_VALUES)
        for m, measured in enumerate(MEASURES):
            one_by_one = [spearman_correlation(values, digit[:, m]) for digit in held]
            correlation = spearman_correlation(codes[:, i], strokes[:, m])
            relations.append(
                StrokeRelation(name, measured, correlation, float(np.mean(one_by_one)))
            )
    return tuple(relations)


def _strokes(images: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the strokes of generated images (n, height, width, 1), white on black."""
    ink = (images[..., 0].astype(np.float64) - settings.image_low) / (1 - settings.image_low)
    return measure_strokes(ink)


def _check(labeled: LabeledImages, settings: Settings) -> None:
    images, labels = labeled.images, labeled.labels
    if images.shape[1:] != settings.image_shape or len(images) != len(labels) or not len(images):
        raise SettingsError(
            f"{settings.experiment} is evaluated on images of {settings.image_shape} with a label each; "
            f"these are {images.shape} with labels {labels.shape}"
        )


def _check_factored(data: FactoredImages, settings: Settings) -> None:
    images, shape = data.images, np.shape(data.factors)
    if images.shape[1:] != settings.image_shape or shape != (len(images), len(data.names)):
        raise SettingsError(
            f"{settings.experiment} is evaluated on images of {settings.image_shape} with factors each; these "
            f"are {images.shape} with factors {shape}, named {', '.join(data.names) or 'nothing'}"
        )
