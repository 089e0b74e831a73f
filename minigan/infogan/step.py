"""One training step of InfoGAN.

A step has two halves, which share one forward pass of G. D's half updates D and Q, on real and generated images
together. G's half updates G alone, through the new D and Q. Both carry −λ·L_I, unless the objective
is the plain GAN's. Then Q has a separate trunk, and only reads the codes that happen to be in the
images (Fig. 1).
"""

from __future__ import annotations

import numpy as np

from minigan.devices import get_device
from minigan.devices.contract.kernel import Array
from minigan.devices.contract.random import Step
from minigan.errors import SettingsError
from minigan.infogan.extensions.base import Context, Extension
from minigan.infogan.latents import draw_latents
from minigan.infogan.networks import Discriminator, Generator, Networks, Recognition, inference
from minigan.infogan.objective import (
    discriminator_loss,
    generator_loss,
    log_likelihood,
    weighted_information,
)
from minigan.infogan.parts import GENERATED, REAL, Parts
from minigan.infogan.settings import Settings
from minigan.infogan.streams import Stream
from minigan.optim import Adam
from minigan.random import integers
from minigan.recording import no_grad
from minigan.tensor import Tensor


class InfoGAN:
    """The networks, their optimizers, and the training step that changes them.

    Every random number is a function of the seed and the step. A step is a fixed list of kernels:
    its number, random numbers and images are found on the device.

    Args:
        settings: the experiment.
        images: uint8, (n, height, width, channels). No label is ever read.

    Raises:
        SettingsError: the images have another shape than the settings', there are fewer than a
            batch, or the networks do not fit them.
    """

    def __init__(self, settings: Settings, images: np.ndarray) -> None:
        _check_images(settings, images)
        self.settings, self.layout = settings, settings.layout
        self.device, self.dtype = get_device(settings.device), np.dtype(settings.dtype)
        self.device.compile_kernels(self.dtype)
        self.images = self.device.asarray(images)
        self.networks = Networks(settings)
        betas = (settings.beta1, settings.beta2)
        self.discriminator_optimizer = Adam(
            [*self.discriminator.parameters(), *self.recognition.parameters()],
            settings.learning_rate_discriminator,
            betas,
        )
        self.generator_optimizer = Adam(
            self.generator.parameters(), settings.learning_rate_generator, betas
        )
        self.step_count = 0
        self._counter = Tensor(
            self.device.copy(self.device.asarray(np.zeros(1, np.int64))), self.device
        )
        half = settings.batch_size
        self._weights = self.layout.weights(settings.lambda_categorical, settings.lambda_continuous)
        self._lambdas: dict[tuple[float, ...], Tensor] = {}
        self._context = context = self._make_context()
        self._targets = context.constant(np.repeat([1.0, 0.0], half).reshape(-1, 1))
        self._ones = context.constant(np.ones((half, 1)))
        self.extensions: list[Extension] = [e.create(context) for e in settings.extensions]
        self._bring_lambdas(1)

    def _make_context(self) -> Context:
        s = self.settings
        return Context(
            self.device, self.dtype, s.seed, s.batch_size, s.image_low, self.layout, self._weights,
            s.schedule_length, self._counter.data, self.networks, lambda: Networks(s),
            self.real_images, self._read,
        )  # fmt: skip

    def _read(self, images: Tensor, group: str) -> Tensor:
        """Return Q's parameters for images of a group, in inference."""
        with no_grad(), inference(self.networks):
            return self.networks.read(images, group)

    @property
    def generator(self) -> Generator:
        """Return G."""
        return self.networks.generator

    @property
    def discriminator(self) -> Discriminator:
        """Return D."""
        return self.networks.discriminator

    @property
    def recognition(self) -> Recognition:
        """Return Q."""
        return self.networks.recognition

    # -- the step --------------------------------------------------------------------------------

    def launch_step(self) -> Array:
        """Launch the kernels of a step.

        Returns:
            An array (2 + codes,) of the device: D's loss, G's, and Σ log Q(c_i|x) of each code over
            the batch.
        """
        step = self.step_count + 1
        self.device.increment(self._counter.data)
        real = self.real_images(self._counter.data)
        latents, codes = self.latents(self._counter.data)
        generated = self.generator(latents)
        d_loss, log_likelihoods = self.update_discriminator(real, generated.detach(), codes, step)
        g_loss = self.update_generator(generated, codes, step)
        for extension in self.extensions:
            extension.after_step(step)
        losses = [loss.data.reshape(1) for loss in (d_loss, g_loss)]
        sums = self.device.column_sum(log_likelihoods.data)
        return self.device.concatenate_rows([*losses, sums])

    def update_discriminator(
        self, real: Tensor, generated: Tensor, codes: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        """Update D and Q.

        Args:
            real: real images, (batch, height, width, channels).
            generated: generated images of the same shape, with no graph.
            codes: the codes of the generated images, (batch, codes).
            step: the number of the step.

        Returns:
            D's loss, (), and log Q(c|x) of the generated images, (batch, codes).

        Raises:
            ValueError: the shapes do not fit the networks.
        """
        active = [extension for extension in self.extensions if extension.is_active(step)]
        added = {e.group: e.add(real, generated, codes, step) for e in active}
        images = {group: addition.images for group, addition in added.items()}
        parts = Parts({REAL: real, GENERATED: generated, **images})
        features = self.discriminator.trunk(parts.batch, parts.groups)
        loss = discriminator_loss(
            parts.rows(self.discriminator(features), REAL, GENERATED), self._targets
        )
        # Q reads real images too, so that its batch norms know them; L_I is of the generated ones.
        has_trunk = self.recognition.trunk is not None
        q = parts.split(self.recognition(parts.batch if has_trunk else features, parts.groups))
        log_likelihoods = log_likelihood(q[GENERATED], codes, self.layout)
        objective = loss - weighted_information(log_likelihoods, self._discriminator_lambda(step))
        for addition in added.values():
            objective = objective - addition.term(q)
        minimize(self.discriminator_optimizer, objective)
        return loss, log_likelihoods

    def update_generator(self, generated: Tensor, codes: Tensor, step: int) -> Tensor:
        """Update G through D and Q as they are now.

        Args:
            generated: generated images, (batch, height, width, channels), with their graph.
            codes: their codes, (batch, codes).
            step: the number of the step.

        Returns:
            G's loss, ().

        Raises:
            ValueError: the shapes do not fit the networks.
        """
        features = self.discriminator.trunk(generated, (GENERATED,))
        loss = objective = generator_loss(self.discriminator(features), self._ones)
        if self.settings.objective == "infogan":
            q = self.recognition(features, (GENERATED,))
            log_likelihoods = log_likelihood(q, codes, self.layout)
            objective = loss - weighted_information(log_likelihoods, self._generator_lambda(step))
        minimize(self.generator_optimizer, objective)
        return loss

    def real_images(self, step: Step) -> Tensor:
        """Draw the real images of a step with replacement, scaled to the range of the networks.

        Args:
            step: the number of the step, or an array (1,) that holds it.

        Returns:
            A tensor (batch, height, width, channels).

        Raises:
            ValueError: there are more than 2³² images to draw from.
        """
        s = self.settings
        key = (s.seed, Stream.BATCHES, step)
        indices = integers((s.batch_size,), len(self.images), key, self.device)
        images = self.device.gather_images(self.images, indices, s.image_low, 1.0, self.dtype)
        return Tensor(images, self.device)

    def latents(self, step: Step) -> tuple[Tensor, Tensor]:
        """Draw G's input and the codes of a step.

        Args:
            step: the number of the step, or an array (1,) that holds it.

        Returns:
            G's input, (batch, noise + encoded codes), and the codes, (batch, codes).
        """
        s = self.settings
        return draw_latents(s, s.batch_size, Stream.NOISE, Stream.CODES, step)

    def _discriminator_lambda(self, step: int) -> Tensor:
        weights = self._weights
        for extension in self.extensions:
            weights = extension.discriminator_weights(weights, step)
        return self._lambda(weights)

    def _generator_lambda(self, step: int) -> Tensor:
        weights = self._weights
        for extension in self.extensions:
            weights = extension.generator_weights(weights, step)
        return self._lambda(weights)

    def _lambda(self, weights: np.ndarray) -> Tensor:
        """Return λ of each code on the device; each is brought there once."""
        key = tuple(weights.tolist())
        if key not in self._lambdas:
            self._lambdas[key] = self._context.constant(weights)
        return self._lambdas[key]

    def _bring_lambdas(self, step: int) -> None:
        """Bring the λ of a step to the device before it is launched: a recorded step brings nothing."""
        self._discriminator_lambda(step)
        self._generator_lambda(step)


def minimize(optimizer: Adam, objective: Tensor) -> None:
    """Take one step of an optimizer down the gradient of an objective.

    Args:
        optimizer: it changes its parameters; their gradients are forgotten.
        objective: a tensor of one element, ().
    """
    optimizer.zero_grad()  # gradients that a user left there are no part of a step
    objective.backward(inputs=optimizer.parameters)
    optimizer.step()
    optimizer.zero_grad()


def _check_images(settings: Settings, images: np.ndarray) -> None:
    if tuple(images.shape[1:]) != settings.image_shape:
        raise SettingsError(
            f"the data are images of {tuple(images.shape[1:])}, and {settings.experiment} takes "
            f"{settings.image_shape}; set image_shape to {','.join(map(str, images.shape[1:]))}, and networks for it"
        )
    if settings.batch_size > len(images):
        raise SettingsError(
            f"batch_size {settings.batch_size} is more than the {len(images)} images there are; set it to "
            f"{len(images)} or less"
        )
