"""Two processes on a CPU have the gradient that one has of all their rows."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ballast import group_step, prefix_step
from comparison.prefix_models import built

ROWS, TOKENS, PREFIX = 4, 40, 29
WAYS = ("full", "replayed", "detached", "group")


def model() -> Any:
    return built(dict(model_type="llama", hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                      num_attention_heads=4, num_key_value_heads=2, vocab_size=61,
                      max_position_embeddings=64, bos_token_id=0, eos_token_id=0, pad_token_id=0),
                 "sdpa", torch.float64, 0)


def tokens() -> Tensor:
    return torch.randint(1, 61, (ROWS, TOKENS), generator=torch.Generator().manual_seed(1))


def loss_of(trained: nn.Module, rows: Tensor, way: str) -> Tensor:
    if way != "group":
        return prefix_step(trained, rows, PREFIX, mode=way, chunk=7)
    found = [group_step(trained, row[:PREFIX], [row[PREFIX:], row[PREFIX + 2:]], at_a_time=1, chunk=7)
             for row in rows]
    return torch.stack(found).mean()


def add_gradients(trained: nn.Module, rows: Tensor, way: str) -> None:
    trained.zero_grad()
    loss_of(trained, rows, way).backward()  # type: ignore[no-untyped-call]


def gradients(trained: nn.Module) -> dict[str, Tensor]:
    found = {}
    for name, parameter in trained.named_parameters():
        grad: Any = parameter.grad
        found[name] = (grad.full_tensor() if hasattr(grad, "full_tensor") else grad).clone()
    return found


def _one_of_two(rank: int, kind: str, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    inner = model()
    trained: nn.Module = inner
    if kind == "ddp":
        trained = DistributedDataParallel(inner)
    else:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (2,))
        for layer in inner.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(inner, mesh=mesh)
    own = tokens()[rank * ROWS // 2:(rank + 1) * ROWS // 2]
    found = {}
    for way in WAYS:
        add_gradients(trained, own, way)
        found[way] = gradients(inner)
    if kind == "ddp":  # inside no_sync each process has its own gradient
        with trained.no_sync():  # type: ignore[operator]
            add_gradients(trained, own, "replayed")
        found["no_sync"] = gradients(inner)
    torch.save(found, Path(folder) / f"{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("kind", ["ddp", "fsdp2"])
def test_two_processes_have_the_gradient_of_one(kind: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(  # type: ignore[no-untyped-call]
        _one_of_two, args=(kind, port, str(tmp_path)), nprocs=2)
    one = model()
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt")
        for way in WAYS:
            add_gradients(one, tokens(), way)
            for name, wanted in gradients(one).items():
                error = float((found[way][name] - wanted).norm() / wanted.norm())
                assert error < 1e-12, (rank, way, name)
        if "no_sync" in found:
            add_gradients(one, tokens()[rank * 2:rank * 2 + 2], "replayed")
            for name, wanted in gradients(one).items():
                assert torch.allclose(found["no_sync"][name], wanted)
