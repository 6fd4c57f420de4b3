"""How the trainer's model is trained by several processes: sharded, or one whole copy in each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from ..errors import ProbeError
from .virtual import CUDA

FSDP2, DDP = PARALLELS = ("fsdp2", "ddp")


def sharded(model: torch.nn.Module, dtype: torch.dtype | None) -> str:
    """Shards a model, as PyTorch's own example of FSDP2 does: each decoder layer, and the rest.

    The weights are on the host before. With a type the layers compute in it, and gradients are
    reduced in float32 (pytorch/examples, distributed/FSDP2/example.py).

    Returns:
        What was done, in a sentence.

    Raises:
        ProbeError: The model does not say what its layers are.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    names = set(getattr(model, "_no_split_modules", None) or ())
    layers = [part for part in model.modules() if type(part).__name__ in names]
    if not layers:
        raise ProbeError("the model does not name its layers (_no_split_modules), so there is "
                         f"nothing that FSDP2 could shard one at a time; give --parallel {DDP}")
    kinds = ", ".join(dict.fromkeys(type(layer).__name__ for layer in layers))
    policy, said = MixedPrecisionPolicy(), "no MixedPrecisionPolicy"
    if dtype is not None:
        policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
        said = (f"MixedPrecisionPolicy(param_dtype={dtype}, reduce_dtype={torch.float32}) in place "
                "of autocast")
    mesh: Any = init_device_mesh(CUDA.type, (torch.distributed.get_world_size(),))
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return (f"fully_shard (FSDP2) on each of {len(layers)} {kinds} and on the model, which are "
            f"sharded as they come from the host; {said}; reshard_after_forward as by default")


def replicated(model: torch.nn.Module) -> tuple[torch.nn.Module, str]:
    """Puts a whole copy of a model, on the device already, into each process.

    Returns:
        The wrapper, and what was done, in a sentence.
    """
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(model, device_ids=[CUDA.index]), (
        "DistributedDataParallel with its defaults, which holds every gradient a second time, in "
        "buckets of 1 MiB and of 25 MiB")


@contextlib.contextmanager
def exchanging(model: torch.nn.Module, is_last: bool) -> Iterator[None]:
    """A pass forward and backward; gradients are exchanged in the last one of a step alone.

    So has accelerate's `no_sync`, which transformers' Trainer runs the others in. FSDP2 then holds
    gradients whole until the last pass.
    """
    from torch.distributed.fsdp import FSDPModule
    from torch.nn.parallel import DistributedDataParallel

    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(is_last)
    if isinstance(model, DistributedDataParallel) and not is_last:
        with model.no_sync():
            yield
    else:
        yield
