"""A recording's file as a stream, with the events at which its phases begin."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .streams import Stream


@dataclass(frozen=True)
class Recorded:
    """A recording: its fields, and its stream, which begins with what stands before the step."""

    stream: Stream
    fields: dict[str, Any]

    def begin(self, phase: str, step: int = 0) -> int:
        """The event before which a phase of a step begins."""
        return next(int(one["first_event"]) for one in self.fields["phases"]
                    if (one["name"], one["step"]) == (phase, step))

    @property
    def not_modelled(self) -> dict[str, int]:
        """Ops whose kernels' temporaries are not known, with how often they ran."""
        return {str(one["op"]): int(one["calls"]) for one in self.fields["not_modelled"]}


def read(path: Path) -> Recorded:
    """Reads a recording.json.gz."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        fields: dict[str, Any] = json.load(file)
    tensors, ops = fields["tensors"], fields["tables"]["ops"]
    return Recorded(Stream(list(tensors["bytes"]), [str(ops[op]) for op in tensors["op"]],
                           list(fields["events"])), fields)
