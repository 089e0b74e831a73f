"""The state of a trainer: going on from it, and giving up where training diverges."""

import dataclasses
import math

import numpy as np
import pytest
from tiny_trainers import ODD, changed, make, parameters_of

from minigan.errors import TrainingError
from minigan.experiments.step_metrics import StepMetrics, check_metrics
from minigan.experiments.trainer import AVERAGED, Trainer


def snapshot(trainer: Trainer) -> dict[str, np.ndarray]:
    return {name: value.copy() for name, value in trainer.state().items()}


@pytest.mark.parametrize("objective", ["infogan", "gan"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_state_goes_on_to_the_bit(objective: str, dtype: str) -> None:
    settings = dataclasses.replace(ODD, objective=objective, dtype=dtype)
    trainer = make(settings)
    for _ in range(3):
        trainer.step()
    saved = snapshot(trainer)
    metrics = [trainer.step() for _ in range(3)]
    assert changed(saved, snapshot(trainer)) == set(saved)  # so nothing is equal by standing still

    resumed = make(settings)
    resumed.step()  # another state, to be overwritten
    resumed.load_state(3, saved)
    assert resumed.step_count == 3
    assert [resumed.step() for _ in range(3)] == metrics
    assert not changed(snapshot(trainer), snapshot(resumed))


def test_the_state_is_all_that_training_changes() -> None:
    trainer = make(ODD)
    names = set(trainer.state())
    assert names > {name for name, _ in trainer.networks.named_tensors()}
    count = len(parameters_of(trainer))
    moments = [name for name in names if "_optimizer." in name]
    assert len(moments) == 2 * count
    assert "generator_optimizer.first_moment.0" in moments
    assert "discriminator_optimizer.second_moment.0" in moments


def test_moving_averages_of_all_weights_and_statistics() -> None:
    """a ← d·a + (1 − d)·w, from the step on at which there are 1/(1 − d) to average."""
    trainer = make(ODD)
    assert trainer.result is not trainer.networks
    expected: dict[str, np.ndarray] = {}
    for step in range(1, 8):
        trainer.step()
        for name, value in trainer.networks.named_tensors():
            new = value.numpy().copy()
            expected[name] = new if step <= 4 else 0.75 * expected[name] + 0.25 * new
    averages = dict(trainer.result.named_tensors())
    assert averages.keys() == expected.keys()
    for name, value in averages.items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-12, atol=1e-14)


def test_averages_have_no_part_in_training() -> None:
    plain, averaged = make(dataclasses.replace(ODD, extensions=())), make(ODD)
    assert [plain.step() for _ in range(6)] == [averaged.step() for _ in range(6)]
    assert plain.result is plain.networks
    state = averaged.state()
    assert all(np.array_equal(state[name], value) for name, value in plain.state().items())
    assert {name for name in state if name.startswith(AVERAGED)} == set(state) - set(plain.state())


def test_a_state_of_other_networks_is_refused_and_changes_nothing() -> None:
    trainer = make(ODD)
    before = snapshot(trainer)
    other = make(dataclasses.replace(ODD, noise=4))
    fewer = {name: value + 1 for name, value in list(before.items())[:-1]}
    for state in (other.state(), fewer):
        with pytest.raises(ValueError, match="of other networks"):
            trainer.load_state(1, state)
    assert not changed(before, snapshot(trainer))
    assert trainer.step_count == 0


@pytest.mark.parametrize(
    ("objective", "poisoned", "loss", "culprit"),
    [
        ("infogan", "generator.layers.0.weight", "discriminator_loss", "generator.layers.0.weight"),
        ("infogan", "discriminator.trunk.0.weight", "discriminator_loss", "generator.layers.0.weight"),
        ("infogan", "recognition.head.0.weight", "generator_loss", "generator.layers.0.weight"),
        ("gan", "recognition.head.0.weight", r"L_I\(c1\)", "recognition.trunk.0.weight"),
    ],
)  # fmt: skip
def test_divergence_names_step_loss_and_tensor(
    objective: str, poisoned: str, loss: str, culprit: str
) -> None:
    trainer = make(dataclasses.replace(ODD, objective=objective))
    trainer.step()
    assert trainer.first_nonfinite() is None
    weights = dict(trainer.networks.named_tensors())[poisoned]
    values = weights.numpy().copy()
    values.reshape(-1)[0] = np.nan
    weights.copy_(values)
    assert trainer.first_nonfinite() == poisoned
    message = f"^training diverged at step 2: {loss} is nan, and '{culprit}' holds values that are"
    with pytest.raises(TrainingError, match=message):
        trainer.step()


LOSSES = ["discriminator_loss", "generator_loss", "L_I(c1)", "L_I(c2)", "L_I(c3)", "L_I(c4)"]


@pytest.mark.parametrize("value", [-2e6, 2e6, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("watched", range(len(LOSSES)), ids=LOSSES)
def test_each_loss_is_watched(watched: int, value: float) -> None:
    trainer, values = make(ODD), [1.0, 2.0, 0.5, -0.3, -0.4, 0.1]
    check_metrics(
        StepMetrics(7, values[0], values[1], tuple(values[2:])), trainer.layout, lambda: None
    )
    values[watched] = value
    with pytest.raises(TrainingError) as caught:
        check_metrics(
            StepMetrics(7, values[0], values[1], tuple(values[2:])), trainer.layout, lambda: None
        )
    assert str(caught.value) == f"training diverged at step 7: {LOSSES[watched]} is {value:g}"
