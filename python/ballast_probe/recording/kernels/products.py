"""Matrix products: cuBLAS's workspace, taken once by each thread that multiplies."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from ..gpus import GPU
from ..recorder import Call
from .grouping import is_grouped_kernel

#: Ops that ask for cuBLAS's handle, and so for its workspace.
PRODUCTS = frozenset(f"aten::{name}" for name in (
    "mm", "bmm", "addmm", "baddbmm", "addmv", "mv", "addbmm", "dot", "vdot", "addr",
    "_addmm_activation", "_int_mm", "_scaled_mm")) | {"bitsandbytes::gemm_4bit"}
#: Ops that go through cuBLASLt where a row is added, `addmm` of a linear layer with bias.
_WITH_ROW = frozenset(("aten::addmm", "aten::_addmm_activation"))
_GROUPED = "aten::_grouped_mm"
SOURCE = ("aten/src/ATen/cuda/CublasHandlePool.cpp: getCurrentCUDABlasHandle, "
          "parseChosenWorkspaceSize, parseCUDABlasLtWorkspaceSize, getCUDABlasLtWorkspace")

_SETTING = re.compile(r":(\d+):(\d+)")
_LT_KIB = 1_024


def workspace_bytes(gpu: GPU, setting: str | None) -> int:
    """What cuBLAS's workspace takes, by the GPU or `CUBLAS_WORKSPACE_CONFIG` (`:KIB:COUNT`…)."""
    if setting:
        pairs = _SETTING.findall(setting)
        if pairs:
            return sum(int(size) * 1024 * int(count) for size, count in pairs)
    return gpu.cublas_workspace_bytes


def lt_workspace_bytes(environment: Mapping[str, str]) -> int:
    """What cuBLASLt takes of its own: nothing where it shares cuBLAS's, which is the default."""
    if environment.get("TORCH_CUBLASLT_UNIFIED_WORKSPACE") != "0":
        return 0
    kib = environment.get("CUBLASLT_WORKSPACE_SIZE", "")
    return (int(kib) if kib.isdecimal() else _LT_KIB) * 1024


class Workspaces:
    """The workspaces of the threads that have multiplied: forward's own, and backward's."""

    def __init__(self, gpu: GPU, environment: Mapping[str, str]) -> None:
        self._gpu = gpu
        self._bytes = workspace_bytes(gpu, environment.get("CUBLAS_WORKSPACE_CONFIG"))
        self._lt_bytes = lt_workspace_bytes(environment)
        self._taken: set[tuple[bool, bool]] = set()

    def of(self, call: Call) -> int:
        """What an op's product takes for its thread, for good: 0 if it has a workspace already."""
        name = call.name
        is_product = name in PRODUCTS or (
            name == _GROUPED and not is_grouped_kernel(self._gpu, call.tensors[0].dtype))
        if not is_product:
            return 0
        is_lt = self._lt_bytes > 0 and name in _WITH_ROW and call.tensors[0].dim() == 1
        is_backward = torch._C._current_graph_task_id() != -1
        if (is_backward, is_lt) in self._taken:
            return 0
        self._taken.add((is_backward, is_lt))
        return self._lt_bytes if is_lt else self._bytes
