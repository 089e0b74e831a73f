"""The result of an evaluation: what evaluation.json holds, and the rows of its table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minigan.experiments.readings import CodeReading
from minigan.metrics.clustering_error import Clustering
from minigan.metrics.disentanglement import Disentanglement
from minigan.metrics.strokes import StrokeRelation

# Of a uniform code on (−1, 1) about its mean, the best guess without looking.
_UNREAD_RMSE = 1 / math.sqrt(3)


@dataclass(frozen=True)
class Evaluation:
    """All that is measured of trained networks.

    `codes` are read in `samples` fresh images. `train` and `test` are None without those images, or
    without a categorical code to divide them. So is `agreement`, of the first 10,000 training
    images. `strokes` are of MNIST's digits alone, `disentanglement` of images with known factors.
    """

    experiment: str
    samples: int
    codes: tuple[CodeReading, ...]
    train: Clustering | None
    test: Clustering | None
    strokes: tuple[StrokeRelation, ...] = ()
    disentanglement: Disentanglement | None = None
    agreement: float | None = None
    reference: str = ""

    @property
    def entropy(self) -> float:
        """H(c) of all codes together: they are independent, so it is the sum."""
        return sum(reading.entropy for reading in self.codes)

    @property
    def information(self) -> float:
        """L_I of all codes together, each with weight 1."""
        return sum(reading.information for reading in self.codes)

    @property
    def attainable(self) -> float:
        """Return the highest attainable L_I."""
        return sum(reading.attainable for reading in self.codes)

    @property
    def unsupervised_error(self) -> float | None:
        """Return the paper's error: one-to-one, on the test images, or on the training images alone."""
        clustering = self.test or self.train
        return None if clustering is None else clustering.one_to_one_error

    def to_json(self) -> dict[str, Any]:
        """Return plain values, every number finite."""
        return {
            **dataclasses.asdict(self),
            "entropy": self.entropy,
            "information": self.information,
            "attainable": self.attainable,
            "unsupervised_error": self.unsupervised_error,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Evaluation:
        """Return what `to_json` wrote; those of earlier versions lack the last fields.

        Raises:
            KeyError, TypeError: The values are of another form.
        """

        def optional(kind: Callable[..., Any], name: str) -> Any:
            return kind(**values[name]) if values.get(name) else None

        return cls(
            experiment=values["experiment"],
            samples=values["samples"],
            codes=tuple(CodeReading(**code) for code in values["codes"]),
            train=optional(Clustering, "train"),
            test=optional(Clustering, "test"),
            strokes=tuple(StrokeRelation(**relation) for relation in values.get("strokes") or ()),
            disentanglement=optional(Disentanglement, "disentanglement"),
            agreement=values.get("agreement"),
            reference=values.get("reference", ""),
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (what, its value, what to hold it against), for a table."""
        rows = []
        for name, clustering in (("test", self.test), ("training", self.train)):
            if clustering is not None:
                rows += self._error_rows(clustering, f"{clustering.images:,} {name} images")
        if self.agreement is not None:
            rows.append(
                ("images sorted like their augmented copies", f"{100 * self.agreement:.2f} %", "")
            )
        rows += [
            ("H(c)", f"{self.entropy:.3f}", ""),
            ("L_I", f"{self.information:.3f}", f"at most {self.attainable:.3f}"),
        ]
        for r in self.codes:
            rows.append(
                (f"L_I({r.name}), {r.code}", f"{r.information:.3f}", f"at most {r.attainable:.3f}")
            )
            if r.rmse is not None and r.correlation is not None:
                rows += [
                    (f"RMSE of {r.name}", f"{r.rmse:.3f}", f"{_UNREAD_RMSE:.3f} unread"),
                    (f"correlation of {r.name}", f"{r.correlation:.3f}", "±1 at best"),
                ]
        rows += [
            (
                f"Spearman's ρ of {r.code} with {r.measure}",
                f"{r.correlation:.3f}",
                f"{r.held_correlation:.3f} with all else held",
            )
            for r in self.strokes
        ]
        return rows + (self.disentanglement.rows() if self.disentanglement else [])

    def _error_rows(self, clustering: Clustering, images: str) -> list[tuple[str, str, str]]:
        paper = self.reference
        errors = (
            ("one-to-one matching", clustering.one_to_one_error, paper),
            ("the training images' matching", clustering.training_matching_error, ""),
            ("majority vote", clustering.majority_vote_error, ""),
        )
        return [
            (f"error by {how}, {images}", f"{100 * error:.2f} %", reference)
            for how, error, reference in errors
            if error is not None
        ]
