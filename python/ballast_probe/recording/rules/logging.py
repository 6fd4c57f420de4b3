"""What trainers read for their logs: numbers that decide nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import PurePath
from types import FrameType

from ..reads import Number
from .base import Rule, Setting

_FOLDERS = ("transformers", "trl", "accelerate")


class TrainersLogs(Rule):
    """Losses and norms that a trainer of transformers or TRL reads are 0: finite, and of no use."""

    name = "trainers-logs"
    source = "transformers/trainer.py: _run_epoch, _maybe_log_save_evaluate; trl/trainer/*.py: log"
    devices = ("cuda", "cpu")

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        def answer(frame: FrameType) -> Number | None:
            path = PurePath(frame.f_code.co_filename)
            is_trainer = "trainer" in path.stem and any(part in _FOLDERS for part in path.parts)
            return 0.0 if is_trainer else None

        setting.recorder.reads.known.append(answer)
        yield
        setting.recorder.reads.known.remove(answer)
