"""What a trained InfoGAN has learned.

Are c1's categories the classes, how much does Q read of each code, how do the codes follow factors that are
known, and what do the continuous ones do to a digit's strokes?

Q reads real images with the running statistics of the real group, and generated ones with those of the
generated group, which are the statistics that its norms saw for such images in training; G makes its images
with its own running statistics, so an image does not depend on its batch. Labels are read here and nowhere
else: training never sees one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigan import get_device, no_grad
from minigan.datasets import FactoredImages, LabeledImages
from minigan.datasets.cache import Preparation
from minigan.datasets.catalogue import open_images
from minigan.errors import SettingsError, TrainingError
from minigan.experiments.figures import traversal
from minigan.infogan.codes import CategoricalCode, CodeLayout, UniformCode
from minigan.infogan.extensions.augmentation import SLIGHT, random_affine
from minigan.infogan.latents import draw_latents
from minigan.infogan.networks import GENERATED, REAL, Networks, inference
from minigan.infogan.objective import log_likelihood
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
from minigan.ops.likelihood import code_table
from minigan.tensor import Tensor, tensor

# Of a uniform code on (−1, 1) about its mean, the best guess without looking.
_UNREAD_RMSE = 1 / math.sqrt(3)
# Random digits, and values of a continuous code, for its effect on strokes with all else held.
_HELD_DIGITS, _HELD_VALUES = 100, 9
_COMPARED_VIEWS = 10_000  # training images whose warped copies are read as well


# -- codes against what Q reads -----------------------------------------------------------------


@dataclass(frozen=True)
class CodeReading:
    """How well Q reads one code in generated images; nats.

    `information` is L_I(c) = H(c) + E[log Q(c|x)] ≤ `attainable`. `rmse` and `correlation` are those of Q's
    mean with a continuous code, and None for a categorical one.
    """

    name: str
    code: str
    entropy: float
    information: float
    attainable: float
    rmse: float | None = None
    correlation: float | None = None


def code_readings(
    layout: CodeLayout, parameters: np.ndarray, codes: np.ndarray
) -> tuple[CodeReading, ...]:
    """The reading of each code: Q's `parameters` (samples, columns) for images of `codes` (samples, codes)."""
    parameters, codes = parameters.astype(np.float64), codes.astype(np.float64)
    means = log_likelihood(tensor(parameters), tensor(codes), layout).numpy().mean(axis=0)
    offsets = code_table(layout.densities).offset
    readings = []
    for i, (name, code) in enumerate(zip(layout.names, layout, strict=True)):
        rmse = correlation = None
        if isinstance(code, UniformCode):
            read, true = parameters[:, offsets[i]], codes[:, i]
            rmse = math.sqrt(np.mean((read - true) ** 2))
            correlation = pearson_correlation(read, true)
        readings.append(
            CodeReading(
                name=name,
                code=str(code),
                entropy=code.entropy,
                information=code.entropy + float(means[i]),
                attainable=code.attainable,
                rmse=rmse,
                correlation=correlation,
            )
        )
    return tuple(readings)


def pearson_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """cov(x, y)/(σ_x·σ_y), and 0 where one of them is constant: it tells nothing of the other."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


# -- two views of an image ---------------------------------------------------------------------


def agreement(
    networks: Networks, settings: Settings, images: np.ndarray, batch_size: int = 500
) -> float | None:
    """Of how many images, as a share, Q finds the first categorical code again in a slightly warped copy.

    It needs no labels, so a run may be chosen by it. None without a categorical code.
    """
    dividing = _first_categorical(settings.layout)
    if dividing is None:
        return None
    _, size, offset = dividing
    consistency = settings.extension("consistency")
    ranges = consistency.ranges if consistency else SLIGHT

    def categories(batch: Tensor) -> np.ndarray:
        read: np.ndarray = networks.read(batch, REAL).numpy()
        return np.asarray(read[:, offset : offset + size].argmax(axis=1))

    same = 0
    with no_grad(), inference(networks):
        for i, batch in enumerate(_real_batches(images, settings, batch_size)):
            copies = random_affine(
                batch, ranges, (settings.seed, Stream.EVALUATION_AUGMENTATION, i)
            )
            same += int((categories(batch) == categories(copies)).sum())
    return same / len(images)


# -- codes against factors ----------------------------------------------------------------------


def representation(
    layout: CodeLayout, parameters: np.ndarray
) -> tuple[np.ndarray, tuple[int, ...]]:
    """What Q reads, as `minigan.metrics.disentanglement` takes it: codes (n, columns), and each code's columns.

    Of a categorical code the probability of each category, softmax of its logits; of a continuous one Q's mean.
    """
    table = code_table(layout.densities)
    codes = parameters.astype(np.float64)
    for code, offset in zip(layout, table.offset, strict=True):
        if isinstance(code, CategoricalCode):
            logits = codes[:, offset : offset + code.size]
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            codes[:, offset : offset + code.size] = odds / odds.sum(axis=1, keepdims=True)
    return codes, tuple(density.columns for density in layout.densities)


def read_factored(
    networks: Networks, settings: Settings, data: FactoredImages, batch_size: int = 500
) -> tuple[np.ndarray, tuple[int, ...], np.ndarray]:
    """Q's codes of images, each code's columns, and the images' factors, for the scores of `disentanglement`."""
    _check_factored(data, settings)
    with no_grad(), inference(networks):
        batches = _real_batches(data.images, settings, batch_size)
        parameters = np.concatenate([networks.read(batch, REAL).numpy() for batch in batches])
    return *representation(settings.layout, parameters), np.asarray(data.factors, np.float64)


