"""Norms as CUDA has them, and workspaces of matrix products."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from ballast_probe.recording.gpus import gpu_of
from ballast_probe.recording.kernels.products import lt_workspace_bytes
from ballast_probe.recording.stream import Role

from conftest import made, on_cpu, on_gpu

MIB = 1 << 20


def _norm(dtype: torch.dtype = torch.bfloat16, *, is_trained: bool = True) -> None:
    x = torch.ones(10, 64, device="cuda", dtype=dtype, requires_grad=is_trained)
    weight = torch.ones(64, device="cuda", dtype=torch.bfloat16, requires_grad=is_trained)
    result = functional.rms_norm(x, (64,), weight)
    if is_trained:
        result.square().sum().backward()


@pytest.mark.filterwarnings("ignore:Mismatch dtype")
def test_the_norm_of_root_mean_squares_is_one_op() -> None:
    op, size = "_fused_rms_norm", 10 * 64 * 2
    recording = on_gpu(_norm)
    assert made(recording, op) == [(op, size), (op, 40)]
    assert made(recording, f"{op}_backward") == [(f"{op}_backward", size), (f"{op}_backward", 128)]
    assert recording.retained_bytes >= 40
    assert not made(on_gpu(_norm, without="fused-rms-norm"), op)
    assert not made(on_gpu(lambda: _norm(torch.float32)), op)  # weight and operand differ


def test_it_is_one_op_whatever_the_mode() -> None:
    def ops(mode: type[torch.no_grad] | type[torch.inference_mode]) -> list[tuple[str, int]]:
        def run() -> None:
            with mode():
                _norm(is_trained=False)
        return made(on_gpu(run))[2:]

    assert ops(torch.no_grad) == ops(torch.inference_mode) \
        == [("_fused_rms_norm", 1280), ("_fused_rms_norm", 40)]


def test_it_is_not_on_the_host() -> None:
    def run() -> None:
        x = torch.ones(10, 64, requires_grad=True)
        functional.rms_norm(x, (64,)).sum().backward()
        torch.ones(4, device="cuda")

    assert made(on_gpu(run)) == [("ones", 16)]
    assert ("pow", 2560) in made(on_cpu(run))


def _layer_norm(rows: int, columns: int, *, is_dense: bool = True) -> None:
    layer = torch.nn.LayerNorm(columns, device="cuda", dtype=torch.bfloat16)
    x = torch.ones(rows, columns, device="cuda", dtype=torch.bfloat16)
    if not is_dense:
        x = torch.ones(columns, rows, device="cuda", dtype=torch.bfloat16).t()
    layer(x).square().sum().backward()


def test_weights_of_many_short_rows_are_summed_in_parts() -> None:
    op = "aten::native_layer_norm_backward"

    def temporaries(rows: int, columns: int, gpu: str = "h100") -> list[int]:
        return [one.bytes for one in on_gpu(lambda: _layer_norm(rows, columns), gpu=gpu).tensors
                if one.op == op and one.role is Role.TEMPORARY]

    assert temporaries(65_536, 64) == temporaries(65_537, 32 * 66) == []
    blocks = -(-65_537 // 32)
    found = temporaries(65_537, 64)
    assert found[:2] == [blocks * 64 * 2] * 2 and found.count(64 * 2) == 2
    assert temporaries(4_000_000, 64)[0] == 32 * 1024 // 2 * 64 * 2  # no more blocks than that
    assert temporaries(65_537, 64 * 32, "a100-80gb") == []  # 64 blocks are enough for 108


def test_what_is_not_dense_is_copied_first() -> None:
    op, size = "native_layer_norm", 10 * 64 * 2
    assert made(on_gpu(lambda: _layer_norm(10, 64, is_dense=False)), op) == [
        (op, size), (op, size), (op, 40), (op, 40)]


@pytest.mark.parametrize("gpu, size", [
    ("a100-80gb", 8_519_680), ("l4", 8_519_680), ("h200", 32 * MIB), ("b200", 32 * MIB),
    ("rtx-5090", 32 * MIB)])
def test_the_workspace_of_each_chip(gpu: str, size: int) -> None:
    assert gpu_of(gpu).cublas_workspace_bytes == size


def _linear(has_bias: bool) -> None:
    layer = torch.nn.Linear(8, 8, bias=has_bias, device="cuda")
    for _ in range(2):
        layer(torch.ones(4, 8, device="cuda"))


def test_a_workspace_is_shared_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    def workspaces(has_bias: bool) -> list[int]:
        recording = on_gpu(lambda: _linear(has_bias), gpu="h100")
        return [one.bytes for one in recording.tensors if one.role is Role.WORKSPACE]

    assert workspaces(True) == workspaces(False) == [32 * MIB]
    monkeypatch.setenv("TORCH_CUBLASLT_UNIFIED_WORKSPACE", "0")
    assert workspaces(True) == [MIB] and workspaces(False) == [32 * MIB]
    monkeypatch.setenv("CUBLASLT_WORKSPACE_SIZE", "2048")
    assert workspaces(True) == [2 * MIB]
    assert lt_workspace_bytes({"CUBLASLT_WORKSPACE_SIZE": "2048"}) == 0
