"""Every public docstring has the same form, with the shapes, the result, the errors and the source.

- Each argument and attribute that holds numbers in an array has a shape beside it.
- A function that gives an array has "Returns" with a shape; another result is named in the text.
- A function with a `raise` in it, or in a function that it calls, has "Raises" with real errors.
- A function with a name of NumPy's says so. A method of a paper has "Reference".

Two forms stand for these parts. An "elementwise" function broadcasts its operands; that rule is
explained once in the reference. "Return `minigan.sum` …" has all from the function that it names.
"""

import builtins
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from docstrings import Docstring, Name, annotation_text, may_raise, parsed, target, with_members
from test_public_names import NAMES, value_of

import minigan as mg
from minigan import errors

ALL = with_members([Name(f"{module}.{name}", value_of(module, name)) for module, name in NAMES])
ARRAYS = re.compile(r"^(?!Callable).*\b(Tensor|Array|ndarray|NDArray|ArrayLike|_Rows|X|Y)\b")
SHAPE = re.compile(r"\([^()]*[,…]|\(\)|\b(shape|length)s?\b|\bbroadcast")

# They call a function that raises an error, with arguments that it always takes.
NEVER_RAISE = {
    "minigan.full_like",
    "minigan.infogan.extensions.split_merge.joint_distributions",
}

# Each method of a paper, and the authors.
PAPERS = {
    "minigan.batch_norm": "Ioffe & Szegedy (2015)",
    "minigan.code_consistency_information": "Hu et al. (2017)",
    "minigan.code_log_likelihood": "Chen et al. (2016)",
    "minigan.conv2d": "LeCun et al. (1989)",
    "minigan.conv_transpose2d": "Zeiler et al. (2010)",
    "minigan.cross_entropy": "Szegedy et al. (2016)",
    "minigan.differentiable": "Griewank & Walther (2008)",
    "minigan.dropout": "Srivastava et al. (2014)",
    "minigan.gelu": "Hendrycks & Gimpel (2016)",
    "minigan.layer_norm": "Ba et al. (2016)",
    "minigan.leaky_relu": "Maas et al. (2013)",
    "minigan.relu": "Nair & Hinton (2010)",
    "minigan.silu": "Elfwing et al. (2018)",
    "minigan.softplus": "Dugas et al. (2000)",
    "minigan.datasets.celeba.load": "Liu et al. (2015)",
    "minigan.datasets.chairs.load": "Aubry et al. (2014)",
    "minigan.datasets.mnist.load": "LeCun et al. (1998)",
    "minigan.datasets.svhn.load": "Netzer et al. (2011)",
    "minigan.infogan.extensions.augmentation.random_occlusion": "DeVries & Taylor (2017)",
    "minigan.infogan.extensions.split_merge.find_move": "Ueda et al. (2000)",
    "minigan.infogan.objective.discriminator_loss": "Goodfellow et al. (2014)",
    "minigan.infogan.objective.generator_loss": "Goodfellow et al. (2014)",
    "minigan.infogan.objective.log_likelihood": "Chen et al. (2016)",
    "minigan.infogan.objective.weighted_information": "Chen et al. (2016)",
    "minigan.metrics.clustering_error.one_to_one_matching": "Kuhn (1955)",
    "minigan.metrics.dci.completeness": "Eastwood & Williams (2018)",
    "minigan.metrics.dci.dci": "Eastwood & Williams (2018)",
    "minigan.metrics.dci.disentanglement": "Eastwood & Williams (2018)",
    "minigan.metrics.factor_vae.factor_vae_score": "Kim & Mnih (2018)",
    "minigan.metrics.mig.mutual_information": "Chen et al. (2018)",
    "minigan.metrics.mig.mutual_information_gap": "Chen et al. (2018)",
    "minigan.metrics.sap.attribute_predictability": "Kumar et al. (2018)",
    "minigan.metrics.sap.attribute_scores": "Kumar et al. (2018)",
    "minigan.nn.BatchNorm": "Ioffe & Szegedy (2015)",
    "minigan.nn.Dropout": "Srivastava et al. (2014)",
    "minigan.nn.LayerNorm": "Ba et al. (2016)",
    "minigan.nn.MovingAverage": "Polyak & Juditsky (1992)",
    "minigan.nn.SpectralNorm": "Miyato et al. (2018)",
    "minigan.nn.utils.clip_grad_norm_": "Pascanu et al. (2013)",
    "minigan.optim.Adam": "Kingma & Ba (2015)",
    "minigan.optim.AdamW": "Loshchilov & Hutter (2019)",
    "minigan.optim.SGD": "Sutskever et al. (2013)",
    "minigan.random.normal": "Box & Muller (1958)",
    "minigan.random.uniform": "Salmon et al. (2011)",
}
NOT_NUMPYS = {"load", "save"}  # these names mean something else in NumPy


def refers(name: Name) -> bool:
    """Return whether the docstring takes its parts from another public function's."""
    other = target(name.docstring)
    return other is not None and any(other is known.value for known in ALL)


