"""What runs in another way on a GPU than a recorded step can show: said, or refused by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch.nn.modules import module as torch_module

from ..errors import ProbeError

_RECURRENT = ("{} runs cuDNN's kernel on a GPU, which takes and keeps what is not known here; it "
              "is recorded as a CPU computes it")
_COMPILED = ("torch.compile is not followed: what it compiles is recorded as it runs without, and "
             "a GPU may hold less or more")


@contextlib.contextmanager
def limits(assumptions: list[str]) -> Iterator[None]:
    """Watches for what cannot be recorded as it is.

    Args:
        assumptions: Where it is said, each once.
    """

    def say(sentence: str) -> None:
        if sentence not in assumptions:
            assumptions.append(sentence)

    def entered(module: torch.nn.Module, _arguments: object) -> None:
        if isinstance(module, (torch.nn.RNNBase, torch.nn.RNNCellBase)):
            say(_RECURRENT.format(f"nn.{type(module).__name__}"))
        elif isinstance(module, torch.nn.DataParallel):
            raise ProbeError("nn.DataParallel splits a batch over several GPUs of one process, "
                             "which a recorded step does not have; record one of several processes "
                             "with ranks=, or leave DataParallel out")
        elif type(module).__name__ == "OptimizedModule":
            say(_COMPILED)

    compile_: Callable[..., Any] = torch.compile

    def compiling(*arguments: Any, **keywords: Any) -> Any:
        say(_COMPILED)
        return compile_(*arguments, **keywords)

    def refused(name: str) -> type:
        def refuse(*_: Any, **__: Any) -> Any:
            raise ProbeError(f"torch.cuda.{name} takes its memory from a pool of its own, which a "
                             "recorded step does not follow; record the step without CUDA graphs")

        return type(name, (), {"__new__": refuse})  # a class, since annotations name it

    with contextlib.ExitStack() as stack:
        handle = torch_module.register_module_forward_pre_hook(entered)
        stack.callback(handle.remove)
        stack.enter_context(mock.patch.object(torch, "compile", compiling))
        for name in ("CUDAGraph", "graph", "make_graphed_callables", "MemPool"):
            if hasattr(torch.cuda, name):
                stack.enter_context(mock.patch.object(
                    torch.cuda, name, refused(name)))
        yield
