"""What a tensor is made of, and which tensors an object holds."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FrameType, ModuleType
from typing import Any

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

# Neither holds a tensor of the step's, or what it holds is somebody else's.
_LEAVES = (str, bytes, bytearray, int, float, complex, bool, type, torch.nn.Module, torch.device,
           torch.dtype, torch.Size, ModuleType, BuiltinFunctionType, CodeType, FrameType)
_MOST_OBJECTS = 20_000


def parts_of(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The tensors with a storage of their own that a tensor is made of: itself, if it is dense.

    Indices and values of a sparse one, the inner ones of a wrapper. Empty if nothing of it can be
    seen, as of one that belongs to another library.
    """
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        inner = [getattr(tensor, name) for name in names]
        return [part for one in inner if isinstance(one, torch.Tensor) for part in parts_of(one)]
    if tensor.layout == torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    if tensor.is_nested:
        return [tensor.values()]
    try:
        tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):
        return []
    return [tensor]


def address(tensor: torch.Tensor) -> int:
    """What identifies a dense tensor's storage while it lives."""
    return int(tensor.untyped_storage()._cdata)


def addresses(tensor: torch.Tensor) -> Iterator[int]:
    """What identifies the storages of any tensor."""
    return map(address, parts_of(tensor))


def storage_bytes(tensor: torch.Tensor) -> int:
    """The bytes of a dense tensor's whole storage."""
    return int(tensor.untyped_storage().nbytes())


def tensors_behind(*values: object, depth: int = 6) -> Iterator[torch.Tensor]:
    """Every tensor that containers, closures and attributes lead to, each once.

    Modules are left out: their tensors are the model's, not the step's.
    """
    waiting = deque((value, depth) for value in values)
    seen: set[int] = set()
    kept = []  # so that no identity is used twice
    while waiting and len(seen) < _MOST_OBJECTS:
        value, depth = waiting.popleft()
        if value is None or isinstance(value, _LEAVES) or id(value) in seen:
            continue
        seen.add(id(value))
        kept.append(value)
        if isinstance(value, torch.Tensor):
            yield value
        elif depth > 0:
            waiting.extend((part, depth - 1) for part in _parts(value))


def _parts(value: object) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return list(value)
    parts: list[Any] = []
    if isinstance(value, functools.partial):
        parts += [value.func, value.args, value.keywords]
    for cell in getattr(value, "__closure__", None) or ():
        try:
            parts.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            continue
    parts += getattr(value, "__defaults__", None) or ()
    parts.append(getattr(value, "__self__", None))
    parts.append(getattr(value, "__dict__", None))
    for kind in type(value).__mro__:
        names = kind.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if not name.startswith("__"):
                parts.append(getattr(value, name, None))
    return parts
