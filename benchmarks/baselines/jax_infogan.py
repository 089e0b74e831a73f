"""InfoGAN's MNIST training step in JAX, as one compiled function.

Layers, codes and losses are those of `minigan.infogan`, in the same order and layouts, so that parameters correspond one to one.
The state is given away in each step (`donate_argnums`), so that its memory is used again. This module imports nothing of minigan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

NOISE, CATEGORIES, CONTINUOUS = 62, 10, 2
ENTROPIES = (math.log(CATEGORIES), *[math.log(2)] * CONTINUOUS)
SLOPE, EPSILON, MOMENTUM = 0.1, 1e-5, 0.1
BETA1, BETA2, ADAM_EPSILON = 0.5, 0.999, 1e-8
PRECISIONS = {"ieee": "highest", "tf32": "tensorfloat32"}  # minigan's names, and JAX's

Array = Any
Parameters = list[Any]

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
# Of minigan's parameters in their order, (height, width, in, out) and (in, out).
_GENERATOR = [
    (NOISE + CATEGORIES + CONTINUOUS, 1024), (1024,), (1024,), (1024, 6272), (6272,), (6272,), (4, 4, 128, 64), (64,), (64,),
    (4, 4, 64, 1), (1,),
]  # fmt: skip
_DISCRIMINATOR = [
    (4, 4, 1, 64), (64,), (4, 4, 64, 128), (128,), (128,), (6272, 1024), (1024,), (1024,), (1024, 1), (1,),
    (1024, 128), (128,), (128,), (128, CATEGORIES + CONTINUOUS), (CATEGORIES + CONTINUOUS,),
]  # fmt: skip
# The channels of each norm: G's, those of D on real images, on generated ones, and Q's.
_GENERATOR_NORMS, _DISCRIMINATOR_NORMS = (1024, 6272, 64), (128, 128, 1024, 1024, 128)


class Norms:
    """Batch norms in the order in which they are called, by batch statistics; keeps the running ones."""

    def __init__(self, running: Sequence[Array]) -> None:
        self.running, self.kept = list(running), []

    def __call__(self, x: Array, weight: Array, bias: Array) -> Array:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
        count = x.size // x.shape[-1]
        before = self.running[len(self.kept)]
        unbiased = variance * (count / max(count - 1, 1))
        new = jnp.stack([mean, unbiased])
        self.kept.append(lax.stop_gradient((1 - MOMENTUM) * before + MOMENTUM * new))
        return (x - mean) * (lax.rsqrt(variance + EPSILON) * weight) + bias


def convolution(x: Array, w: Array) -> Array:
    """Apply a 4×4 convolution with stride 2 and padding 1."""
    padding = ((1, 1), (1, 1))
    return lax.conv_general_dilated(x, w, (2, 2), padding, dimension_numbers=_DIMENSIONS)


def transposed_convolution(x: Array, w: Array) -> Array:
    """Apply the transposed convolution of the same sizes: (n, h, w, in) to (n, 2h, 2w, out)."""
    return lax.conv_general_dilated(
        x, w[::-1, ::-1], (1, 1), ((2, 2), (2, 2)), lhs_dilation=(2, 2), dimension_numbers=_DIMENSIONS
    )  # fmt: skip


def leaky_relu(x: Array) -> Array:
    """Return max(x, 0.1·x)."""
    return jnp.where(x > 0, x, SLOPE * x)


def generate(p: Parameters, norms: Norms, latents: Array) -> Array:
    """Apply G: latents (batch, 74) to images (batch, 28, 28, 1)."""
    h = jax.nn.relu(norms(latents @ p[0], p[1], p[2]))
    h = jax.nn.relu(norms(h @ p[3], p[4], p[5])).reshape(-1, 7, 7, 128)
    h = jax.nn.relu(norms(transposed_convolution(h, p[6]), p[7], p[8]))
    return jax.nn.sigmoid(transposed_convolution(h, p[9]) + p[10])


def features(p: Parameters, norms: Norms, images: Array, groups: int) -> Array:
    """Apply D's trunk: images (batch, 28, 28, 1) to (batch, 1024); each group has its own statistics."""

    def normalized(x: Array, weight: Array, bias: Array) -> Array:
        return jnp.concatenate([norms(part, weight, bias) for part in jnp.split(x, groups)])

    h = leaky_relu(convolution(images, p[0]) + p[1])
    h = leaky_relu(normalized(convolution(h, p[2]), p[3], p[4])).reshape(images.shape[0], -1)
    return leaky_relu(normalized(h @ p[5], p[6], p[7]))


