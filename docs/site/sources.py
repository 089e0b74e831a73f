"""Give the site a page for the README and for each file that a page links to: no link leaves the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
LANGUAGES = {".py": "python", ".cu": "cuda", ".cuh": "cuda", ".cpp": "cpp", ".h": "cpp"}
LANGUAGES |= {".toml": "toml", ".yml": "yaml", ".js": "javascript", ".css": "css", ".html": "html"}
IN_DOCS = {".md", ".png", ".svg", ".gif", ".webp", ".html"}  # the site shows these themselves
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)((?:#[^)\s]*)?)(?=\))")
_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
_pages: dict[str, str] = {"index.md": "README.md"}  # page of the site → path in the repository


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made of files outside docs/: the README, then whatever is linked."""
    waiting = [f"docs/{file.src_uri}" for file in files if file.src_uri.endswith(".md")]
    waiting = [path for path in waiting if (ROOT / path).is_file()] + ["README.md"]
    seen = set(waiting)
    files.append(File.generated(config, "index.md", content=_text("README.md")))
    while waiting:
        path = waiting.pop()
        for target in _linked(path):
            if target in seen:
                continue
            seen.add(target)
            place = site_path(target)
            if files.get_file_from_path(place) is None:
                _pages[place] = target
                files.append(File.generated(config, place, content=_content(target)))
            if target.endswith(".md"):
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point the links of a page at the site's own pages."""
    source = _pages.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def renew(match: re.Match[str]) -> str:
        target = _target(source, match[1])
        if target is None:
            return match[0]
        folder = posixpath.dirname(page.file.src_uri)
        return posixpath.relpath(site_path(target), folder or ".") + match[2]

    return "\n".join(
        line if is_code else _LINK.sub(renew, line) for line, is_code in _lines(markdown)
    )


def site_path(path: str) -> str:
    """Return where the site has a file of the repository."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/") and Path(path).suffix in IN_DOCS:
        return path.removeprefix("docs/")
    if (ROOT / path).is_dir():
        return f"source/{path}/index.md"
    return f"source/{path}" if path.endswith((".md", ".png")) else f"source/{path}.md"


def _linked(path: str) -> Iterator[str]:
    """Yield the files and folders of the repository that a page links to."""
    for line, is_code in _lines(_text(path)):
        for match in () if is_code else _LINK.finditer(line):
            target = _target(path, match[1])
            if target is not None:
                yield target


def _target(page: str, link: str) -> str | None:
    """Return the path in the repository that a link of a page means; None if nothing is there."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    if path.startswith("..") or not (ROOT / path).exists():
        return None
    return f"{path}/README.md" if (ROOT / path / "README.md").exists() else path


def _lines(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yield each line of a page, and whether it belongs to a block of code."""
    fence = ""
    for line in markdown.split("\n"):
        match = _FENCE.match(line)
        yield line, bool(fence or match)
        if match and not fence:
            fence = match[1]
        elif match and match[1].startswith(fence):
            fence = ""


def _content(path: str) -> str | bytes:
    """Return the page of a file, or of a folder."""
    place = ROOT / path
    if place.is_dir():
        entries = sorted(p for p in place.iterdir() if p.name[0] not in "._")
        names = [f"- `{p.name}{'/' if p.is_dir() else ''}`" for p in entries]
        return _page(path, "\n".join(names))
    if path.endswith(".png"):
        return place.read_bytes()
    if path.endswith(".md"):
        return _text(path)
    language = LANGUAGES.get(place.suffix, "text")
    return _page(path, f"``````{language}\n{_text(path)}\n``````")


def _page(path: str, body: str) -> str:
    return f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n{body}\n"


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
