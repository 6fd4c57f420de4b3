"""Optimizers and clipping: many tensors at a time is CUDA's default."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch._subclasses.fake_tensor import FakeTensor
from torch.optim import optimizer as torch_optimizer
from torch.utils import _foreach_utils

from .base import Rule, Setting


class ForeachIsDefault(Rule):
    """Fake parameters count as tensors where PyTorch decides whether to take many at a time."""

    name = "foreach-is-default"
    source = "torch/utils/_foreach_utils.py: _foreach_supported_types"

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        lists = {id(module._foreach_supported_types): module._foreach_supported_types
                 for module in (torch_optimizer, _foreach_utils)}
        for kinds in lists.values():
            kinds.append(FakeTensor)
        try:
            yield
        finally:
            for kinds in lists.values():
                kinds.remove(FakeTensor)
