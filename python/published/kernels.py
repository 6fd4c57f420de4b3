"""What Megatron-LM's image has for megatron-core beside PyTorch, in as far as it takes memory.

Apex and Transformer Engine bring kernels that need a GPU to be built. Here is what each of them
allocates, by its source; none of them computes anything. Functions that `torch.compile` fuses run
as they are written: a few tensors more for a moment, where little is held.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor

L2_PARTS = 320  # csrc/extensions/multi_tensor/l2norm.cpp of Transformer Engine


class FusedAdam(torch.optim.Optimizer):
    """Adam of Transformer Engine: two moments a parameter, nothing else while it runs.

    It keeps a number on the GPU that its kernels look at (pytorch/optimizers/fused_adam.py).
    """

    def __init__(self, params: Any, lr: float, weight_decay: float, betas: tuple[float, float],
                 eps: float, adam_w_mode: bool) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "betas": betas,
                                  "eps": eps})
        self.skip = torch.tensor([0], dtype=torch.int, device="cuda")

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None or self.state[parameter]:
                    continue
                for moment in ("exp_avg", "exp_avg_sq"):
                    self.state[parameter][moment] = torch.zeros_like(parameter)


def l2_norm(chunk: int, skip: Tensor, lists: list[list[Tensor]], by_tensor: bool = False
            ) -> tuple[Tensor, Tensor]:
    """The norm of many tensors as Transformer Engine has it."""
    parts = torch.zeros(L2_PARTS, device="cuda")
    return torch.empty(1, device="cuda"), parts.new_empty(0)


def apply(kernel: Any, skip: Tensor, lists: list[list[Tensor]], *more: Any) -> Any:
    return kernel(1 << 16, skip, lists, *more)


def softmax() -> dict[str, types.ModuleType]:
    """Apex's softmax under a causal mask: forward into a new tensor, backward in place."""
    causal, masked = (types.ModuleType(f"scaled_{kind}masked_softmax_cuda")
                      for kind in ("upper_triang_", ""))
    vars(causal).update(forward=lambda scores, scale: torch.empty_like(scores),
                        backward=lambda gradient, result, scale: gradient)
    vars(masked).update(get_batch_per_block=lambda queries, keys, batch, heads: 4)
    return {module.__name__: module for module in (causal, masked)}


@contextlib.contextmanager
def standing_in() -> Iterator[None]:
    """Puts them in their places inside; megatron-core is imported here for the first time."""
    with mock.patch.object(torch, "compile", lambda function=None, **_: function or _as_it_is):
        from megatron.core import optimizer
        from megatron.core.models.gpt import gpt_model  # noqa: F401, decorates its functions
        from megatron.core.optimizer import clip_grads, distrib_optimizer
    with contextlib.ExitStack() as stack:
        for owner, name, value in (
            (optimizer, "Adam", FusedAdam), (distrib_optimizer, "Adam", FusedAdam),
            (optimizer, "USING_PYTORCH_OPTIMIZER", False),
            (clip_grads, "multi_tensor_applier", apply), (clip_grads, "l2_norm_impl", l2_norm),
            (clip_grads, "multi_tensor_scale_impl", lambda *_: None),
        ):
            stack.enter_context(mock.patch.object(owner, name, value))
        for name, module in softmax().items():
            sys.modules[name] = module
            stack.callback(sys.modules.pop, name)
        yield


def _as_it_is(function: Any) -> Any:
    return function
