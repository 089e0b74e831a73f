"""docs/your_own_kernel.md shows the text of the example files, and the output of the command for them."""

import re
from pathlib import Path

import pytest

from minigan.devices import nvrtc
from minigan.inspect.contract import OPTIONAL, REQUIRED, load_contract
from minigan.inspect.kernel_check import check_kernel
from minigan.inspect.template import example_folder

PAGE = Path(__file__).parents[2] / "docs" / "your_own_kernel.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


@pytest.mark.parametrize(("language", "suffix"), [("cuda", ".cu"), ("py", ".py")])
def test_what_it_shows_stands_in_the_examples(language: str, suffix: str) -> None:
    files = [p.read_text(encoding="utf-8") for p in example_folder().glob(f"*{suffix}")]
    assert len(blocks(language)) == 3
    for block in blocks(language):
        assert any(block in file for file in files), block


def test_it_names_all_that_a_contract_may_have() -> None:
    for name in REQUIRED | OPTIONAL:
        assert f"`{name}" in TEXT, name


def test_the_output_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = blocks("text")[0]
    architectures = nvrtc.ARCHITECTURES
    monkeypatch.setattr(nvrtc, "ARCHITECTURES", ())  # registers differ by the compiler's version
    checks = list(check_kernel(load_contract(example_folder() / "swish.cu")))
    names = re.findall(r"^  [✓–] (\w+)", transcript, re.M)
    assert names == [*(check.name for check in checks), *architectures]
    for check in checks:
        if check.name not in ("peer", "cuda"):  # these depend on installed packages
            words = re.sub(r"error \S+", "error", check.detail)
            assert words in re.sub(r"error \S+", "error", transcript), words


@pytest.mark.parametrize(
    ("name", "right", "wrong", "nth"),
    [
        ("swish", "i < n; i += grid_stride()) y[i]", "i <= n; i += grid_stride()) y[i]", 1),
        ("layer_norm", "= value;\n    __syncthreads();", "= value;", 2),
    ],
)
def test_what_is_wrong_is_reported_as_it_says(
    name: str, right: str, wrong: str, nth: int, tmp_path: Path
) -> None:
    for suffix in (".cu", ".py"):
        text = (example_folder() / f"{name}{suffix}").read_text(encoding="utf-8")
        assert suffix == ".py" or text.count(right) == 1
        (tmp_path / f"{name}{suffix}").write_text(text.replace(right, wrong), encoding="utf-8")
    checks = check_kernel(load_contract(tmp_path / f"{name}.cu"))
    (detail,) = (check.detail for check in checks if check.name == "float32")
    assert blocks("text")[nth] == f"  ✗ float32   {detail}\n"
