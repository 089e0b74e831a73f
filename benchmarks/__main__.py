"""``python -m benchmarks``: measure minigan against other libraries, from a checkout.

``python -m benchmarks gpu`` imports neither typer nor rich: a machine with a GPU may have none of them.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the arguments name."""
    if sys.argv[1:2] == ["gpu"]:
        from benchmarks.gpu.command import main as run_gpu

        raise SystemExit(run_gpu(sys.argv[2:]))
    from benchmarks.commands import main as run_other

    run_other()


if __name__ == "__main__":
    main()
