"""A run as its files alone, written without training."""

import json
from pathlib import Path

from PIL import Image

from minigan.experiments.declarations import MNIST
from minigan.experiments.runs import Run


def make_run(folder: Path, steps: int, name: str = "run") -> Path:
    """Write the files of a run that has trained `steps` of its 5,000 steps, without training."""
    run = Run.create(folder / name, MNIST)
    lines = [
        {"step": i, "discriminator_loss": 1.0 + i, "generator_loss": 2.0, "information": {"c1": 2.302, "c2": -0.3, "c3": -1.0}}
        for i in range(1, steps + 1)
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run.directory / "metrics.jsonl").write_text(text)
    (run.directory / "samples").mkdir()
    for step in range(0, steps, 100):
        Image.new("L", (8, 8), step % 255).save(run.directory / f"samples/step-{step:08d}.png")
    return run.directory
