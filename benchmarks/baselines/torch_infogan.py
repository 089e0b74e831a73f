"""InfoGAN's MNIST training step in PyTorch: the baseline of minigan's own step.

It is eager PyTorch at its best on a CPU, so that being faster means something. Where there was a
choice it was measured, on two cores. Networks run channels-last (6% faster than NCHW). Real and
generated images share one call of the trunk, and only batch norm treats them apart (15% faster than
two calls). Adam is the fused one. No gradient is computed that the step does not use: D and Q are
frozen in G's half, and the images are detached in D's. The compiled parts are the three pieces
between two updates of weights, each with its backward pass (`Trainer(compiled=True)`). On a GPU the
whole step can be one CUDA graph (`GraphedTrainer`).

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
    """The metrics of a step, in nats; `information` is L_I of each code."""

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


Metrics = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # D's loss, G's, and mean log Q(c_i|x)


class Trainer:
    """The networks, their optimizers, and one alternating step on them; `compiled` by torch.compile, or eager."""

    def __init__(
        self,
        images: Array,
        batch_size: int,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        compiled: bool = False,
    ) -> None:
        self.images = torch.from_numpy(images).to(device)  # uint8 (n, 28, 28, 1)
        self.batch_size, self.dtype, self.device = batch_size, dtype, device
        self.generator, self.discriminator = Generator(), Discriminator()
        self.recognition = Recognition()
        networks: list[Any] = [self.generator, self.discriminator, self.recognition]
        for network in networks:
            network.to(device=device, dtype=dtype, memory_format=torch.channels_last)
        self.generator_parameters = [*self.generator.parameters()]
        self.discriminator_parameters = [
            *self.discriminator.parameters(),
            *self.recognition.parameters(),
        ]
        self.generator_optimizer = self._adam(self.generator_parameters, 1e-3)
        self.discriminator_optimizer = self._adam(self.discriminator_parameters, 2e-4)
        self._ones = torch.ones(batch_size, 1, dtype=dtype, device=device)
        self._targets = torch.cat([self._ones, torch.zeros_like(self._ones)])
        self._axes = {
            module.weight: _AXES[type(module)]
            for network in networks
            for module in network.children()
            if type(module) in _AXES
        }
        if compiled:
            # Without `fullgraph` a piece that cannot be compiled would run eagerly without notice.
            for name in ("_generate", "_discriminator_losses", "_generator_losses"):
                piece = torch.compile(getattr(self, name), fullgraph=True, dynamic=False)
                setattr(self, name, piece)

    def _adam(self, parameters: Sequence[torch.Tensor], learning_rate: float) -> Any:
        # Capturable: the count of steps lies on the GPU, where a graph can change it.
        return torch.optim.Adam(
            parameters, learning_rate, BETAS, fused=True, capturable=self.device == "cuda"
        )

    def step(self) -> StepMetrics:
        """Make one update of D and Q, then one of G, on a random batch."""
        return read(self.ask())

    def ask(self) -> Metrics:
        """Launch a step on a random batch; its metrics are not waited for."""
        return self.launch(*self.draw())

    def draw(self) -> tuple[torch.Tensor, ...]:
        """Real images (batch, 1, 28, 28), latents, categories and continuous codes of a step."""
        size, on = self.batch_size, self.device
        chosen = torch.randint(len(self.images), (size,), device=on)
        real = self.images[chosen].permute(0, 3, 1, 2).to(self.dtype) / 255
        category = torch.randint(CATEGORIES, (size,), device=on)
        encoded = one_hot(category, CATEGORIES).to(self.dtype)
        continuous = torch.rand(size, CONTINUOUS, dtype=self.dtype, device=on) * 2 - 1
        noise = torch.rand(size, NOISE, dtype=self.dtype, device=on) * 2 - 1
        return real, torch.cat([noise, encoded, continuous], dim=1), category, continuous

    def launch(
        self,
        real: torch.Tensor,
        latents: torch.Tensor,
        category: torch.Tensor,
        continuous: torch.Tensor,
    ) -> Metrics:
        """Take the step on a given batch; nothing is read back. Both halves share G's forward pass."""
        fake = self._generate(latents)
        images = torch.cat([real, fake.detach()])
        d_loss, likelihoods, total = self._discriminator_losses(images, category, continuous)
        self._update(self.discriminator_optimizer, total)

        for parameter in self.discriminator_parameters:
            parameter.requires_grad_(False)
        g_loss, total = self._generator_losses(fake, category, continuous)
        self._update(self.generator_optimizer, total)
        for parameter in self.discriminator_parameters:
            parameter.requires_grad_(True)
        return d_loss.detach(), g_loss.detach(), likelihoods.detach().mean(dim=0)

    def _generate(self, latents: torch.Tensor) -> Any:
        return self.generator(latents)

    def _discriminator_losses(
        self, images: torch.Tensor, category: torch.Tensor, continuous: torch.Tensor
    ) -> Metrics:
        """D's loss on real and generated images, log Q(c_i|x) of the generated ones, and what D and Q descend."""
        features = self.discriminator.trunk(images, [REAL, GENERATED])
        logits = self.discriminator.head(features)
        loss = 2 * binary_cross_entropy_with_logits(logits, self._targets)
        parameters = self.recognition(features[self.batch_size :])
        likelihoods = log_likelihood(parameters, category, continuous)
        return loss, likelihoods, loss - likelihoods.sum(dim=1).mean()

    def _generator_losses(
        self, fake: torch.Tensor, category: torch.Tensor, continuous: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """G's loss, and what G descends."""
        features = self.discriminator.trunk(fake, [GENERATED])
        logits = self.discriminator.head(features)
        loss = binary_cross_entropy_with_logits(logits, self._ones)
        likelihoods = log_likelihood(self.recognition(features), category, continuous)
        return loss, loss - likelihoods.sum(dim=1).mean()

    @staticmethod
    def _update(optimizer: Any, loss: Any) -> None:
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    # -- for the comparison with minigan --------------------------------------------------------------

    def step_on_arrays(self, real: Array, latents: Array, codes: Array) -> StepMetrics:
        """Take the step on minigan's batch: NHWC images; a category's index is the first column of `codes`."""
        images, z, c = (torch.from_numpy(a).to(self.device) for a in (real, latents, codes))
        return read(self.launch(images.permute(0, 3, 1, 2), z, c[:, 0].long(), c[:, 1:]))

    def load(self, generator: Sequence[Array], discriminator: Sequence[Array]) -> None:
        """Overwrite the parameters of G, and those of D and Q, with minigan's."""
        own = [*self.generator_parameters, *self.discriminator_parameters]
        for parameter, values in zip(own, [*generator, *discriminator], strict=True):
            self.as_minigan(parameter, parameter.detach()).copy_(torch.from_numpy(values))

    def as_minigan(self, parameter: nn.Parameter, values: torch.Tensor) -> torch.Tensor:
        """Return a view of a parameter's values, or of its gradient, in the layout of minigan's."""
        return values.permute(self._axes.get(parameter, (0,)))


class GraphedTrainer(Trainer):
    """The whole step, its random batch included, as one CUDA graph: captured once, then launched whole."""

    def __init__(
        self,
        images: Array,
        batch_size: int,
        dtype: torch.dtype = torch.float32,
        compiled: bool = False,
    ) -> None:
        super().__init__(images, batch_size, dtype, device="cuda", compiled=compiled)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(
            stream
        ):  # libraries choose their kernels, which a capture does not allow
            for _ in range(3):
                self.launch(*self.draw())
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._metrics = self.launch(*self.draw())

    def step(self) -> StepMetrics:
        return read(self.ask())

    def ask(self) -> Metrics:
        """Launch the graph; its metrics are not waited for."""
        self._graph.replay()
        return self._metrics


def set_precision(precision: str) -> None:
    """Set how float32 products are computed, "ieee" or "tf32": those of cuBLAS, cuDNN and compiled code alike.

    cuDNN's convolutions would round to TF32 if nothing were set.
    """
    tf32 = precision == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


def read(metrics: Metrics) -> StepMetrics:
    """Return the metrics on the host."""
    d_loss, g_loss, likelihoods = metrics
    bounds = [h + mean for h, mean in zip(ENTROPIES, likelihoods.tolist(), strict=True)]
    return StepMetrics(d_loss.item(), g_loss.item(), tuple(bounds))


def log_likelihood(
    parameters: torch.Tensor, category: torch.Tensor, continuous: torch.Tensor
) -> torch.Tensor:
    """log Q(c_i|x) of each code, (batch, codes): a categorical, and Gaussians with σ = 1."""
    logits, means = parameters[:, :CATEGORIES], parameters[:, CATEGORIES:]
    categorical = -cross_entropy(logits, category, reduction="none")
    gaussian = -0.5 * (continuous - means) ** 2 - 0.5 * math.log(2 * math.pi)
    return torch.cat([categorical[:, None], gaussian], dim=1)
