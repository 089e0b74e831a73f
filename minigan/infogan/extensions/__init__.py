"""Parts of a training step beyond the paper. Each extension is whole in one file, with its settings."""

from minigan.infogan.extensions.base import ExtensionSettings
from minigan.infogan.extensions.code_augmentation import CodeAugmentationSettings
from minigan.infogan.extensions.consistency import ConsistencySettings
from minigan.infogan.extensions.weight_averaging import WeightAveragingSettings

# By name, in the order in which their images stand in a batch.
EXTENSIONS: dict[str, type[ExtensionSettings]] = {
    kind.name: kind
    for kind in (ConsistencySettings, CodeAugmentationSettings, WeightAveragingSettings)
}

__all__ = [
    "EXTENSIONS",
    "CodeAugmentationSettings",
    "ConsistencySettings",
    "ExtensionSettings",
    "WeightAveragingSettings",
]
