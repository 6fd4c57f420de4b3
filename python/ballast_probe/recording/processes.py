"""A group of processes of which one runs: PyTorch's own fake group, whose collectives do nothing.

What a collective gives has the shape that it would have, and a recorded step needs no more. The
group is there before the first tensor of shapes alone, and what a step asks of it is answered as a
launcher (`torchrun`) and NCCL would.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from ..errors import ProbeError, UsageError

MOST_RANKS = 1 << 20  # of the file

_NCCL = "what NCCL takes of the GPU for its own buffers does not come from PyTorch's allocator"


@contextlib.contextmanager
def process_group(ranks: int) -> Iterator[None]:
    """Makes this process rank 0 of so many inside.

    Raises:
        ProbeError: PyTorch was built without process groups.
        UsageError: There is a group already.
    """
    import torch.distributed as dist

    if not dist.is_available():
        raise ProbeError("several ranks need torch.distributed, which this PyTorch was built "
                         "without")
    if dist.is_initialized():
        raise UsageError("a process group is there already, and several ranks are recorded in a "
                         "group of the recorder's own; call destroy_process_group() before")
    from torch.distributed import distributed_c10d
    from torch.testing._internal.distributed.fake_pg import FakeStore

    def initialize(*_: Any, world_size: int = -1, rank: int = -1, **__: Any) -> None:
        if world_size not in (-1, ranks) or rank not in (-1, 0):
            raise ProbeError(f"the step makes a process group as rank {rank} of {world_size}, and "
                             f"rank 0 of {ranks} is recorded")

    words = {"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0", "WORLD_SIZE": str(ranks),
             "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, words))
        make: Any = dist.init_process_group
        make("fake", store=FakeStore(), rank=0, world_size=ranks)
        stack.callback(dist.destroy_process_group)
        for owner in (dist, distributed_c10d):
            stack.enter_context(mock.patch.object(owner, "init_process_group", initialize))
            stack.enter_context(mock.patch.object(
                owner, "destroy_process_group", lambda *_, **__: None))
        stack.enter_context(_unseen_propagation())
        yield


@contextlib.contextmanager
def _unseen_propagation() -> Iterator[None]:
    """Keeps the tensors out of a recording with which sharded ones find out their whole shape.

    They are on no device (torch/distributed/tensor/_sharding_prop.py).
    """
    from torch.distributed.tensor._sharding_prop import ShardingPropagator
    from torch.utils._python_dispatch import _disable_current_modes

    name = "_propagate_tensor_meta_non_cached"
    propagate: Callable[..., Any] = getattr(ShardingPropagator, name)

    def propagated(propagator: Any, schema: Any) -> Any:
        with _disable_current_modes():
            return propagate(propagator, schema)

    with mock.patch.object(ShardingPropagator, name, propagated):
        yield


def notes(ranks: int, device: str) -> list[str]:
    """What is taken for given with several ranks, in sentences."""
    if ranks == 1:
        return []
    said = [f"rank 0 of {ranks} is recorded, with its own part of the batch; no other rank holds "
            "more"]
    return [*said, _NCCL] if device == "cuda" else said
