"""What was recorded: a stream, how it came about, and what it answers."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import versions
from ..errors import ProbeError
from ..regions import Layout
from . import writing
from .stream import Peak, Phase, Role, Stream, Tensor

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "trl", "bitsandbytes")


def made_by() -> dict[str, str]:
    """The versions that decide what a step allocates, by package."""
    found = {"ballast-probe": versions.own()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass
class Recording:
    """A training step's allocations, final at the end of its block.

    Attributes:
        stream: The events.
        device: `cuda` or `cpu`.
        gpu: The GPU's entry; None for a CPU.
        layout: Which tokens are whose, for regions; None if that was not said.
        call: What made it: a command, or the name of the function.
        options: How it was called.
        point: What is known of it under the names of Ballast's points.
        model: The model's name and configuration.
        assumptions: What was taken for given, in sentences.
        not_modelled: The ops whose kernels' temporaries are not known, with their calls.
        ranks: How many processes train together.
        rank: Which of them this is.
        laws: What the stream is at other lengths, if that is known.
        out_of_memory: Where the device's memory ended, in a sentence; None if it was enough.
    """

    stream: Stream
    device: str
    gpu: Mapping[str, Any] | None = None
    layout: Layout | None = None
    call: str = "ballast_probe.step"
    options: dict[str, Any] = field(default_factory=dict)
    point: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=lambda: {"name": "", "configuration": None})
    assumptions: list[str] = field(default_factory=list)
    not_modelled: dict[str, int] = field(default_factory=dict)
    ranks: int = 1
    rank: int = 0
    laws: writing.Lawful | None = None
    is_final: bool = False
    made_at: str = field(default_factory=lambda: datetime.datetime.now(
        datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _peak: Peak | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """Every allocation, in order."""
        return self._settled.tensors

    @property
    def events(self) -> list[int]:
        """`k` allocates tensor k, `-k - 1` releases it."""
        return self._settled.events

    @property
    def peak(self) -> Peak:
        """The most that was allocated at once."""
        if self._peak is None:
            self._peak = self._settled.peak()
        return self._peak

    @property
    def peak_phase(self) -> Phase:
        """The phase in which that was."""
        return self.stream.span_of(self.peak.event).phase

    @property
    def peak_tensor(self) -> Tensor | None:
        """The tensor whose allocation made it."""
        event = self.peak.event
        return self.tensors[self.events[event]] if event >= 0 else None

    def bytes_of(self, role: Role, event: int | None = None) -> int:
        """The bytes of a role that are alive after an event, the last one if none is given."""
        event = len(self.events) - 1 if event is None else event
        return sum(tensor.bytes for tensor in self.stream.standing(event) if tensor.role is role)

    def most_bytes_of(self, role: Role) -> int:
        """The most bytes of a role that were alive at once, as they were asked for."""
        now = most = 0
        for event in self.events:
            tensor = self.tensors[event if event >= 0 else -event - 1]
            if tensor.role is role:
                now += tensor.bytes if event >= 0 else -tensor.bytes
                most = max(most, now)
        return most

    @property
    def retained_bytes(self) -> int:
        """The most that autograd held at once when a backward began, parameters aside."""
        return max((sum(tensor.bytes for tensor in self.stream.standing(boundary - 1)
                        if tensor.is_kept) for boundary in self._settled.boundaries), default=0)

    @property
    def _settled(self) -> Stream:
        if not self.is_final:
            raise ProbeError("the recording is not final yet: leave its block first")
        return self.stream

    def values(self) -> dict[str, Any]:
        """The recording as its file has it."""
        return writing.document(self._settled, self.layout, {
            "made": {"at": self.made_at, "by": made_by()},
            "call": {"command": self.call, "options": writing.words_of(self.options)},
            "model": self.model, "point": self.point, "device": self.device,
            "gpu": dict(self.gpu) if self.gpu else None, "ranks": self.ranks, "rank": self.rank,
            "assumptions": self.assumptions,
            "not_modelled": [{"op": op, "calls": calls}
                             for op, calls in sorted(self.not_modelled.items())],
        }, self.laws)

    def write(self, path: str | Path) -> Path:
        """Writes the recording into a file, or into a folder under its own name.

        Folders that are missing are made. A path that ends with `/` is a folder's.

        Raises:
            ProbeError: It cannot be written, or no program could read it again.
        """
        is_folder = str(path).endswith("/") or os.path.isdir(path)
        path = Path(path)
        path = path / writing.NAME if is_folder else path
        writing.refuse_place(path)
        writing.write(path, self.values())
        return path

    def summary(self) -> str:
        """The answer, as text for people."""
        from .answer import answer

        return answer(self)
