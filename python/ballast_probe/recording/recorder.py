"""Notes each storage that a training step makes on a device, and its death.

The step runs on shapes alone (PyTorch's fake tensors). This dispatch mode stands on top of them: it
sees every op below autograd and autocast, as a device's kernels do. What runs inside an op is not
seen; `kernels` tells what a CUDA kernel takes there, and `rules` what the op would do otherwise.

A storage is known weakly, so that it dies exactly when it would have died without a recorder.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass

from ..tensors import parts_of
from .arguments import is_small_data, mapped, tensors_among
from .mixing import refuse_mixed
from .naming import RunningModules, RunningNode
from .reads import Reads, explained, is_read
from .shapes import ShapeRules
from .stream import Role, Stream, Tensor

#: What an op gives where it does nothing.
PASS = NotImplemented

_DEVICE = torch.ops.prim.device.default
_LIFTS = (torch.ops.aten.lift_fresh.default, torch.ops.aten.lift_fresh_copy.default)


@dataclass(slots=True)
class Call:
    """An op that is called on tensors.

    Attributes:
        func: The op, such as `aten.mm.default`.
        arguments: Its arguments by place.
        keywords: Its arguments by name.
        tensors: The tensors among them.
        is_counted: Whether it runs on the device that is recorded.
    """

    func: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    tensors: list[torch.Tensor]
    is_counted: bool

    @property
    def name(self) -> str:
        """The op's name without its overload, `aten::mm`."""
        return str(self.func._schema.name)

    def run(self, func: Any = None) -> Any:
        """Runs the op, or another on the same arguments."""
        return (func or self.func)(*self.arguments, **self.keywords)


class DispatchRule(Protocol):
    """What the device does in place of an op."""

    def instead(self, recorder: Recorder, call: Call) -> Any:
        """The op's result, or `PASS`."""
        ...


class Kernels(Protocol):
    """What kernels take and give back beside their results."""

    def run(self, recorder: Recorder, call: Call, outputs: Sequence[torch.Tensor]) -> None:
        """Notes the op's outputs, and whatever its kernel takes before, between and after."""
        ...


