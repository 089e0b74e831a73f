"""Record the operations and kernels of a thread."""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import minigan
from minigan.devices import Device, get_device
from minigan.inspect.calls import Call, watched_kernels
from minigan.inspect.cost import Cost, arrays_in, call_cost
from minigan.inspect.trace.clock import Clock
from minigan.inspect.trace.memory import LiveMemory
from minigan.inspect.trace.records import (
    ArrayRecord,
    KernelRecord,
    OperationRecord,
    SavedRecord,
    Span,
)
from minigan.inspect.trace.result import Trace
from minigan.inspect.trace.source import input_names
from minigan.inspect.trace.values import summarize
from minigan.nn import Module, Sequential
from minigan.recording import mode
from minigan.saving import is_array, kept_arrays
from minigan.tensor import Tensor

Array = Any
_LIBRARY = Path(minigan.__file__).parent
# These files call operations for others: a reader looks for the line that called them.
_MACHINERY = tuple(str(_LIBRARY / part) for part in ("ops", "nn", "inspect", "operation.py"))


def tracing(
    names: Iterable[tuple[str, Tensor]] = (),
    device: str | Device | None = None,
    values: bool = True,
    title: str = "trace",
) -> AbstractContextManager[Trace]:
    """Record the operations, kernels and memory of this thread within the block.

    Example::

        with mg.tracing(model.named_tensors()) as trace:
            loss(model(x), y).backward()
        print(trace)
        trace.save("page.html")

    Args:
        names: tensors of any shape with the names to show for them, as `Module.named_tensors`
            yields them.
        device: the device from which kernels are recorded from the start; None is the default one.
        values: whether to keep histograms and small pictures of arrays.
        title: the name of the step, which its page shows.

    Returns:
        A context that gives the `Trace`.

    Raises:
        RuntimeError: this thread is traced already.
    """
    return _traced(dict(names), get_device(device), values, title)


@contextlib.contextmanager
def _traced(names: dict[str, Tensor], device: Device, values: bool, title: str) -> Iterator[Trace]:
    if mode.observer is not None:
        raise RuntimeError("tracing: this thread is traced already; end that block first")
    record = Trace(title, device.name)
    with contextlib.ExitStack() as stack:
        recorder = _Recorder(record, names, values, stack)
        recorder.watch_device(device)
        mode.observer = recorder
        try:
            yield record
        finally:
            record.seconds = recorder.clock.now()
            mode.observer = None
            recorder.memory.close()


