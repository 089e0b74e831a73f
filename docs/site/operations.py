"""Show operations as users call them: without the device, which no caller passes, and with their docstrings."""

import importlib
import inspect
from typing import Any

import griffe


class Operations(griffe.Extension):
    """Leave the device out of signatures, and document the operations that one function makes from a name."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        if any("differentiable" in str(decorator.value) for decorator in func.decorators):
            if "device" in func.parameters:
                del func.parameters["device"]
            func.returns = "Tensor"

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        if str(attr.value).startswith(("of_one(", "of_two(", "of_x(", "of_y(")):
            operation = getattr(importlib.import_module(attr.module.path), attr.name)
            attr.docstring = griffe.Docstring(inspect.getdoc(operation) or "", parent=attr)
