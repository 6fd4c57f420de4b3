"""transformers' masks, as they are for data: not as for a graph that is traced."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import FrameType
from unittest import mock

from ..reads import Number
from .base import Rule, Setting

_FILES = ("masking_utils.py", "modeling_attn_mask_utils.py")


class RealMasks(Rule):
    """Masks are asked whether they are needed, and left out where they are not.

    Of a fake tensor transformers does not ask, and builds a mask that no real step has, with which
    scaled dot products leave the flash kernel. The questions are put as they are for data, with the
    same ops, and answered by what was said of the data.
    """

    name = "real-masks"
    source = "transformers/masking_utils.py: find_packed_sequence_indices, _ignore_causal_mask_sdpa"
    devices = ("cuda", "cpu")

    _notes: list[str] = []

    def notes(self) -> list[str]:
        return self._notes

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        self._notes = []

        def answer(frame: FrameType) -> Number | None:
            if "transformers" not in frame.f_code.co_filename:
                return None
            name = frame.f_code.co_name
            said = (("several sequences are packed into a row of the batch, " if setting.is_packed
                     else "each row of the batch holds one sequence, ")
                    + ("with padding" if setting.is_padded else "without padding"))
            if said not in self._notes:
                self._notes.append(said)
            if name == "find_packed_sequence_indices":
                return not setting.is_packed
            if frame.f_code.co_filename.endswith(_FILES):
                return not setting.is_padded
            return None

        try:
            from transformers.utils import import_utils
        except ImportError:
            yield
            return
        reads = setting.recorder.reads
        reads.known.append(answer)
        with mock.patch.object(import_utils, "is_fake_tensor", lambda _: False):
            yield
        reads.known.remove(answer)
