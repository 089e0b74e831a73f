"""One training step, and the state that it changes.

A step is two halves that share one forward pass of G. D's half updates D and Q, on real and generated images
together; G's half updates G alone, through the new D and Q. Both carry −λ·L_I, unless the objective is the
plain GAN's: then Q is a network of its own and only reads what G happens to put into its images (Fig. 1).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from minigan.devices import get_device
from minigan.devices.kernels import AFFINE_UNIFORMS, AffineRanges, Array, Step
from minigan.devices.precision import using_float32_precision
from minigan.errors import SettingsError, TrainingError
from minigan.infogan.experiments import Settings
from minigan.infogan.networks import (
    COPIED,
    GENERATED,
    REAL,
    WARPED,
    Builder,
    Discriminator,
    Generator,
    Recognition,
    initialize,
)
from minigan.infogan.objective import (
    discriminator_loss,
    generator_loss,
    log_likelihood,
    view_information,
    weighted_information,
)
from minigan.infogan.views import View, parse_views
from minigan.ops.likelihood import code_table
from minigan.ops.shaping import concatenate
from minigan.optim import Adam
from minigan.random import Stream, integers, uniform
from minigan.tensor import Tensor

# Steps taken launch by launch before one is captured: kernels are compiled, and constants brought to the device, when they
# are first used, and neither may happen in a capture.
_PLAIN_STEPS = 2
AVERAGED = "averaged."  # before the name of a moving average in a state
_DIVERGED = 1e6  # nats: no loss of a run that learns comes near it


class StepMetrics(NamedTuple):
    """What a step measured, in nats. ``information`` is L_I of each code, on this step's batch."""

    step: int
    discriminator_loss: float
    generator_loss: float
    information: tuple[float, ...]


class _PlacedView(NamedTuple):
    """A view on the device: which images of a batch it copies, how far it changes them, what that adds to the codes, and λ of each code."""

    rows: slice
    ranges: AffineRanges
    gain: Tensor
    weights: Tensor


class Networks:
    """G, D and Q of an experiment, with their starting weights."""

    def __init__(self, settings: Settings) -> None:
        device, layout = get_device(settings.device), settings.layout
        dtype = np.dtype(settings.dtype)
        self.generator = Generator(
            settings.generator, settings.noise + layout.encoded_columns, dtype, device
        )
        if self.generator.image_shape != settings.image_shape:
            raise SettingsError(
                f"the generator makes images of {self.generator.image_shape}, and the data are "
                f"{settings.image_shape}"
            )
        groups = [REAL, GENERATED]
        groups += [WARPED] if settings.lambda_consistency else []
        groups += [COPIED] if settings.views else []
        build = Builder(dtype, device, tuple(groups), settings.negative_slope)
        self.discriminator = Discriminator(settings.trunk, settings.image_shape, build)
        trunk = None
        if settings.objective == "gan":
            trunk, _ = build.network(settings.trunk, settings.image_shape)
        self.recognition = Recognition(self.discriminator, layout.parameter_columns, build, trunk)
        step = 0
        for _, module in self.named():
            step = initialize(module, settings.seed, step)

    def named(self) -> list[tuple[str, Generator | Discriminator | Recognition]]:
        return [
            ("generator", self.generator),
            ("discriminator", self.discriminator),
            ("recognition", self.recognition),
        ]

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every parameter and running statistic, as "generator.layers.0.weight"."""
        for network, module in self.named():
            for name, value in module.named_tensors():
                yield f"{network}.{name}", value

    def read(self, images: Tensor, group: str) -> Tensor:
        """Q's parameters for images of a group, in inference: Q reads real ones with the real statistics."""
        groups = (group,)
        own_trunk = self.recognition.trunk is not None
        inputs = images if own_trunk else self.discriminator.trunk(images, groups)
        return self.recognition(inputs, groups)

    def train(self, mode: bool = True) -> None:
        """Training mode for all three, or inference."""
        for _, module in self.named():
            module.train(mode)


@contextmanager
def inference(networks: Networks) -> Iterator[None]:
    """All norms use their running statistics within; afterwards each is in the mode that it was in."""
    modules = [module for _, network in networks.named() for _, module in network.named_modules()]
    modes = [module.training for module in modules]
    networks.train(False)
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


