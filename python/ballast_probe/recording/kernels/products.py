"""Matrix products: cuBLAS's workspace, taken once by each thread that multiplies."""

from __future__ import annotations

import re

import torch

from ..gpus import GPU

#: Ops that ask for cuBLAS's handle, and so for its workspace.
PRODUCTS = frozenset(f"aten::{name}" for name in (
    "mm", "bmm", "addmm", "baddbmm", "addmv", "mv", "addbmm", "dot", "vdot", "addr",
    "_addmm_activation", "_int_mm", "_scaled_mm"))
SOURCE = "aten/src/ATen/cuda/CublasHandlePool.cpp: getCurrentCUDABlasHandle, getWorkspaceSize"

_SETTING = re.compile(r":(\d+):(\d+)")


def workspace_bytes(gpu: GPU, setting: str | None) -> int:
    """What cuBLAS's workspace takes, by the GPU or `CUBLAS_WORKSPACE_CONFIG` (`:KIB:COUNT`…)."""
    if setting:
        pairs = _SETTING.findall(setting)
        if pairs:
            return sum(int(size) * 1024 * int(count) for size, count in pairs)
    return gpu.cublas_workspace_bytes


class Workspaces:
    """The workspaces of the threads that have multiplied: forward's own, and backward's."""

    def __init__(self, gpu: GPU, setting: str | None) -> None:
        self._bytes = workspace_bytes(gpu, setting)
        self._threads: set[bool] = set()

    def of(self, name: str) -> int:
        """What an op's product takes for its thread, for good: 0 if it has a workspace already."""
        if name not in PRODUCTS:
            return 0
        is_backward = torch._C._current_graph_task_id() != -1
        if is_backward in self._threads:
            return 0
        self._threads.add(is_backward)
        return self._bytes
