"""Write the pages of the API reference: one for each public module, with every public name."""

from __future__ import annotations

import importlib
import pkgutil
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

MODULES = [
    "nn",
    "nn.utils",
    "optim",
    "random",
    "check",
    "errors",
    "datasets",
    "datasets.mnist",
    "datasets.folder",
    "datasets.celeba",
    "datasets.chairs",
    "datasets.faces",
    "datasets.svhn",
    "datasets.scenes",
    "datasets.catalogue",
    "infogan.codes",
    "infogan.latents",
    "infogan.networks",
    "infogan.objective",
    "infogan.parts",
    "infogan.step",
    "infogan.extensions.base",
    "infogan.extensions.augmentation",
    "infogan.extensions.split_merge",
    "experiments.trainer",
    "experiments.step_metrics",
]
FOLDER = "reference"

# Arguments that mean the same in many functions: they are explained once, on the first page.
SHARED = {
    "x, y, a, b": "the operands: tensors, arrays or numbers",
    "axis": "the axis, or axes, along which a function works, a negative one counted from the last; "
    "None means all, where it is allowed",
    "keepdims": "whether a reduced axis stays, with length 1",
    "dtype": "the type of the result's elements",
    "device": "a device or its name; None is the default device. DeviceError: no device has that name, "
    "or it cannot be opened",
    "generator": "the source of random numbers; None is the one that `manual_seed` starts",
    "requires_grad": "whether `backward` leaves a gradient on the result. TypeError: the type is not "
    "float32 or float64",
}

# Words that stand for a rule in many docstrings.
TERMS = {
    "elementwise": "The operands broadcast, and the result is a tensor of their common shape. "
    "ValueError: the shapes do not broadcast. TypeError: NumPy has no such function of that type, as "
    "`subtract` of bool.",
    "as `numpy.sum`": "The function computes what that function of NumPy does, but on tensors.",
    "Return `minigan.sum` …": "The shapes and the errors are those of that function.",
    "of a function of tensors": "ValueError: the tensors are on different devices. TypeError: an "
    "operand holds no real numbers or bool, or an argument is of another kind than the signature says.",
}


def public_modules() -> list[str]:
    """Return the full names of the modules that are for users, `minigan` itself first."""
    metrics = importlib.import_module("minigan.metrics")
    found = [f"metrics.{module.name}" for module in pkgutil.iter_modules(metrics.__path__)]
    return ["minigan", *(f"minigan.{name}" for name in (*MODULES, *found))]


def public_names(module_name: str) -> list[str]:
    """Return the public names of a module: its `__all__`, or what it defines without an underscore."""
    module = importlib.import_module(module_name)
    names = getattr(module, "__all__", None)
    if names is None:
        own = [name for name in dir(module) if not name.startswith("_")]
        names = [name for name in own if _belongs(getattr(module, name), module_name)]
    lazy = ["tracing"] if module_name == "minigan" else []
    values = {name: getattr(module, name) for name in (*names, *lazy)}
    return sorted(name for name, value in values.items() if not isinstance(value, types.ModuleType))


def pages() -> dict[str, dict[str, list[str]]]:
    """Return the pages: their titles, and for each the full names of its sections' objects."""
    result: dict[str, dict[str, list[str]]] = {}
    for module in public_modules():
        sections: dict[str, list[str]] = {}
        for name in public_names(module):
            sections.setdefault(_section(module, name), []).append(f"{module}.{name}")
        if sections:
            result[module] = dict(sorted(sections.items()))
    return result


def on_config(config: Any) -> Any:
    """Add the pages to the navigation."""
    entries = [{module: f"{FOLDER}/{module}.md"} for module in pages()]
    for part in config.nav:
        if "API reference" in part:
            part["API reference"] = entries
    return config


def on_files(files: Files, config: Any) -> Files:
    """Write the pages."""
    from mkdocs.structure.files import File

    for module, sections in pages().items():
        parts = [f"# {module}", _summary(module)]
        if module == "minigan":
            rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in SHARED.items())
            parts.append(f"## Shared arguments\n\n| argument | meaning |\n|---|---|\n{rows}")
            rows = "\n".join(f"| {name} | {meaning} |" for name, meaning in TERMS.items())
            parts.append(f"## Shared terms\n\n| term | meaning |\n|---|---|\n{rows}")
        for title, names in sections.items():
            parts += [f"## {title}"] if len(sections) > 1 else []
            parts += [_entry(name) for name in names]
        text = "\n\n".join(parts) + "\n"
        files.append(File.generated(config, f"{FOLDER}/{module}.md", content=text))
    return files


def _entry(full_name: str) -> str:
    """Return the block of a name; a second name of the same function points to the first."""
    module, name = full_name.rsplit(".", 1)
    first = getattr(getattr(importlib.import_module(module), name), "__name__", name)
    if first != name and first in public_names(module):
        return f"### `{full_name}`\n\nThe same as [`{module}.{first}`][{module}.{first}]."
    block = f"::: {full_name}\n    options:\n      heading_level: 3"
    return block + _inherited() if full_name == "minigan.Tensor" else block


def _inherited() -> str:
    """Name the members of a tensor that its base classes define, and the functions that are methods."""
    own, functions = importlib.import_module("minigan.protocols"), public_names("minigan")
    names = [name for name in vars(own.Protocols) if not name.startswith("_")]
    methods = vars(importlib.import_module("minigan.ops.methods").Methods).items()
    named = {name: value.__name__ for name, value in methods if not name.startswith("_")}
    links = [f"[`{n}`][minigan.{f}]" for n, f in named.items() if f in functions]
    text = "These functions are its methods too, with the tensor as their first argument: "
    return f"\n      inherited_members: {names}\n\n{text}{', '.join(links)}."


def _belongs(value: object, module: str) -> bool:
    home = getattr(value, "__module__", None) or ""
    return home == module or (module == "minigan" and home.startswith("minigan."))


def _section(module: str, name: str) -> str:
    """Return the heading of a name: the last part of the module that defines it."""
    value = getattr(importlib.import_module(module), name)
    home = str(getattr(value, "__module__", module))
    return home.removeprefix("minigan.").removeprefix("ops.").replace("_", " ")


def _summary(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").strip().split("\n")[0]
