"""What trainers read for their logs: numbers that decide nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import PurePath
from types import FrameType
from typing import Any

import torch

from ..reads import Number, frames
from ..recorder import PASS, Call, Recorder
from .base import Rule, Setting

_FOLDERS = ("transformers", "trl", "accelerate")


class TrainersLogs(Rule):
    """What a trainer of transformers or TRL reads of losses and rewards decides nothing.

    A number is 0: finite, and of no use. A choice by yes and no among rewards or lengths takes all.
    """

    name = "trainers-logs"
    source = "transformers/trainer.py: _run_epoch, _maybe_log_save_evaluate; trl/trainer/*.py: log"
    devices = ("cuda", "cpu")

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        def answer(frame: FrameType) -> Number | None:
            return 0.0 if _is_trainers(frame) else None

        setting.recorder.reads.known.append(answer)
        yield
        setting.recorder.reads.known.remove(answer)

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.func is not torch.ops.aten.index.Tensor or len(call.tensors) != 2:
            return PASS
        values, mask = call.tensors
        if mask.dtype is not torch.bool or call.arguments[1][0] is not mask:
            return PASS
        if (frame := next(frames(), None)) is None or not _is_trainers(frame):
            return PASS
        taken = values.new_empty((mask.numel(), *values.shape[mask.dim():]))
        recorder.note(call, taken)
        return taken


def _is_trainers(frame: FrameType) -> bool:
    path = PurePath(frame.f_code.co_filename)
    return any("trainer" in part for part in path.parts[-2:]) \
        and any(part in _FOLDERS for part in path.parts)
