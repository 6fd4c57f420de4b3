"""What of a step is the same at every length: its events without the temporaries of kernels.

Two recordings of one training at different lengths can be laid on each other if they have the same
skeleton. Temporaries of kernels are left out of it, since a kernel that is given more takes other
ones, or begins to take some: they follow from what the kernel was given.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass

from ..recording.kernels.base import Launch
from ..recording.stream import Role, Stream, Tensor


@dataclass(frozen=True)
class Skeleton:
    """A stream without the temporaries of its blocks.

    Attributes:
        stream: What it is of, settled.
        tensors: The tensors that are left, in order.
        events: What is left of the events, by places in `tensors`.
        is_left: For each tensor of the stream, whether it is among them.
        before: How many of the events before each event of the stream are left, and in all.
        launches: What the kernel of each block was given.
    """

    stream: Stream
    tensors: list[Tensor]
    events: list[int]
    is_left: list[bool]
    before: list[int]
    launches: list[Launch]

    @staticmethod
    def of(stream: Stream) -> Skeleton:
        """A settled stream's."""
        temporary = [False] * len(stream.tensors)
        for block in stream.blocks:
            for event in stream.events[block.first_event:block.first_event + block.count]:
                if event >= 0 and stream.tensors[event].role is Role.TEMPORARY:
                    temporary[event] = True
        tensors = [tensor for tensor in stream.tensors if not temporary[tensor.number]]
        places = {tensor.number: place for place, tensor in enumerate(tensors)}
        stays = [not temporary[event if event >= 0 else -event - 1] for event in stream.events]
        events = [places[event] if event >= 0 else -places[-event - 1] - 1
                  for event in itertools.compress(stream.events, stays)]
        launches = list(stream.launches)
        assert all(isinstance(launch, Launch) for launch in launches)
        return Skeleton(stream, tensors, events, [not one for one in temporary],
                        [0, *itertools.accumulate(stays)], [launches[block.launch] for block in stream.blocks])  # type: ignore[misc]

    def difference(self, other: Skeleton) -> str | None:
        """Where another one is not the same, as words; None if it is."""
        for one, two in itertools.zip_longest(self.tensors, other.tensors):
            if one is None or two is None or _kind(one) != _kind(two):
                return " against ".join("nothing" if tensor is None else _named(tensor)
                                        for tensor in (one, two))
        for what, mine, its in (
            ("releases", self.events, other.events),
            ("phases", self._phases, other._phases), ("boundaries", self._boundaries,
                                                      other._boundaries),
            ("kernels", self._blocks, other._blocks),
        ):
            if mine != its:
                return what
        return None

    @property
    def _phases(self) -> list[Hashable]:
        return [(span.phase, span.step, self.before[span.first_event])
                for span in self.stream.spans]

    @property
    def _boundaries(self) -> list[Hashable]:
        return [self.before[event] for event in self.stream.boundaries]

    @property
    def _blocks(self) -> list[Hashable]:
        return [(self.before[block.first_event],
                 self.before[block.first_event + block.count], block.place)
                for block in self.stream.blocks]


def _kind(tensor: Tensor) -> Hashable:
    return (tensor.op, tensor.module, tensor.node, tensor.dtype, len(tensor.shape), tensor.role,
            tensor.is_kept, tensor.queue)


def _named(tensor: Tensor) -> str:
    shape = "x".join(map(str, tensor.shape))
    where = f" in {tensor.module}" if tensor.module else ""
    return f"{tensor.op or 'a tensor'} {shape}{where}"


