"""A virtual CUDA device over fake tensors of a CPU.

A fake tensor of device `cuda` ends a CPU build of PyTorch as soon as autograd touches it. So every
tensor here is the CPU's for PyTorch's own code, and CUDA's for the step's: what is made on `cuda`,
or moved there, is marked as the device's, and asked for its device it says so. What PyTorch's
Python code looks at beside that (`torch.cuda`) is answered by `cuda`.

Everything that is put in the way here is taken back at the end, also after an exception.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from ..errors import ProbeError
from ..tensors import parts_of
from . import cuda
from .gpus import GPU
from .reads import line
from .recorder import Recorder
from .stream import Role

CUDA, CPU, META = torch.device("cuda", 0), torch.device("cpu"), torch.device("meta")

_Tensor = torch.Tensor
_MOVES = (_Tensor.to, _Tensor.cuda, _Tensor.cpu)
_ASKED: dict[Any, Callable[[torch.device], Any]] = {
    _Tensor.device.__get__: lambda device: device,
    _Tensor.is_cuda.__get__: lambda device: device is CUDA,  # type: ignore[attr-defined]
    _Tensor.is_cpu.__get__: lambda device: device is CPU,  # type: ignore[attr-defined]
    _Tensor.is_meta.__get__: lambda device: device is META,  # type: ignore[attr-defined]
    _Tensor.get_device: lambda device: 0 if device is CUDA else -1,
}


def is_cuda(device: object) -> bool:
    """Whether something names a CUDA device: `cuda`, `cuda:0`, 0, or PyTorch's own."""
    if isinstance(device, int) and not isinstance(device, bool):
        kind, index = "cuda", device
    elif isinstance(device, (str, torch.device)):
        named = torch.device(device)
        kind, index = named.type, named.index or 0
    else:
        return False
    if kind == "cuda" and index != 0 or kind not in ("cuda", "cpu", "meta"):
        raise ProbeError(f"{line() or 'the step'} asks for {kind}:{index}, and the virtual machine "
                         "has one GPU, cuda:0; of several processes record one, with ranks=")
    return kind == "cuda"


def _names_meta(value: object) -> bool:
    return isinstance(value, (str, torch.device)) and torch.device(value).type == "meta"


_is_meta_alone: Callable[[torch.Tensor], bool] = (
    torch._C.TensorBase.is_meta.__get__)  # type: ignore[attr-defined]


def _is_meta(tensor: torch.Tensor) -> bool:
    """Whether a tensor of shapes alone has no memory for the step either."""
    return any(part.fake_device.type == "meta" for part in parts_of(tensor)
               if isinstance(part, FakeTensor)) or type(tensor) is not FakeTensor \
        and _is_meta_alone(tensor)


