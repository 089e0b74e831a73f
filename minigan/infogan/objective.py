"""The objective: min over G, Q and max over D of V(D, G) − λ·L_I(G, Q) (InfoGAN, eq. 6).

L_I(G, Q) = E[log Q(c|x)] + H(c), x = G(z, c) (eq. 5). G's part of V is the non-saturating loss −log D(G(z, c)).
All are in nats, averaged over the batch.
"""

from __future__ import annotations

from minigan.infogan.codes import CodeLayout
from minigan.ops.likelihood import code_log_likelihood
from minigan.ops.losses import binary_cross_entropy_with_logits
from minigan.ops.reduction import weighted_sum
from minigan.tensor import Tensor


def discriminator_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return −E[log D(x)] − E[log(1 − D(G(z, c)))]; nats.

    Args:
        logits: D's, (batch, 1), of a batch that is half real, half generated.
        targets: (batch, 1), 1 for a real image and 0 for a generated one.

    Returns:
        A tensor of one element, ().

    Raises:
        ValueError: the shapes do not fit.

    Reference: Goodfellow et al. (2014), "Generative adversarial nets".
    """
    return 2 * binary_cross_entropy_with_logits(logits, targets)


def generator_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return −E[log D(G(z, c))]: the cross entropy against targets of 1; nats.

    Args:
        logits: D's, (batch, 1), of generated images.
        targets: (batch, 1), 1 for each.

    Returns:
        A tensor of one element, ().

    Raises:
        ValueError: the shapes do not fit.

    Reference: Goodfellow et al. (2014), "Generative adversarial nets", section 3.
    """
    return binary_cross_entropy_with_logits(logits, targets)


def log_likelihood(parameters: Tensor, codes: Tensor, layout: CodeLayout) -> Tensor:
    """Return log Q(c_i|x) of each code, of codes that were drawn from their priors; nats.

    Args:
        parameters: Q's output, (batch, columns).
        codes: (batch, codes).
        layout: the codes.

    Returns:
        A tensor (batch, codes).

    Raises:
        ValueError: the shapes do not fit the layout.

    Reference: Chen et al. (2016), "InfoGAN: interpretable representation learning by information
    maximizing generative adversarial nets", eq. 5.
    """
    return code_log_likelihood(parameters, codes, layout.densities, check_codes=False)


def weighted_information(log_likelihoods: Tensor, weights: Tensor) -> Tensor:
    """Return Σᵢ λᵢ·E[log Q(c_i|x)]: λ·L_I without the constant H(c); nats.

    Args:
        log_likelihoods: log Q(c_i|x), (batch, codes).
        weights: λ of each code, (codes,).

    Returns:
        A tensor of one element, ().

    Raises:
        ValueError: the shapes do not fit.

    Reference: Chen et al. (2016), "InfoGAN: interpretable representation learning by information
    maximizing generative adversarial nets", eq. 6.
    """
    return weighted_sum(log_likelihoods, weights, divisor=log_likelihoods.shape[0])
