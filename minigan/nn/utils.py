"""Changes to gradients between `backward` and an optimizer's step."""

from __future__ import annotations

from collections.abc import Iterable

from minigan.ops.joining import stack
from minigan.recording import no_grad
from minigan.tensor import Tensor


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale the gradients in place so that the norm of all together is at most `max_norm`.

    g ← g·min(1, max_norm/(norm + 10⁻⁶)), where norm = √(Σ g²) over all elements of all gradients.

    Args:
        parameters: tensors of any shapes. Their ``grad`` is scaled; one without a gradient is
            passed over.
        max_norm: the largest norm that is left, at least 0.

    Returns:
        The norm before, a tensor of one element, ().

    Raises:
        ValueError: `max_norm` is negative or NaN, or no parameter has a gradient.

    Reference: Pascanu et al. (2013), "On the difficulty of training recurrent neural networks".
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is at least 0, not {max_norm}")
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        raise ValueError("clip_grad_norm_: no parameter has a gradient; call backward() first")
    with no_grad():
        norm = stack([g.norm() for g in gradients]).norm()
        scale = (max_norm / (norm + 1e-6)).minimum(1.0)
        for gradient in gradients:
            gradient.copy_(gradient * scale.astype(gradient.dtype))
    return norm


__all__ = ["clip_grad_norm_"]
