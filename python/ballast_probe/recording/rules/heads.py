"""TRL's fused head, whose loss is made of a few rows and words at a time."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import torch

from ...pieces import MODULE
from ..reads import frames
from ..recorder import PASS, Call, Recorder
from .base import Rule, Setting


class FusedHead(Rule):
    """On a GPU two kernels of Triton's fold a tile of logits, in place: they allocate nothing.

    Only rows that have a label are scored there. Which those are values decide: those of the
    generated tokens, where the step's lengths are known, or else all.
    """

    name = "fused-head"
    source = ("trl/kernels/chunked_logprob.py: _use_triton, _forward_kernel, _backward_kernel; "
              "trl/trainer/utils.py: add_fused_lm_head")

    _setting: Setting
    _notes: list[str] = []

    def notes(self) -> list[str]:
        return self._notes

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        self._setting, self._notes = setting, []
        if (module := _module()) is None:
            yield
            return
        with contextlib.ExitStack() as stack:
            for name, value in (("_TRITON_AVAILABLE", True), ("_forward_kernel", _InPlace()),
                                ("_backward_kernel", _InPlace())):
                stack.enter_context(mock.patch.object(module, name, value))
            stack.enter_context(mock.patch.object(
                module, "triton", SimpleNamespace(cdiv=_blocks), create=True))
            yield

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.func is not torch.ops.aten.index.Tensor or len(call.tensors) != 2:
            return PASS
        values, mask = call.tensors
        frame = next(frames(), None)
        if mask.dtype is not torch.bool or frame is None \
                or frame.f_code.co_name != "_fused_forward":
            return PASS
        layout = self._setting.layout
        rows = mask.numel()
        if layout is not None and tuple(mask.shape) == (layout.batch, layout.n - 1):
            rows = layout.batch * (layout.n - max(layout.n_c, 1))
        else:
            said = "every row of a batch has a label, as far as TRL's fused head asks"
            self._notes += [] if said in self._notes else [said]
        taken = values.new_empty((rows, *values.shape[mask.dim():]))
        recorder.note(call, taken)
        return taken


def _module() -> ModuleType | None:
    """Where TRL has its kernels; TRL itself imports that when a trainer is first named."""
    if "trl" not in sys.modules:
        return None
    try:
        return importlib.import_module(MODULE)
    except ImportError:
        return None


class _InPlace:
    """A kernel of Triton's, `kernel[grid](...)`, that writes into what it is given."""

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return lambda *_, **__: None


def _blocks(count: int, size: int) -> int:
    return -(-count // size)
