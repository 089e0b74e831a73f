"""Shapes, joins, cuts and indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigan as mg
from benchmarks.conformance.adapters.arguments import UntranslatableError, as_tuple, at, refuse


def permute(x: Any, *dims: Any) -> Any:
    return mg.permute_dims(x, as_tuple(dims)) if x.ndim else mg.permute_dims(x)


def squeeze(x: Any, *dim: Any) -> Any:
    if not dim:
        return mg.squeeze(x)
    names = as_tuple(dim)
    if any(x.ndim and x.shape[d] != 1 for d in names):
        raise UntranslatableError("an axis that is not 1, which NumPy refuses")
    return mg.squeeze(x, names)


def expand(x: Any, *shape: Any) -> Any:
    lengths = as_tuple(shape)
    before = len(lengths) - x.ndim
    return mg.broadcast_to(
        x, tuple(x.shape[i - before] if n == -1 else n for i, n in enumerate(lengths))
    )


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    refuse(end_dim=end_dim not in (-1, x.ndim - 1))
    return mg.flatten(x, start_dim)


def unflatten(x: Any, dim: int, sizes: Any) -> Any:
    axis = dim % x.ndim
    return mg.reshape(x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))


def cat(tensors: Any, dim: int = 0, axis: int | None = None) -> Any:
    return mg.concat(list(tensors), axis=dim if axis is None else axis)


def split(x: Any, size: Any, dim: int = 0) -> Any:
    cuts = range(size, x.shape[dim], size) if isinstance(size, int) else np.cumsum(size)[:-1]
    return mg.split(x, [int(cut) for cut in cuts], axis=dim)


def chunk(x: Any, chunks: int, dim: int = 0) -> Any:
    return split(x, -(-x.shape[dim] // chunks), dim)


def tensor_split(x: Any, sections: Any, dim: int = 0) -> Any:
    if hasattr(sections, "numpy"):
        sections = sections.numpy().tolist()
    if isinstance(sections, int):
        pieces = np.array_split(np.arange(x.shape[dim]), sections)
        sections = np.cumsum([len(piece) for piece in pieces])[:-1].tolist()
    return mg.split(x, list(sections), axis=dim)


def pad(x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    refuse(mode=mode != "constant", negative_widths=any(n < 0 for n in pad))
    widths = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    return mg.pad(x, [(0, 0)] * (x.ndim - len(widths)) + widths, value=value or 0.0)


def roll(x: Any, shifts: Any, dims: Any = None) -> Any:
    shift = tuple(shifts) if isinstance(shifts, (list, tuple)) else shifts
    axis = tuple(dims) if isinstance(dims, (list, tuple)) else dims
    if axis in ((), None):
        return mg.roll(x, shift[0] if isinstance(shift, tuple) else shift)
    return mg.roll(x, shift, axis)


def repeat_interleave(x: Any, repeats: Any, dim: Any = None, output_size: Any = None) -> Any:
    counts = repeats.numpy() if hasattr(repeats, "numpy") else repeats
    return mg.repeat(x, counts if np.ndim(counts) == 0 or len(counts) > 1 else int(counts[0]), dim)


def meshgrid(*vectors: Any, indexing: str = "ij") -> Any:
    given = as_tuple(vectors)
    refuse(a_number=any(v.ndim == 0 for v in given))
    return mg.meshgrid(*given, indexing=indexing)


# -- indexing -------------------------------------------------------------------------------------


def gather(x: Any, dim: int, index: Any, sparse_grad: bool = False) -> Any:
    return _along_axis(x, index, dim)


def take_along_dim(x: Any, index: Any, dim: Any = None) -> Any:
    return _along_axis(x.flatten(), index.flatten(), 0) if dim is None else _along_axis(x, index, dim)  # fmt: skip


def _along_axis(x: Any, index: Any, dim: int) -> Any:
    refuse(no_axes=x.ndim == 0 or index.ndim != x.ndim)
    axis = dim % x.ndim
    others = [i for i in range(x.ndim) if i != axis]
    refuse(a_smaller_index=any(index.shape[i] != x.shape[i] for i in others))
    return mg.take_along_axis(x, index, dim)


def index_select(x: Any, dim: int, index: Any) -> Any:
    refuse(no_axes=x.ndim == 0 or index.ndim == 0)
    return mg.take(x, index, dim)


def index_add(x: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    refuse(no_axes=x.ndim == 0 or index.ndim == 0, alpha=alpha != 1)
    return mg.scatter_add(x, (*(slice(None),) * (dim % x.ndim), index), source)


def masked_select(x: Any, mask: Any) -> Any:
    x, mask = mg.broadcast_arrays(x, mask)
    return x[mask]


def nonzero(x: Any, as_tuple: bool = False) -> Any:
    places = mg.nonzero(x)
    return places if as_tuple else mg.stack(places, axis=1)


def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return mg.diagonal(x, offset, dim1, dim2)


def narrow(x: Any, dim: int, start: Any, length: int) -> Any:
    start = int(start)
    return at(x, dim, slice(start, (start + length) or None if start < 0 else start + length))


SHAPING: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("permute", "permute_copy"), permute),
    **dict.fromkeys(("transpose", "transpose_copy"), mg.swapaxes),
    **dict.fromkeys(("t", "t_copy", "T"), mg.transpose),
    **dict.fromkeys(("H", "mH", "mT"), lambda x: mg.matrix_transpose(x) if x.ndim else x),
    **dict.fromkeys(("squeeze", "squeeze.multiple", "squeeze_copy"), squeeze),
    **dict.fromkeys(("unsqueeze", "unsqueeze_copy"), mg.expand_dims),
    **dict.fromkeys(("expand", "expand_copy"), expand),
    **dict.fromkeys(("reshape", "view", "view_copy"), mg.reshape),
    **dict.fromkeys(("reshape_as", "view_as"), lambda x, other: mg.reshape(x, other.shape)),
    **dict.fromkeys(("split", "split.list_args", "unsafe_split"), split),
    **dict.fromkeys(("split_with_sizes", "split_with_sizes_copy"), split),
    **dict.fromkeys(("chunk", "unsafe_chunk"), chunk),
    **dict.fromkeys(("unbind", "unbind_copy"), lambda x, dim=0: mg.unstack(x, dim)),
    **dict.fromkeys(("nn.functional.pad.constant", "nn.functional.pad.replicate_negative"), pad),
    **dict.fromkeys(("meshgrid.variadic_tensors", "meshgrid.list_of_tensors"), meshgrid),
    **dict.fromkeys(("diagonal", "diagonal_copy"), diagonal),
    **dict.fromkeys(("narrow", "narrow_copy"), narrow),
    **dict.fromkeys(("tile", "repeat"), lambda x, *reps: mg.tile(x, as_tuple(reps))),
    "__getitem__": lambda x, index: x[index],
    "argwhere": lambda x: mg.stack(mg.nonzero(x), axis=1),
    "broadcast_tensors": mg.broadcast_arrays,
    "broadcast_to": lambda x, shape: mg.broadcast_to(x, tuple(shape)),
    "cat": cat,
    "constant_pad_nd": lambda x, widths, value=0: pad(x, widths, value=value),
    "expand_as": lambda x, other: mg.broadcast_to(x, other.shape),
    "flatten": flatten,
    "flip": lambda x, dims: mg.flip(x, tuple(dims)),
    "fliplr": lambda x: mg.flip(x, 1),
    "flipud": lambda x: mg.flip(x, 0),
    "gather": gather,
    "index_add": index_add,
    "index_select": index_select,
    "linalg.diagonal": lambda x, *, offset=0, dim1=-2, dim2=-1: diagonal(x, offset, dim1, dim2),
    "masked_select": masked_select,
    "movedim": mg.moveaxis,
    "nonzero": nonzero,
    "ravel": mg.flatten,
    "repeat_interleave": repeat_interleave,
    "roll": roll,
    "select": at,
    "slice": lambda x, dim=0, start=None, end=None, step=1: at(x, dim, slice(start, end, step)),
    "stack": lambda tensors, dim=0: mg.stack(list(tensors), axis=dim),
    "take": mg.take,
    "take_along_dim": take_along_dim,
    "tensor_split": tensor_split,
    "trace": mg.trace,
    "tril": lambda x, diagonal=0: mg.tril(x, diagonal),
    "triu": lambda x, diagonal=0: mg.triu(x, diagonal),
    "unflatten": unflatten,
}
