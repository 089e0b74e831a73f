"""What `import minigan` loads, and which module may import which."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import minigan

PACKAGE = Path(minigan.__file__).parent

# A module imports what stands on lower lines, or in its own package; "minigan" is its __init__.py.
LAYERS = [
    {"errors", "from_pytorch", "files", "html_page", "caches", "locks"},
    {"fields"},
    {"devices"},
    {"saving", "recording"},
    {"protocols"},
    {"graph"},
    {"tensor"},
    {"operation", "exchange", "random"},
    {"ops", "check"},
    {"creation", "datasets", "serialization"},
    {"optimizer"},
    {"nn", "optim"},
    {"minigan"},
    {"infogan", "metrics"},
    {"experiments"},
    {"inspect", "explore"},
    {"learn"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, and its file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(source: str) -> Iterator[str]:
    """The modules of the package that a source imports when it runs, at the top or in a function."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []  # for the type checker alone
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "minigan")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            base = node.module or ""
            if base.split(".")[0] == "minigan":
                names = [f"{base}.{name.name}" for name in node.names]
                yield from (name if name in MODULES else base for name in names)


def layer(module: str) -> str:
    """The part of the package that a module belongs to: "minigan.ops.linear" to "ops"."""
    return [*module.split("."), "minigan"][1]


def test_every_module_has_its_layer() -> None:
    assert {layer(module) for module in MODULES} <= set(LEVEL)
    assert len(LEVEL) == sum(map(len, LAYERS))


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_upward(module: str) -> None:
    for other in imported(MODULES[module].read_text(encoding="utf-8")):
        own, its = layer(module), layer(other)
        assert own == its or LEVEL[its] < LEVEL[own], f"{module} imports {other}"


def test_nothing_imports_in_a_circle() -> None:
    graph = {
        module: set(imported(path.read_text(encoding="utf-8"))) - {module}
        for module, path in MODULES.items()
    }
    assert graph["minigan.tensor"] >= {"minigan.devices"}  # the graph has edges to walk
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, with the circle


def loaded_by(statements: str) -> set[str]:
    """The top-level modules, outside the standard library, that a new interpreter loads for them."""
    code = (
        "import sys; before = set(sys.modules)\n"
        f"{statements}\n"
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split()) - set(sys.stdlib_module_names)


def test_importing_minigan_loads_numpy_and_nothing_heavier() -> None:
    assert loaded_by("import minigan") == {"minigan", "numpy"}


def test_a_device_loads_what_it_needs_when_it_is_used() -> None:
    loaded = loaded_by("import minigan as mg; mg.tensor([1.0])")
    assert "numba" in loaded
    assert not loaded & {"cupy", "matplotlib", "PIL", "typer", "rich", "safetensors"}
