"""The messages of a type checker on users' programs: mypy in its strict mode."""

import subprocess
import sys
from pathlib import Path

import pytest

RIGHT = """
import numpy as np
import minigan as mg

x = mg.tensor([[1.0, 2.0]], requires_grad=True)
shape: tuple[int, ...] = x.shape
y: mg.Tensor = (1 + x * 2 - x / 3) ** 2 @ x.T
loss: mg.Tensor = y.sum(axis=0, keepdims=True).mean() + mg.max(x, axis=(0, 1))
mask: mg.Tensor = (x > 1) & (x == 2)
x[mask].relu().reshape(1, -1).sum().backward()
images = mg.conv2d(mg.zeros((1, 8, 8, 1)), mg.zeros((3, 3, 1, 2)), stride=2, padding=(1, 1))
for row in x:
    row.tolist()
x.reshape(np.int64(2), -1).reshape([2]).reshape(*x.shape).transpose((1, 0)).broadcast_to(x.shape)
mg.zeros(3, dtype=np.float64, device="cpu", requires_grad=True).astype(np.float32).astype("int64")
n = np.int64(2)
mg.nn.Conv2d(1, 2, [3, 3], stride=n, padding=[1, 1])(mg.zeros([n, 4, 4, 1])).sum(axis=(n, 0))
mg.mse_loss(x, x, "sum").backward(inputs=x)
with mg.no_grad():
    x -= 0.1 * x
"""

# a line of a user's program, and the type checker's message
WRONG = {
    "x.shap": 'has no attribute "shap"',
    "x.summ()": 'has no attribute "summ"',
    "x.view(2)": 'has no attribute "view"',
    "mg.cat([x])": 'has no attribute "cat"',
    "mg.conv2d(1, 2, strid=3)": 'Unexpected keyword argument "strid"',
    "x.sum(dim=0)": 'Unexpected keyword argument "dim"',
    'x.sum(axis="rows")': 'incompatible type "str"',
    "mg.floor(x, x)": "Too many arguments",
    "x.split(2, axis=0).sum()": 'has no attribute "sum"',
    "mg.zeros()": 'Missing positional argument "shape"',
    "number: int = x.mean()": "Incompatible types in assignment",
    'mg.zeros(3, dtyp="float32")': 'Unexpected keyword argument "dtyp"',
    "mg.ones(3, requires_gard=True)": 'Unexpected keyword argument "requires_gard"',
    'x.reshape("ab")': 'incompatible type "str"',
    "x.transpose(1.5)": 'incompatible type "float"',
    'mg.mse_loss(x, x, "average")': "incompatible type",
    'mg.cross_entropy(x, x, reduction="men")': "incompatible type",
    'mg.meshgrid(x[0], x[1], indexing="yx")': "incompatible type",
    'mg.searchsorted(x[0], x, side="rigth")': "incompatible type",
    "x.astype(3)": "incompatible type",
    "mg.randn(2, 3)": "Too many positional arguments",
    'mg.tensor([1.0], "float64")': 'incompatible type "str"; expected "bool"',
    "mg.conv2d(x, x, None, 1, 0, 2)": "Too many positional arguments",
}


def check(tmp_path: Path, program: str) -> list[str]:
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "program.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"MYPYPATH": str(Path(__file__).parents[1]), "PATH": ""},
    )  # fmt: skip
    assert run.returncode in (0, 1), run.stderr + run.stdout
    return run.stdout.splitlines()


def test_programs_of_users(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    lines = "import minigan as mg\nx = mg.ones((2, 3))\n" + "\n".join(WRONG)
    assert check(tmp_path, RIGHT)[-1].startswith("Success")
    found = check(tmp_path, lines)
    for number, message in enumerate(WRONG.values(), start=3):
        assert any(f"program.py:{number}: error" in f and message in f for f in found), (
            number,
            found,
        )
    assert sum(": error" in f for f in found) == len(WRONG)