@dataclass(slots=True)
class _Entry:
    """A storage that is alive: its row, or None where it lies on the host."""

    reference: weakref.ref[torch.UntypedStorage]
    tensor: Tensor | None
    size: int


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Feeds a stream.

    Attributes:
        stream: Where events go.
        modules: Which module runs.
        composites: What the device has in place of ops that are made of others.
        whole: Ops that are made of others, but not on the device.
        not_modelled: The ops whose temporaries are not known, by name, with their calls.
        depth: How many ops deep it is in its own work; 0 in the user's code.
    """

    def __init__(self, stream: Stream, fake: FakeTensorMode, modules: RunningModules, *,
                 is_everything: bool, reads: Reads) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stream, self.fake, self.modules = stream, fake, modules
        self.is_everything = is_everything
        self.reads = reads
        self.shapes = ShapeRules(fake)
        self.rules: list[DispatchRule] = []
        self.kernels: Kernels | None = None
        self.not_modelled: Counter[str] = Counter()
        self.composites: dict[str, Callable[..., Any]] = {}
        self.whole: set[Any] = set()
        self.depth = 0
        self.node: RunningNode | None = None
        self.node_began = 0  # the tensors that there were when the node began
        self.moved: dict[int, torch.Tensor] = {}  # parameters that a move has replaced
        self._entries: dict[int, _Entry] = {}
        self._stand_ins: dict[int, torch.Tensor] = {}  # of real storages, as bytes
        self._gradients: list[tuple[weakref.ref[torch.Tensor], torch.Tensor | None]] = []
        self._remembered: set[int] = set()
        self._placing: list[bool] = []

    # What is known of tensors.

    def row(self, tensor: torch.Tensor) -> Tensor | None:
        """The row of a tensor's storage; None if it is on the host, or not known."""
        entry = self._entries.get(tensor.untyped_storage()._cdata)
        return entry.tensor if entry else None

    def rows(self, tensors: Iterable[torch.Tensor]) -> Iterator[Tensor]:
        """The rows of what some tensors are made of."""
        for tensor in tensors:
            for part in parts_of(tensor):
                if (row := self.row(part)) is not None:
                    yield row

    def is_on_device(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor lies on the device that is recorded."""
        if self.is_everything:
            return True
        if is_traceable_wrapper_subclass(tensor):
            return any(self.row(part) is not None for part in parts_of(tensor))
        return self.row(tensor) is not None

    @contextlib.contextmanager
    def placing(self, is_on_device: bool) -> Iterator[None]:
        """Says where new storages go, whatever they are made of."""
        self._placing.append(is_on_device)
        try:
            yield
        finally:
            self._placing.pop()

    def know(self, tensor: torch.Tensor, role: Role = Role.INPUT) -> None:
        """Takes a tensor, and its gradient, for ones that were there before the first event."""
        self._remember_gradient(tensor)
        if tensor.is_leaf and tensor.grad is not None and type(tensor.grad) is not FakeTensor:
            self.know(tensor.grad, Role.GRADIENT)
        for part in parts_of(tensor):
            storage = part.untyped_storage()
            if storage._cdata not in self._entries:
                self._enter(storage, self.stream.discover(
                    storage.nbytes(), dtype=_word(part.dtype), shape=tuple(part.shape), role=role))

    def see(self, tensor: torch.Tensor, call: Call, role: Role | None = None) -> None:
        """Notes the storage of an op's result, if it is new, or has another size now."""
        storage = tensor.untyped_storage()
        entry = self._entries.get(storage._cdata)
        if entry is not None:
            if entry.size == (size := storage.nbytes()):
                return
            entry.size = size
            if entry.tensor is not None:
                self.stream.release(entry.tensor)
                entry.tensor = self._allocate(tensor, size, call.name, role)
            return
        row = self._allocate(tensor, storage.nbytes(), call.name, role) if call.is_counted else None
        self._enter(storage, row)

    def resized(self, storage: torch.UntypedStorage, op: str) -> None:
        """Notes that a storage has another size now: new memory comes before the old one goes."""
        entry = self._entries.get(storage._cdata)
        if entry is None or entry.size == (size := storage.nbytes()):
            return
        entry.size, old = size, entry.tensor
        if old is not None:
            path, node = self.place()
            entry.tensor = self.stream.allocate(size, op=op, module=path, node=node, role=old.role,
                                                dtype=old.dtype, shape=old.shape)
            self.stream.release(old)

    def _allocate(self, tensor: torch.Tensor, size: int, op: str, role: Role | None) -> Tensor:
        path, node = self.place()
        return self.stream.allocate(size, op=op, module=path, node=node, role=role,
                                    dtype=_word(tensor.dtype), shape=tuple(tensor.shape))

    def take(self, size: int, op: str, role: Role = Role.TEMPORARY) -> Tensor:
        """Notes an allocation inside a kernel."""
        path, node = self.place()
        return self.stream.allocate(size, op=op, module=path, node=node, role=role)

    def place(self) -> tuple[str, str]:
        """The module that runs, or whose backward does, and the autograd node that runs."""
        if self.node is None or self.node.name.endswith("AccumulateGrad"):  # it is nobody's
            return self.modules.path, self.node.name if self.node else ""
        path = self.modules.path if self.modules.is_running \
            else self.modules.path_of(self.node.number)
        return path, self.node.name

    def _enter(self, storage: torch.UntypedStorage, row: Tensor | None) -> None:
        identity = storage._cdata
        entries, stand_ins, release = self._entries, self._stand_ins, self.stream.release

        def died(_: object) -> None:
            entry = entries.pop(identity, None)
            stand_ins.pop(identity, None)
            if entry is not None and entry.tensor is not None:
                release(entry.tensor)

        entries[identity] = _Entry(weakref.ref(storage, died), row, storage.nbytes())

    # Running ops.

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _DEVICE:  # asked by PyTorch's own code
            return torch.device("cpu")
        if any(map(_is_distributed, types)):  # its parts come here next
            return NotImplemented
        self.depth += 1
        try:
            return self._dispatch(func, args, kwargs or {})
        finally:
            self.depth -= 1

    def _dispatch(self, func: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        tensors = list(tensors_among(arguments))
        if keywords:
            tensors += tensors_among(keywords.values())
        if torch.is_inference_mode_enabled() and func not in self.whole and func._can_decompose():
            return self._decomposed(func, arguments, keywords)
        is_made_there = False
        device = keywords.get("device")
        if device is not None and device.type == "cuda" and not self.is_everything:
            # From inside a function of PyTorch's own, where nobody hears of it before.
            keywords = {**keywords, "device": torch.device("cpu")}
            is_made_there = True
        if func in _LIFTS and (self.is_everything or self._placing and self._placing[-1]):
            pass  # a number of the code's own that becomes a tensor now
        elif any(not isinstance(tensor, FakeTensor) for tensor in tensors):
            if not is_made_there and self._is_on_host(tensors) and not any(
                    isinstance(tensor, FakeTensor) for tensor in tensors):
                return self._run_on_host(func, arguments, keywords)
            arguments = mapped(arguments, self._stand_in)
            keywords = {name: mapped(value, self._stand_in) for name, value in keywords.items()}
            tensors = list(tensors_among((arguments, tuple(keywords.values()))))
        if is_read(func) and tensors[0].constant is None:  # type: ignore[attr-defined]
            return self.reads.answer(func)
        call = Call(func, arguments, keywords, tensors,
                    is_made_there or self._is_counted(tensors))
        if not tensors and not call.is_counted and is_small_data(call.name, arguments, keywords):
            return self._run_on_host(func, arguments, keywords)
        if self.depth == 1 and call.is_counted and not self._placing and not self.is_everything:
            refuse_mixed(call.name, tensors, self.is_on_device)
        self._follow_node()
        for rule in self.rules:
            if (result := rule.instead(self, call)) is not PASS:
                return result
        # A view that is made in inference mode is another one, if what it is of is not.
        key = None if torch.is_inference_mode_enabled() \
            else self.shapes.key(func, arguments, keywords)
        if key is not None and (result := self.shapes.recall(key, tensors)) is not None:
            self.note(call, result)
            return result
        try:
            result = call.run()
        except Exception as error:
            if (sentence := explained(error, call.name)) is not None:
                raise sentence from error
            raise
        if key is not None:
            self.shapes.keep(key, result, tensors)
        self.note(call, result)
        return result

    def _decomposed(self, func: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Runs an op that is made of others, which in inference mode comes here whole."""
        composite = self.composites.get(str(func._schema.name), func.decompose)
        with self:  # sees what it is made of
            return composite(*arguments, **keywords)

    def note(self, call: Call, result: Any) -> None:
        """Notes what an op has made."""
        outputs = list(tensors_among((result,)))
        if self.kernels is None or not call.is_counted:
            for tensor in outputs:
                self.see(tensor, call)
        else:
            self.kernels.run(self, call, outputs)

    def _follow_node(self) -> None:
        if torch._C._current_graph_task_id() == -1:
            self.node = None
            return
        running = torch._C._current_autograd_node()
        if running is None:  # what the engine calls at its end
            self.node = None
            return
        node = RunningNode(running._sequence_nr(), running.name())
        if node != self.node:
            self.node, self.node_began = node, len(self.stream.tensors)

    def _is_counted(self, tensors: Sequence[torch.Tensor]) -> bool:
        if self.is_everything:
            return True
        if self._placing:
            return self._placing[-1]
        return any(map(self.is_on_device, tensors))

    # Real tensors: the host's.

    def _is_on_host(self, tensors: Sequence[torch.Tensor]) -> bool:
        return not self.is_everything and not (self._placing and self._placing[-1]) \
            and not any(map(self.is_on_device, tensors))

    def _run_on_host(self, func: Any, arguments: Any, keywords: Any) -> Any:
        """Runs an op on the host's own numbers."""
        fake = torch._C._unset_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE)
        try:
            return func(*arguments, **keywords)
        finally:
            if fake is not None:
                torch._C._set_dispatch_mode(fake)

    def _stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """The fake tensor that stands for a real one; views of a storage stand on one as well."""
        if isinstance(tensor, FakeTensor):
            return tensor
        if is_traceable_wrapper_subclass(tensor) or tensor.layout != torch.strided:
            return self.fake.from_tensor(tensor)
        storage = tensor.untyped_storage()
        identity = storage._cdata
        if identity not in self._entries:
            if self.is_everything:
                self.know(tensor)
            else:
                self._remember_gradient(tensor)
                self._enter(storage, None)
        if identity not in self._stand_ins:
            base = torch.empty(storage.nbytes(), dtype=torch.uint8, device="cpu")
            self._stand_ins[identity] = base
            # A stand-in's own storage is the real one's: no event, but the same row.
            stands_for = self._entries[identity].tensor
            inner = base.untyped_storage()
            where, entries = inner._cdata, self._entries

            def died(_: object) -> None:
                entries.pop(where, None)

            entries[where] = _Entry(weakref.ref(inner, died), stands_for, storage.nbytes())
        made = torch.empty(0, dtype=tensor.dtype, device="cpu")
        return made.set_(self._stand_ins[identity].untyped_storage(), tensor.storage_offset(),
                         tensor.shape, tensor.stride())

    def _remember_gradient(self, tensor: torch.Tensor) -> None:
        if tensor.is_leaf and tensor.requires_grad and id(tensor) not in self._remembered:
            self._remembered.add(id(tensor))
            self._gradients.append((weakref.ref(tensor), tensor.grad))

    def give_up_gradients(self) -> None:
        """Releases gradients of before that their parameters have no more."""
        for reference, gradient in self._gradients:
            if gradient is None or (tensor := reference()) is None or tensor.grad is gradient:
                continue
            entry = self._entries.pop(gradient.untyped_storage()._cdata, None)
            if entry is not None and entry.tensor is not None:
                self.stream.release(entry.tensor)

    def close(self) -> None:
        """Forgets what it knows, and gives real parameters their own gradients back."""
        self._entries.clear()
        self.moved.clear()
        for reference, gradient in self._gradients:
            if (tensor := reference()) is not None:
                tensor.grad = gradient
        self._gradients.clear()
        self.node = None
        self._stand_ins.clear()


@cache
def _is_distributed(kind: type) -> bool:
    """Whether a type of tensors is one of several ranks', whose part here is another tensor."""
    return kind.__module__.startswith("torch.distributed.")


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
