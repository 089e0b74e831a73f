"""On PYTHONPATH, Python starts as if the modules named in ABSENT_MODULES were not installed."""

import os
import sys
from typing import Any

_ABSENT = frozenset(os.environ.get("ABSENT_MODULES", "").split())


class _Absent:
    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] in _ABSENT:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


sys.meta_path.insert(0, _Absent())  # type: ignore[arg-type]
