"""Operations call the array module, which is NumPy on a CPU and CuPy on a GPU: CuPy takes their arguments too."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import minigan

SOURCES = sorted(Path(minigan.__file__).parent.glob("ops/*.py"))
OF_EVERY_UFUNC = {"out", "dtype", "casting"}


def calls(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Yield the name of each function of the array module that is called, and the names of its arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if getattr(owner, "id", None) == "xp" or getattr(owner, "attr", None) == "array_module":
                yield node.func.attr, {keyword.arg for keyword in node.keywords if keyword.arg}


@pytest.mark.filterwarnings("ignore")  # CuPy says that there is no GPU
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_cupy_has_the_functions_and_their_arguments(path: Path) -> None:
    cupy = pytest.importorskip("cupy")
    for name, arguments in calls(ast.parse(path.read_text(encoding="utf-8"))):
        function = getattr(cupy, name, None)
        assert function is not None, name
        if isinstance(function, cupy.ufunc):
            assert arguments <= OF_EVERY_UFUNC, name
            continue
        parameters = inspect.signature(function).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            assert arguments <= set(parameters), name