def recognize(p: Parameters, norms: Norms, h: Array) -> Array:
    """Apply Q: D's features to ten logits and two means."""
    h = leaky_relu(norms(h @ p[10], p[11], p[12]))
    return h @ p[13] + p[14]


def log_likelihood(parameters: Array, category: Array, continuous: Array) -> Array:
    """log Q(c_i|x) of each code, (batch, codes): a categorical, and Gaussians with σ = 1."""
    logits, means = parameters[:, :CATEGORIES], parameters[:, CATEGORIES:]
    own = jnp.take_along_axis(jax.nn.log_softmax(logits), category[:, None], 1)
    gaussian = -0.5 * (continuous - means) ** 2 - 0.5 * math.log(2 * math.pi)
    return jnp.concatenate([own, gaussian], 1)


def cross_entropy(logits: Array, target: float) -> Array:
    """Return the mean binary cross entropy of logits against one target."""
    return (jax.nn.softplus(logits) - target * logits).mean()


def discriminator_loss(
    p: Parameters, running: Sequence[Array], real: Array, fake: Array, category: Array, continuous: Array
) -> tuple[Array, Any]:  # fmt: skip
    """Return the loss of D and Q; beside it D's loss, log Q(c|x) and the running statistics."""
    order = (0, 1, 2, 3, 4)
    norms = Norms([running[i] for i in order])
    n = real.shape[0]
    h = features(p, norms, jnp.concatenate([real, fake]), 2)
    logits = h @ p[8] + p[9]
    loss = cross_entropy(logits[:n], 1.0) + cross_entropy(logits[n:], 0.0)
    likelihoods = log_likelihood(recognize(p, norms, h[n:]), category, continuous)
    return loss - likelihoods.sum(1).mean(), (loss, likelihoods.mean(0), norms.kept)


def generator_loss(
    fake: Array, p: Parameters, running: Sequence[Array], category: Array, continuous: Array
) -> tuple[Array, Any]:
    """Return the loss of G, as a function of its images; beside it G's loss and the running statistics."""
    norms = Norms([running[1], running[3], running[4]])  # those of generated images
    h = features(p, norms, fake, 1)
    loss = cross_entropy(h @ p[8] + p[9], 1.0)
    likelihoods = log_likelihood(recognize(p, norms, h), category, continuous)
    first, second, third = norms.kept
    return loss - likelihoods.sum(1).mean(), (loss, [running[0], first, running[2], second, third])


def adam(p: Parameters, g: Parameters, moments: Any, step: Array, rate: float) -> tuple[Any, Any]:
    """Kingma and Ba's Adam: the new parameters and moments."""
    m, v = moments
    m = [BETA1 * a + (1 - BETA1) * b for a, b in zip(m, g, strict=True)]
    v = [BETA2 * a + (1 - BETA2) * b * b for a, b in zip(v, g, strict=True)]
    first, second = 1 - BETA1**step, 1 - BETA2**step
    new = [
        w - rate * (a / first) / (jnp.sqrt(b / second) + ADAM_EPSILON)
        for w, a, b in zip(p, m, v, strict=True)
    ]
    return new, (m, v)


def halves(state: dict[str, Any], batch: Any, update: Any) -> tuple[dict[str, Any], Any]:
    """Update D and Q, then G, by `update(parameters, gradients, moments, rate)`; and the metrics."""
    real, latents, category, continuous = batch
    g_norms = Norms(state["g_running"])

    def fake_of(p: Parameters) -> Array:
        return generate(p, g_norms, latents)

    fake, back = jax.vjp(fake_of, state["g"])
    (_, (d_loss, likelihoods, running)), d_gradients = jax.value_and_grad(discriminator_loss, has_aux=True)(
        state["d"], state["d_running"], real, lax.stop_gradient(fake), category, continuous
    )  # fmt: skip
    d, d_moments = update(state["d"], d_gradients, state["d_moments"], 2e-4)
    (_, (g_loss, running)), at_images = jax.value_and_grad(generator_loss, has_aux=True)(
        fake, d, running, category, continuous
    )
    (g_gradients,) = back(at_images)
    g, g_moments = update(state["g"], g_gradients, state["g_moments"], 1e-3)
    new = {
        **state, "g": g, "d": d, "g_moments": g_moments, "d_moments": d_moments, "d_running": running,
        "g_running": g_norms.kept,
    }  # fmt: skip
    return new, (d_loss, g_loss, likelihoods, g_gradients, d_gradients)


