"""InfoGAN's MNIST training step in PyTorch: the peer that minigan's own step is measured against.

It is eager PyTorch at its best on a CPU, so that being faster means something. Where there was a choice it
was measured, on two cores: networks run channels-last (6% faster than NCHW); real and generated images share
one call of the trunk, and only batch norm treats them apart (15% faster than two calls); Adam is the fused
one. No gradient is computed that the step does not use: ``backward(inputs=…)`` leaves out D's weights
in G's half, and the images in D's.

Layers, codes and losses are those of `minigan.infogan`, in the same order, so that parameters correspond one
to one. This module imports nothing of minigan: the memory it takes is PyTorch's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import (
    batch_norm,
    binary_cross_entropy_with_logits,
    cross_entropy,
    leaky_relu,
    one_hot,
    relu,
)

NOISE, CATEGORIES, CONTINUOUS = 62, 10, 2
ENTROPIES = (math.log(CATEGORIES), *[math.log(2)] * CONTINUOUS)
REAL, GENERATED = "real", "generated"
SLOPE = 0.1
BETAS = (0.5, 0.999)

Array = np.ndarray[Any, Any]

# A layer's weight with its axes permuted like this is minigan's: (in, out), or (height, width, in, out).
_AXES = {nn.Linear: (1, 0), nn.Conv2d: (2, 3, 1, 0), nn.ConvTranspose2d: (2, 3, 0, 1)}


class StepMetrics(NamedTuple):
    """What a step measured, in nats; `information` is L_I of each code."""

    discriminator_loss: float
    generator_loss: float
    information: tuple[float, ...]


class BatchNorm(nn.Module):
    """Batch norm of each group of a batch by the group's own statistics."""

    def __init__(self, channels: int, groups: Sequence[str]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        for group in groups:
            self.register_buffer(f"{group}_mean", torch.zeros(channels))
            self.register_buffer(f"{group}_variance", torch.ones(channels))

    def forward(self, x: torch.Tensor, groups: Sequence[str]) -> torch.Tensor:
        parts = []
        for part, group in zip(x.chunk(len(groups)), groups, strict=True):
            mean, variance = self.get_buffer(f"{group}_mean"), self.get_buffer(f"{group}_variance")
            parts.append(batch_norm(part, mean, variance, self.weight, self.bias, training=True))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class Generator(nn.Module):
    """G: latents (batch, 74) to images (batch, 1, 28, 28)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(NOISE + CATEGORIES + CONTINUOUS, 1024, bias=False)
        self.norm1 = BatchNorm(1024, [GENERATED])
        self.fc2 = nn.Linear(1024, 7 * 7 * 128, bias=False)
        self.norm2 = BatchNorm(7 * 7 * 128, [GENERATED])
        self.up1 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False)
        self.norm3 = BatchNorm(64, [GENERATED])
        self.up2 = nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        h = relu(self.norm1(self.fc1(latents), [GENERATED]), inplace=True)
        h = relu(self.norm2(self.fc2(h), [GENERATED]), inplace=True)
        h = h.view(-1, 7, 7, 128).permute(0, 3, 1, 2)  # no copy: channels are last in memory
        h = relu(self.norm3(self.up1(h), [GENERATED]), inplace=True)
        return torch.sigmoid(self.up2(h))


class Discriminator(nn.Module):
    """D: images (batch, 1, 28, 28) to features (batch, 1024), by the trunk; features to a logit, by the head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=False)
        self.norm2 = BatchNorm(128, [REAL, GENERATED])
        self.fc = nn.Linear(7 * 7 * 128, 1024, bias=False)
        self.norm3 = BatchNorm(1024, [REAL, GENERATED])
        self.head = nn.Linear(1024, 1)

    def trunk(self, images: torch.Tensor, groups: Sequence[str]) -> torch.Tensor:
        h = leaky_relu(self.conv1(images), SLOPE, inplace=True)
        h = leaky_relu(self.norm2(self.conv2(h), groups), SLOPE, inplace=True)
        h = h.permute(0, 2, 3, 1).flatten(1)  # no copy here either
        return leaky_relu(self.norm3(self.fc(h), groups), SLOPE, inplace=True)


