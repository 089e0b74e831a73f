"""Whether two libraries take the same training step: from the same weights, on the same batch, by losses and gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.declaration import DisagreementError

# How far the two libraries may be apart, relative to the size of the compared values. In float64 only sums in another
# order differ. In float32 a gradient also jumps where rounding puts a value on the other side of a
# leaky ReLU's kink. One of the features' 256 × 1024 values moves it by some 2e-3 of its size. It
# moves a sum of terms that nearly cancel by more. Losses have no kinks. In TF32 each product's
# operands are rounded to 11 bits, 5e-4 of their size, and five products follow one another.
TOLERANCE = {
    "float64": {"losses": 1e-10, "gradients": 1e-8},
    "float32": {"losses": 1e-5, "gradients": 5e-2},
    "tf32": {"losses": 5e-3, "gradients": 2e-1},
}
DTYPES = ("float64", "float32")
LOSSES = ("discriminator_loss", "generator_loss", "information")

Array = np.ndarray[Any, Any]


# ‖minigan's − the library's‖ / ‖the library's‖ of each array that comes out. Only sums in another order differ.
# In TF32 both round each operand to 11 bits, 5e-4 of its size, but not the same way.
KERNEL_TOLERANCE = {"float32": 1e-4, "float64": 1e-10, "tf32": 2e-3}


class GradientRecorder:
    """Stands in for an optimizer: keeps the gradients and changes nothing.

    Thus G's half of a step meets the same D in both libraries. (A step of Adam would not do. On its
    first step it moves each weight by the sign of the gradient, and rounding decides the sign of
    those near 0.)
    """

    # Minigan's trainer compares these, to capture a step anew when they change.
    settings = None
    weight_decay = 0.0

    def __init__(self, parameters: Sequence[Any], read: Callable[[Any], Array]) -> None:
        self.parameters = parameters
        self.gradients: list[Array] = []
        self._read = read

    def step(self) -> None:
        self.gradients = [self._read(p).copy() for p in self.parameters]

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None


def differences(trainer: Any, baseline: Any) -> dict[str, float]:
    """Take one step in both, from minigan's weights and on its first batch, and compare.

    Returns ‖minigan's − PyTorch's‖ / ‖PyTorch's‖ of both losses, L_I, and the gradient of every parameter,
    by name. Neither library's weights are changed, except that PyTorch is given minigan's.
    """
    networks = {
        "generator": trainer.generator,
        "discriminator": trainer.discriminator,
        "recognition": trainer.recognition,
    }
    named = {f"{n}.{k}": p for n, net in networks.items() for k, p in net.named_parameters()}
    own_g = trainer.generator.parameters()
    own_d = [*trainer.discriminator.parameters(), *trainer.recognition.parameters()]
    baseline.load([p.numpy() for p in own_g], [p.numpy() for p in own_d])

    images = trainer.real_images(trainer.step_count + 1)
    latents, codes = trainer.latents(trainer.step_count + 1)
    own_losses, own_gradients = record(
        trainer, own_g, own_d, lambda p: p.grad.numpy(), lambda: trainer.step()[1:]
    )
    batch = images.numpy(), latents.numpy(), codes.numpy()
    if hasattr(baseline, "losses_and_gradients"):  # a library of functions, which have no optimizer
        baseline_losses, baseline_gradients = baseline.losses_and_gradients(*batch)
    else:
        baseline_losses, baseline_gradients = record(
            baseline,
            baseline.generator_parameters,
            baseline.discriminator_parameters,
            lambda p: baseline.as_minigan(p, p.grad).cpu().numpy(),
            lambda: baseline.step_on_arrays(*batch),
        )
    found = {
        name: relative_difference(np.asarray(a), np.asarray(b))
        for name, a, b in zip(LOSSES, own_losses, baseline_losses, strict=True)
    }
    for name, a, b in zip(named, own_gradients, baseline_gradients, strict=True):
        found[name] = relative_difference(a, b)
    return found


def record(
    trainer: Any,
    generator: Sequence[Any],
    discriminator: Sequence[Any],
    read: Callable[[Any], Array],
    step: Callable[[], Sequence[Any]],
) -> tuple[Sequence[Any], list[Array]]:
    """Record the result of `step`, and the gradients that it hands to the trainer's two optimizers."""
    optimizers = trainer.generator_optimizer, trainer.discriminator_optimizer
    recorders = GradientRecorder(generator, read), GradientRecorder(discriminator, read)
    trainer.generator_optimizer, trainer.discriminator_optimizer = recorders
    try:
        losses = step()
    finally:
        trainer.generator_optimizer, trainer.discriminator_optimizer = optimizers
    return losses, [g for recorder in recorders for g in recorder.gradients]


def relative_difference(a: Array, b: Array) -> float:
    """‖a − b‖ / ‖b‖."""
    if a.shape != b.shape:
        raise DisagreementError(f"the shapes differ: {a.shape} and {b.shape}")
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def require_agreement(found: Mapping[str, float], dtype: str, baseline: str = "PyTorch") -> None:
    """DisagreementError, naming the first quantity that differs by more than rounding explains."""
    for name, difference in found.items():
        kind = "losses" if name in LOSSES else "gradients"
        tolerance = TOLERANCE[dtype][kind]
        if not difference <= tolerance:  # NaN is a disagreement too
            raise DisagreementError(
                f"minigan and {baseline} do not take the same step: "
                f"{name if kind == 'losses' else f'the gradient of {name}'} differs by "
                f"{difference:.1e} of its size, and {dtype} explains {tolerance:.0e}"
            )
