"""The graph of operations, and the walk back over it.

Nodes are numbered when they are made, so falling numbers are a topological order. They are held
only by the tensors that they made: a graph that is never walked is freed like any other Python
object. This module knows a tensor as a `Variable`; ``tensor.py`` is where they are made.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple, Protocol

import numpy as np

from minigan.devices import Device
from minigan.devices.memory import share_memory
from minigan.locks import Lock
from minigan.recording import mode
from minigan.saving import VJP, Array, Watched, is_tensor

_numbers = itertools.count()
_ADDING = Lock()


class Variable(Protocol):
    """The parts of a tensor that the walk needs."""

    device: Device
    _node: Node | None

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def size(self) -> int: ...

    @property
    def requires_grad(self) -> bool: ...

    def add_gradient(self, gradient: Array) -> None: ...


class Part(NamedTuple):
    """A gradient that a vjp may return for an input x if it read x[position] alone: it is 0
    elsewhere.

    Parts are added where they belong, so the gradient of n slices costs one array and no n.
    """

    position: tuple[Any, ...]
    gradient: Array

    def add_to(self, total: Array, device: Device) -> None:
        """Add the gradient to total[position]; an element taken twice gets both."""
        if any(hasattr(part, "dtype") for part in self.position):
            device.array_module.add.at(total, self.position, self.gradient)
            return
        view = total[self.position]
        if view.ndim and view.flags.c_contiguous and view.dtype.itemsize >= 4:
            device.accumulate(view, device.contiguous(self.gradient))
        else:
            total[self.position] += self.gradient

    def whole(self, shape: tuple[int, ...], device: Device) -> Array:
        """Return a fresh array of that shape, 0 outside the position."""
        rows = self.position[0] if len(self.position) == 1 else None
        if isinstance(rows, slice) and rows.step in (None, 1) and self.gradient.dtype.itemsize >= 4:
            start, stop, _ = rows.indices(shape[0])
            after = shape[0] - max(start, stop)
            return device.pad_rows(device.contiguous(self.gradient), start, after)
        total = device.zeros(shape, self.gradient.dtype)
        self.add_to(total, device)
        return total


class Node:
    """One operation that ran: its inputs, and the rule that carries a gradient back to them."""

    __slots__ = ("arrays", "inputs", "number", "operation", "saved", "vjp")

    def __init__(self, operation: str, inputs: tuple[Any, ...], vjp: VJP, watched: Watched) -> None:
        self.number = next(_numbers)
        self.operation = operation
        self.inputs = inputs
        self.vjp: VJP | None = vjp
        self.saved, self.arrays = watched
        for saved in self.saved:
            saved.version.readers += 1

    def check_unused(self) -> None:
        if self.vjp is None:
            raise RuntimeError(
                f"backward: the graph of '{self.operation}' was already used by an earlier "
                "backward(), which freed its saved arrays; run the forward pass again"
            )
        for saved in self.saved:
            if not saved.is_unchanged():
                raise RuntimeError(
                    f"backward: '{self.operation}' saved its {saved.position} for the gradient, and "
                    "that array was changed in place afterwards; change it after backward(), or "
                    "work on a copy"
                )

    def release(self) -> None:
        self._stop_reading()
        self.vjp = None
        self.inputs = self.saved = ()
        self.arrays = []

    def _stop_reading(self) -> None:
        for saved in self.saved:
            saved.version.readers -= 1

    __del__ = _stop_reading


def _add_gradient(leaf: Any, gradient: Array) -> None:
    with _ADDING:  # threads that share a parameter add one after the other
        check_alike("backward: a tensor", leaf, "grad", leaf.grad)
        leaf.add_gradient(gradient)


def check_alike(owner: str, tensor: Variable, name: str, beside: Any) -> None:
    """Raise an error for a gradient or a memory that differs from its tensor: a kernel would write past its end."""
    if beside is None:
        return
    if not is_tensor(beside):
        raise TypeError(f"{owner}: its {name} is a tensor, not {type(beside).__name__}")
    found, expected = ((t.shape, t.dtype, t.device.name) for t in (beside, tensor))
    if found != expected:
        raise ValueError(
            f"{owner} is {expected[1]} of shape {expected[0]} on '{expected[2]}', and its {name} is {found[1]} of "
            f"shape {found[0]} on '{found[2]}'"
        )


def run_backward(root: Variable, gradient: Array | None, inputs: list[Variable] | None) -> None:
    """Walk the graph of `root` from the highest number down; see `Tensor.backward`."""
    if not root.requires_grad:
        raise RuntimeError(
            "backward: this tensor was not computed from any tensor with requires_grad=True"
        )
    if any(not t.requires_grad for t in inputs or ()):
        raise ValueError("backward: one of the inputs does not have requires_grad=True")
    if gradient is None and root.size != 1:
        raise ValueError(
            f"backward: a tensor of shape {root.shape} is not a scalar; reduce it with .sum() or "
            ".mean(), or pass the gradient of its own shape"
        )
    device = root.device
    start = _starting_gradient(root, gradient)
    wanted_leaves = None if inputs is None else {id(t) for t in inputs if t._node is None}
    wanted_nodes = {t._node: t for t in inputs or () if t._node is not None}

    def wanted(source: Variable | None, on_path: dict[Node, tuple[bool, ...]]) -> bool:
        if source is None:
            return False
        if source._node is not None:
            return source._node in on_path or source._node in wanted_nodes
        return wanted_leaves is None or id(source) in wanted_leaves

    # nodes with a wanted tensor beneath, and which inputs
    on_path: dict[Node, tuple[bool, ...]] = {}
    for node in _reachable(root._node):
        needs = tuple(wanted(source, on_path) for source in node.inputs)
        if any(needs):
            on_path[node] = needs
    for node in on_path:
        node.check_unused()

    if root._node is None:
        if wanted(root, on_path):
            _add_gradient(root, device.copy(start))
        return
    apply = _apply_vjp if mode.observer is None else mode.observer.walk(_apply_vjp)
    gradients = _Gradients(device)
    gradients.add(root._node, start, False, root.shape)
    for node in sorted({*on_path, *wanted_nodes}, key=lambda n: n.number, reverse=True):
        dy, owned = gradients.pop(node)
        if dy is None:
            continue
        if node in wanted_nodes:
            _add_gradient(wanted_nodes[node], device.copy(dy))
        if node in on_path:
            apply(node, dy, owned, on_path[node], gradients)


def _starting_gradient(root: Variable, gradient: Array | None) -> Array:
    if gradient is None:
        return root.device.ones(root.shape, root.dtype)
    if tuple(gradient.shape) != root.shape:
        raise ValueError(
            f"backward: the gradient has shape {tuple(gradient.shape)} and the tensor {root.shape}"
        )
    return gradient


def _reachable(root: Node | None) -> list[Node]:
    """Return every node beneath `root`, by rising number. A used node ends its path: its inputs are gone."""
    seen: set[Node] = set()
    stack = [root] if root is not None else []
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        if node.vjp is None:
            node.check_unused()
        seen.add(node)
        stack += [t._node for t in node.inputs if t is not None and t._node is not None]
    return sorted(seen, key=lambda n: n.number)


class _Gradients:
    """The gradients that have reached each node so far; a sum is made in place once it is ours."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.sums: dict[Node, tuple[Array, bool]] = {}

    def add(self, node: Node, gradient: Array | Part, owned: bool, shape: tuple[int, ...]) -> None:
        if node not in self.sums:
            is_part = isinstance(gradient, Part)
            whole = gradient.whole(shape, self.device) if is_part else gradient
            self.sums[node] = (whole, owned or is_part)
            return
        total, total_owned = self.sums[node]
        if not total_owned:
            total = self.device.copy(total)
        if isinstance(gradient, Part):
            gradient.add_to(total, self.device)
        else:
            self.device.accumulate(total, self.device.contiguous(gradient))
        self.sums[node] = (total, True)

    def pop(self, node: Node) -> tuple[Array | None, bool]:
        return self.sums.pop(node, (None, False))


