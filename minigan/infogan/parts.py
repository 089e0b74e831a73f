"""A batch of images in parts: real, generated, and those of extensions, each by its name.

D and Q read all parts in one batch. A part is a group of every batch norm, so its own statistics normalize it.
"""

from __future__ import annotations

from collections.abc import Mapping

from minigan.ops.joining import concatenate
from minigan.tensor import Tensor

REAL, GENERATED = "real", "generated"  # the groups of the paper's own images


class Parts:
    """Images of several groups, group after group in `batch`; each group has the same number of images.

    Args:
        images: the images of each group by its name, (batch, height, width, channels) each.

    Raises:
        ValueError: there is no group, or images have different sizes.
    """

    def __init__(self, images: Mapping[str, Tensor]) -> None:
        self.groups = tuple(images)
        self.batch = concatenate(list(images.values()))
        self._size = self.batch.shape[0] // len(self.groups)

    def rows(self, values: Tensor, *groups: str) -> Tensor:
        """Return the rows that are of these neighbouring groups.

        Args:
            values: (batch of all groups, …).
            groups: the names of the groups.

        Returns:
            A tensor (batch of these groups, …).

        Raises:
            ValueError: a group is unknown.
        """
        if groups == self.groups:
            return values
        first = self.groups.index(groups[0]) * self._size
        return values[first : first + len(groups) * self._size]

    def split(self, values: Tensor) -> dict[str, Tensor]:
        """Return the rows of each group by its name.

        Args:
            values: (batch of all groups, …).

        Returns:
            A tensor (batch of the group, …) for each.
        """
        return {group: self.rows(values, group) for group in self.groups}