def without_a_shape(name: Name) -> list[str]:
    """Return the arguments and attributes that hold arrays, and have no shape beside them."""
    doc = name.docstring
    described = {
        part: text
        for section in ("Args", "Attributes")
        for names, text in doc.items.get(section, {}).items()
        for part in names.split(", ")
    }
    arrays = {n for n, annotation in name.parameters.items() if ARRAYS.search(annotation)}
    if inspect.isclass(name.value):
        fields = inspect.get_annotations(name.value)
        texts = {n: annotation_text(kind) for n, kind in fields.items()}
        arrays |= {n for n, text in texts.items() if ARRAYS.search(text) and n[0] != "_"}
    if "elementwise" in doc.summary:
        arrays -= {"x", "y"}
    if refers(name):
        arrays -= set(inspect.signature(target(doc)).parameters)
    return sorted(n for n in arrays if not SHAPE.search(described.get(n, "")))


def lacks_result(name: Name) -> bool:
    """Return whether a result that a function gives is not described."""
    doc = name.docstring
    if name.result in ("", "None") or refers(name):
        return False
    if ARRAYS.search(name.result):
        return "elementwise" not in doc.summary and not SHAPE.search(doc.returns)
    return not (doc.returns or re.search(r"\b([Rr]eturn|[Yy]ield)\b", doc.summary))


def lacks_errors(name: Name) -> bool:
    """Return whether a function can raise an error, and its docstring names none."""
    if name.is_error or refers(name) or name.full in NEVER_RAISE:
        return False
    return any(map(may_raise, name.functions)) and not name.docstring.items.get("Raises")


def source(name: Name) -> str:
    """Return where a name is from: "NumPy", "SciPy", a paper or standard, another name, or minigan."""
    doc = name.docstring
    if doc.reference:
        return "a paper or standard"
    for library in ("NumPy", "SciPy"):
        if f"`{library.lower()}." in doc.summary:
            return library
    return "another name of minigan" if refers(name) else "minigan itself"


def lacks_source(name: Name) -> bool:
    """Return whether the docstring does not name NumPy's function, or the paper."""
    doc, short = name.docstring, name.full.removeprefix("minigan.")
    if name.full in PAPERS:
        return not doc.reference.startswith(PAPERS[name.full])
    theirs = getattr(np, short, None)
    if theirs is None or short in NOT_NUMPYS or not callable(theirs):
        return False
    named = re.findall(r"`numpy\.(\w+)`", doc.summary)
    return not any(getattr(np, other, None) is theirs for other in named)


PARTS: dict[str, Callable[[Name], Any]] = {
    "shapes": without_a_shape,
    "Returns": lacks_result,
    "Raises": lacks_errors,
    "source": lacks_source,
}


@pytest.mark.parametrize("part", PARTS)
def test_every_public_docstring_has_its_parts(part: str) -> None:
    missing = {name.full: found for name in ALL if (found := PARTS[part](name))}
    print(f"{part}: {len(ALL) - len(missing)} of {len(ALL)} public names")
    assert not missing, f"complete the part '{part}' of these docstrings"


def test_every_public_name_has_a_source_or_is_minigans() -> None:
    counts: dict[str, int] = {}
    for name in ALL:
        counts[source(name)] = counts.get(source(name), 0) + 1
    print("\n".join(["source", *(f"{kind:24} {n:4}" for kind, n in sorted(counts.items()))]))
    assert PAPERS.keys() <= {name.full for name in ALL}
    assert counts["NumPy"] > 100


@pytest.mark.parametrize("name", ALL, ids=lambda name: name.full)
def test_the_form_of_a_public_docstring(name: Name) -> None:
    doc = name.docstring
    assert doc.summary
    assert not doc.summary.splitlines()[0].endswith((",", ":"))
    stale = {part for names in doc.items.get("Args", {}) for part in names.split(", ")}
    assert inspect.isclass(name.value) or stale <= name.parameters.keys()
    known = [
        getattr(place, error, None)
        for error in doc.items.get("Raises", {})
        for place in (builtins, errors, mg)
    ]
    assert sum(kind is not None for kind in known) >= len(doc.items.get("Raises", {}))


def test_a_part_that_is_left_out_is_seen() -> None:
    def scale(x: mg.Tensor, factor: float, axis: int) -> mg.Tensor:
        """Return x·factor.

        Args:
            x: the numbers.

        Raises:
            ValueError: x is empty.
        """
        return mg.sum(x * factor, axis=axis)

    def half(x: mg.Tensor) -> mg.Tensor:
        """Return x / 2."""
        if not x.size:
            raise ValueError("x is empty")
        return x / 2

    assert without_a_shape(Name("scale", scale)) == ["x"]
    assert lacks_result(Name("scale", scale))
    assert not lacks_errors(Name("scale", scale))
    assert lacks_errors(Name("half", half))
    assert lacks_source(Name("minigan.sum", half))


def test_a_docstring_taken_apart() -> None:
    doc = parsed(
        """Return x.

        More of it.

        Args:
            x: numbers,
                (n,).

        Returns:
            A tensor (n,).

        Raises:
            ValueError: x is empty.

        Reference: Someone (1999), "A title
        in two lines".

        Example::

            f(x)
        """
    )
    assert doc == Docstring(
        "Return x.\n\nMore of it.\n\nExample::\n\n    f(x)",
        doc.items,
        "A tensor (n,).",
        'Someone (1999), "A title in two lines".',
    )
    assert doc.items["Args"] == {"x": "numbers, (n,)."}
    assert doc.items["Raises"] == {"ValueError": "x is empty."}
