"""Gradients that several processes share: synchronised once a step, when all of them are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Variable
from torch.autograd.function import once_differentiable
from torch.nn.parallel import DistributedDataParallel

from .errors import StepError
from .typing import apply, backward


class Shared:
    """A model whose gradients other processes have part in, or not.

    DistributedDataParallel's hooks listen to a backward pass after a forward pass through its wrapper. A
    step calls the model inside, several times; when its backward pass has ended, a pass through the
    wrapper with gradients of zero lets the hooks see what is in `.grad`.

    FSDP2's modules gather their parameters when the gradient of their output comes, and sum gradients
    over processes at the end of each backward pass. A prefix's gradient comes in by keys and values, past
    all outputs, so that its parameters are gathered beforehand. A forward pass inside a backward pass
    they take for a layer that is computed again, so that a replay waits for the end of the backward pass
    that calls for it. Gradients are summed in the last pass of a step alone.
    """

    def __init__(self, model: nn.Module, root: nn.Module) -> None:
        self._wrapper = model if isinstance(model, DistributedDataParallel) else None
        self._sharded: list[Any] = [m for m in root.modules() if hasattr(m, "unshard")]
        self._is_summed = True

    def watched(self, loss: Tensor, *, defers: bool) -> Tensor:
        """The loss, whose backward pass takes care that gradients are synchronised.

        Args:
            defers: Whether the step has backward passes of its own inside; it calls `last` before the
                last of them.

        Raises:
            StepError: In the backward pass, see `check_accumulates`.
        """
        is_alone = self._wrapper is None and not self._sharded
        if (is_alone and not defers) or not loss.requires_grad:
            return loss
        return apply(_Watched, loss, self, defers)  # type: ignore[no-any-return]

    def begin(self, defers: bool) -> None:
        """At the beginning of a step's backward pass."""
        if defers:
            check_accumulates()
        wrapper = self._wrapper
        if wrapper is not None and wrapper.require_backward_grad_sync:
            Variable._execution_engine.queue_callback(self._finish)
        if self._sharded and defers:
            # Accumulation without communication is the caller's to choose.
            groups = [group for module in self._sharded
                      for group in module._get_fsdp_state()._fsdp_param_groups]
            self._is_summed = all(group.reduce_grads for group in groups)
            self._set(False)

    def last(self) -> None:
        """Before a step's last backward pass."""
        if self._is_summed:
            self._set(True)

    def afterwards(self, run: Callable[[], None]) -> None:
        """Runs what has backward passes of its own, from inside one: now, or at its end."""
        if self._sharded:
            Variable._execution_engine.queue_callback(run)
        else:
            run()

    @property
    def is_sharded(self) -> bool:
        return bool(self._sharded)

    def gather(self) -> None:
        """Before a backward pass that comes in by keys and values."""
        for module in self._sharded:
            module.unshard()

    def _set(self, is_summed: bool) -> None:
        for module in self._sharded:
            module.set_requires_gradient_sync(is_summed, recurse=False)

    def _finish(self) -> None:
        wrapper = self._wrapper
        assert wrapper is not None
        parameters = [p for p in wrapper.module.parameters() if p.requires_grad]
        own = vars(wrapper.module)
        had, before = "forward" in own, own.get("forward")
        own["forward"] = lambda: apply(_Touch, *parameters)
        try:
            with torch.enable_grad():
                touched = wrapper()
        finally:
            if had:
                own["forward"] = before
            else:
                del own["forward"]
        backward(touched)


def check_accumulates() -> None:
    """Of a backward pass with others inside, which add to `.grad`.

    Raises:
        StepError: It is of `torch.autograd.grad`, or for named inputs.
    """
    if not torch.autograd._is_checkpoint_valid():  # type: ignore[no-untyped-call]
        raise StepError("the step's gradient is added to .grad, and can be asked for by loss.backward() "
                        "alone: not by torch.autograd.grad, nor for some inputs only")


class _Watched(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, shared: Shared, defers: bool) -> Tensor:
        ctx.shared, ctx.defers = shared, defers
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        ctx.shared.begin(ctx.defers)
        return gradient, None, None


class _Touch(torch.autograd.Function):
    """A scalar of which every parameter's gradient is zero, without a tensor of zeros."""

    @staticmethod
    def forward(ctx: Any, *parameters: Tensor) -> Tensor:
        ctx.like = [(p.shape, p.dtype, p.device) for p in parameters]
        return torch.zeros((), device=parameters[0].device)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.zeros((), dtype=dtype, device=device).expand(shape)
                     for shape, dtype, device in ctx.like)
