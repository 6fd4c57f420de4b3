"""Which published runs are recorded, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from unittest import mock

import torch

import ballast_probe
from ballast_probe.recording import Recording
from published import megatron, metamath
from published.kernels import standing_in

ENVIRONMENT = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # the tests' own


@dataclass(frozen=True)
class Case:
    """A recording: its name, what it is of, and what makes it."""

    name: str
    about: str
    record: Callable[[], Recording]


def of_megatron(run: megatron.Run, steps: int, gpu: str, rank: int = 7) -> Recording:
    """Steps of a run on eight GPUs, of the rank that logs: the last one."""
    with standing_in(), mock.patch.dict("os.environ", ENVIRONMENT), \
            ballast_probe.step(gpu=gpu, ranks=8, rank=rank, reads=0.0) as recording:
        alive = megatron.trained(run, steps)
    del alive
    return recording


def of_metamath(rank: int | None) -> Recording:
    """Two steps of PEFT's benchmark on its GPU, whose rows are padded."""
    with ballast_probe.step(gpu="l40s", is_padded=True, reads=1.0) as recording:
        alive = metamath.trained(rank, steps=2)
    del alive
    return recording


BFLOAT16 = megatron.Run(torch.bfloat16)
OVERFLOWING = megatron.Run(torch.float16, skipped=2)


def _runs(name: str, about: str, run: megatron.Run, gpu: str, *steps: int) -> list[Case]:
    return [Case(f"megatron-{name}-{count}", f"Megatron-LM, {about}, after {count} step"
                 + "s" * (count > 1), partial(of_megatron, run, count, gpu)) for count in steps]


CASES = {case.name: case for case in (
    *_runs("bf16", "bfloat16, optimizer divided by 8", BFLOAT16, "a100-80gb", 1, 2),
    *_runs("fp16", "float16, two steps that overflow first", OVERFLOWING, "h100", 1, 2, 4),
    Case("metamath-lora", "PEFT's benchmark, LoRA of rank 32", partial(of_metamath, 32)),
    Case("metamath-full", "PEFT's benchmark, all weights", partial(of_metamath, None)),
)}
