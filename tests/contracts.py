"""Contracts of kernels: the examples, mistakes in them, and their checks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minigan.errors import KernelError, SettingsError
from minigan.inspect.contract import load_contract
from minigan.inspect.kernel_check import FAILED, Check, check_kernel
from minigan.inspect.template import example_folder

EXAMPLES = example_folder()


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for right, wrong in pairs:
        assert text.count(right) == 1, f"{right!r} stands {text.count(right)} times"
        text = text.replace(right, wrong)
    return text


def check_of(kernels: Path, name: str) -> Check:
    """The check of that name; those before it passed, and none after it is made."""
    for check in check_kernel(load_contract(kernels)):
        if check.name == name:
            return check
        assert check.verdict != FAILED, check
    raise AssertionError(f"there is no check {name}")


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises((SettingsError, KernelError)) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)