class _Recorder:
    """The observer of a thread: `Mode.observer` hands it each operation and each walk back."""

    def __init__(
        self,
        trace: Trace,
        names: dict[str, Tensor],
        values: bool,
        stack: contextlib.ExitStack,
    ) -> None:
        self.trace = trace
        self.clock = Clock()
        self.memory = LiveMemory(self.clock.now, trace.allocations)
        self._names = {id(tensor.data): name for name, tensor in names.items()}
        self._values = values
        self._stack = stack
        self._thread = threading.get_ident()
        self._devices: set[str] = set()
        self._span: Span | None = None  # what runs now
        self._of_node: dict[int, OperationRecord] = {}
        self._makers: dict[int, tuple[weakref.ref[Any], int]] = {}  # array -> operation

    # -- called by the library ----------------------------------------------------------------

    def operation(
        self, operation: Callable[..., Tensor], arguments: Sequence[Any], settings: dict[str, Any]
    ) -> Tensor:
        """Run an operation and record it."""
        with self.clock.paused():
            for argument in arguments:
                if isinstance(argument, Tensor):
                    self.watch_device(argument.device)
            record = self._begin(operation, arguments, settings)
        mode.observer = None
        try:
            with self._running(record.forward):
                result = operation(*arguments, **settings)
                result.device.synchronize()
        finally:
            mode.observer = self
        with self.clock.paused():
            self._finish(record, result)
        return result

    def walk(self, apply: Callable[..., None]) -> Callable[..., None]:
        """Return what carries a gradient through a node, and notes it."""

        def observed(node: Any, dy: Array, owned: bool, needs: Any, gradients: Any) -> None:
            with self.clock.paused():
                span = Span(0.0, gradients=[self._array("dy", dy)])
                record = self._of_node.pop(node.number, None)
                if record is not None:
                    record.backward = span
                leaves = [
                    t
                    for t, need in zip(node.inputs, needs, strict=True)
                    if need and t._node is None
                ]
            with self._running(span):
                apply(node, dy, owned, needs, gradients)
                gradients.device.synchronize()
            with self.clock.paused():
                for leaf in leaves:
                    span.gradients.append(self._array("gradient", leaf.grad.data, False))
                    span.gradients[-1].name = self._names.get(id(leaf.data), "")

        return observed

    # -- kernels and memory -------------------------------------------------------------------

    def watch_device(self, device: Device) -> None:
        """Note the kernel calls and allocations of a device from now on."""
        if device.name in self._devices:
            return
        self._devices.add(device.name)

        def call(
            name: str, arguments: tuple[Any, ...], settings: dict[str, Any], run: Callable[[], Any]
        ) -> Any:
            return self._kernel(device, name, arguments, settings, run)

        def allocate(shape: Sequence[int], dtype: Any) -> Array:
            array = empty(shape, dtype)
            if threading.get_ident() == self._thread:
                with self.clock.paused():
                    self.memory.see(array)
            return array

        self._stack.enter_context(watched_kernels(device, call))
        empty = device.empty
        vars(device)["empty"] = allocate
        self._stack.callback(vars(device).pop, "empty")

    def _kernel(
        self,
        device: Device,
        name: str,
        arguments: tuple[Any, ...],
        settings: dict[str, Any],
        run: Callable[[], Any],
    ) -> Any:
        if threading.get_ident() != self._thread:
            return run()
        with self.clock.paused():
            text = str(Call(name, arguments, settings))
            alone = self._alone(name, arguments) if self._span is None else None
            device.synchronize()
        start = self.clock.now()
        result = run()
        device.synchronize()
        seconds = self.clock.now() - start
        with self.clock.paused():
            for array in arrays_in(result):
                self.memory.see(array)
            call = KernelRecord(
                name, text, start, seconds, _cost(name, arguments, settings, result)
            )
            if alone is None:
                assert self._span is not None
                self._span.kernels.append(call)
            else:
                alone.forward = Span(start, seconds, [call])
                self._note_result(alone, result)
        return result

    def _alone(self, name: str, arguments: tuple[Any, ...]) -> OperationRecord:
        """Return the record of a kernel that no operation calls."""
        inputs = [self._array("input", array) for array in arrays_in(arguments)]
        module, place = _where()
        record = OperationRecord(
            len(self.trace.operations), name, None, module, place, inputs, {}, Span(0.0)
        )
        self.trace.operations.append(record)
        return record

    def _note_result(self, record: OperationRecord, result: Any) -> None:
        arrays = list(arrays_in(result))
        for array in arrays:
            self._note_maker(array, record.number)
        if arrays:
            record.output = self._array("output", arrays[0])

    # -- operations ---------------------------------------------------------------------------

    def _begin(
        self, operation: Any, arguments: Sequence[Any], settings: dict[str, Any]
    ) -> OperationRecord:
        function = operation.__wrapped__
        named = list(zip(input_names(function, len(arguments)), arguments, strict=True))
        inputs = []
        for name, value in named:
            array = value.data if isinstance(value, Tensor) else value
            if is_array(array) and hasattr(array, "nbytes"):
                is_parameter = isinstance(value, Tensor) and value.is_parameter
                inputs.append(self._array(name, array, may_be_images=not is_parameter))
                self.memory.see(array, is_new=False)
        others = {name: value for name, value in named if not is_array(value)} | settings
        module, place = _where()
        record = OperationRecord(
            len(self.trace.operations), function.__name__.lstrip("_"), function, module, place,
            inputs, {name: _setting(value) for name, value in others.items()}, Span(0.0),
        )  # fmt: skip
        self.trace.operations.append(record)
        return record

    def _finish(self, record: OperationRecord, result: Tensor) -> None:
        self.memory.see(result.data)
        record.output = self._array("output", result.data)
        self._note_maker(result.data, record.number)
        if result._node is None:
            return
        self._of_node[result._node.number] = record
        assert result._node.vjp is not None
        record.saved = [
            SavedRecord(name, tuple(array.shape), int(array.nbytes), self.memory.see(array))
            for name, array in kept_arrays(result._node.vjp)
        ]

    @contextlib.contextmanager
    def _running(self, span: Span) -> Iterator[None]:
        self._span, before = span, self._span
        span.start = self.clock.now()
        try:
            yield
        finally:
            span.seconds = self.clock.now() - span.start
            self._span = before

    # -- arrays -------------------------------------------------------------------------------

    def _array(self, role: str, array: Array, may_be_images: bool = True) -> ArrayRecord:
        known = self._makers.get(id(array))
        return ArrayRecord(
            role,
            tuple(array.shape),
            str(array.dtype),
            int(array.nbytes),
            known[1] if known is not None else None,
            self._names.get(id(array), ""),
            summarize(array, may_be_images) if self._values else None,
        )

    def _note_maker(self, array: Array, number: int) -> None:
        key = id(array)
        self._makers[key] = weakref.ref(array, lambda _: self._makers.pop(key, None)), number


def _cost(
    name: str, arguments: tuple[Any, ...], settings: dict[str, Any], result: Any
) -> Cost | None:
    try:
        return call_cost(name, arguments, settings, result)
    except KeyError:
        return None


def _setting(value: Any) -> str:
    text = repr(value) if not isinstance(value, Tensor) else "tensor"
    return text if len(text) <= 120 else f"{text[:117]}…"


def _where() -> tuple[str, str]:
    """Return the modules whose `forward` runs, "Generator › Linear", and the line that asked for this."""
    modules: list[str] = []
    place = ""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if not place and not path.startswith(_MACHINERY) and not path.startswith("<"):
            place = f"{_short(path)}:{frame.f_lineno}"
        owner = frame.f_locals.get("self") if frame.f_code.co_name == "forward" else None
        if isinstance(owner, Module) and not isinstance(owner, Sequential):
            modules.append(type(owner).__name__)
        frame = frame.f_back
    return " › ".join(reversed(modules)), place


def _short(path: str) -> str:
    """Return the path from the package's folder on, or a file's name alone."""
    file = Path(path)
    if file.is_relative_to(_LIBRARY):
        return str(file.relative_to(_LIBRARY.parent))
    return file.name
