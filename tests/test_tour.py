"""The chapters of the tour run, and print and draw what their pages show."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from tour import (
    CHAPTERS,
    IMAGES,
    LARGEST_PICTURE,
    TOUR,
    linked_pictures,
    notebook,
    run,
    snippets,
    with_outputs,
    write_notebooks,
)

from minigan.learn.catalogue import EXERCISES

PAGE = "Text.\n\n```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n\n```python\nx = 1\n```\n\nEnd.\n"


def chapter_in_its_lane(path: Path) -> object:
    """Return a chapter as a parameter; one that runs CUDA kernels is a test of the emulated device."""
    kernels = 'get_device("emulated")' in path.read_text(encoding="utf-8")
    return pytest.param(path, id=path.stem, marks=pytest.mark.emulated if kernels else ())


@pytest.mark.parametrize("chapter", [chapter_in_its_lane(path) for path in CHAPTERS])
def test_a_chapter_prints_and_draws_what_it_shows(chapter: Path, tmp_path: Path) -> None:
    page = chapter.read_text(encoding="utf-8")
    printed = run(page, tmp_path)
    assert printed == [snippet.output for snippet in snippets(page)]
    drawn = {path.name for path in (tmp_path / "images").iterdir() if path.stat().st_size}
    assert drawn == set(linked_pictures(page))


def test_every_chapter_has_pictures_with_a_description() -> None:
    for chapter in CHAPTERS:
        pictures = linked_pictures(chapter.read_text(encoding="utf-8"))
        assert pictures
        assert all(len(alt) > 10 for alt in pictures.values())
        assert all(name.startswith(f"{chapter.stem.split('_')[0]}_") for name in pictures)


def test_the_folder_of_pictures_has_the_linked_ones_and_no_other() -> None:
    linked = {n for path in CHAPTERS for n in linked_pictures(path.read_text(encoding="utf-8"))}
    assert linked == {path.name for path in IMAGES.iterdir()}
    for path in IMAGES.iterdir():
        assert 0 < path.stat().st_size <= LARGEST_PICTURE[path.suffix]


def test_a_wrong_output_is_seen(tmp_path: Path) -> None:
    assert run(PAGE, tmp_path) == ["2\n", ""]
    assert [snippet.output for snippet in snippets(PAGE)] == ["3\n", ""]


def test_writing_replaces_adds_and_removes_outputs() -> None:
    assert with_outputs(PAGE, ["2\n", ""]) == PAGE.replace("3", "2")
    added = with_outputs(PAGE, ["3\n", "4\n"])
    assert added == PAGE.replace("x = 1\n```", "x = 1\n```\n\n```text\n4\n```")
    assert "text" not in with_outputs(added, ["", ""])


def test_an_output_without_a_snippet_is_refused() -> None:
    with pytest.raises(ValueError, match="directly under its snippet"):
        snippets("```python\nprint(1)\n```\n\nWords between.\n\n```text\n1\n```\n")


def test_a_picture_is_the_same_in_each_run(tmp_path: Path) -> None:
    page = (
        "```python\nimport matplotlib.pyplot as plt\nplt.plot([1, 2], label='a')\nplt.grid()\n"
        "plt.savefig('images/1_line.svg')\n```\n"
    )
    written = []
    for _ in range(2):
        run(page, tmp_path)
        written.append((tmp_path / "images" / "1_line.svg").read_bytes())
    assert written[0] == written[1]


def test_a_notebook_has_a_cell_for_each_snippet_with_its_output() -> None:
    cells = notebook(PAGE)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "code", "markdown"]
    assert cells[1]["source"] == ["print(1 + 1)"]
    assert cells[1]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": ["3\n"]}]
    assert cells[2]["outputs"] == []


def test_notebooks_of_all_chapters_are_written_with_their_pictures(tmp_path: Path) -> None:
    write_notebooks(CHAPTERS, tmp_path)
    for chapter in CHAPTERS:
        page = chapter.read_text(encoding="utf-8")
        book = json.loads((tmp_path / f"{chapter.stem}.ipynb").read_text(encoding="utf-8"))
        codes = ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]
        assert codes == [snippet.code.strip("\n") for snippet in snippets(page)]
        assert all((tmp_path / "images" / name).exists() for name in linked_pictures(page))
        if importlib.util.find_spec("nbformat"):
            importlib.import_module("nbformat").validate(book)


def test_the_exercises_of_every_chapter_exist() -> None:
    known = {exercise.name for exercise in EXERCISES}
    for chapter in CHAPTERS:
        section = chapter.read_text(encoding="utf-8").split("\n## Exercises\n")[1]
        quoted = re.findall(r"`([^`]+)`", section)
        named = {words.removeprefix("minigan learn start ") for words in quoted}
        assert named & known
        assert named <= known


def test_the_contents_name_every_chapter() -> None:
    contents = (TOUR / "README.md").read_text(encoding="utf-8")
    assert CHAPTERS
    for chapter in CHAPTERS:
        assert f"({chapter.name})" in contents