def _apply_vjp(
    node: Node, dy: Array, dy_owned: bool, needs: tuple[bool, ...], gradients: _Gradients
) -> None:
    assert node.vjp is not None
    inputs, operation, arrays = node.inputs, node.operation, node.arrays
    results = node.vjp(dy, needs)
    node.release()
    if not isinstance(results, (tuple, list)):
        raise TypeError(
            f"{operation}: the vjp returns a tuple with a gradient for each input, not {type(results).__name__}"
        )
    for i, (source, needed) in enumerate(zip(inputs, needs, strict=True)):
        if not needed:
            continue
        if i >= len(results) or results[i] is None:
            raise TypeError(
                f"{operation}: no gradient is defined for its input {i + 1}; pass that input without "
                "requires_grad, or detached"
            )
        if isinstance(results[i], Part):
            _add_part(source, results[i], gradients)
            continue
        gradient = source.device.asarray(results[i])
        if tuple(gradient.shape) != source.shape or gradient.dtype != source.dtype:
            raise TypeError(
                f"{operation}: the vjp gave input {i + 1} a gradient of shape {tuple(gradient.shape)}, "
                f"{gradient.dtype}; the input is {source.shape}, {source.dtype}"
            )
        # dy itself, or a view of it, is ours to add to where dy was, and no other input gets it.
        others = [r for j, r in enumerate(results) if j != i and r is not None]
        others += arrays if dy_owned else [*arrays, dy]  # a saved array stays as it is
        owned = _is_plain(gradient) and not any(share_memory(gradient, r) for r in others)
        if source._node is not None:
            gradients.add(source._node, gradient, owned, source.shape)
        else:
            _add_gradient(source, gradient if owned else source.device.copy(gradient))


def _add_part(source: Any, part: Part, gradients: _Gradients) -> None:
    if source._node is not None:
        gradients.add(source._node, part, True, source.shape)
        return
    with _ADDING:
        check_alike("backward: a tensor", source, "grad", source.grad)
        if source.grad is None:
            source.add_gradient(part.whole(source.shape, source.device))
        else:
            part.add_to(source.grad.data, source.device)
            source.grad.mark_changed()


def _is_plain(array: Array) -> bool:
    """Return whether sums can be made in place: a broadcast view repeats its elements, and cannot be written."""
    return bool(array.flags.c_contiguous and getattr(array.flags, "writeable", True))
