"""The objective: min over G, Q and max over D of V(D, G) − λ·L_I(G, Q) (InfoGAN, eq. 6).

L_I(G, Q) = E[log Q(c|x)] + H(c), x = G(z, c) (eq. 5). G's part of V is the non-saturating loss −log D(G(z, c)).
All are in nats, averaged over the batch.
"""

from __future__ import annotations

from minigan.infogan.codes import CodeLayout
from minigan.ops.likelihood import (
    binary_cross_entropy_with_logits,
    code_divergence,
    code_log_likelihood,
)
from minigan.ops.reduction import weighted_sum
from minigan.tensor import Tensor


def discriminator_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """−E[log D(x)] − E[log(1 − D(G(z, c)))], on a batch that is half real (target 1), half generated (0)."""
    return 2 * binary_cross_entropy_with_logits(logits, targets)


def generator_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """−E[log D(G(z, c))]: the cross entropy against targets of 1."""
    return binary_cross_entropy_with_logits(logits, targets)


def log_likelihood(parameters: Tensor, codes: Tensor, layout: CodeLayout) -> Tensor:
    """log Q(c_i|x) of each code, (batch, codes), of codes that were drawn from their priors."""
    return code_log_likelihood(parameters, codes, layout.densities, check_codes=False)


def weighted_information(log_likelihoods: Tensor, weights: Tensor) -> Tensor:
    """Σᵢ λᵢ·E[log Q(c_i|x)]: L_I without the constant H(c)."""
    return weighted_sum(log_likelihoods, weights, divisor=log_likelihoods.shape[0])


def code_consistency(
    warped: Tensor, parameters: Tensor, weights: Tensor, layout: CodeLayout, sharpness: float = 1.0
) -> Tensor:
    """Σᵢ wᵢ·E[KL(Q(c_i|x)ˢ ‖ Q(c_i|x̃))]: what Q reads in images x, held fixed, against its reading of warped copies x̃.

    It is no part of the paper's objective. Images that differ by a slight warp shall be read as one code; where Q
    draws the line between two codes, it shall do so between kinds of images (as in Hu et al. 2017, IMSAT, eq. 6). A
    `sharpness` s over 1 multiplies the logits that are held fixed: Q(·|x)ˢ, normalized, is surer than Q.
    """
    target = parameters.detach()
    if sharpness != 1:
        target = sharpness * target
    divergences = code_divergence(warped, target, layout.densities)
    return weighted_sum(divergences, weights, divisor=warped.shape[0])
