"""Latent codes c: their kinds, how they are drawn, and how Q's output describes them.

A layout is written as it is in the paper's appendix. ``"Cat(10) + 2*Uniform"`` is one categorical
code of ten categories and two continuous codes, uniform on (−1, 1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minigan.errors import SettingsError
from minigan.ops.likelihood import Categorical, Density, Gaussian, code_table

_TERM = re.compile(
    r"(?:(?P<count>\d+)\s*[*×]?\s*)?"
    r"(?:(?:Cat|Categorical)\s*\(\s*(?P<size>\d+)\s*\)"
    r"|(?P<uniform>U|Uniform)(?:\s*\(\s*[-−]\s*1\s*,\s*1\s*\))?)",
    re.IGNORECASE,
)
_MOST = 1000  # categories, or codes of a kind: beyond it the text is a slip


@dataclass(frozen=True)
class CategoricalCode:
    """c ~ Cat(K): K categories, equally likely.

    Attributes:
        size: K.
    """

    size: int

    @property
    def entropy(self) -> float:
        """Return H(c) = ln K, nats."""
        return math.log(self.size)

    @property
    def attainable(self) -> float:
        """Return the most that L_I can be: H(c), when Q reads the category without doubt."""
        return self.entropy

    @property
    def unread(self) -> float:
        """Return L_I where Q tells nothing: 0, when all categories have one probability."""
        return 0.0

    @property
    def density(self) -> Density:
        """Return the density of Q for `minigan.code_log_likelihood`."""
        return Categorical(self.size)

    def __str__(self) -> str:
        return f"Cat({self.size})"


@dataclass(frozen=True)
class UniformCode:
    """c ~ Uniform(−1, 1), read through a Gaussian with fixed σ = 1."""

    @property
    def entropy(self) -> float:
        """Return H(c) = ln 2, nats: a differential entropy."""
        return math.log(2)

    @property
    def attainable(self) -> float:
        """Return the most that L_I can be with σ = 1: ln 2 − ½ log 2π ≈ −0.226, at the mean c."""
        return self.entropy - 0.5 * math.log(2 * math.pi)

    @property
    def unread(self) -> float:
        """Return L_I where Q tells nothing, at the mean 0: half the variance below the most."""
        return self.attainable - 1 / 6

    @property
    def density(self) -> Density:
        """Return the density of Q for `minigan.code_log_likelihood`."""
        return Gaussian(std=1.0)

    def __str__(self) -> str:
        return "Uniform"


Code = CategoricalCode | UniformCode


def share_read(code: Code, information: float) -> float:
    """Return the share of the attainable L_I that a code has reached: 0 if unread, 1 at best.

    Of a continuous code that is the share of its variance that Q explains. It is negative where Q
    is confidently wrong.

    Args:
        code: the code.
        information: its L_I, nats.
    """
    return (information - code.unread) / (code.attainable - code.unread)


@dataclass(frozen=True)
class CodeLayout:
    """The codes in order. Code i is column i of a (batch, codes) array; a category is its index.

    Attributes:
        codes: the codes.
    """

    codes: tuple[Code, ...]

    @classmethod
    def parse(cls, text: str) -> CodeLayout:
        """Return the layout of a text.

        Args:
            text: terms like "Cat(10)" or "2*Uniform", joined by +.

        Raises:
            SettingsError: a term is not understood.
        """
        codes: list[Code] = []
        for term in text.split("+"):
            match = _TERM.fullmatch(term.strip())
            count = int(match["count"] or 1) if match else 0
            size = int(match["size"] or 2) if match else 0
            if match is None or not (1 <= count <= _MOST and 2 <= size <= _MOST):
                raise SettingsError(
                    f"codes '{text}': '{term.strip()}' is not a code; write terms like Cat(10), "
                    f"2*Cat(20) or 3*Uniform, joined by +, with numbers up to {_MOST:,}"
                )
            code: Code = UniformCode() if match["uniform"] else CategoricalCode(size)
            codes += [code] * count
        return cls(tuple(codes))

    def __str__(self) -> str:
        terms: list[tuple[Code, int]] = []
        for code in self.codes:
            if terms and terms[-1][0] == code:
                terms[-1] = (code, terms[-1][1] + 1)
            else:
                terms.append((code, 1))
        return " + ".join(f"{n}*{code}" if n > 1 else str(code) for code, n in terms)

    def __iter__(self) -> Iterator[Code]:
        return iter(self.codes)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def densities(self) -> list[Density]:
        """Return Q's density of each code, for `minigan.code_log_likelihood`."""
        return [code.density for code in self.codes]

    @property
    def names(self) -> list[str]:
        """Return c1, c2, … as in the paper."""
        return [f"c{i + 1}" for i in range(len(self.codes))]

    @property
    def entropies(self) -> np.ndarray:
        """Return H(c_i) of each code, nats.

        Returns:
            The entropies, (codes,).
        """
        return np.array([code.entropy for code in self.codes])

    @property
    def parameter_columns(self) -> int:
        """Return the number of columns of Q's output."""
        return code_table(self.densities).columns

    @property
    def encoded_columns(self) -> int:
        """Return the number of columns of the generator's input that the codes take."""
        return code_table(self.densities).encoded_columns

    def weights(self, categorical: float, continuous: float) -> np.ndarray:
        """Return λ of each code, from λ of its kind.

        Args:
            categorical: λ of categorical codes.
            continuous: λ of continuous codes.

        Returns:
            The weights, (codes,).
        """
        return np.array(
            [categorical if isinstance(c, CategoricalCode) else continuous for c in self.codes]
        )
