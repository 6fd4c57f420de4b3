"""Two threads for PyTorch, and a look at what was recorded."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # as the command has it
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ballast_probe.recording import Recording, step  # noqa: E402, after the words above

torch.set_num_threads(2)

Made = list[tuple[str, int]]


def made(recording: Recording, op: str | None = None) -> Made:
    """What a step allocated after what was there before: op and bytes, in order."""
    return [(tensor.op.removeprefix("aten::"), tensor.bytes) for tensor in recording.tensors
            if tensor.op and op in (None, tensor.op.removeprefix("aten::"))]


def on_gpu(run: Callable[[], object], *, without: str = "", gpu: str = "a100-80gb",
           attention: str = "auto") -> Recording:
    """Records a function on a virtual GPU, without a rule where one is named."""
    with step(device="cuda", gpu=gpu, attention=attention,
              without=[without] if without else []) as recording:
        run()
    return recording


def on_cpu(run: Callable[[], object], *, without: str = "") -> Recording:
    """Records a function as a CPU runs it, without a rule where one is named."""
    with step(device="cpu", without=[without] if without else []) as recording:
        run()
    return recording
