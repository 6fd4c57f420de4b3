"""One rank's allocations against those of a real run on a CPU, in order and to the byte."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from ballast_probe.recording import Recording, Role, step
from ballast_probe.recording.processes import process_group
from comparison import recorded, recordings_real
from comparison.streams import Stream, align, peak

RANKS, STEPS = 8, 2
NORM = 4 * 13  # bytes of the norms of all 13 parameters
HALF, SINGLE = torch.bfloat16, torch.float32


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up = nn.LayerNorm(24), nn.Linear(24, 50)  # 50 rows are not 8 times any
        self.down = nn.Linear(50, 24, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(37, 24), nn.Linear(24, 37)
        self.layers = nn.ModuleList(Block() for _ in range(2))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(x) * 1  # no view, which FSDP2 warns of


def train(model: nn.Module, ids: torch.Tensor, is_clipping: bool, passes: int,
          **kind: bool) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), **kind)
    for _ in range(STEPS):
        for _ in range(passes):
            model(ids).float().square().mean().backward()
        if is_clipping:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad()


def moves(stream: Stream) -> list[int]:
    """The bytes of each allocation, and of each release below 0, until the last allocation."""
    moved = [stream.sizes[event] if event >= 0 else -stream.sizes[-event - 1]
             for event in stream.events]
    while moved[-1] < 0:
        moved.pop()
    return moved


def larger(stream: Stream) -> Stream:
    """A stream without single numbers, such as counts of steps, which are the host's with a GPU.

    And without the flat copy of the weights that is sent to all: a thread of gloo's releases it.
    """
    return stream.without(lambda number: stream.sizes[number] <= 8
                          or stream.ops[number].startswith("aten::cat"))


def read(recording: Recording) -> Stream:
    with tempfile.TemporaryDirectory() as folder:
        return recorded.read(recording.write(Path(folder) / "recording.json.gz")).stream


@pytest.mark.parametrize("policy, is_clipping, passes, kind", [
    (MixedPrecisionPolicy(HALF, SINGLE), False, 2, {"fused": True}),
    (MixedPrecisionPolicy(), True, 1, {"foreach": True}),
])
def test_fsdp2(policy: MixedPrecisionPolicy, is_clipping: bool, passes: int, kind: Any) -> None:
    def run(mesh: DeviceMesh) -> None:
        model = Net()
        for layer in model.layers:
            fully_shard(layer, mesh=mesh, mp_policy=policy)
        fully_shard(model, mesh=mesh, mp_policy=policy)
        train(model, torch.zeros(2, 10, dtype=torch.long), is_clipping, passes, **kind)

    with process_group(RANKS):
        mesh = init_device_mesh("cpu", (RANKS,))
        real = recordings_real.run(lambda: run(mesh))
    with step(device="cpu", ranks=RANKS) as recording:
        run(init_device_mesh("cpu", (RANKS,)))
    ours, seen = read(recording), real.seen()
    ours = ours.without(lambda number: number == 0)  # of the mesh
    assert recording.tensors[0].op == "aten::arange"
    assert peak(ours).bytes == peak(seen).bytes
    if not is_clipping:
        assert moves(ours) == moves(seen)
        return
    # The norm of a sharded tensor runs inside an op, so that its parts count as a kernel's there.
    inside = sorted(real.stream.sizes[number] for number, op in real.unseen.items()
                    if op == "aten::linalg_vector_norm")
    alignment = align(ours, seen)
    assert not alignment.only_second
    assert sorted(ours.sizes[number] for number in alignment.only_first) == inside \
        == [NORM] * 3 * STEPS


@contextmanager
def alone() -> Iterator[None]:
    """A real group, of this process alone: the reducer has the same buckets for any number."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("is_view", [False, True])
def test_ddp(is_view: bool) -> None:
    cap = 9_000  # bytes

    def run(device: str) -> None:
        model: nn.Module = Net().to(device)
        model = nn.parallel.DistributedDataParallel(
            model, bucket_cap_mb=cap / (1 << 20), gradient_as_bucket_view=is_view)
        train(model, torch.zeros(2, 10, dtype=torch.long, device=device), True, 1, foreach=True)

    with alone():
        seen = recordings_real.run(lambda: run("cpu")).seen()
    with step(gpu="h100", ranks=RANKS) as recording:
        run("cuda")
    kernels = (Role.TEMPORARY, Role.WORKSPACE)
    ours = read(recording).without(lambda number: recording.tensors[number].role in kernels)
    ours, seen = larger(ours), larger(seen)
    alignment = align(ours, seen)
    assert not alignment.only_first
    parameters = arrival(Net())
    sizes = [4 * parameter.numel() for parameter in parameters]
    full: list[int] = [0]
    for size in sizes:
        if full[-1] >= cap:
            full.append(0)
        full[-1] += size
    kind = Role.GRADIENT if is_view else Role.COLLECTIVE
    assert [tensor.bytes for tensor in recording.tensors
            if (tensor.op, tensor.role) == ("aten::empty", kind)] == [sum(sizes), *full]

    # Numbers of the reducer's own: shapes and strides that ranks compare, then buckets' indices.
    numbers = alignment.only_second
    rank = sum(parameter.dim() for parameter in parameters)
    assert [seen.sizes[number] for number in numbers] == [8 * 2 * rank] * 2 \
        + [4 * (len(sizes) + 1)] * 2 + [4 * len(full)] * 2
    assert moves(ours) == moves(seen.without(lambda number: number in numbers))


def arrival(model: Net) -> list[torch.Tensor]:
    """Parameters by the order in which their gradients come: a bias before its weight."""
    modules: list[nn.Module] = [model.head]
    for block in list(model.layers)[::-1]:
        modules += [block.down, block.up, block.norm]
    return [parameter for module in [*modules, model.embed]
            for parameter in list(module.parameters())[::-1]]


def test_without_its_rule_ddp_has_no_buckets() -> None:
    def made(*without: str) -> int:
        with step(gpu="h100", ranks=2, without=without) as recording:
            nn.parallel.DistributedDataParallel(nn.Linear(8, 8).to("cuda"))
        return sum(tensor.role is Role.COLLECTIVE for tensor in recording.tensors)

    assert made() == made("buckets-on-device") + 1