@partial(jax.jit, static_argnums=2, donate_argnums=0)
def training_step(
    state: dict[str, Any], images: Array, batch_size: int
) -> tuple[dict[str, Any], Any]:
    """Take a step on a random batch."""
    step = state["step"] + 1
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), step), 4)
    chosen = jax.random.randint(keys[0], (batch_size,), 0, images.shape[0])
    real = images[chosen].astype(jnp.float32) / 255
    category = jax.random.randint(keys[1], (batch_size,), 0, CATEGORIES)
    continuous = jax.random.uniform(keys[2], (batch_size, CONTINUOUS), minval=-1, maxval=1)
    noise = jax.random.uniform(keys[3], (batch_size, NOISE), minval=-1, maxval=1)
    encoded = jax.nn.one_hot(category, CATEGORIES)
    batch = real, jnp.concatenate([noise, encoded, continuous], 1), category, continuous
    new, (d_loss, g_loss, likelihoods, *_) = halves(
        state, batch, lambda p, g, moments, rate: adam(p, g, moments, step, rate)
    )
    return {**new, "step": step}, jnp.concatenate([jnp.stack([d_loss, g_loss]), likelihoods])


@jax.jit
def losses_and_gradients(state: dict[str, Any], batch: Any) -> Any:
    """Return the metrics and gradients of a step that changes no weight."""
    return halves(state, batch, lambda p, g, moments, rate: (p, moments))[1]


class Trainer:
    """The state of training, and one compiled step on it. `images` are uint8, (n, 28, 28, 1)."""

    def __init__(self, images: Any, batch_size: int, precision: str = "ieee") -> None:
        self.images, self.batch_size = jnp.asarray(images), batch_size
        self.precision = PRECISIONS[precision]
        random = np.random.default_rng(0)

        def weights(shapes: Sequence[Any]) -> Parameters:
            scale = {1: np.ones, 2: None, 4: None}
            return [
                jnp.asarray((scale[len(s)] or (lambda t: random.normal(0, 0.02, t)))(s), jnp.float32)
                for s in shapes
            ]  # fmt: skip

        self.state = self._state(weights(_GENERATOR), weights(_DISCRIMINATOR))

    @staticmethod
    def _state(g: Parameters, d: Parameters) -> dict[str, Any]:
        def nothing(p: Parameters) -> Any:
            return [jnp.zeros_like(w) for w in p], [jnp.zeros_like(w) for w in p]

        def running(sizes: Sequence[int]) -> Any:
            return [jnp.stack([jnp.zeros(c), jnp.ones(c)]) for c in sizes]

        return {
            "step": jnp.zeros((), jnp.int32), "g": g, "d": d, "g_moments": nothing(g), "d_moments": nothing(d),
            "g_running": running(_GENERATOR_NORMS), "d_running": running(_DISCRIMINATOR_NORMS),
        }  # fmt: skip

    def load(self, generator: Sequence[Any], discriminator: Sequence[Any]) -> None:
        """Start from minigan's parameters."""
        own = ([jnp.asarray(np.array(a)) for a in p] for p in (generator, discriminator))
        self.state = self._state(*own)

    def launch(self) -> Array:
        """Ask for a step; return its metrics, which may not be there yet."""
        with jax.default_matmul_precision(self.precision):
            self.state, metrics = training_step(self.state, self.images, self.batch_size)
        return metrics

    def step(self) -> tuple[float, ...]:
        """Take a step, and return its metrics."""
        return tuple(np.asarray(self.launch()).tolist())

    def losses_and_gradients(
        self, real: Any, latents: Any, codes: Any
    ) -> tuple[list[Any], list[Any]]:
        """D's loss, G's and L_I on minigan's batch, and the gradients of G's parameters, then of D's and Q's."""
        batch = (real, latents, codes[:, 0].astype(np.int32), codes[:, 1:])
        with jax.default_matmul_precision(self.precision):
            d_loss, g_loss, likelihoods, g, d = losses_and_gradients(self.state, batch)
        information = [h + float(mean) for h, mean in zip(ENTROPIES, likelihoods, strict=True)]
        return [float(d_loss), float(g_loss), information], [np.asarray(a) for a in (*g, *d)]