class VirtualDevice(TorchFunctionMode):
    """Takes `cuda` wherever a device is named, and says it of what lies there."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._recorder.depth > 0:  # our own work
            return func(*args, **kwargs)
        if (answer := _ASKED.get(func)) is not None:
            is_here = self._recorder.is_on_device(args[0])
            return answer(CUDA if is_here else META if _is_meta(args[0]) else CPU)
        if func in _MOVES:
            return self._moved(func, args, kwargs)
        if func is _Tensor.type and len(args) == 1 and not kwargs \
                and self._recorder.is_on_device(args[0]):
            return str(func(args[0])).replace("torch.", "torch.cuda.", 1)
        if func is _Tensor.pin_memory:
            return args[0]
        if func is _Tensor.data_ptr and isinstance(args[0], FakeTensor):
            return args[0].untyped_storage()._cdata  # tells tensors apart, as an address would
        if func in (_Tensor.tolist, _Tensor.numpy) and isinstance(args[0], FakeTensor):
            return self._numbers(func, args[0])
        if func is torch.tensor and args and isinstance(args[0], (list, tuple)):
            # Of tensors: PyTorch reads each one's number for it.
            args = ([self._recorder.reads.answer(func) if isinstance(one, FakeTensor) else one
                     for one in args[0]], *args[1:])
        if func is torch.device and args and type(args[0]) is int and is_cuda(args[0]):
            return CUDA
        device = kwargs.get("device")
        if device is None or not is_cuda(device) and torch.device(device).type != "cpu":
            return func(*args, **kwargs)
        with self._recorder.placing(is_cuda(device)):
            return func(*args, **{**kwargs, "device": CPU})

    def _moved(self, func: Any, arguments: Any, keywords: Any) -> Any:
        """Runs `to`, `cuda` or `cpu`."""
        tensor, *rest = arguments
        if any(_names_meta(one) for one in (*rest, *keywords.values())):
            with self._recorder.placing(False):
                return func(*arguments, **keywords)
        is_here = self._recorder.is_on_device(tensor)
        if func is not _Tensor.to:
            target, dtype = func is _Tensor.cuda, None
            more: dict[str, Any] = {}
        else:
            target, dtype, more = self._target(is_here, rest, dict(keywords))
        if target == is_here:
            if func is not _Tensor.to:
                return tensor
            return _Tensor.to(tensor, dtype=dtype or tensor.dtype, **more)
        with self._recorder.placing(target):
            moved = torch.ops.aten._to_copy.default(tensor, dtype=dtype)
        if target and (row := self._recorder.row(moved)) is not None:
            if row.role in (Role.OTHER, Role.ACTIVATION):
                row.role = Role.INPUT
        return moved

    def _target(self, is_here: bool, rest: list[Any], keywords: dict[str, Any]
                ) -> tuple[bool, torch.dtype | None, dict[str, Any]]:
        """Whether `to` goes to the device, in which type, and its other arguments."""
        device, dtype = keywords.pop("device", None), keywords.pop("dtype", None)
        other = keywords.pop("other", None)
        if rest:
            first, *rest = rest
            if isinstance(first, torch.Tensor):
                other = first
            elif isinstance(first, torch.dtype):
                dtype = first
            else:
                device = first
                if rest and (rest[0] is None or isinstance(rest[0], torch.dtype)):
                    dtype, *rest = rest
        keywords.update(zip(("non_blocking", "copy"), rest))
        if other is not None:
            return self._recorder.is_on_device(other), other.dtype, keywords
        return (is_here if device is None else is_cuda(device)), dtype, keywords

    def _numbers(self, func: Any, tensor: torch.Tensor) -> Any:
        value = self._recorder.reads.answer(func)
        with torch._C.DisableTorchFunction():
            shape = tuple(tensor.shape)
        import numpy

        numbers = numpy.full(shape, value)
        return numbers.tolist() if func is _Tensor.tolist else numbers


@contextlib.contextmanager
def virtual_device(recorder: Recorder, gpu: GPU) -> Iterator[None]:
    """Makes `cuda` a device inside."""
    mode = VirtualDevice(recorder)
    device = FakeTensor.device.fget  # type: ignore[attr-defined]

    def seen(tensor: FakeTensor) -> torch.device:
        if recorder.depth == 0 and tensor.fake_device.type == "cpu" \
                and recorder.is_on_device(tensor):
            return CUDA
        found: torch.device = device(tensor)
        return found

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(FakeTensor, "device", property(seen)))
        stack.enter_context(mock.patch.object(
            FakeTensor, "is_cuda", property(lambda tensor: seen(tensor).type == "cuda"),
            create=True))
        stack.enter_context(_keeping_modules(recorder))
        stack.enter_context(cuda.answering(recorder, gpu))
        stack.enter_context(_there_in_backward(mode))
        stack.enter_context(mode)
        yield


@contextlib.contextmanager
def _there_in_backward(mode: VirtualDevice) -> Iterator[None]:
    """Has what runs in backward see the device as well: PyTorch leaves modes out there."""
    run: Callable[..., Any] = getattr(torch.autograd, "_engine_run_backward")

    def running(*arguments: Any, **keywords: Any) -> Any:
        if mode in _get_current_function_mode_stack():  # type: ignore[no-untyped-call]
            return run(*arguments, **keywords)
        with mode:
            return run(*arguments, **keywords)

    with mock.patch.object(torch.autograd, "_engine_run_backward", running):
        yield


@contextlib.contextmanager
def taking_over() -> Iterator[None]:
    """Lets a module's fake parameters be replaced, which are known weakly: PyTorch refuses that."""
    swap: Callable[[torch.Tensor, torch.Tensor], None] = torch.utils.swap_tensors

    def take_over(old: torch.Tensor, new: torch.Tensor) -> None:
        if not isinstance(old, FakeTensor):
            swap(old, new)
        elif isinstance(new, FakeTensor) and old.fake_device != new.fake_device:  # to `meta`
            with mock.patch.object(weakref, "getweakrefs", lambda _: []):
                swap(old, new)
        elif old.untyped_storage()._cdata != new.untyped_storage()._cdata:
            old.data = new.data

    with mock.patch.object(torch.utils, "swap_tensors", take_over):
        yield


@contextlib.contextmanager
def _keeping_modules(recorder: Recorder) -> Iterator[None]:
    """Gives modules their real tensors back that a move to the device has replaced."""
    to: Callable[..., Any] = torch.nn.Module.to
    kept: list[tuple[torch.nn.Module, dict[str, Any], dict[str, Any]]] = []
    apply: Callable[..., torch.nn.Module] = torch.nn.Module._apply

    def applying(module: torch.nn.Module, *arguments: Any, **keywords: Any) -> torch.nn.Module:
        own = [*module._parameters.values(), *module._buffers.values()]
        if any(tensor is not None and not isinstance(tensor, FakeTensor) for tensor in own):
            kept.append((module, dict(module._parameters), dict(module._buffers)))
        before = dict(module._parameters)
        applied = apply(module, *arguments, **keywords)
        recorder.moved.update((id(old), old) for name, old in before.items()
                              if old is not None and old is not module._parameters.get(name))
        return applied

    def moving(module: torch.nn.Module, *arguments: Any, **keywords: Any) -> Any:
        if arguments and type(arguments[0]) is int:
            arguments = (CUDA if is_cuda(arguments[0]) else CPU, *arguments[1:])
        if type(keywords.get("device")) is int:
            keywords["device"] = CUDA if is_cuda(keywords["device"]) else CPU
        return to(module, *arguments, **keywords)

    with mock.patch.object(torch.nn.Module, "_apply", applying), \
            mock.patch.object(torch.nn.Module, "to", moving):
        try:
            yield
        finally:
            for module, parameters, buffers in reversed(kept):
                module._parameters.update(parameters)
                module._buffers.update(buffers)

