"""The allocations and releases of a training step, in order, and what each was for.

    events      0   1   2  -2   3  -1 ...      k: tensor k is allocated, -k-1: it is released
    phases      model     | forward      | backward ...
    boundaries                           ^ backward of a step begins before this event

A stream knows tensors by their storages alone: two views are one tensor. It holds no tensor of
PyTorch's, so that nothing lives longer because it was noted.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Role(StrEnum):
    """What a tensor is in a training step."""

    PARAMETER = "parameter"
    BUFFER = "buffer"
    INPUT = "input"
    GRADIENT = "gradient"
    OPTIMIZER_STATE = "optimizer-state"
    ACTIVATION = "activation"
    BACKWARD = "backward"
    TEMPORARY = "temporary"
    WORKSPACE = "workspace"
    COLLECTIVE = "collective"
    OTHER = "other"


class Phase(StrEnum):
    """A part of a training step."""

    MODEL = "model"
    OPTIMIZER_MADE = "optimizer-made"
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    CLIP = "clip"
    OPTIMIZER = "optimizer"
    ZERO = "zero"
    OTHER = "other"


_ROLES = {Phase.FORWARD: Role.ACTIVATION, Phase.LOSS: Role.ACTIVATION,
          Phase.BACKWARD: Role.BACKWARD}


@dataclass(slots=True, eq=False)
class Tensor:
    """An allocation.

    Attributes:
        number: Its place in the order of allocation, from 0.
        bytes: What the allocator was asked for, before it rounds.
        op: The op that made it, such as `aten::mm`; empty if it was there before.
        module: The path of the module that ran, or whose backward ran.
        node: The autograd node that ran, or that holds it for backward.
        dtype: Its type, such as `bfloat16`; empty for a temporary.
        shape: The shape of the first tensor on it.
        role: What it is.
        is_kept: Whether autograd held it for backward when backward of its step began.
        queue: The CUDA stream that was current, from 0 for the default one; its pool has the block.
    """

    number: int
    bytes: int
    op: str = ""
    module: str = ""
    node: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    role: Role = Role.OTHER
    is_kept: bool = False
    queue: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A phase: it lasts until the next one's first event."""

    phase: Phase
    step: int
    first_event: int


@dataclass(frozen=True, slots=True)
class Block:
    """The events of one op, beside whose results its kernel may take temporaries.

    Attributes:
        first_event: Its first event.
        count: Its events; 0 where it allocates nothing.
        launch: What its kernel was given, by its place in the stream's `launches`.
        place: The op, the module and the node of whatever it takes.
    """

    first_event: int
    count: int
    launch: int
    place: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that was allocated at once.

    Attributes:
        bytes: How much, each allocation rounded as the device's allocator does.
        event: The event after which it was; -1 if nothing was ever allocated.
        standing: The tensors that were alive then.
    """

    bytes: int
    event: int
    standing: tuple[Tensor, ...] = field(repr=False)


def exactly(size: int) -> int:
    """What a CPU's allocator takes for so many bytes."""
    return size


