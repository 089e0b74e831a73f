"""Data to train on.

    from minigan.datasets import batches, mnist

    digits = mnist.load("train")
    for images, labels in batches(digits.images, digits.labels, batch_size=64, seed=0):
        ...

`mnist` is MNIST itself, the data included. The readers of other sets are imported by their own names, for example
`minigan.datasets.folder`. They need Pillow.
"""

from minigan.datasets import mnist
from minigan.datasets.batching import Batches, batches
from minigan.datasets.images import FactoredImages, Images, LabeledImages

__all__ = ["Batches", "FactoredImages", "Images", "LabeledImages", "batches", "mnist"]
