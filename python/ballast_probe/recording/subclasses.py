"""Parameters of other libraries that are classes of their own, such as bitsandbytes' `Params4bit`.

They are made of a tensor by `Tensor._make_subclass`, which refuses one of shapes alone, because
that is of a class of its own as well. Here such a parameter is of both classes.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager


def import_first() -> None:
    """Imports bitsandbytes where PEFT or TRL would, which cannot with a GPU that is not there."""
    if not {"peft", "trl"}.isdisjoint(sys.modules) and find_spec("bitsandbytes") is not None:
        # Of kernels for this machine's processor, which a recorded step does not run.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        with contextlib.suppress(Exception):  # whoever needs it will say what is wrong
            importlib.import_module("bitsandbytes")


@cache
def _of_shapes(kind: type) -> Any:
    """A class of tensors of shapes alone that is another class of tensors, too.

    A module that moves asks its parameter for one of the same class (`detach`).
    """
    return type(kind.__name__, (FakeTensor, kind), {
        "__module__": kind.__module__, "detach": lambda tensor: tensor})


def _alias(tensor: FakeTensor, fake: FakeTensorMode) -> torch.Tensor:
    """The inside of a tensor on the storage of another one."""
    with in_kernel_invocation_manager(fake):
        alias = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype,
                                    device="meta")
        alias.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.shape,
                   tensor.stride())
    return alias


@contextlib.contextmanager
def making_subclasses(fake: FakeTensorMode) -> Iterator[None]:
    """Lets tensors of shapes alone become parameters of other classes."""
    make: Any = torch.Tensor._make_subclass

    def of_both(kind: Any, data: Any, require_grad: bool = False, *arguments: Any,
                **keywords: Any) -> Any:
        if not isinstance(data, FakeTensor) or issubclass(kind, FakeTensor) \
                or kind in (torch.Tensor, torch.nn.Parameter):
            return make(kind, data, require_grad, *arguments, **keywords)
        with torch._C.DisableTorchFunction():  # which would answer for the device
            made = FakeTensor.__new__(_of_shapes(kind), fake, _alias(data, fake),
                                      torch.device("cpu"))
            made.requires_grad_(require_grad)
        return made

    with mock.patch.object(torch.Tensor, "_make_subclass", staticmethod(of_both)), \
            _known_tables():
        yield


@contextlib.contextmanager
def _known_tables() -> Iterator[None]:
    """Has bitsandbytes' table of 8-bit numbers at hand, which is computed from values."""
    functional: Any = sys.modules.get("bitsandbytes.functional")
    if functional is None:
        yield
        return
    table = functional.create_dynamic_map()
    with mock.patch.object(functional, "create_dynamic_map", lambda *_, **__: table), \
            mock.patch.dict(functional.name2qmap, clear=True):
        yield


def to_four_bits(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Has bitsandbytes quantise a model's linear layers, but for its head, where it is moved.

    NF4 by blocks of 64 values, whose scales are quantised by blocks of 256, as QLoRA has it.

    Args:
        model: On the host.
        dtype: What products are computed in.
    """
    bits: Any = importlib.import_module("bitsandbytes").nn
    head = getattr(model, "get_output_embeddings", lambda: None)()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is not torch.nn.Linear or layer is head:
                continue
            packed = bits.Linear4bit(
                layer.in_features, layer.out_features, bias=layer.bias is not None,
                compute_dtype=dtype, compress_statistics=True, quant_type="nf4")
            packed.weight = bits.Params4bit(
                layer.weight.data, requires_grad=False, compress_statistics=True,
                quant_type="nf4", module=packed)
            packed.bias = layer.bias
            setattr(parent, name, packed)
