"""What happens where a step reads the values of its tensors, which shapes do not have.

A value that a caller has given, or that a rule knows, is answered; everything else is named with
its line, and what to give.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from ..errors import ProbeError
from ..words import first_line

Number = bool | int | float
Values = Mapping[str, Number] | Number | None
Answer = Callable[[FrameType], Number | None]

_OURS = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)
_TYPED = ("<stdin>", "<string>")  # in an interpreter, or after python -c
_WARNINGS = ("warn_if_padding_and_no_attention_mask",)  # of transformers: they decide nothing else
_READS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.is_nonzero.default}
_DATA_DEPENDENT = ("DataDependentOutputException", "DynamicOutputShapeException")
_NO_SHAPE_RULE = ("UnsupportedOperatorException", "UnsupportedFakeTensorException")


def is_read(func: object) -> bool:
    """Whether an op gives a tensor's value to Python."""
    return func in _READS


def frames() -> Iterator[FrameType]:
    """The frames of the caller's code, innermost first: neither PyTorch's nor ours."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name in _TYPED or not name.startswith((_OURS, _TORCH, "<")):
            yield frame
        frame = frame.f_back


def line() -> str:
    """The innermost line of the caller's code, `train.py:42`; empty if there is none."""
    frame = next(frames(), None)
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else ""


def _known_to_pytorch() -> Number | None:
    """The value of what PyTorch's own code reads.

    Nothing is infinite, a step is the first, and no weight that is drawn has to be drawn again
    (`torch.nn.init.trunc_normal_`).
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith((_OURS, _TORCH)):
        path = Path(frame.f_code.co_filename)
        if frame.f_code.co_name == "_get_value" and "optim" in path.parts:
            return 1.0  # an optimizer's count of its steps
        if path.name in ("grad_scaler.py", "clip_grad.py") or path.parts[-2:] == ("nn", "init.py"):
            return 0.0
        frame = frame.f_back
    return None


@dataclass
class Reads:
    """The values that are given for reads.

    Attributes:
        given: A value for every read, or values by line, `{"train.py:42": 3.0}`.
        known: What rules know, asked first.
    """

    given: Values
    known: list[Answer]

    def answer(self, func: Any) -> Number:
        """The value of a read.

        Raises:
            ProbeError: It is not given.
        """
        if (value := _known_to_pytorch()) is not None:
            return value
        for frame in frames():
            if frame.f_code.co_name in _WARNINGS:
                return 0.0
            for know in self.known:
                if (value := know(frame)) is not None:
                    return value
            break
        where = line()
        if isinstance(self.given, Mapping):
            if where in self.given:
                return self.given[where]
        elif self.given is not None:
            return self.given
        raise ProbeError(
            f"{where} reads the value of a tensor (.item(), a test, or a number made of it), and "
            f"a recorded step has shapes alone; give reads={{\"{where}\": VALUE}} if the value "
            "decides nothing that matters, or take the line out of the step")


def explained(error: Exception, op: str) -> ProbeError | None:
    """A sentence for what an op cannot do without values or a rule of shapes."""
    kind, where = type(error).__name__, line()
    if isinstance(error, ProbeError):
        return None
    if kind in _DATA_DEPENDENT:
        return ProbeError(
            f"{where} runs {op}, whose result has a shape that values decide, and a recorded step "
            "has shapes alone; give the step tensors of known shapes there, or take the line out")
    if kind in _NO_SHAPE_RULE or (isinstance(error, NotImplementedError) and "::" in str(error)):
        return ProbeError(
            f"{where} runs {op}, for which PyTorch has no rule of shapes (no fake kernel): "
            f"{first_line(error)}; register one with torch.library.register_fake")
    return None
