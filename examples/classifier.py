"""Train a small convolutional network to read MNIST's digits.

The 2,000 steps reach 98.6 % on the 10,000 test images.
They take 34 processor seconds on an AMD EPYC, after the kernels are compiled.
"""

import argparse

import numpy as np

import minigan as mg
from minigan import nn
from minigan.datasets import mnist

BATCH = 128

model = nn.Sequential(  # images (batch, 28, 28, 1) to logits (batch, 10)
    nn.Conv2d(1, 16, 4, stride=2, padding=1, bias=False),
    nn.BatchNorm(16, negative_slope=0.0),  # with the ReLU that follows
    nn.Conv2d(16, 32, 4, stride=2, padding=1, bias=False),
    nn.BatchNorm(32, negative_slope=0.0),
    nn.Flatten(),
    nn.Linear(7 * 7 * 32, 10),
)
optimizer = mg.optim.Adam(model.parameters(), lr=2e-3)


def as_input(images: np.ndarray) -> mg.Tensor:
    """Return images of bytes as float32 in [0, 1]."""
    return mg.tensor(images / 255, dtype="float32")


def accuracy(images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images that the model reads as their label."""
    model.eval()  # batch norm uses its running statistics
    with mg.no_grad():
        parts = [as_input(images[i : i + 1000]) for i in range(0, len(images), 1000)]
        predictions = np.concatenate([model(x).numpy().argmax(axis=1) for x in parts])
    model.train()
    return float((predictions == labels).mean())


parser = argparse.ArgumentParser(description="a classifier of MNIST's digits")
parser.add_argument("--steps", type=int, default=2000)
arguments = parser.parse_args()
train, test = mnist.load("train"), mnist.load("test")
rng = np.random.default_rng(0)
for step in range(1, arguments.steps + 1):
    chosen = rng.integers(len(train.images), size=BATCH)
    loss = mg.cross_entropy(model(as_input(train.images[chosen])), train.labels[chosen])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0 or step == arguments.steps:
        print(f"step {step}: cross entropy {loss.item():.3f} nats", flush=True)
test_accuracy = accuracy(test.images, test.labels)
print(f"accuracy on the test images: {100 * test_accuracy:.2f} %")
