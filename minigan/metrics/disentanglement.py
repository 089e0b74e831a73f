"""All scores of disentanglement of one set of images: MIG, FactorVAE, SAP and DCI.

Every score is 1 for codes that each describe one factor and nothing else, one code a factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigan.errors import SettingsError
from minigan.metrics.dci import dci
from minigan.metrics.factor_vae import factor_vae_score
from minigan.metrics.mig import mutual_information, mutual_information_gap
from minigan.metrics.sap import attribute_predictability, attribute_scores


@dataclass(frozen=True)
class Disentanglement:
    """The scores of one set of images.

    Attributes:
        images: the number of images.
        codes: the names of the codes.
        factors: the names of the factors that change.
        shares: I(z_j; v_k)/H(v_k), the share of each factor that each code tells, (codes, factors).
        gaps: MIG's gap of each factor, (factors,).
        mig: the mean of the gaps.
        factor_vae: the FactorVAE score, an accuracy.
        sap: the mean of SAP's gaps.
        dci_disentanglement: DCI's score, or None where scikit-learn is not installed.
        dci_completeness: as above.
        dci_informativeness: as above.
    """

    images: int
    codes: tuple[str, ...]
    factors: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    gaps: tuple[float, ...]
    mig: float
    factor_vae: float
    sap: float
    dci_disentanglement: float | None
    dci_completeness: float | None
    dci_informativeness: float | None

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (measure, value, reference) for each row of a table."""
        install = "pip install 'minigan[metrics]'"
        scores = [
            ("MIG", self.mig, "1 at best"),
            ("FactorVAE score", self.factor_vae, f"{1 / len(self.factors):.3f} by chance"),
            ("SAP", self.sap, "1 at best"),
            ("DCI disentanglement", self.dci_disentanglement, "1 at best"),
            ("DCI completeness", self.dci_completeness, "1 at best"),
            ("DCI informativeness", self.dci_informativeness, "1 at best"),
        ]
        rows = [
            (name, "not measured", install) if score is None else (name, f"{score:.3f}", reference)
            for name, score, reference in scores
        ]
        for k, factor in enumerate(self.factors):
            told = [share[k] for share in self.shares]
            best = int(np.argmax(told))
            rows.append(
                (f"{factor}, told best by {self.codes[best]}", f"{told[best]:.3f}", "of its H")
            )
        return rows


def measure(
    codes: np.ndarray,
    factors: np.ndarray,
    code_names: Sequence[str],
    factor_names: Sequence[str],
    widths: Sequence[int] | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Disentanglement:
    """Return all scores of these codes, over the factors that change.

    Args:
        codes: (n, columns), as in `minigan.metrics.arrays`.
        factors: the true factors, (n, factors).
        code_names: a name for each code.
        factor_names: a name for each factor.
        widths: the number of columns of each code; 1 each by default.
        seed: the seed of the FactorVAE score and of DCI.
        threads: the threads of DCI; no score depends on their number.

    Returns:
        The scores; those of DCI are None where scikit-learn is not installed.

    Raises:
        SettingsError: no factor changes.
        ValueError: the arrays or the names do not fit each other, or a number is not finite.
    """
    if len(factor_names) != np.shape(factors)[1] or len(code_names) != len(
        widths or np.asarray(codes).T
    ):
        raise ValueError(
            f"there are not {len(code_names)} codes, or not {len(factor_names)} factors"
        )
    changing = np.flatnonzero(~(np.ptp(factors, axis=0) == 0))  # NaN is refused below
    if not len(changing):
        raise SettingsError("none of the images' factors changes, so there is nothing to tell")
    factors = np.asarray(factors, np.float64)[:, changing]
    measured = mutual_information(codes, factors, widths=widths)
    gaps = mutual_information_gap(measured)
    three: tuple[float, float, float] | tuple[None, None, None]
    try:
        three = dci(codes, factors, widths=widths, seed=seed, threads=threads)[:3]
    except SettingsError:  # scikit-learn is an extra
        three = (None, None, None)
    sap = attribute_predictability(attribute_scores(codes, factors, widths=widths))
    shares = measured.information / measured.entropies
    return Disentanglement(
        len(codes), tuple(code_names), tuple(factor_names[int(k)] for k in changing),
        tuple(tuple(row) for row in shares.tolist()), tuple(gaps.tolist()), float(gaps.mean()),
        factor_vae_score(codes, factors, widths=widths, seed=seed), float(sap.mean()), *three,
    )  # fmt: skip
