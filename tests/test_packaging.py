"""The wheel holds every module and every file that a module reads."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]


def test_every_folder_with_modules_is_a_package_of_the_wheel() -> None:
    folders = {module.parent.relative_to(ROOT) for module in (ROOT / "minigan").rglob("*.py")}
    missing = {".".join(folder.parts) for folder in folders} - set(SETUPTOOLS["packages"])
    assert not missing


def test_every_package_of_the_wheel_is_a_folder() -> None:
    places = SETUPTOOLS["package-dir"]
    for package in SETUPTOOLS["packages"]:
        assert (ROOT / places.get(package, package.replace(".", "/"))).is_dir(), package


def test_every_file_beside_the_modules_is_in_the_wheel() -> None:
    for file in (ROOT / "minigan").rglob("*"):
        if file.is_dir() or file.suffix in {".py", ".pyc"}:
            continue
        package = ".".join(file.parent.relative_to(ROOT).parts)
        patterns = SETUPTOOLS["package-data"].get(package, [])
        assert any(fnmatch(file.name, pattern) for pattern in patterns), file