class Trainer:
    """The networks, their optimizers and the count of steps: all that a step changes.

    `images` are uint8, (n, height, width, channels). Every random number is a function of the seed and the
    step, so a state that is saved and loaded goes on as if it had never stopped.

    A step is a fixed list of kernels: its number, its random numbers and its images are found on the device, and only its
    metrics are read back. `averages` are networks with the moving averages of all weights and statistics,
    a ← d·a + (1 − d)·w after each step, where `average_decay` d is not 0 (as for G in Yazıcı et al. 2019).
    With `capture` a device that has graphs records the step once, after some plain ones, and then launches it whole; without, each kernel is launched by itself, which is slower, can be looked into, and
    gives the same numbers to the bit.
    """

    def __init__(self, settings: Settings, images: np.ndarray, *, capture: bool = True) -> None:
        if tuple(images.shape[1:]) != settings.image_shape:
            raise SettingsError(
                f"the data are images of {tuple(images.shape[1:])}, and {settings.experiment} takes "
                f"{settings.image_shape}"
            )
        if settings.batch_size > len(images):
            raise SettingsError(
                f"batch_size {settings.batch_size} is more than the {len(images)} images there are"
            )
        self.settings = settings
        self.layout = settings.layout
        self.device = get_device(settings.device)
        self.dtype = np.dtype(settings.dtype)
        self.device.compile_kernels(self.dtype)
        self.images = self.device.asarray(images)
        self.networks = Networks(settings)
        self.averages = Networks(settings) if settings.average_decay else None
        betas = (settings.beta1, settings.beta2)
        self.discriminator_optimizer = Adam(
            [*self.discriminator.parameters(), *self.recognition.parameters()],
            settings.learning_rate_discriminator, betas,
        )  # fmt: skip
        self.generator_optimizer = Adam(
            self.generator.parameters(), settings.learning_rate_generator, betas
        )
        self.step_count = 0
        self.capture = capture
        self._plain_steps = 0
        self._constants: list[Any] = []  # of the plain steps, and of the one that is captured
        self._captured: Callable[[], Array] | None = None
        self._counter = Tensor(
            self.device.copy(self.device.asarray(np.zeros(1, np.int64))), self.device
        )
        half = settings.batch_size
        self._targets = self._constant(np.repeat([1.0, 0.0], half).reshape(-1, 1))
        self._ones = self._constant(np.ones((half, 1)))
        weights = self.layout.weights(settings.lambda_categorical, settings.lambda_continuous)
        self._weights = self._constant(weights)
        views = parse_views(settings.views, self.layout)
        self._views = [self._place(view, i, len(views), weights) for i, view in enumerate(views)]
        weights[[view.code for view in views]] = 0
        self._weights_outside_views = self._constant(weights)
        self._consistency_weights = self._constant(
            self.layout.weights(settings.lambda_consistency, 0.0)
        )

    def _place(self, view: View, i: int, count: int, weights: np.ndarray) -> _PlacedView:
        """View i of `count`, which share the images of a batch."""
        n = self.settings.batch_size
        own = np.where(np.arange(len(weights)) == view.code, weights, 0)
        return _PlacedView(
            slice(n * i // count, n * (i + 1) // count), view.ranges,
            self._constant(view.gain(len(weights))), self._constant(own),
        )  # fmt: skip

    @property
    def result(self) -> Networks:
        """What training has come to, to be evaluated and drawn: the averages, where there are any."""
        return self.averages or self.networks

    @property
    def generator(self) -> Generator:
        return self.networks.generator

    @property
    def discriminator(self) -> Discriminator:
        return self.networks.discriminator

    @property
    def recognition(self) -> Recognition:
        return self.networks.recognition

    def _constant(self, values: np.ndarray) -> Tensor:
        return Tensor(self.device.copy(self.device.asarray(values, self.dtype)), self.device)

    def step(self) -> StepMetrics:
        """One update of D and Q, then one of G. TrainingError if the losses are no longer numbers."""
        with using_float32_precision(self.settings.float32_precision):
            values = self.device.to_numpy(self._take_step()).astype(np.float64)
        self.step_count += 1
        means = values[2:] / self.settings.batch_size
        information = tuple((self.layout.entropies + means).tolist())
        metrics = StepMetrics(self.step_count, float(values[0]), float(values[1]), information)
        self._check(metrics)
        return metrics

    def _take_step(self) -> Array:
        """Launch a step, kernel by kernel or captured; see `launch_step` for what it returns."""
        constants = [
            self._is_consistent(),
            self._is_two_way(),
            self._has_views(),
            self._balance(),
            self._average_decay(),
            *(optimizer.settings for _, optimizer in self._optimizers()),
            *(module.training for _, module in self.networks.named()),
        ]
        if constants != self._constants:
            self._constants, self._plain_steps, self._captured = constants, 0, None
            self.device.prepare(self.launch_step)
        if not self.capture or self._plain_steps < _PLAIN_STEPS:
            self._plain_steps += 1
            return self.launch_step()
        if self._captured is None:
            self._captured = self.device.capture(self.launch_step)
        metrics = self._captured()
        for _, value in self._named_tensors():
            value.mark_changed()  # which a replay does not say
        return metrics

    def _is_consistent(self) -> bool:
        """Whether the step that comes next holds Q to one reading of an image and of its warped copy."""
        s = self.settings
        return s.lambda_consistency > 0 and self.step_count + 1 >= s.consistency_start

    def _is_two_way(self) -> bool:
        """Whether in the step that comes next readings of images also follow those of their copies."""
        return self.step_count + 1 < self.settings.consistency_two_way_until

    def _has_views(self) -> bool:
        """Whether the codes of views are part of the objective of the step that comes next."""
        return bool(self._views) and self.step_count + 1 >= self.settings.views_start

    def _balance(self) -> float:
        """The balance of the view information in the step that comes next."""
        s = self.settings
        return s.consistency_balance if self.step_count + 1 >= s.consistency_balance_start else 1.0

    def _average_decay(self) -> float:
        """d of the step that comes next: until there are 1/(1 − d) steps to average, 0."""
        decay = self.settings.average_decay
        return decay if self.step_count * (1 - decay) >= 1 else 0.0

    def launch_step(self) -> Array:
        """Launch the kernels of a step. D's loss, G's, and Σ log Q(c_i|x) of each code over the batch, in one array."""
        device, step = self.device, self._counter.data
        device.increment(step)
        real = self.real_images(step)
        latents, codes = self.latents(step)
        fake = self.generator(latents)
        d_loss, log_likelihoods = self._discriminator_half(real, fake.detach(), codes)
        g_loss = self._generator_half(fake, codes)
        self._average()
        losses = [loss.data.reshape(1) for loss in (d_loss, g_loss)]
        return device.concatenate_rows([*losses, device.column_sum(log_likelihoods.data)])

    def real_images(self, step: Step) -> Tensor:
        """The real images of a step: drawn with replacement, scaled to the range of the networks."""
        s = self.settings
        key = (s.seed, Stream.BATCHES, step)
        indices = integers((s.batch_size,), len(self.images), key, self.device)
        images = self.device.gather_images(self.images, indices, s.image_low, 1.0, self.dtype)
        return Tensor(images, self.device)

    def latents(self, step: Step) -> tuple[Tensor, Tensor]:
        """G's input and the codes of a step: (batch, noise + encoded codes) and (batch, codes)."""
        s = self.settings
        return draw_latents(s, s.batch_size, Stream.NOISE, Stream.CODES, step)

    def _discriminator_half(
        self, real: Tensor, fake: Tensor, codes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update D and Q; return D's loss, and log Q(c|x) of the generated images, (batch, codes)."""
        n, consistent = real.shape[0], self._is_consistent()
        images, groups = [real, fake], [REAL, GENERATED]
        if consistent:
            images.append(second_view(self.settings, real, self._counter.data))
            groups.append(WARPED)
        if self._has_views():
            copies, codes_of_copies = self._copies(fake, codes)
            images.append(copies)
            groups.append(COPIED)
        batch = concatenate(images)
        features = self.discriminator.trunk(batch, groups)
        logits = self.discriminator(features)
        loss = discriminator_loss(logits[: 2 * n] if len(images) > 2 else logits, self._targets)
        # Q's head sees real images too, so that its norms know them; of L_I only the generated ones are part.
        own_trunk = self.recognition.trunk is not None
        parameters = self.recognition(batch if own_trunk else features, groups)
        read = parameters[n : 2 * n]
        log_likelihoods = log_likelihood(read, codes, self.layout)
        total = loss - weighted_information(log_likelihoods, self._weights_outside_views)
        if consistent:
            total = total - self._view_information(parameters[:n], parameters[2 * n : 3 * n])
        if self._has_views():
            total = total - self._information_in_copies(parameters[-n:], codes_of_copies)
        self._update(self.discriminator_optimizer, total)
        return loss, log_likelihoods

    def _copies(self, fake: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Copies of generated images, each changed as its view says, and the codes that they count as."""
        device, key = self.device, (self.settings.seed, Stream.VIEWS, self._counter.data)
        uniforms = Tensor(
            uniform((fake.shape[0], AFFINE_UNIFORMS), -1.0, 1.0, key, device, self.dtype), device
        )
        images, shifted = [], []
        for view in self._views:
            u = uniforms[view.rows].data
            images.append(device.random_affine(fake[view.rows].data, u, view.ranges))
            shifted.append(device.gemm(u, view.gain.data))
            device.accumulate(shifted[-1], codes[view.rows].data)
        return (
            Tensor(device.concatenate_rows(images), device),
            Tensor(device.concatenate_rows(shifted), device),
        )

    def _information_in_copies(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """Of each view λ·E[log Q(c|x̃)], over its own copies x̃."""
        log_likelihoods = log_likelihood(parameters, codes, self.layout)
        terms = [weighted_information(log_likelihoods[v.rows], v.weights) for v in self._views]
        return functools.reduce(operator.add, terms)

    def _view_information(self, images: Tensor, copies: Tensor) -> Tensor:
        """What Q's readings of real images tell of its readings of their copies, and at first also the other way round."""
        weights, balance = self._consistency_weights, self._balance()
        information = view_information(images, copies, weights, self.layout, balance)
        if not self._is_two_way():
            return information
        return 0.5 * (information + view_information(copies, images, weights, self.layout, balance))

    def _generator_half(self, fake: Tensor, codes: Tensor) -> Tensor:
        """Update G through D and Q as they are now; return its loss."""
        groups = (GENERATED,)
        features = self.discriminator.trunk(fake, groups)
        loss = total = generator_loss(self.discriminator(features), self._ones)
        if self.settings.objective == "infogan":
            parameters = self.recognition(features, groups)
            log_likelihoods = log_likelihood(parameters, codes, self.layout)
            waits = bool(self._views) and not self._has_views()
            weights = self._weights_outside_views if waits else self._weights
            total = loss - weighted_information(log_likelihoods, weights)
        self._update(self.generator_optimizer, total)
        return loss

    def _average(self) -> None:
        """Bring the averages on by this step's weights and statistics."""
        if self.averages is None:
            return
        decay = self._average_decay()
        for (_, average), (_, value) in zip(
            self.averages.named_tensors(), self.networks.named_tensors(), strict=True
        ):
            self.device.accumulate(average.data, value.data, decay, 1 - decay)
            average.mark_changed()

    @staticmethod
    def _update(optimizer: Adam, loss: Tensor) -> None:
        optimizer.zero_grad()  # what somebody left there is no part of a step
        loss.backward(inputs=optimizer.parameters)
        optimizer.step()
        optimizer.zero_grad()

    def _check(self, metrics: StepMetrics) -> None:
        losses = {
            "discriminator_loss": metrics.discriminator_loss,
            "generator_loss": metrics.generator_loss,
            **{f"L_I({n})": v for n, v in zip(self.layout.names, metrics.information, strict=True)},
        }
        for name, value in losses.items():
            if not abs(value) < _DIVERGED:
                culprit = self.first_nonfinite()
                raise TrainingError(
                    f"training diverged at step {metrics.step}: {name} is {value:g}"
                    + (f", and '{culprit}' holds values that are not finite" if culprit else "")
                )

    def first_nonfinite(self) -> str | None:
        """The name of the first tensor of the state that holds a NaN or an infinity."""
        for name, value in self.state().items():
            if not np.isfinite(value).all():
                return name
        return None

    def state(self) -> dict[str, np.ndarray]:
        """Every tensor that training changes, by name: weights, running statistics, averages, moments."""
        state = {name: value.numpy() for name, value in self._named_tensors()}
        for name, optimizer in self._optimizers():
            for key, value in optimizer.state_dict().items():
                if isinstance(value, Tensor):
                    state[f"{name}.{key}"] = value.numpy()
        return state

    def load_state(self, step: int, state: dict[str, np.ndarray]) -> None:
        """Go on from `step` with a state that `state` gave; ValueError if it is of other networks."""
        own = self.state()
        if {n: a.shape for n, a in own.items()} != {n: tuple(a.shape) for n, a in state.items()}:
            raise ValueError("this state is of other networks")
        for name, value in self._named_tensors():
            value.copy_(state[name])
        for name, optimizer in self._optimizers():
            memories = {
                key: state[f"{name}.{key}"] if isinstance(value, Tensor) else step
                for key, value in optimizer.state_dict().items()
            }
            optimizer.load_state_dict(memories)
        self._counter.copy_(np.array([step]))
        self.step_count = step

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every weight and statistic, and every average of one."""
        yield from self.networks.named_tensors()
        if self.averages is not None:
            for name, average in self.averages.named_tensors():
                yield AVERAGED + name, average

    def _optimizers(self) -> list[tuple[str, Adam]]:
        return [
            ("discriminator_optimizer", self.discriminator_optimizer),
            ("generator_optimizer", self.generator_optimizer),
        ]


def second_view(settings: Settings, images: Tensor, step: Step) -> Tensor:
    """A copy of each image as a training step holds it against the image: with strips over it, and warped."""
    if settings.strips:
        device, key = images.device, (settings.seed, Stream.STRIPS, step)
        shape = (images.shape[0], settings.strips, 6)
        uniforms = uniform(shape, -1.0, 1.0, key, device, images.dtype)
        covered = device.random_occlusion(
            images.data, uniforms, settings.strip_sizes, settings.image_low, 1.0
        )
        images = Tensor(covered, device)
    return warp(settings, images, Stream.WARPS, step)


def warp(settings: Settings, images: Tensor, stream: int, step: Step) -> Tensor:
    """Each image slightly rotated, scaled, sheared and shifted, at random, for a place in a stream."""
    device = images.device
    key = (settings.seed, stream, step)
    uniforms = uniform((images.shape[0], AFFINE_UNIFORMS), -1.0, 1.0, key, device, images.dtype)
    return Tensor(device.random_affine(images.data, uniforms, settings.warp_ranges), device)


def draw_latents(
    settings: Settings, batch: int, noise_stream: int, code_stream: int, step: Step
) -> tuple[Tensor, Tensor]:
    """G's input (batch, noise + encoded codes) and its codes (batch, codes), for a place in two streams."""
    noise, codes = draw_noise_and_codes(settings, batch, noise_stream, code_stream, step)
    return encode(settings, noise, codes), codes


def draw_noise_and_codes(
    settings: Settings, batch: int, noise_stream: int, code_stream: int, step: Step
) -> tuple[Tensor, Tensor]:
    """z (batch, noise), uniform on (−1, 1), and c (batch, codes) from their priors."""
    device, dtype, seed = get_device(settings.device), np.dtype(settings.dtype), settings.seed
    key = (seed, noise_stream, step)
    noise = uniform((batch, settings.noise), -1.0, 1.0, key, device, dtype)
    table = code_table(settings.layout.densities)
    codes = device.sample_codes(batch, table, dtype, (seed, code_stream, step))
    return Tensor(noise, device), Tensor(codes, device)


def encode(settings: Settings, noise: Tensor, codes: Tensor) -> Tensor:
    """G's input from noise (batch, noise) and codes (batch, codes)."""
    table = code_table(settings.layout.densities)
    return Tensor(noise.device.encode_latents(noise.data, codes.data, table), noise.device)