def to_blocks(size: int) -> int:
    """What CUDA's caching allocator takes: blocks of 512 bytes."""
    return max(1, -(-size // 512)) * 512


class Stream:
    """The events of one device.

    Attributes:
        tensors: Every allocation, in order.
        events: `number` for an allocation, `-number - 1` for a release.
        spans: The phases, in order.
        boundaries: The events before which the backward of each step begins.
        launches: What kernels were given whose temporaries depend on it, each once.
        blocks: The ops that ran them, in order.
        rounded: What the device's allocator takes for some bytes.
        allocated: The bytes that are allocated now, rounded.
        most_allocated: The most that they have been.
        queue: The CUDA stream that is current.
    """

    def __init__(self, rounded: Callable[[int], int] = to_blocks) -> None:
        self.rounded = rounded
        self.tensors: list[Tensor] = []
        self.events: list[int] = []
        self.spans: list[Span] = [Span(Phase.MODEL, 0, 0)]
        self.boundaries: list[int] = []
        self.launches: dict[Hashable, int] = {}
        self.blocks: list[Block] = []
        self.allocated = self.most_allocated = self.queue = 0
        self._earlier: list[Tensor] = []
        self._released_earlier: list[int] = []

    @property
    def phase(self) -> Phase:
        """The phase that runs now."""
        return self.spans[-1].phase

    @property
    def step(self) -> int:
        """The step that runs now, from 0."""
        return self.spans[-1].step

    def begin(self, phase: Phase, *, step: int | None = None) -> None:
        """Begins a phase, unless it runs already."""
        step = self.step if step is None else step
        if (phase, step) == (self.phase, self.step):
            return
        if self.spans[-1].first_event == len(self.events):
            self.spans.pop()  # nothing happened in it
        if not self.spans or (phase, step) != (self.spans[-1].phase, self.spans[-1].step):
            self.spans.append(Span(phase, step, len(self.events)))

    def mark_boundary(self) -> None:
        """Notes that the backward of a step begins here.

        Two that nothing is allocated or released between begin before the same event.
        """
        if self.boundaries[-1:] != [len(self.events)]:
            self.boundaries.append(len(self.events))

    def note_block(self, first_event: int, launch: Hashable, place: tuple[str, str, str]) -> None:
        """Notes that the events from one on are an op's, whose kernel was given what it was."""
        number = self.launches.setdefault(launch, len(self.launches))
        self.blocks.append(Block(first_event, len(self.events) - first_event, number, place))

    def allocate(self, size: int, *, op: str, module: str = "", node: str = "", dtype: str = "",
                 shape: tuple[int, ...] = (), role: Role | None = None) -> Tensor:
        """Notes an allocation of some bytes; without a role it has the phase's."""
        role = _ROLES.get(self.phase, Role.OTHER) if role is None else role
        tensor = Tensor(len(self.tensors), size, op, module, node, dtype, shape, role,
                        queue=self.queue)
        self.tensors.append(tensor)
        if size > 0:
            self.events.append(tensor.number)
            self._grow(size)
        return tensor

    def discover(self, size: int, *, dtype: str = "", shape: tuple[int, ...] = (),
                 role: Role = Role.OTHER) -> Tensor:
        """Notes a tensor that was there before the first event; its number is negative for now."""
        tensor = Tensor(-len(self._earlier) - 1, size, "", "", "", dtype, shape, role)
        self._earlier.append(tensor)
        self._grow(size)
        return tensor

    def release(self, tensor: Tensor) -> None:
        """Notes a release."""
        if tensor.bytes == 0:
            return
        if tensor.number < 0:
            self._released_earlier.append(len(self.events))
            self.events.append(tensor.number)  # settled in the end
        else:
            self.events.append(-tensor.number - 1)
        self.allocated -= self.rounded(tensor.bytes)

    def _grow(self, size: int) -> None:
        self.allocated += self.rounded(size)
        self.most_allocated = max(self.most_allocated, self.allocated)

    def settle(self) -> None:
        """Puts first what was there before the first event, and leaves out tensors of no bytes.

        From here on a tensor's number is its place in `tensors`.
        """
        earlier = [tensor for tensor in self._earlier if tensor.bytes > 0]
        later = [tensor for tensor in self.tensors if tensor.bytes > 0]
        before = {tensor.number: tensor for tensor in earlier}
        after = {tensor.number: tensor for tensor in later}
        released = set(self._released_earlier)
        named = [(after[event], False) if event >= 0
                 else (before[event] if place in released else after[-event - 1], True)
                 for place, event in enumerate(self.events)]
        self.tensors = earlier + later
        for number, tensor in enumerate(self.tensors):
            tensor.number = number
        count = len(earlier)
        self.events = [*range(count), *(-tensor.number - 1 if is_release else tensor.number
                                        for tensor, is_release in named)]
        self.spans = [Span(span.phase, span.step, span.first_event + (count if place else 0))
                      for place, span in enumerate(self.spans)]
        if self.spans[0].phase is not Phase.MODEL and count > 0:
            self.spans = [Span(Phase.MODEL, 0, 0),
                          Span(self.spans[0].phase, self.spans[0].step, count), *self.spans[1:]]
        self.boundaries = [event + count for event in self.boundaries]
        self.blocks = [replace(block, first_event=block.first_event + count)
                       for block in self.blocks]
        self._earlier, self._released_earlier = [], []

    def span_of(self, event: int) -> Span:
        """The phase that an event lies in."""
        place = bisect.bisect_right(self.spans, event, key=lambda span: span.first_event)
        return self.spans[max(place - 1, 0)]

    def standing(self, event: int) -> list[Tensor]:
        """The tensors that are alive after an event, in order of allocation."""
        alive: dict[int, Tensor] = {}
        for one in self.events[:event + 1]:
            if one >= 0:
                alive[one] = self.tensors[one]
            else:
                alive.pop(-one - 1, None)
        return list(alive.values())

    def totals(self) -> Iterator[int]:
        """The bytes allocated after each event, rounded."""
        total = 0
        for event in self.events:
            size = self.tensors[event if event >= 0 else -event - 1].bytes
            total += self.rounded(size) if event >= 0 else -self.rounded(size)
            yield total

    def peak(self, first: int = 0, last: int | None = None) -> Peak:
        """The most that was allocated at once, between two events."""
        last = len(self.events) if last is None else last
        most, place = 0, -1
        for event, total in enumerate(self.totals()):
            if first <= event < last and total > most:
                most, place = total, event
        return Peak(most, place, tuple(self.standing(place)) if place >= 0 else ())
