"""A group of processes of which one runs: PyTorch's own fake group, whose collectives do nothing.

What a collective gives has the shape that it would have, and a recorded step needs no more. The
group is there before the first tensor of shapes alone, and what a step asks of it is answered as a
launcher (`torchrun`) and NCCL would.
"""

from __future__ import annotations

import contextlib
import copy
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensor

from ..errors import ProbeError, UsageError

MOST_RANKS = 1 << 12

_NCCL = "what NCCL takes of the GPU for its own buffers does not come from PyTorch's allocator"


@contextlib.contextmanager
def process_group(ranks: int, rank: int = 0) -> Iterator[None]:
    """Makes this process one of so many inside, rank 0 unless told otherwise.

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

    own = rank

    def initialize(*_: Any, world_size: int = -1, rank: int = -1, **__: Any) -> None:
        if world_size not in (-1, ranks) or rank not in (-1, own):
            raise ProbeError(f"the step makes a process group as rank {rank} of {world_size}, and "
                             f"rank {own} of {ranks} is recorded")

    make_part: Callable[..., Any] = dist.new_group

    def part(ranks: Any = None, timeout: Any = None, *_: Any, group_desc: str | None = None,
             **__: Any) -> Any:
        """A group of some ranks, which is of the fake kind too, whatever kind is asked for."""
        return make_part(ranks, timeout, group_desc=group_desc)

    def gather_objects(found: list[Any], one: Any, group: Any = None) -> None:
        """Every rank has what this one has: a pickle of shapes alone could not be sent."""
        found[:] = [copy.deepcopy(one) for _ in found]

    words = {"RANK": str(rank), "LOCAL_RANK": "0", "GROUP_RANK": "0", "WORLD_SIZE": str(ranks),
             "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
    with contextlib.ExitStack() as stack:
        _forget()
        stack.callback(_forget)
        stack.enter_context(mock.patch.dict(os.environ, words))
        make: Any = dist.init_process_group
        make("fake", store=FakeStore(), rank=rank, world_size=ranks)
        stack.callback(dist.destroy_process_group)
        for owner in (dist, distributed_c10d):
            stack.enter_context(mock.patch.object(owner, "init_process_group", initialize))
            stack.enter_context(mock.patch.object(owner, "new_group", part))
            stack.enter_context(mock.patch.object(owner, "all_gather_object", gather_objects))
            stack.enter_context(mock.patch.object(
                owner, "destroy_process_group", lambda *_, **__: None))
        stack.enter_context(_aside())
        stack.enter_context(_reducing())
        yield


def _forget() -> None:
    """Lets accelerate ask anew how many processes there are, which it does once in a process."""
    if (state := sys.modules.get("accelerate.state")) is not None:
        state.AcceleratorState._reset_state(reset_partial_state=True)


@contextlib.contextmanager
def _reducing() -> Iterator[None]:
    """Gives DistributedDataParallel the sum of its buckets, which the fake group's work has not.

    What is not recorded is refused.

    Its reducer takes what the hook gives for each bucket (torch/csrc/distributed/c10d/reducer.cpp:
    finalize_backward); the default one reduces in place as well.
    """
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.nn.parallel import DistributedDataParallel as Wrapper

    dist: Any = torch.distributed
    make: Callable[..., None] = Wrapper.__init__
    register: Callable[..., None] = Wrapper.register_comm_hook

    def reduced(_: object, bucket: Any) -> Any:
        buffer = bucket.buffer()
        dist.all_reduce(buffer, async_op=True)
        future: Any = torch.futures.Future()
        future.set_result(buffer)
        return future

    reduced.__annotations__ = {"bucket": dist.GradBucket,
                               "return": torch.futures.Future[torch.Tensor]}

    def made(wrapper: Any, *arguments: Any, **keywords: Any) -> None:
        make(wrapper, *arguments, **keywords)
        register(wrapper, None, reduced)

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise ProbeError("DistributedDataParallel is given a hook of the step's own, and what that "
                         "allocates is not known; leave register_comm_hook out")

    def refuse_older(*_: Any, **__: Any) -> NoReturn:
        raise ProbeError("FullyShardedDataParallel is FSDP's first version, whose flat parameters "
                         "are not recorded; shard the model with fully_shard")

    with mock.patch.object(Wrapper, "__init__", made), \
            mock.patch.object(Wrapper, "register_comm_hook", refuse), \
            mock.patch.object(FullyShardedDataParallel, "__init__", refuse_older):
        yield


@contextlib.contextmanager
def _aside() -> Iterator[None]:
    """Keeps out of a recording what PyTorch works out on tensors that are on no device.

    A mesh is a tensor of ranks (torch/distributed/device_mesh.py); a sharded tensor finds its whole
    shape with others (torch/distributed/tensor/_sharding_prop.py).
    """
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor._sharding_prop import ShardingPropagator
    from torch.utils._python_dispatch import _disable_current_modes

    def aside(run: Callable[..., Any]) -> Callable[..., Any]:
        def running(*arguments: Any, **keywords: Any) -> Any:
            with _disable_current_modes():
                if isinstance(ranks := keywords.get("_rank_map"), FakeTensor):
                    # As `init_device_mesh` makes it: all ranks in order.
                    keywords["_rank_map"] = torch.arange(ranks.numel(), dtype=torch.int)
                return run(*arguments, **keywords)

        return running

    with contextlib.ExitStack() as stack:
        for owner, name in ((DeviceMesh, "__init__"),
                            (ShardingPropagator, "_propagate_tensor_meta_non_cached")):
            stack.enter_context(mock.patch.object(owner, name, aside(getattr(owner, name))))
        yield


def notes(ranks: int, device: str, rank: int = 0) -> list[str]:
    """What is taken for given with several ranks, in sentences."""
    if ranks == 1:
        return []
    said = [f"rank {rank} of {ranks} is recorded, with its own part of the batch"
            + ("; no other rank holds more" if rank == 0 else "")]
    return [*said, _NCCL] if device == "cuda" else said
