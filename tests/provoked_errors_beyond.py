"""How to provoke the errors of layers, optimizers, random numbers, data sets, InfoGAN and metrics."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from provoked_errors import Call, leaf, x
from tiny_networks import TINY

import minigan as mg
from minigan import errors, nn, optim
from minigan.datasets import batches, catalogue, celeba, chairs, faces, folder, mnist, scenes, svhn
from minigan.datasets.cache import Preparation
from minigan.experiments.step_metrics import StepMetrics, check_metrics
from minigan.experiments.trainer import Trainer
from minigan.infogan import networks, objective
from minigan.infogan.codes import CodeLayout
from minigan.infogan.extensions.base import Extension, ExtensionSettings
from minigan.infogan.layers import Builder
from minigan.infogan.parts import Parts
from minigan.infogan.step import InfoGAN
from minigan.metrics import arrays, clustering_error, dci, disentanglement, factor_vae, mig, sap
from minigan.metrics.strokes import spearman_correlation


def step_of_another_gradient() -> None:
    p = leaf()
    p.grad = x(3)
    optim.SGD([p]).step()


def step_of_no_gradient() -> None:
    p = leaf()
    p.grad = np.ones(p.shape)  # type: ignore[assignment]
    optim.SGD([p]).step()


def holder(held: Any) -> nn.Module:
    module = nn.Module()
    module.held = held
    return module


def counted(categories: list[Any], labels: list[Any]) -> Any:
    return clustering_error.contingency(np.array(categories), np.array(labels), 2, 2)


def drawn(seed: Any) -> Any:
    return scenes.draw_factors(scenes.SCENES["faces"], 1, seed)


def loaded(reader: Any) -> Any:
    return reader.load(Path("no folder"), "train", (32, 32, 3), Preparation())


def opened(name: str, split: Any) -> Any:
    return catalogue.open_images(name, "", split, (28, 28, 1), Preparation())


LAYOUT, CPU = CodeLayout.parse("Cat(3)"), mg.get_device("cpu")
OF_ANOTHER_SHAPE = np.zeros((9, 5, 5, 1))
NONE = np.zeros((2, 2))  # images of each class in each category
CODES, FACTORS = np.arange(8.0).reshape(4, 2), np.arange(8.0).reshape(4, 2)
BEYOND: list[Call] = [
    ("nn.BatchNorm", TypeError, lambda: nn.BatchNorm(1.5)),
    ("nn.BatchNorm", ValueError, lambda: nn.BatchNorm(1, momentum=2)),
    ("nn.Module", TypeError, lambda: setattr(nn.BatchNorm(1), "weight", NONE)),
    (
        "nn.BatchNorm.allocate_batch_statistics",
        ValueError,
        lambda: nn.BatchNorm(2, ("a", "b")).allocate_batch_statistics(),
    ),
    ("nn.Conv2d", ValueError, lambda: nn.Conv2d(1, 1, 0)),
    ("nn.Conv2d", TypeError, lambda: nn.Conv2d(1.5, 1, 1)),
    ("nn.ConvTranspose2d", ValueError, lambda: nn.ConvTranspose2d(1, -1, 1)),
    ("nn.ConvTranspose2d", TypeError, lambda: nn.ConvTranspose2d(1, 1.5, 1)),
    ("nn.Dropout", ValueError, lambda: nn.Dropout(2)),
    ("nn.Embedding", TypeError, lambda: nn.Embedding(2, 3, dtype=int)),
    ("nn.Embedding", ValueError, lambda: nn.Embedding(-2, 3)),
    ("nn.LayerNorm", ValueError, lambda: nn.LayerNorm(3, eps=-1)),
    ("nn.LayerNorm.forward", ValueError, lambda: nn.LayerNorm(3)(x(2, 2))),
    ("nn.Linear", TypeError, lambda: nn.Linear(1.5, 2)),
    ("nn.Linear", ValueError, lambda: nn.Linear(-1, 2)),
    ("nn.Module.load_state_dict", ValueError, lambda: nn.Linear(1, 2).load_state_dict({})),
    ("nn.Module.state_dict", ValueError, lambda: holder({1: leaf(), "1": leaf()}).state_dict()),
    ("nn.Module.train", TypeError, lambda: nn.Linear(1, 2).train(2)),
    ("nn.ModuleList", TypeError, lambda: nn.ModuleList([nn.ReLU])),
    ("nn.ModuleList.append", TypeError, lambda: nn.ModuleList().append(1)),
    ("nn.ModuleList.extend", TypeError, lambda: nn.ModuleList().extend([1])),
    ("nn.MovingAverage", ValueError, lambda: nn.MovingAverage(nn.ReLU(), 2)),
    ("nn.Reshape.forward", ValueError, lambda: nn.Reshape(4)(x(2, 3))),
    ("nn.Sequential", TypeError, lambda: nn.Sequential(nn.ReLU)),
    ("nn.SpectralNorm", ValueError, lambda: nn.SpectralNorm(nn.ReLU())),
    ("nn.utils.clip_grad_norm_", ValueError, lambda: nn.utils.clip_grad_norm_([leaf()], 1)),
    ("optim.Adam", ValueError, lambda: optim.Adam([leaf()], betas=(1, 1))),
    ("optim.AdamW", ValueError, lambda: optim.AdamW([leaf()], weight_decay=-1)),
    ("optim.Optimizer", TypeError, lambda: optim.Optimizer(leaf())),
    ("optim.Optimizer", ValueError, lambda: optim.Optimizer([])),
    (
        "optim.Optimizer.load_state_dict",
        ValueError,
        lambda: optim.SGD([leaf()]).load_state_dict({}),
    ),
    ("optim.Optimizer.step", ValueError, step_of_another_gradient),
    ("optim.Optimizer.step", TypeError, step_of_no_gradient),
    ("optim.SGD", ValueError, lambda: optim.SGD([leaf()], nesterov=True)),
    ("random.checked_seed", TypeError, lambda: mg.random.checked_seed("1")),
    ("random.checked_seed", ValueError, lambda: mg.random.checked_seed(2**64)),
    ("random.next_key", TypeError, lambda: mg.random.next_key(5)),  # type: ignore[arg-type]
    ("random.integers", ValueError, lambda: mg.random.integers((2,), 0, (0, 0, 0), CPU)),
    ("random.uniform", ValueError, lambda: mg.random.uniform((2,), 1, 0, (0, 0, 0), CPU)),
    ("random.uniform", TypeError, lambda: mg.random.uniform((2,), 0, 1, (0, 0, 0), CPU, int)),
    ("random.Generator", ValueError, lambda: mg.random.Generator(-1)),
    ("random.Generator", TypeError, lambda: mg.random.Generator(1.5)),
    ("datasets.batches", TypeError, lambda: batches([1])),
    ("datasets.batches", ValueError, lambda: batches(np.zeros(2), np.zeros(3))),
    ("datasets.catalogue.open_images", errors.DatasetError, lambda: opened("no set", "train")),
    ("datasets.celeba.load", errors.DatasetError, lambda: loaded(celeba)),
    ("datasets.chairs.load", errors.DatasetError, lambda: loaded(chairs)),
    ("datasets.faces.load", errors.DatasetError, lambda: loaded(faces)),
    ("datasets.folder.load", errors.DatasetError, lambda: loaded(folder)),
    ("datasets.folder.look", errors.DatasetError, lambda: folder.look(Path("no folder"))),
    ("datasets.svhn.load", errors.DatasetError, lambda: loaded(svhn)),
    ("datasets.scenes.load", errors.DatasetError, lambda: scenes.load("cats", Preparation())),
    ("datasets.scenes.chairs", ValueError, lambda: scenes.chairs(0)),
    ("datasets.scenes.chairs", TypeError, lambda: scenes.chairs(1, "0")),
    ("datasets.scenes.draw_factors", ValueError, lambda: drawn(-1)),
    ("datasets.scenes.draw_factors", TypeError, lambda: drawn(0.5)),
    ("datasets.scenes.faces", TypeError, lambda: scenes.faces(1, "0")),
    ("datasets.scenes.faces", ValueError, lambda: scenes.faces(-1)),
    ("datasets.mnist.load", errors.DatasetError, lambda: mnist.load("all")),
    (
        "infogan.extensions.base.Extension.add",
        NotImplementedError,
        lambda: Extension().add(x(1), x(1), x(1), 1),
    ),
    (
        "infogan.extensions.base.ExtensionSettings.create",
        NotImplementedError,
        lambda: ExtensionSettings().create(None),
    ),
    ("infogan.codes.CodeLayout.parse", errors.SettingsError, lambda: LAYOUT.parse("Dog(3)")),
    (
        "infogan.networks.Discriminator",
        errors.SettingsError,
        lambda: networks.Discriminator("x", (28, 28, 1), Builder(np.float32, CPU, ("real",), 0.1)),
    ),
    (
        "infogan.networks.Networks",
        errors.SettingsError,
        lambda: networks.Networks(dataclasses.replace(TINY, image_shape=(9, 9, 1))),
    ),
    ("infogan.step.InfoGAN", errors.SettingsError, lambda: InfoGAN(TINY, OF_ANOTHER_SHAPE)),
    ("experiments.trainer.Trainer", errors.SettingsError, lambda: Trainer(TINY, OF_ANOTHER_SHAPE)),
    (
        "experiments.trainer.Trainer.load_state",
        ValueError,
        lambda: Trainer(TINY, np.zeros((TINY.batch_size, *TINY.image_shape), np.uint8)).load_state(
            1, {}
        ),
    ),
    (
        "experiments.step_metrics.check_metrics",
        errors.TrainingError,
        lambda: check_metrics(StepMetrics(1, np.inf, 0, (0,)), LAYOUT, lambda: None),
    ),
    (
        "infogan.networks.Generator",
        errors.SettingsError,
        lambda: networks.Generator("x", 2, 0, CPU),
    ),
    (
        "infogan.objective.discriminator_loss",
        ValueError,
        lambda: objective.discriminator_loss(x(2, 1), x(3, 1)),
    ),
    (
        "infogan.objective.generator_loss",
        ValueError,
        lambda: objective.generator_loss(x(2, 1), x(3, 1)),
    ),
    (
        "infogan.objective.log_likelihood",
        ValueError,
        lambda: objective.log_likelihood(x(2, 3), x(2, 2), LAYOUT),
    ),
    (
        "infogan.objective.weighted_information",
        ValueError,
        lambda: objective.weighted_information(x(2, 3), x(2)),
    ),
    ("infogan.parts.Parts", ValueError, lambda: Parts({"real": x(1, 2), "generated": x(1, 3)})),
    ("infogan.parts.Parts.rows", ValueError, lambda: Parts({"real": x(1, 2)}).rows(x(1), "fake")),
    ("metrics.arrays.checked", ValueError, lambda: arrays.checked(CODES, FACTORS, None, [3])),
    ("metrics.arrays.discretize", ValueError, lambda: arrays.discretize(np.arange(9), bins=1)),
    ("metrics.arrays.code_classes", ValueError, lambda: arrays.code_classes(CODES[:, :1], 1)),
    ("metrics.clustering_error.contingency", ValueError, lambda: counted([0.5], [0])),
    ("metrics.clustering_error.contingency", IndexError, lambda: counted([2], [0])),
    (
        "metrics.clustering_error.Clustering.of",
        ValueError,
        lambda: clustering_error.Clustering.of("c1", NONE),
    ),
    (
        "metrics.clustering_error.majority_vote",
        ValueError,
        lambda: clustering_error.majority_vote(NONE),
    ),
    (
        "metrics.clustering_error.one_to_one_matching",
        ValueError,
        lambda: clustering_error.one_to_one_matching(NONE),
    ),
    (
        "metrics.clustering_error.matching_error",
        ValueError,
        lambda: clustering_error.matching_error(NONE, np.arange(2)),
    ),
    ("metrics.dci.dci", ValueError, lambda: dci.dci(CODES, FACTORS[:3])),
    (
        "metrics.disentanglement.measure",
        errors.SettingsError,
        lambda: disentanglement.measure(CODES, 0 * FACTORS, "ab", "cd"),
    ),
    (
        "metrics.disentanglement.measure",
        ValueError,
        lambda: disentanglement.measure(CODES, FACTORS[:3], "ab", "cd"),
    ),
    (
        "metrics.factor_vae.factor_vae_score",
        ValueError,
        lambda: factor_vae.factor_vae_score(CODES, FACTORS[:3]),
    ),
    (
        "metrics.mig.mutual_information",
        ValueError,
        lambda: mig.mutual_information(CODES, 0 * FACTORS),
    ),
    ("metrics.sap.attribute_scores", ValueError, lambda: sap.attribute_scores(CODES / 0, FACTORS)),
    (
        "metrics.strokes.spearman_correlation",
        ValueError,
        lambda: spearman_correlation(np.arange(3), np.arange(4)),
    ),
]