# -- codes against strokes ----------------------------------------------------------------------


def stroke_relations(
    networks: Networks, settings: Settings, codes: np.ndarray, strokes: np.ndarray
) -> tuple[StrokeRelation, ...]:
    """How each continuous code moves slant and stroke width, in digits with those codes and strokes."""
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


def _draws_digits(settings: Settings) -> bool:
    return settings.measures == "strokes"


def _strokes(images: np.ndarray, settings: Settings) -> np.ndarray:
    """Of generated images (n, height, width, 1), whose ink is white."""
    ink = (images[..., 0].astype(np.float64) - settings.image_low) / (1 - settings.image_low)
    return measure_strokes(ink)


# -- the evaluation of a run --------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """All that is measured of trained networks.

    `codes` are read in `samples` fresh images. `train` and `test` are None without those images, or
    without a categorical code to divide them, as is `agreement`, of the first 10,000 training images. `strokes` are of MNIST's digits alone, `disentanglement` of images
    with known factors.
    """

    experiment: str
    samples: int
    codes: tuple[CodeReading, ...]
    train: Clustering | None
    test: Clustering | None
    strokes: tuple[StrokeRelation, ...] = ()
    disentanglement: Disentanglement | None = None
    agreement: float | None = None
    reference: str = ""

    @property
    def entropy(self) -> float:
        """H(c) of all codes together: they are independent, so it is the sum."""
        return sum(reading.entropy for reading in self.codes)

    @property
    def information(self) -> float:
        """L_I of all codes together, each with weight 1."""
        return sum(reading.information for reading in self.codes)

    @property
    def attainable(self) -> float:
        """The most that L_I can be."""
        return sum(reading.attainable for reading in self.codes)

    @property
    def unsupervised_error(self) -> float | None:
        """The paper's: the one-to-one error on the test images, or on the training images alone."""
        clustering = self.test or self.train
        return None if clustering is None else clustering.one_to_one_error

    def to_json(self) -> dict[str, Any]:
        """As plain values, every number finite."""
        return {
            **dataclasses.asdict(self),
            "entropy": self.entropy,
            "information": self.information,
            "attainable": self.attainable,
            "unsupervised_error": self.unsupervised_error,
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """(what, its value, what to hold it against), for a table."""
        rows = []
        for name, clustering in (("test", self.test), ("training", self.train)):
            if clustering is not None:
                rows += self._error_rows(clustering, f"{clustering.images:,} {name} images")
        if self.agreement is not None:
            rows.append(
                ("images sorted like their augmented copies", f"{100 * self.agreement:.2f} %", "")
            )
        rows += [
            ("H(c)", f"{self.entropy:.3f}", ""),
            ("L_I", f"{self.information:.3f}", f"at most {self.attainable:.3f}"),
        ]
        for r in self.codes:
            rows.append(
                (f"L_I({r.name}), {r.code}", f"{r.information:.3f}", f"at most {r.attainable:.3f}")
            )
            if r.rmse is not None and r.correlation is not None:
                rows += [
                    (f"RMSE of {r.name}", f"{r.rmse:.3f}", f"{_UNREAD_RMSE:.3f} unread"),
                    (f"correlation of {r.name}", f"{r.correlation:.3f}", "±1 at best"),
                ]
        rows += [
            (
                f"Spearman's ρ of {r.code} with {r.measure}",
                f"{r.correlation:.3f}",
                f"{r.held_correlation:.3f} with all else held",
            )
            for r in self.strokes
        ]
        return rows + (self.disentanglement.rows() if self.disentanglement else [])

    def _error_rows(self, clustering: Clustering, images: str) -> list[tuple[str, str, str]]:
        paper = self.reference
        errors = (
            ("one-to-one matching", clustering.one_to_one_error, paper),
            ("the training images' matching", clustering.training_matching_error, ""),
            ("majority vote", clustering.majority_vote_error, ""),
        )
        return [
            (f"error by {how}, {images}", f"{100 * error:.2f} %", reference)
            for how, error, reference in errors
            if error is not None
        ]


def evaluation_images(
    settings: Settings, how: Preparation
) -> tuple[LabeledImages | None, LabeledImages | None, FactoredImages | None]:
    """What an experiment is measured on: training and test images with labels, images with known factors."""
    shape = settings.image_shape
    train = open_images(settings.dataset, settings.data, "train", shape, how)
    test = open_images(settings.dataset, settings.data, "test", shape, how)
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
    samples: int = 10_000,
    progress: Callable[[int, int], None] | None = None,
    *,
    factored: FactoredImages | None = None,
    batch_size: int = 500,
) -> Evaluation:
    """Measure the networks on real images, and on `samples` fresh ones, the same for the same seed.

    Real images are divided by the first categorical code, and in those whose factors are known all codes are
    held against them. `progress` hears after each batch how many images
    are done, of how many. The networks are left as they were.
    """
    if samples < 1:
        raise ValueError(f"evaluate: there must be at least one sample, not {samples}")
    layout = settings.layout
    dividing = _first_categorical(layout)
    if dividing is None:
        train = test = None
    labeled = [images for images in (train, test) if images is not None]
    for images in labeled:
        _check(images, settings)
    if factored is not None:
        _check_factored(factored, settings)
    n_classes = max((int(images.labels.max()) + 1 for images in labeled), default=0)
    total = sum(len(images.labels) for images in labeled) + samples
    total += len(factored.images) if factored is not None else 0
    done = 0

    def read(batches: Iterable[Tensor], group: str) -> np.ndarray:
        """Q's parameters for all images of a group, (images, columns)."""
        nonlocal done
        parts = []
        for batch in batches:
            parts.append(networks.read(batch, group).numpy())
            done += batch.shape[0]
            if progress is not None:
                progress(done, total)
        parameters = np.concatenate(parts)
        if not np.isfinite(parameters).all():
            raise TrainingError(
                f"these networks have diverged: what Q reads in {group} images is not finite"
            )
        return parameters

    def cluster(images: LabeledImages | None, training: Clustering | None) -> Clustering | None:
        if images is None or dividing is None:
            return None
        name, size, offset = dividing
        parameters = read(_real_batches(images.images, settings, batch_size), REAL)
        categories = parameters[:, offset : offset + size].argmax(axis=1)
        matrix = contingency(categories, images.labels, size, n_classes)
        return Clustering.of(name, matrix, training)

    def score(data: FactoredImages) -> Disentanglement:
        parameters = read(_real_batches(data.images, settings, batch_size), REAL)
        read_codes, widths = representation(layout, parameters)
        return measure(read_codes, data.factors, layout.names, data.names, widths, settings.seed)

    strokes: list[np.ndarray] = []

    def generate(latents: Tensor) -> Iterator[Tensor]:
        for start in range(0, samples, batch_size):
            images = networks.generator(latents[start : start + batch_size])
            if _draws_digits(settings):
                strokes.append(_strokes(images.numpy(), settings))
            yield images

    with no_grad(), inference(networks):
        trained = cluster(train, None)
        tested = cluster(test, trained)
        scores = score(factored) if factored is not None else None
        latents, codes = draw_latents(
            settings, samples, Stream.EVALUATION_NOISE, Stream.EVALUATION_CODES, 0
        )
        readings = code_readings(layout, read(generate(latents), GENERATED), codes.numpy())
        relations: tuple[StrokeRelation, ...] = ()
        if strokes:
            relations = stroke_relations(networks, settings, codes.numpy(), np.concatenate(strokes))
    return Evaluation(
        settings.title, samples, readings, trained, tested, relations, scores,
        agreement(networks, settings, train.images[:_COMPARED_VIEWS], batch_size) if train else None,
        settings.reference,
    )  # fmt: skip


def _first_categorical(layout: CodeLayout) -> tuple[str, int, int] | None:
    """Its name, its size and its first column in Q's output; None if all codes are continuous."""
    offsets = code_table(layout.densities).offset
    for name, code, offset in zip(layout.names, layout, offsets, strict=True):
        if isinstance(code, CategoricalCode):
            return name, code.size, offset
    return None


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


def _real_batches(images: np.ndarray, settings: Settings, batch_size: int) -> Iterator[Tensor]:
    """The images in order, scaled to the range of the networks."""
    device, dtype = get_device(settings.device), np.dtype(settings.dtype)
    for start in range(0, len(images), batch_size):
        pixels = device.asarray(images[start : start + batch_size])
        everyone = device.asarray(np.arange(len(pixels)))
        scaled = device.gather_images(pixels, everyone, settings.image_low, 1.0, dtype)
        yield Tensor(scaled, device)
