"""Counting: what a CPU has no kernel for, and so a fake tensor of a CPU no rule of shapes."""

from __future__ import annotations

from typing import Any

import torch

from ..recorder import PASS, Call, Recorder
from .base import Rule

aten = torch.ops.aten


class WholeHistograms(Rule):
    """A histogram of whole numbers, by which tokens are sorted to experts, is of their own type."""

    name = "whole-histograms"
    source = "aten/src/ATen/native/cuda/SummaryOps.cu: _histc_cuda"

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.func is not aten.histc.default or not call.is_counted \
                or call.arguments[0].is_floating_point():
            return PASS
        bins = call.arguments[1] if len(call.arguments) > 1 else call.keywords.get("bins", 100)
        counts = call.arguments[0].new_empty((bins,))
        recorder.note(call, counts)
        return counts
