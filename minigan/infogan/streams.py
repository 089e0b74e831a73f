"""The streams of random numbers: two purposes never read the same numbers."""

from __future__ import annotations

import enum


class Stream(enum.IntEnum):
    """The purpose of a stream; 0 is the library's general one, 9 and 14 those of `minigan.datasets`."""

    WEIGHTS = 1
    BATCHES = 2
    NOISE = 3
    CODES = 4
    SAMPLE_NOISE = 5
    SAMPLE_CODES = 6
    EVALUATION_NOISE = 7
    EVALUATION_CODES = 8
    AUGMENTATION = 10
    EVALUATION_AUGMENTATION = 11
    OCCLUSION = 12
    CODE_AUGMENTATION = 13
    SPLIT_IN_Q = 15
    SPLIT_IN_G = 16
