"""Shape rules, remembered: an op on tensors of the same shapes gives tensors of the same shapes.

PyTorch's fake tensors remember them too, and ask many more questions each time. A model of 80
layers asks the same thing 80 times, in each direction.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

_META, _CPU = torch.device("meta"), torch.device("cpu")
_PLAIN = (int, float, bool, str, type(None), torch.dtype, torch.device, torch.layout,
          torch.memory_format)
_RETURNS = ("Tensor", "List[Tensor]")
_NOT_REMEMBERED = {f"aten::{name}" for name in (
    "lift", "lift_fresh", "lift_fresh_copy", "_local_scalar_dense", "scalar_tensor")}


@dataclass(frozen=True, slots=True)
class _Result:
    """A tensor that a call gave.

    Attributes:
        of: The place among the call's tensors of the one on whose storage it lies; -1 for its own.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    offset: int
    of: int


class ShapeRules:
    """What ops have given, by op and by the shapes of what they were given."""

    def __init__(self, fake: FakeTensorMode) -> None:
        self._fake = fake
        self._attributes: dict[str, Any] | None = None  # of every plain fake tensor
        self._known: dict[Hashable, tuple[type, tuple[_Result, ...]]] = {}

    def key(self, func: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Hashable:
        """What a call is remembered by; None if it cannot be."""
        if not _is_simple(func):
            return None
        try:
            return (func, *map(_key, arguments),
                    *((name, _key(value)) for name, value in keywords.items()))
        except _Unknown:
            return None

    def recall(self, key: Hashable, tensors: Sequence[torch.Tensor]) -> Any:
        """Tensors like those of the call before, on these; None if there was none."""
        if (known := self._known.get(key)) is None:
            return None
        kind, results = known
        made = [self._new(result, tensors) for result in results]
        return made[0] if kind is FakeTensor else kind(made)

    def _new(self, result: _Result, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """A fake tensor, made without what PyTorch asks of each: a step makes tens of thousands."""
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            if result.of < 0:
                made = torch.empty_strided(result.shape, result.strides, dtype=result.dtype,
                                           device=_META)
            else:
                made = torch.empty(0, dtype=result.dtype, device=_META)
                made.set_(tensors[result.of].untyped_storage(), result.offset, result.shape,
                          result.strides)
            if self._attributes is None:
                self._attributes = dict(FakeTensor(self._fake, made, _CPU).__dict__)
            fake = torch.Tensor._make_subclass(  # as FakeTensor.__new__ has it
                FakeTensor, made, False, dispatch_device=True, device_for_backend_keys=_CPU)
            torch._C._set_throw_on_mutable_data_ptr(fake)
        fake.__dict__.update(self._attributes)
        return fake

    def keep(self, key: Hashable, result: Any, tensors: Sequence[torch.Tensor]) -> None:
        """Remembers what a call has given."""
        kind = type(result)
        outputs = (result,) if kind is FakeTensor else result
        if kind not in (FakeTensor, tuple, list) or not all(map(_is_plain, outputs)) \
                or any(one is tensor for one in outputs for tensor in tensors):
            return
        storages = [tensor.untyped_storage()._cdata for tensor in tensors]
        kept, own = [], set()
        for one in outputs:
            storage = one.untyped_storage()._cdata
            of = storages.index(storage) if storage in storages else -1
            if of < 0 and (storage in own or one.storage_offset() != 0):
                return  # two results on one storage of their own
            own.add(storage)
            kept.append(_Result(tuple(one.shape), one.stride(), one.dtype, one.storage_offset(),
                                of))
        self._known[key] = (kind, tuple(kept))


class _Unknown(Exception):
    """An argument that a call is not remembered by."""


def _is_plain(value: object) -> bool:
    return type(value) is FakeTensor and value.constant is None \
        and value.layout is torch.strided and value.fake_device == _CPU \
        and not value.is_conj() and not value.is_neg()


def _key(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor):
        if not _is_plain(value):
            raise _Unknown
        return value.dtype, value.shape, value.stride(), value.storage_offset()
    if isinstance(value, (list, tuple)):
        return tuple(map(_key, value))
    if isinstance(value, _PLAIN):
        return type(value), value
    raise _Unknown


@cache
def _is_simple(func: Any) -> bool:
    """Whether an op makes tensors, and changes and reads nothing."""
    schema = func._schema
    return (not schema.is_mutable and func.namespace == "aten" and bool(schema.returns)
            and all(str(one.type) in _RETURNS for one in schema.returns)
            and schema.name not in _NOT_REMEMBERED
            and torch.Tag.data_dependent_output not in func.tags
            and torch.Tag.dynamic_output_shape not in func.tags)