class Recognition(nn.Module):
    """Q: D's features to ten logits and two means."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(1024, 128, bias=False)
        self.norm = BatchNorm(128, [GENERATED])
        self.fc2 = nn.Linear(128, CATEGORIES + CONTINUOUS)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        h = leaky_relu(self.norm(self.fc1(features), [GENERATED]), SLOPE, inplace=True)
        parameters: torch.Tensor = self.fc2(h)
        return parameters


class Trainer:
    """The networks, their optimizers, and one alternating step on them."""

    def __init__(self, images: Array, batch_size: int, dtype: torch.dtype = torch.float32) -> None:
        self.images = torch.from_numpy(images)  # uint8 (n, 28, 28, 1)
        self.batch_size = batch_size
        self.generator, self.discriminator = Generator(), Discriminator()
        self.recognition = Recognition()
        networks: list[Any] = [self.generator, self.discriminator, self.recognition]
        for network in networks:
            network.to(dtype=dtype, memory_format=torch.channels_last)
        self.generator_parameters = [*self.generator.parameters()]
        self.discriminator_parameters = [
            *self.discriminator.parameters(),
            *self.recognition.parameters(),
        ]
        self.generator_optimizer: Any = torch.optim.Adam(
            self.generator_parameters, lr=1e-3, betas=BETAS, fused=True
        )
        self.discriminator_optimizer: Any = torch.optim.Adam(
            self.discriminator_parameters, lr=2e-4, betas=BETAS, fused=True
        )
        self.dtype = dtype
        self._ones = torch.ones(batch_size, 1, dtype=dtype)
        self._targets = torch.cat([self._ones, torch.zeros_like(self._ones)])
        self._axes = {
            module.weight: _AXES[type(module)]
            for network in networks
            for module in network.children()
            if type(module) in _AXES
        }

    def step(self) -> StepMetrics:
        """One update of D and Q, then one of G, on a random batch."""
        chosen = torch.randint(len(self.images), (self.batch_size,))
        real = self.images[chosen].permute(0, 3, 1, 2).to(self.dtype) / 255
        category = torch.randint(CATEGORIES, (self.batch_size,))
        encoded = one_hot(category, CATEGORIES).to(self.dtype)
        continuous = torch.rand(self.batch_size, CONTINUOUS, dtype=self.dtype) * 2 - 1
        noise = torch.rand(self.batch_size, NOISE, dtype=self.dtype) * 2 - 1
        latents = torch.cat([noise, encoded, continuous], dim=1)
        return self.step_on(real, latents, category, continuous)

    def step_on(
        self,
        real: torch.Tensor,
        latents: torch.Tensor,
        category: torch.Tensor,
        continuous: torch.Tensor,
    ) -> StepMetrics:
        """The step on a given batch. Both halves share G's forward pass."""
        fake = self.generator(latents)

        features = self.discriminator.trunk(torch.cat([real, fake.detach()]), [REAL, GENERATED])
        logits = self.discriminator.head(features)
        d_loss = 2 * binary_cross_entropy_with_logits(logits, self._targets)
        parameters = self.recognition(features[self.batch_size :])
        likelihoods = log_likelihood(parameters, category, continuous)
        self._update(
            self.discriminator_optimizer,
            self.discriminator_parameters,
            d_loss - likelihoods.sum(dim=1).mean(),
        )
        information = likelihoods.detach().mean(dim=0)

        features = self.discriminator.trunk(fake, [GENERATED])
        logits = self.discriminator.head(features)
        g_loss = binary_cross_entropy_with_logits(logits, self._ones)
        likelihoods = log_likelihood(self.recognition(features), category, continuous)
        self._update(
            self.generator_optimizer,
            self.generator_parameters,
            g_loss - likelihoods.sum(dim=1).mean(),
        )
        bounds = [h + mean for h, mean in zip(ENTROPIES, information.tolist(), strict=True)]
        return StepMetrics(d_loss.item(), g_loss.item(), tuple(bounds))

    @staticmethod
    def _update(optimizer: Any, parameters: Sequence[torch.Tensor], loss: Any) -> None:
        loss.backward(inputs=parameters)
        optimizer.step()
        optimizer.zero_grad()

    # -- for the comparison with minigan --------------------------------------------------------------

    def step_on_arrays(self, real: Array, latents: Array, codes: Array) -> StepMetrics:
        """The step on minigan's batch: NHWC images; a category's index is the first column of `codes`."""
        return self.step_on(
            torch.from_numpy(real).permute(0, 3, 1, 2),
            torch.from_numpy(latents),
            torch.from_numpy(codes[:, 0]).long(),
            torch.from_numpy(codes[:, 1:]),
        )

    def load(self, generator: Sequence[Array], discriminator: Sequence[Array]) -> None:
        """Overwrite the parameters of G, and those of D and Q, with minigan's."""
        own = [*self.generator_parameters, *self.discriminator_parameters]
        for parameter, values in zip(own, [*generator, *discriminator], strict=True):
            self.as_minigan(parameter, parameter.detach()).copy_(torch.from_numpy(values))

    def as_minigan(self, parameter: nn.Parameter, values: torch.Tensor) -> torch.Tensor:
        """A view of a parameter's values, or of its gradient, in the layout of minigan's."""
        return values.permute(self._axes.get(parameter, (0,)))


def log_likelihood(
    parameters: torch.Tensor, category: torch.Tensor, continuous: torch.Tensor
) -> torch.Tensor:
    """log Q(c_i|x) of each code, (batch, codes): a categorical, and Gaussians with σ = 1."""
    logits, means = parameters[:, :CATEGORIES], parameters[:, CATEGORIES:]
    categorical = -cross_entropy(logits, category, reduction="none")
    gaussian = -0.5 * (continuous - means) ** 2 - 0.5 * math.log(2 * math.pi)
    return torch.cat([categorical[:, None], gaussian], dim=1)
