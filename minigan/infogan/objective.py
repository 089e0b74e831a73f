"""The objective: min over G, Q and max over D of V(D, G) − λ·L_I(G, Q) (InfoGAN, eq. 6).

L_I(G, Q) = E[log Q(c|x)] + H(c), x = G(z, c) (eq. 5). G's part of V is the non-saturating loss −log D(G(z, c)).
All are in nats, averaged over the batch.
"""

from __future__ import annotations

from minigan.infogan.codes import CodeLayout
from minigan.ops.likelihood import (
    binary_cross_entropy_with_logits,
    code_consistency_information,
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


def view_information(
    first: Tensor, second: Tensor, weights: Tensor, layout: CodeLayout, balance: float = 1.0
) -> Tensor:
    """Σᵢ wᵢ·L_I(cᵢ) from one view of real images to another: H(c) + E[log Q(c|x̃)], with c as Q reads x.

    It is no part of the paper's objective: the same bound (eq. 5), where the code is not drawn, but what Q reads in a real image,
    and Q shall find it again in a changed copy. So Q's lines between categories come to run between kinds of real images (as in
    IMSAT, Hu et al. 2017, and IIC, Ji et al. 2019). A `balance` over 1 weighs H(c) more, which keeps all categories
    in use.
    """
    information = code_consistency_information(first, second, layout.densities, balance)
    return weighted_sum(information, weights)
