"""InfoGAN on MNIST in one file. Names and equations are those of Chen et al. (2016).

600 steps sort most digits. They took 4.4 processor minutes on an AMD EPYC; 5,000 take some 37.
The last line names a picture of digits: each row is one sample, each column one category of c1.
"""

import argparse
import math

import numpy as np
from PIL import Image

import minigan as mg
from minigan import nn
from minigan.datasets import mnist

BATCH, NOISE, CATEGORIES, CONTINUOUS, LAMBDA = 128, 62, 10, 2, 1.0
Q_DENSITIES = [mg.Categorical(CATEGORIES)] + [mg.Gaussian(std=1.0)] * CONTINUOUS
ENTROPIES = mg.tensor([math.log(CATEGORIES)] + [math.log(2)] * CONTINUOUS, dtype="float32")  # H(c)

G = nn.Sequential(  # latents (batch, 74) to images (batch, 28, 28, 1)
    nn.Linear(NOISE + CATEGORIES + CONTINUOUS, 1024, bias=False),
    nn.BatchNorm(1024, negative_slope=0.0),  # with the ReLU that follows
    nn.Linear(1024, 7 * 7 * 128, bias=False),
    nn.BatchNorm(7 * 7 * 128, negative_slope=0.0),
    nn.Reshape(7, 7, 128),
    nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False),
    nn.BatchNorm(64, negative_slope=0.0),
    nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
    nn.Sigmoid(),
)
trunk = nn.Sequential(  # images to features (batch, 1024), which D and Q share
    nn.Conv2d(1, 64, 4, stride=2, padding=1, negative_slope=0.1),  # with the leaky ReLU
    nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=False),
    nn.BatchNorm(128, negative_slope=0.1),
    nn.Flatten(),
    nn.Linear(7 * 7 * 128, 1024, bias=False),
    nn.BatchNorm(1024, negative_slope=0.1),
)
D = nn.Linear(1024, 1)  # features to one logit: real or generated
Q = nn.Sequential(  # features to the parameters of Q(c|x)
    nn.Linear(1024, 128, bias=False),
    nn.BatchNorm(128, negative_slope=0.1),
    nn.Linear(128, CATEGORIES + CONTINUOUS),
)
optimizer_d = mg.optim.Adam(
    [*trunk.parameters(), *D.parameters(), *Q.parameters()], lr=2e-4, betas=(0.5, 0.999)
)
optimizer_g = mg.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))


def latents(noise: np.ndarray, category: np.ndarray, continuous: np.ndarray) -> mg.Tensor:
    """Return the input of G: the noise z, c1 in one-hot form, c2 and c3."""
    columns = [noise, np.eye(CATEGORIES)[category], continuous]
    return mg.tensor(np.column_stack(columns), dtype="float32")


def information(features: mg.Tensor, codes: mg.Tensor) -> mg.Tensor:
    """Return L_I(G, Q) = E[log Q(c|x)] + H(c) of each code, (3,), in nats (eq. 5)."""
    return mg.code_log_likelihood(Q(features), codes, Q_DENSITIES).mean(axis=0) + ENTROPIES


def minimize(loss: mg.Tensor, optimizer: mg.optim.Optimizer) -> None:
    """Take one step along the gradients of the optimizer's parameters."""
    optimizer.zero_grad()
    loss.backward(inputs=optimizer.parameters)
    optimizer.step()


parser = argparse.ArgumentParser(description="InfoGAN on MNIST in one file")
parser.add_argument("--steps", type=int, default=5000)
parser.add_argument("--out", default="infogan_mnist.png", help="the picture of digits")
arguments = parser.parse_args()
images = mnist.load("train").images
rng = np.random.default_rng(0)
for step in range(1, arguments.steps + 1):
    real = mg.tensor(images[rng.integers(len(images), size=BATCH)] / 255, dtype="float32")
    z = rng.uniform(-1, 1, (BATCH, NOISE))
    c1, c23 = rng.integers(CATEGORIES, size=BATCH), rng.uniform(-1, 1, (BATCH, CONTINUOUS))
    codes = mg.tensor(np.column_stack([c1, c23]), dtype="float32")
    generated = G(latents(z, c1, c23))

    # D and Q: maximize V(D, G) + lambda L_I (eq. 1 and 6). log D(x) is a negative cross entropy.
    features = trunk(generated.detach())
    log_real = -mg.binary_cross_entropy_with_logits(D(trunk(real)), 1.0)
    log_generated = -mg.binary_cross_entropy_with_logits(D(features), 0.0)  # log(1 - D(G(z, c)))
    v = log_real + log_generated
    minimize(-v - LAMBDA * information(features, codes).sum(), optimizer_d)

    # G: minimize -log D(G(z, c)) - lambda L_I. Of V, G sees -log D in place of log(1 - D),
    # as Goodfellow et al. (2014) advise: its gradient is larger where D is sure.
    features = trunk(generated)
    loss_g = mg.binary_cross_entropy_with_logits(D(features), 1.0)
    l_i = information(features, codes)
    minimize(loss_g - LAMBDA * l_i.sum(), optimizer_g)
    if step % 100 == 0 or step == arguments.steps:
        print(
            f"step {step}: V {v.item():.3f}, G {loss_g.item():.3f}, "
            f"L_I(c1) {l_i[0].item():.3f} of at most {math.log(CATEGORIES):.3f} nats",
            flush=True,
        )

G.eval()  # batch norm uses its running statistics
z, c23 = rng.uniform(-1, 1, (10, NOISE)), rng.uniform(-1, 1, (10, CONTINUOUS))
c1 = np.tile(np.arange(CATEGORIES), 10)
with mg.no_grad():
    digits = G(latents(z.repeat(CATEGORIES, axis=0), c1, c23.repeat(CATEGORIES, axis=0))).numpy()
grid = digits.reshape(10, CATEGORIES, 28, 28).transpose(0, 2, 1, 3).reshape(280, CATEGORIES * 28)
Image.fromarray(np.rint(255 * grid).astype(np.uint8)).save(arguments.out)
print(f"wrote {arguments.out}: c1 varies from left to right")
