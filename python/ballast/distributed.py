"""Gradients that several processes share: synchronised once a step, when all of them are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def synchronised(root: nn.Module, is_last: bool) -> Iterator[None]:
    """Around a backward pass: parameters that FSDP2 has sharded sum their gradients over processes in
    the last of a step alone."""
    sharded: Any = root if hasattr(root, "set_requires_gradient_sync") else None
    if sharded is None or is_last:
        yield
        return
    sharded.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        sharded.set_requires_gradient_sync(True)


def finish(model: nn.Module) -> None:
    """Lets DistributedDataParallel average the gradients that a step has left in `.grad`.

    Its hooks ran unheard, since the step called the module inside; a pass through the wrapper with
    gradients of zero is what it hears. Inside `no_sync()` there is nothing to do.
    """
    if not isinstance(model, DistributedDataParallel) or not model.require_backward_grad_sync:
        return
    parameters = [p for p in model.module.parameters() if p.requires_grad]
    own = vars(model.module)
    before = own.get("forward")
    own["forward"] = lambda: _Touch.apply(*parameters)
    try:
        with torch.enable_grad():
            touched = model()
    finally:
        if before is None:
            del own["forward"]
        else:
            own["forward"] = before
    touched.backward()


class _Touch(torch.autograd.Function):
    """A scalar of which every parameter's gradient is zero, without a tensor of zeros."""

    @staticmethod
    def forward(ctx: Any, *parameters: Tensor) -> Tensor:
        ctx.like = [(p.shape, p.dtype, p.device) for p in parameters]
        return torch.zeros((), device=parameters[0].device, requires_grad=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return tuple(torch.zeros((), dtype=dtype, device=device).expand(shape)
                     for shape, dtype, device in ctx.like)
