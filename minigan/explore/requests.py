"""The questions that a page may ask: each value is checked, and bounded, before anything is calculated."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

import numpy as np

from minigan.errors import MiniganError
from minigan.infogan.codes import CategoricalCode, Code, CodeLayout

MOST_BYTES = 100_000  # of a request
_MOST_NOISE = 2**32 - 1
_LARGEST = 10.0  # value of a continuous code


class RequestError(MiniganError):
    """A question that cannot be answered; the message is one sentence."""


def read_json(body: bytes) -> dict[str, Any]:
    """Return the fields of a request's body.

    Raises:
        RequestError: It is no JSON object.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError("the request is not JSON") from error
    if not isinstance(fields, dict):
        raise RequestError("the request is not a JSON object")
    return fields


def noise_of(fields: dict[str, Any]) -> int:
    """Return which sample of the noise the request wants; RequestError if it names none."""
    return _whole(fields, "noise", _MOST_NOISE)


def code_index_of(fields: dict[str, Any], layout: CodeLayout) -> int:
    """Return the index of the code that the request varies; RequestError if it names none."""
    return _whole(fields, "code", len(layout) - 1)


def codes_of(fields: dict[str, Any], layout: CodeLayout) -> list[float]:
    """Return a value for each code; a category is its index.

    Raises:
        RequestError: There are more or fewer values than codes, or one is out of its range.
    """
    values = fields.get("codes")
    if not isinstance(values, list) or len(values) != len(layout):
        raise RequestError(f"'codes' is a list of {len(layout)} numbers")
    named = zip(layout.names, layout, values, strict=True)
    return [_code(name, code, value) for name, code, value in named]


def pixels_of(fields: dict[str, Any], shape: tuple[int, int, int]) -> np.ndarray:
    """Return the picture of the request, uint8 of `shape`, from its base64 text.

    Raises:
        RequestError: The text is no picture of that shape.
    """
    text, size = fields.get("pixels"), math.prod(shape)
    try:
        if not isinstance(text, str):
            raise ValueError
        values = base64.b64decode(text, validate=True)
        if len(values) != size:
            raise ValueError
    except (ValueError, binascii.Error) as error:
        raise RequestError(f"'pixels' is the base64 text of {size} bytes") from error
    return np.frombuffer(values, np.uint8).reshape(shape)


def _whole(fields: dict[str, Any], name: str, most: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise RequestError(f"'{name}' is a whole number from 0 to {most}")
    return value


def _code(name: str, code: Code, value: Any) -> float:
    if isinstance(code, CategoricalCode):
        if type(value) is not int or not 0 <= value < code.size:
            raise RequestError(f"{name} is a whole number from 0 to {code.size - 1}")
    elif type(value) not in (int, float) or not -_LARGEST <= value <= _LARGEST:
        raise RequestError(f"{name} is a number from {-_LARGEST:g} to {_LARGEST:g}")
    return float(value)
