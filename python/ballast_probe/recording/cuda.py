"""What `torch.cuda` and `torch.accelerator` answer while there is a virtual device."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch

from ..errors import ProbeError
from .gpus import GPU
from .recorder import Recorder
from .streams import Idle, Queues


def _nothing(*_: Any, **__: Any) -> None:
    return None


@contextlib.contextmanager
def answering(recorder: Recorder, gpu: GPU) -> Iterator[None]:
    """Answers as a machine with one GPU does."""
    stream = recorder.stream
    queues = Queues(stream)
    major, minor = gpu.capability
    properties = SimpleNamespace(
        name=gpu.title, major=major, minor=minor, total_memory=gpu.memory_bytes,
        multi_processor_count=gpu.multiprocessors, warp_size=32, is_integrated=False,
        max_threads_per_multi_processor=gpu.threads_per_multiprocessor,
        is_multi_gpu_board=False, gcnArchName="", L2_cache_size=0, uuid="",
        regs_per_multiprocessor=65536)

    def allocated(*_: Any) -> int:
        return stream.allocated

    def most(*_: Any) -> int:
        return stream.most_allocated

    def free(*_: Any) -> tuple[int, int]:
        return (max(0, gpu.memory_bytes - gpu.context_bytes - stream.allocated),
                gpu.memory_bytes)

    def statistics(*_: Any) -> Counter[str]:  # what nobody counts here is 0
        return Counter({f"{name}_bytes.all.{moment}": size for name in ("allocated", "reserved")
                        for moment, size in (("current", stream.allocated),
                                             ("peak", stream.most_allocated))})

    def forget_most(*_: Any) -> None:
        stream.most_allocated = stream.allocated

    def choose(device: Any) -> None:
        if device not in (0, -1, "cuda", "cuda:0", torch.device("cuda"), torch.device("cuda", 0)):
            raise ProbeError(f"the step chooses device {device}, and the virtual machine has one "
                             "GPU, cuda:0; of several processes record one, with ranks=")

    def record_stream(*_: Any) -> None:  # which keeps a block for as long as a stream runs
        recorder.not_modelled["aten::record_stream"] += 1

    def random_state(*_: Any, **__: Any) -> torch.Tensor:
        return torch.get_rng_state()

    answers: dict[str, Any] = {
        "is_available": lambda: True, "device_count": lambda: 1, "current_device": lambda: 0,
        "is_bf16_supported": lambda *_, **__: (major, minor) >= (8, 0),
        "is_tf32_supported": lambda *_, **__: (major, minor) >= (8, 0),
        "get_device_capability": lambda *_: (major, minor), "get_device_name": lambda *_: gpu.title,
        "get_device_properties": lambda *_: properties, "mem_get_info": free,
        "memory_allocated": allocated, "max_memory_allocated": most,
        "memory_reserved": allocated, "max_memory_reserved": most,
        "memory_stats": statistics,
        "get_rng_state": random_state, "get_rng_state_all": lambda: [random_state()],
        "is_current_stream_capturing": lambda: False,
        "device": Idle, "Event": Idle, "Stream": queues.kind, "stream": queues.guard,
        "current_stream": queues.current, "default_stream": queues.default,
        "set_stream": queues.switch, "set_device": choose,
        "reset_peak_memory_stats": forget_most, "reset_max_memory_allocated": forget_most,
    }
    quiet = ("synchronize", "empty_cache", "manual_seed", "manual_seed_all", "seed",
             "seed_all", "init", "_lazy_init", "ipc_collect",
             "set_rng_state", "set_rng_state_all", "reset_accumulated_memory_stats")
    accelerator: dict[str, Any] = {
        "is_available": lambda: True, "device_count": lambda: 1,
        "current_accelerator": lambda *_, **__: torch.device("cuda"),
        "is_current_stream_capturing": lambda *_: False,
        "current_device_index": lambda: 0, "synchronize": _nothing, "set_device_index": _nothing,
        "current_stream": queues.current, "set_stream": queues.switch,
    }
    with contextlib.ExitStack() as stack:
        answers |= dict.fromkeys(quiet, _nothing)
        for owner, table in ((torch.cuda, answers), (torch.cuda.random, answers),
                             (torch.accelerator, accelerator)):
            for name, answer in table.items():
                if hasattr(owner, name):
                    stack.enter_context(mock.patch.object(owner, name, answer))
        stack.enter_context(mock.patch.object(
            torch.Tensor, "record_stream", record_stream, create=True))
        # A mesh of the default kind is the accelerator's.
        stack.enter_context(mock.patch.object(
            torch._C, "_get_accelerator", lambda *_: torch.device("cuda")))
        if hasattr(torch.cuda, "nvtx"):
            for name in ("range_push", "range_pop", "mark"):
                stack.enter_context(mock.patch.object(torch.cuda.nvtx, name, _nothing))
            stack.enter_context(mock.patch.object(torch.cuda.nvtx, "range", Idle))
        yield
