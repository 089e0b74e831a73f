"""Tensors by name: loaded all or none, and in files of the safetensors format, which hold no code."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigan.devices import DeviceLike
from minigan.files import replacing
from minigan.tensor import Tensor, tensor, values_on


def save(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a state dict of a module or an optimizer, whole or not at all.

    Args:
        path: the file; an older one stays until the new one is complete.
        state: tensors and NumPy arrays, of any shape, and numbers, by name.

    Raises:
        TypeError: the state is no mapping, a value is none of these, or a name is no text.
        ValueError: a name is "__metadata__", which the format keeps for itself.
        OSError: the file cannot be written.

    Reference: the safetensors format, https://huggingface.co/docs/safetensors.

    Example::

        mg.save("classifier.safetensors", model.state_dict())
        model.load_state_dict(mg.load("classifier.safetensors"))
    """
    from safetensors.numpy import save as encode  # `import minigan` loads NumPy alone

    if not isinstance(state, Mapping):
        raise TypeError(
            f"save: a {type(state).__name__} is no state; give names with tensors, as model.state_dict()"
        )
    encoded = encode({_checked_name(name): _array(name, value) for name, value in state.items()})
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(encoded)


def load(path: str | os.PathLike[str], device: DeviceLike = None) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name, on `device` or the default one.

    Args:
        path: the file.

    Returns:
        The tensors by name, of the shapes that were saved.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, of another format, or of a dtype that NumPy lacks.

    Reference: the safetensors format, https://huggingface.co/docs/safetensors.

    Example, the trained generator of a run::

        generator = minigan.infogan.networks.Networks(settings).generator
        state = mg.load("runs/mnist/checkpoint.safetensors")
        prefix = "generator."
        generator.load_state_dict(
            {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
        )
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as decode

    content = Path(path).read_bytes()
    try:
        arrays = decode(content)
    except (SafetensorError, KeyError) as error:
        raise ValueError(
            f"load: {path} is no safetensors file that minigan can read: {error}"
        ) from error
    return {name: tensor(values, device=device) for name, values in arrays.items()}


def load_all(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor | ArrayLike]) -> None:
    """Overwrite each target with the source of its name: all of them, or none and an error."""
    arrays = {}
    for name, target in targets.items():
        source, device = sources[name], target.device
        array = values_on(source, device) if isinstance(source, Tensor) else device.asarray(source)
        if array.shape != target.shape or array.dtype.kind not in "fiub":
            raise ValueError(
                f"load_state_dict: '{name}' holds numbers of shape {target.shape}; the state's is "
                f"{array.dtype} of shape {array.shape}"
            )
        arrays[name] = array
    for name, target in targets.items():
        target.copy_(Tensor(arrays[name], target.device))


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"save: a name is a text, not {name!r}")
    if name == "__metadata__":
        raise ValueError("save: '__metadata__' is a name that the format keeps for itself")
    return name


def _array(name: str, value: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, Tensor):
        value = value.device.to_numpy(value.data)
    elif isinstance(value, Mapping):
        raise TypeError(
            f"save: '{name}' is a state itself; save one file each, or put '{name}.' before its names"
        )
    elif not isinstance(value, (np.ndarray, numbers.Real)):
        raise TypeError(f"save: '{name}' is no tensor, array or number, but {type(value).__name__}")
    array = np.asarray(value, order="C")  # safetensors writes the memory as it lies
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"save: '{name}' holds {array.dtype}, and a file holds real numbers or bool"
        )
    return array
