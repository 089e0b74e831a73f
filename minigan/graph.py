"""The graph of operations, and the walk back over it.

Nodes are numbered when they are made, so falling numbers are a topological order. They are held
only by the tensors that they made: a graph that is never walked is freed like any other Python
object.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from minigan.devices import Device
from minigan.devices.arguments import REALS
from minigan.devices.memory import share_memory
from minigan.locks import Lock
from minigan.recording import mode
from minigan.saving import VJP, Array, Watched, is_tensor

if TYPE_CHECKING:
    from minigan.tensor import Tensor

_numbers = itertools.count()
_ADDING = Lock()
_FEW = 16  # gradients of one operation that are compared with each other; more are copied


def add_in_place(total: Array, gradient: Array, device: Device) -> None:
    """total ← total + gradient: by the kernel where it can, since a captured step holds kernels alone."""
    if total.flags.c_contiguous and total.dtype in REALS:
        device.accumulate(total, device.contiguous(gradient))
    else:
        total += gradient


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
        if view.ndim:
            add_in_place(view, self.gradient, device)
        else:
            total[self.position] += self.gradient

    def whole(self, shape: tuple[int, ...], device: Device) -> Array:
        """Return a fresh array of that shape, 0 outside the position."""
        rows = self.position[0] if len(self.position) == 1 else None
        if isinstance(rows, slice) and rows.step in (None, 1) and self.gradient.dtype in REALS:
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

    def check_unchanged(self) -> None:
        """Raise RuntimeError if an array that the vjp reads was changed in place."""
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


def _add_gradient(tensor: Tensor, gradient: Array | Part) -> None:
    with _ADDING:  # threads that share a parameter add one after the other
        check_alike("backward: a tensor", tensor, "grad", tensor.grad)
        if not isinstance(gradient, Part):
            tensor.add_gradient(gradient)
        elif tensor.grad is None:
            tensor.add_gradient(gradient.whole(tensor.shape, tensor.device))
        else:
            gradient.add_to(tensor.grad.data, tensor.device)
            tensor.grad.mark_changed()


def check_alike(owner: str, tensor: Tensor, name: str, beside: Any) -> None:
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


def run_backward(root: Tensor, gradient: Array | None, inputs: list[Tensor] | None) -> None:
    """Walk the graph of `root` from the highest number down; see `Tensor.backward`."""
    if not root.requires_grad:
        raise RuntimeError(
            "backward: this tensor was not computed from any tensor with requires_grad=True"
        )
    if any(not getattr(t, "requires_grad", False) for t in inputs or ()):
        raise ValueError("backward: one of the inputs is no tensor with requires_grad=True")
    start = _starting_gradient(root, gradient)
    if root._node is None:
        if inputs is None or any(t is root for t in inputs):
            _add_gradient(root, root.device.copy(start))
        return
    wanted = {t._node: t for t in inputs or () if t._node is not None}
    needed = _needed_inputs(root._node, inputs)
    for node, needs in needed.items():
        if any(needs):
            node.check_unchanged()

    apply = _apply_vjp if mode.observer is None else mode.observer.walk(_apply_vjp)
    gradients = _Gradients(root.device)
    gradients.add(root._node, start, False, root.shape)
    for node, needs in reversed(needed.items()):
        dy, owned = gradients.sums.pop(node)
        if node in wanted:
            _add_gradient(wanted[node], root.device.copy(dy))
        if any(needs):
            apply(node, dy, owned, needs, gradients)


def _starting_gradient(root: Tensor, gradient: Array | None) -> Array:
    if gradient is None:
        if root.size != 1:
            raise ValueError(
                f"backward: a tensor of shape {root.shape} is not a scalar; reduce it with .sum() or "
                ".mean(), or pass the gradient of its own shape"
            )
        return root.device.ones(root.shape, root.dtype)
    if tuple(gradient.shape) != root.shape:
        raise ValueError(
            f"backward: the gradient has shape {tuple(gradient.shape)} and the tensor {root.shape}"
        )
    return gradient


def _needed_inputs(root: Node, wanted: list[Tensor] | None) -> dict[Node, tuple[bool, ...]]:
    """Return, by rising number, each node that made a wanted tensor or is on the way to one, and which of its inputs are too.

    None wants every leaf.
    """
    leaves = None if wanted is None else {id(t) for t in wanted}
    nodes = {t._node for t in wanted or ()}
    needed: dict[Node, tuple[bool, ...]] = {}

    def is_needed(source: Tensor | None) -> bool:
        if source is None:
            return False
        if source._node is not None:
            return source._node in needed
        return leaves is None or id(source) in leaves

    for node in _reachable(root):
        needs = tuple(map(is_needed, node.inputs))
        if any(needs) or node in nodes:
            needed[node] = needs
    return needed


def _reachable(root: Node) -> list[Node]:
    """Return `root` and every node beneath it, by rising number. A used node is a RuntimeError: its inputs are gone."""
    seen: set[Node] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        if node.vjp is None:
            raise RuntimeError(
                f"backward: the graph of '{node.operation}' was already used by an earlier "
                "backward(), which freed its saved arrays; run the forward pass again"
            )
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
            add_in_place(total, gradient, self.device)
        self.sums[node] = (total, True)


def _apply_vjp(
    node: Node, dy: Array, dy_owned: bool, needs: tuple[bool, ...], gradients: _Gradients
) -> None:
    assert node.vjp is not None
    inputs, operation, arrays = node.inputs, node.operation, node.arrays  # release() clears them
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
        gradient, owned = results[i], True
        if not isinstance(gradient, Part):
            gradient = source.device.asarray(gradient)
            if tuple(gradient.shape) != source.shape or gradient.dtype != source.dtype:
                raise TypeError(
                    f"{operation}: the vjp gave input {i + 1} a gradient of shape {tuple(gradient.shape)}, "
                    f"{gradient.dtype}; the input is {source.shape}, {source.dtype}"
                )
            # dy itself, or a view of it, is ours to add to where dy was, and no other input gets it.
            owned = len(results) <= _FEW and _is_plain(gradient)
            if owned:
                others = [r for j, r in enumerate(results) if j != i and r is not None]
                others += arrays if dy_owned else [*arrays, dy]  # a saved array stays as it is
                owned = not any(share_memory(gradient, r) for r in others)
        if source._node is not None:
            gradients.add(source._node, gradient, owned, source.shape)
        else:
            _add_gradient(source, gradient if owned else source.device.copy(gradient))


def _is_plain(array: Array) -> bool:
    """Return whether sums can be made in place: a broadcast view repeats its elements, and cannot be written."""
    return bool(array.flags.c_contiguous and getattr(array.flags, "writeable", True))
