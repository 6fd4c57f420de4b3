"""What trainers beside PyTorch's own ask of a process group and of tensors, as Megatron's does."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.distributed_c10d import _coalescing_manager

from ballast_probe import ProbeError, UsageError
from ballast_probe.recording import Recording, Role, step


def inside(ranks: int = 4, **more: Any) -> contextlib.AbstractContextManager[Recording]:
    return step(gpu="a100-80gb", ranks=ranks, **more)


def test_groups_of_any_kind_and_of_some_ranks() -> None:
    with inside(rank=2):
        every = dist.new_group(backend="gloo")
        pair = dist.new_group([2, 3], backend="nccl", group_desc="PAIR")
        other = dist.new_group([0, 1])
        assert (every.size(), pair.size(), pair.rank()) == (4, 2, 0)
        assert other is dist.GroupMember.NON_GROUP_MEMBER
        total = torch.ones(3, device="cuda")
        dist.all_reduce(total, group=pair)
        assert total.is_cuda


def test_objects_are_the_same_on_every_rank() -> None:
    with inside() as recording:
        found: list[Any] = [None] * 4
        dist.all_gather_object(found, {"keys": [1, 2]})
        assert found == [{"keys": [1, 2]}] * 4 and found[0] is not found[1]
    assert not recording.tensors


def test_coalesced_collectives_go_into_what_is_there() -> None:
    with inside() as recording:
        whole, part = torch.zeros(64, device="cuda"), torch.zeros(16, device="cuda")
        group = dist.new_group()
        with _coalescing_manager(group, async_ops=True) as manager:
            dist.all_gather_into_tensor(whole, part, group=group, async_op=True)
        manager.wait()
        with _coalescing_manager(group, async_ops=True):
            dist.reduce_scatter_tensor(part, whole, group=group, async_op=True)
        with _coalescing_manager(group, async_ops=True):
            dist.all_reduce(whole, group=group, async_op=True)
    assert [tensor.role for tensor in recording.tensors] == [Role.COLLECTIVE] * 2


def test_another_rank_than_the_first() -> None:
    with inside(rank=3) as recording:
        dist.init_process_group("nccl", rank=3, world_size=4)
        assert (dist.get_rank(), torch.ones(1, device="cuda").device.index) == (3, 0)
    values = recording.values()
    assert (values["ranks"], values["rank"]) == (4, 3)
    assert "rank 3 of 4 is recorded, with its own part of the batch" in values["assumptions"]
    for rank in (4, -1, True):
        with pytest.raises(UsageError, match="must be from 0 to 3"):
            with inside(rank=rank):
                pass
    with pytest.raises(ProbeError, match="as rank 0 of 4, and rank 3 of 4 is recorded"):
        with inside(rank=3):
            dist.init_process_group("nccl", rank=0, world_size=4)


def test_a_tensors_type_has_its_device() -> None:
    with inside(ranks=1):
        there = torch.ones(2, dtype=torch.bfloat16, device="cuda")
        assert there.type() == "torch.cuda.BFloat16Tensor"
        assert torch.ones(2).type() == "torch.FloatTensor"
        assert there.type(torch.float32).type() == "torch.cuda.FloatTensor"


def test_a_wrapper_whose_buffers_are_its_own() -> None:
    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module
            self.buffers = [torch.zeros(8, device="cuda")]  # type: ignore[assignment]

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.module(rows)  # type: ignore[no-any-return]

    with inside(ranks=1) as recording:
        model = Wrapper(nn.Linear(4, 2, device="cuda"))
        model(torch.ones(3, 4, device="cuda")).sum().backward()
    assert sum(tensor.role is Role.PARAMETER for tensor in recording.tensors) == 2


def test_a_tensor_of_the_gpus_numbers_is_a_read() -> None:
    with inside(ranks=1, reads=2.0):
        norms = [torch.ones(3, device="cuda").norm(), torch.ones(5, device="cuda").norm()]
        assert torch.tensor(norms).tolist() == [2.0, 2.0]
    with pytest.raises(ProbeError, match="reads the value of a tensor"):
        with inside(ranks=1):
            torch.tensor([torch.ones(3, device="cuda").norm()])
