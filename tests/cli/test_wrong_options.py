"""Wrong options and unknown names: one line, exit code 2, and no run."""

from pathlib import Path

import pytest
from tiny_run import assert_refused, tiny

from minigan import cli

pytestmark = pytest.mark.usefixtures("a_few_digits")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", ["Missing argument 'EXPERIMENT'"]),
        ("moose", ["no experiment 'moose'", "mnist, svhn", ".toml"]),
        ("mnist --nonsense", ["No such option", "--nonsense"]),
        ("mnist --set", ["--set", "requires an argument"]),
        ("mnist more", ["more"]),
        ("mnist --device cuda:9", ["no device 'cuda:9'", "there is cpu"]),
        ("mnist --seed x", ["--seed", "integer"]),
        ("mnist --seed -1", ["seed must be at least 0"]),
        ("mnist --seed 18446744073709551616", ["seed must be at most 18,446,744,073,709,551,615"]),
        ("mnist --iterations 0", ["iterations must be at least 1, not 0"]),
        ("mnist --batch-size 1", ["batch_size must be at least 2, not 1"]),
        ("mnist --batch-size 301", ["batch_size 301", "300 images"]),
        ("mnist --set dtype=float16", ["float16", "float32, float64"]),
        ("mnist --set float32_precision=bf16", ["float32_precision 'bf16'", "ieee, tf32"]),
        ("mnist --set objective=wgan", ["wgan", "infogan, gan"]),
        ("mnist --set codes=Cat(1)", ["'Cat(1)' is not a code", "Cat(10)"]),
        ("mnist --set codes=Cat(3)+Normal", ["'Normal' is not a code"]),
        ("mnist --set trunk=conv", ["'conv' is not a layer", "conv 64"]),
        ("mnist --set trunk=fc_16", ["'fc_16' is not a layer"]),
        ("mnist --set generator=fc_7x7x1", ["is not a layer"]),
        ("mnist --set lambda_categorical=-1", ["lambda_categorical must be at least 0"]),
        ("mnist --set lambda_continuous=nan", ["lambda_continuous must be at least 0"]),
        ("mnist --set lambda_continuous=inf", ["lambda_continuous must be at most 1e+30"]),
        ("mnist --set codes=Cat(99999999999999999999999)", ["is not a code", "up to 1,000"]),
        ("mnist --set noise=-1", ["noise must be at least 0"]),
        (
            "mnist --set learning_rate_generator=0",
            ["learning_rate_generator must be at least 1e-12"],
        ),
        (
            "mnist --set learning_rate_discriminator=inf",
            ["learning_rate_discriminator must be at most 1e+30"],
        ),
        ("mnist --set checkpoint_every=0", ["checkpoint_every must be at least 1"]),
        ("mnist --set sample_every=-2", ["sample_every must be at least 1"]),
    ],
)
def test_a_wrong_option_makes_no_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(capsys, tmp_path, ("train", "--out", "new", *arguments.split()), *words)


@pytest.mark.parametrize(
    ("name", "network", "words"),
    [
        ("trunk", "conv 4 | conv 4 | conv 4", "even sides, not 7×7"),
        ("trunk", "fc 16 | conv 4", "'conv 4' is not a layer that fits there"),
        ("generator", "fc 16 bn", "makes images of (16,), and image_shape is (28, 28, 1)"),
        ("generator", "fc 7x7x8 | up 1", "makes images of (14, 14, 1)"),
    ],
)
def test_networks_that_do_not_fit_the_data_make_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, network: str, words: str
) -> None:
    arguments = ("train", "mnist", "--out", tmp_path / "new", *tiny(**{name: network}))
    assert_refused(capsys, tmp_path, arguments, words)


def test_no_such_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, tmp_path, ("dream",), "No such command 'dream'")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("sweep moose", "no experiment 'moose'"),
        ("sweep mnist --preset moose", "no preset 'moose'; it has extended"),
        ("sweep mnist --device moose", "no device 'moose'; there is cpu"),
        ("sweep show none", "none holds no sweep"),
        ("sweep publish none", "none holds no sweep"),
        ("train svhn --preset moose", "no preset 'moose'; it has none"),
        ("train moose.toml", "no file moose.toml"),
        ("train mnist --data none", "no such folder or file"),
        ("trace mnist --device moose", "no device 'moose'; there is cpu"),
        ("trace own.py:step --device moose", "no device 'moose'; there is cpu"),
        ("doctor --device moose", "no device 'moose'; there is cpu"),
        ("profile gemm_nn --experiment moose", "no experiment 'moose'"),
        ("profile moose", "moose"),
        ("profile none.cu", "none.cu"),
        ("settings moose", "no experiment 'moose'"),
        ("data prepare moose", "moose"),
        ("data prepare svhn none", "none"),
        ("kernel check none.cu", "none.cu"),
        ("kernel bench none.cu", "none.cu"),
        ("learn start moose", "moose"),
        ("learn check none.py", "none.py"),
        ("report none", "none"),
        ("explore none", "none holds no run"),
        ("cache clear moose", "moose"),
    ],
)
def test_an_unknown_name_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(capsys, tmp_path, tuple(arguments.split()), words)


@pytest.mark.parametrize(
    ("arguments", "what_to_write"),
    [
        (("train", "mnist", "--codes", "Cat(10) + Uniform"), "--set codes='Cat(10) + Uniform'"),
        (("train", "mnist", "--lr-generator=0.01"), "--set learning_rate_generator=0.01"),
        (("train", "mnist", "--dtype"), "--set dtype=VALUE"),
        (("sweep", "mnist", "--checkpoint-every", "50"), "--set checkpoint_every=50"),
        (("sweep", "mnist", "--lambda", "-1"), "--set lambda_categorical=-1"),
    ],
)
def test_a_vanished_option_says_what_to_write(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    what_to_write: str,
) -> None:
    assert cli._run(list(arguments)) == 2
    option = next(a for a in arguments if a.startswith("--")).partition("=")[0]
    assert capsys.readouterr().err == (
        f"minigan: there is no option {option}; write {what_to_write}\n"
    )


@pytest.mark.parametrize("arguments", [("sample", "run", "--codes"), ("sweep", "mnist", "--seed")])
def test_where_set_would_not_help_it_is_not_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert cli._run([*arguments, "1"]) == 2
    error = capsys.readouterr().err
    assert f"No such option: {arguments[-1]}" in error and "write --set" not in error
    assert f"'minigan {arguments[0]}" in error  # the command that shows the help


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("train", "mnist", "--seed", "3", "--set", "seed=4"), "seed"),
        (("train", "mnist", "--batch-size", "3", "--set", "batch-size=3"), "batch_size"),
        (("sweep", "mnist", "--set", "seed=4"), "seed"),
    ],
)
def test_a_setting_is_given_once(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], name: str
) -> None:
    assert cli._run([*arguments, "--data", "nowhere"]) == 2
    expected = f"minigan: {name} is given by its option and by --set; give it once\n"
    assert capsys.readouterr().err == expected
