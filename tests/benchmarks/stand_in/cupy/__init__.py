"""On PYTHONPATH, `import cupy` gives the stand-in for CuPy of the tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))

from fake_cupy import Machine, make_cupy

_machine = Machine()
_machine.free_bytes = 2**31
_cupy = make_cupy(_machine)
_cupy.__spec__ = __spec__
sys.modules["cupy"] = _cupy
