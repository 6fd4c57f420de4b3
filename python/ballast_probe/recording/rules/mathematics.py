"""Attention as plain products, which adds its mask in place where nobody watches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from ..recorder import PASS, Call, Recorder
from .base import Rule, Setting, implementing

aten = torch.ops.aten


class MaskInPlace(Rule):
    """A mask is added into the scores, and beside them as soon as a dispatch mode is on."""

    name = "mask-in-place"
    source = "aten/src/ATen/native/transformers/attention.cpp: _scaled_dot_product_attention_math"
    devices = ("cuda", "cpu")

    def __init__(self) -> None:
        self._began: int | None = None  # the tensors that there were when it began

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        def attend(*arguments: Any, **keywords: Any) -> Any:
            before, self._began = self._began, len(setting.recorder.stream.tensors)
            try:
                return aten._scaled_dot_product_attention_math.default.decompose(
                    *arguments, **keywords)
            finally:
                self._began = before

        with implementing(("_scaled_dot_product_attention_math", attend), key="AutogradCPU"):
            yield

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if self._began is None or call.func is not aten.add.Tensor:
            return PASS
        scores, row = call.arguments[0], recorder.row(call.arguments[0])
        if row is None or row.number < self._began:
            return PASS
        aten.add_.Tensor(*call.arguments, **call.keywords)
        return aten.alias.default(scores)
