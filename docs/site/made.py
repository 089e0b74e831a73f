"""Put the pages that commands make on the site: the trace of a step, the profile of a kernel, the kernels."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

LARGEST = 5_000_000  # bytes of a page
COMMANDS = {
    "trace_mnist.html": ("trace", "mnist", "--html"),
    "profile_conv2d.html": ("profile", "conv2d", "--html"),
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages; a server that builds the site again keeps them."""
    for name, content in made().items():
        files.append(File.generated(config, f"made/{name}", content=content))
    files.append(File.generated(config, "made/kernels.md", content=kernels_page()))
    return files


@functools.cache
def made() -> dict[str, bytes]:
    """Run the commands side by side, and return their pages.

    Raises:
        RuntimeError: a command failed, or its page is too large.
    """
    with tempfile.TemporaryDirectory() as folder:
        started = {name: _started(Path(folder) / name) for name in COMMANDS}
        for name, process in started.items():
            _, errors = process.communicate()
            if process.returncode:
                raise RuntimeError(f"{' '.join(COMMANDS[name])} failed: {errors}")
        pages = {name: (Path(folder) / name).read_bytes() for name in COMMANDS}
    for name, page in pages.items():
        if len(page) >= LARGEST:
            raise RuntimeError(f"{name} has {len(page)} bytes, and at most {LARGEST} are allowed")
    return pages


def kernels_page() -> str:
    """Return the table of all kernels of the contract."""
    from minigan.devices.device import KERNELS

    rows = [f"| `{name}` | {text.replace('|', chr(92) + '|')} |" for name, text in KERNELS.items()]
    head = "# Kernels\n\n`minigan info --kernels` lists them for each device.\n\n"
    return head + "\n".join(["| kernel | computes |", "|---|---|", *rows]) + "\n"


def _started(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "minigan", *COMMANDS[path.name], str(path)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=path.parent
    )
