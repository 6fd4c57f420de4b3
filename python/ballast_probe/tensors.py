"""What a tensor is made of, and which tensors an object holds."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any, cast

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

# Neither holds a tensor of the step's, or what it holds is somebody else's.
_LEAVES = (str, bytes, bytearray, int, float, complex, bool, type, torch.nn.Module, torch.device,
           torch.dtype, torch.Size, torch.SymInt, torch.SymFloat, torch.SymBool,
           torch.autograd.graph.Node, ModuleType, BuiltinFunctionType, CodeType, FrameType)
# Behind those lie groups of processes, the shards and states of parameters, tables of ops.
_FOREIGN = ("torch.distributed.", "torch.optim.", "torch.fx.", "torch._subclasses.", "torch._ops.")
# Whose objects hold no tensor that Python's collector of garbage does not know of.
_PLAIN = {"torch", *sys.stdlib_module_names}
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


def tensors_behind(*values: object) -> Iterator[torch.Tensor]:
    """Every tensor that containers, closures and attributes lead to, each once.

    Modules are left out: their tensors are the model's, not the step's.
    """
    return iter(look_behind(*values, depth=6)[0])


def look_behind(*values: object, depth: int = 16) -> tuple[list[torch.Tensor], list[str]]:
    """The tensors that containers, closures and attributes lead to, and what hides its own.

    Args:
        values: Where to begin.
        depth: How many steps away from there a tensor may be; an object's attributes are one step
            from it, or two, by way of its `__dict__`.

    Returns:
        The tensors, each once, the nearest first; and the types of objects that cannot be looked
            into, or are too far away, each once.
    """
    waiting = deque((value, depth) for value in values)
    seen: set[int] = set()
    kept = []  # so that no identity is used twice
    tensors: list[torch.Tensor] = []
    hidden: dict[str, None] = {}
    while waiting:
        value, depth = waiting.popleft()
        if value is None or id(value) in seen or _is_leaf(value):
            continue
        if len(seen) == _MOST_OBJECTS:
            hidden[f"what follows {_MOST_OBJECTS:,} objects"] = None
            break
        seen.add(id(value))
        kept.append(value)
        if issubclass(type(value), torch.Tensor):
            tensors.append(cast(torch.Tensor, value))
            continue
        parts = _parts(value)
        if _is_opaque(value) if not parts else depth == 0:
            kind = type(value)
            hidden[f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")] = None
        elif depth > 0:
            waiting.extend((part, depth - 1) for part in parts)
    return tensors, list(hidden)


def _is_leaf(value: object) -> bool:
    kind = type(value)  # isinstance would ask the object itself as well
    module = f"{kind.__module__}."
    # A number of another library's holds nothing; its array does.
    return not issubclass(kind, torch.Tensor) and (
        issubclass(kind, _LEAVES) or module.startswith(_FOREIGN)
        or module == "numpy." and not hasattr(kind, "__setitem__"))


def _parts(value: object) -> list[Any]:
    """What an object holds: containers, attributes, bound arguments. No code of its own is run."""
    if type(value) is FunctionType:  # but not what is global where it was written
        parts = [*(value.__defaults__ or ()), vars(value), value.__kwdefaults__]
        for cell in value.__closure__ or ():
            try:
                parts.append(cell.cell_contents)
            except ValueError:  # not assigned yet
                continue
        return parts
    parts = [part for part in gc.get_referents(value) if not issubclass(type(part), type)]
    return parts[::-1] if issubclass(type(value), (list, tuple)) else parts  # which come last first


def _is_opaque(value: object) -> bool:
    """Whether an object without parts may have some that Python does not know of."""
    kinds = type(value).__mro__[:-1]
    is_pythons = any({"__dict__", "__slots__"} & vars(kind).keys() for kind in kinds)
    is_plain = type(value).__module__.partition(".")[0] in _PLAIN
    return issubclass(type(value), torch.ScriptObject) or not (is_pythons or is_plain)
