"""The metrics of a training as TensorBoard shows them: events in a folder of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from minigan.errors import SettingsError
from minigan.experiments.step_metrics import StepMetrics
from minigan.infogan.codes import CodeLayout, share_read

FOLDER = "tensorboard"
_FLUSH_EVERY = 50  # steps, so that a page that follows the run is not far behind


def require_tensorboard() -> None:
    """Raise SettingsError if TensorBoard, which writes the events, is not installed."""
    try:
        import tensorboard.summary  # noqa: F401
    except ImportError:
        raise SettingsError(
            "--tensorboard needs the package tensorboard; install it with: pip install 'minigan[tensorboard]'"
        ) from None


@contextmanager
def writing_events(directory: Path, layout: CodeLayout) -> Iterator[Callable[[StepMetrics], None]]:
    """Give a function that writes a step's losses, L_I in nats, and the share of each code that Q reads.

    Args:
        directory: The run's directory; the events are in its folder `tensorboard`.
        layout: The codes.
    """
    from tensorboard.summary import Writer

    writer = Writer(str(directory / FOLDER))

    def write(metrics: StepMetrics) -> None:
        writer.add_scalar("loss/D", metrics.discriminator_loss, metrics.step)
        writer.add_scalar("loss/G", metrics.generator_loss, metrics.step)
        for name, code, information in zip(layout.names, layout, metrics.information, strict=True):
            writer.add_scalar(f"L_I, nats/{name}", information, metrics.step)
            writer.add_scalar(f"share read/{name}", share_read(code, information), metrics.step)
        if metrics.step % _FLUSH_EVERY == 0:
            writer.flush()

    try:
        yield write
    finally:
        writer.close()
