"""Show the arguments that users give: an operation's function has a device too, which its caller never passes."""

from typing import Any

import griffe


class Operations(griffe.Extension):
    """Leave the device out of the signature of each function under `differentiable`."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        if any("differentiable" in str(decorator.value) for decorator in func.decorators):
            if "device" in func.parameters:
                del func.parameters["device"]
            func.returns = "Tensor"
