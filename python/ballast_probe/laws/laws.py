"""The laws of a training step: its stream at every length, from recordings at a few.

    recordings at (1,536 + 512), (2,600 + 509), (4,929 + 514)
        │  same skeleton
        ├──▶ each tensor's bytes, extents, regions:  expressions in n_c and n_g
        └──▶ each kernel's operands: expressions  ──▶  its description, traced: what it takes, and when
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..recording.kernels.base import Back, Outputs
from ..recording.recording import Recording
from ..recording.stream import Block, Role, Tensor
from ..recording.writing import Table, regions_of
from ..regions import RegionBytes
from .forms import Forms
from .launches import LaunchLaw, NoLaw, Variant, launch_law
from .skeleton import Skeleton
from .values import Evaluation, Values

Lengths = tuple[int, ...]


@dataclass(frozen=True)
class TensorLaw:
    """A tensor's bytes, extents and bytes by region, by places of expressions."""

    bytes: int
    shape: tuple[int, ...]
    regions: tuple[int, int, int, int]


@dataclass(frozen=True)
class Expected:
    """A step at some lengths, as laws have it: events and bytes alone.

    Attributes:
        bytes: Those of each tensor, in order of allocation.
        events: `k` allocates tensor k, `-k - 1` releases it.
    """

    bytes: list[int]
    events: list[int]

    def difference(self, recording: Recording) -> str | None:
        """Where a recording is not this, as words; None if it is the same to the byte."""
        sizes = [tensor.bytes for tensor in recording.tensors]
        if self.bytes == sizes and self.events == recording.events:
            return None
        for number, (mine, tensor) in enumerate(zip(self.bytes, recording.tensors)):
            if mine != tensor.bytes:
                return (f"tensor {number}, {tensor.op} in {tensor.module or 'the step'}: "
                        f"{mine} bytes against {tensor.bytes} that were recorded")
        return f"{len(self.events)} events against {len(recording.events)} that were recorded"


@dataclass(frozen=True)
class Range:
    """Where laws hold.

    Attributes:
        tokens: The fewest and the most of a sequence.
        multiple: What they are a multiple of.
        batch: The fewest and the most sequences.
        most_tokens: More than these the model has no positions for; None if it does not say.
        solves: The length of which the recorder was asked for the most: `n_c` or `batch`.
    """

    tokens: tuple[int, int]
    multiple: int = 1
    batch: tuple[int, int] = (1, 1)
    most_tokens: int | None = None
    solves: str = "n_c"


@dataclass
class Laws:
    """What a step allocates at any lengths at which it has the same skeleton.

    Attributes:
        values: The expressions.
        skeleton: That of the first recording, whose numbers of tensors are meant.
        tensors: The distinct laws of tensors.
        law: For each tensor of the skeleton its law, or None where it is always the same.
        launches: The distinct kernels whose operands depend on lengths.
        launch: For each block its kernel, or None where it always does the same.
        base: The lengths of the recording that the skeleton is of.
        made_from: The lengths of the recordings that made them.
        checked_at: Those of recordings that they gave to the byte.
        range: Where they hold.
    """

    values: Values
    skeleton: Skeleton
    tensors: list[TensorLaw]
    law: list[int | None]
    launches: list[LaunchLaw]
    launch: list[int | None]
    base: Lengths
    made_from: list[Lengths]
    checked_at: list[Lengths] = field(default_factory=list)
    range: Range = Range((2, 2))

    @staticmethod
    def of(recordings: Sequence[tuple[Lengths, Recording]], variables: Sequence[str],
           counts: Sequence[tuple[int, int]] = ()) -> Laws:
        """The laws that some recordings at different lengths follow.

        Args:
            recordings: Three or more, with their lengths in the order of `variables`.
            variables: The names of the lengths.
            counts: Experts for each token, and experts, of a mixture.

        Raises:
            NoLaw: They have different skeletons, or something of them has no law.
        """
        skeletons = [Skeleton.of(recording.stream) for _, recording in recordings]
        for skeleton in skeletons[1:]:
            if (where := skeletons[0].difference(skeleton)) is not None:
                raise NoLaw(f"the step allocates otherwise at one of the lengths: {where}")
        values = Values(variables)
        points = [lengths for lengths, _ in recordings]
        forms = Forms(values, points, counts)
        tensors: Table[TensorLaw] = Table()
        law = _tensor_laws([(skeleton.tensors, recording) for skeleton, (_, recording)
                            in zip(skeletons, recordings)], forms, tensors)
        launches: Table[tuple[Any, ...]] = Table()
        launch = [None if all(one == calls[0] for one in calls) else launches.place(calls)
                  for calls in zip(*(skeleton.launches for skeleton in skeletons))]
        found = Laws(values, skeletons[0], tensors.values, law,
                     [launch_law(calls, forms) for calls in launches.values], launch,
                     points[0], points)
        found.explore(points)
        return found

    def explore(self, points: Iterable[Lengths]) -> None:
        """Finds how kernels go at some lengths, and where between two of them they turn."""
        found: list[tuple[Lengths, list[Variant]]] = []
        for lengths in points:
            found.append((lengths, self._ways(lengths)))
        for (one, ways), (other, others) in itertools.pairwise(found):
            self._turn(one, ways, other, others)

    def _ways(self, lengths: Lengths) -> list[Variant]:
        at = Evaluation(self.values, lengths)
        return [launch.explore(self.values, at) for launch in self.launches]

    def _turn(self, one: Lengths, ways: list[Variant], other: Lengths,
              others: list[Variant]) -> None:
        """Looks between two lengths, by halves, as long as it sees what it had not seen."""
        middle = tuple((a + b) // 2 for a, b in zip(one, other))
        if middle in (one, other) or all(a is b for a, b in zip(ways, others)):
            return
        count = sum(len(launch.variants) for launch in self.launches)
        between = self._ways(middle)
        if count == sum(len(launch.variants) for launch in self.launches) \
                and all(way in (a, b) for way, a, b in zip(between, ways, others)):
            return
        self._turn(one, ways, middle, between)
        self._turn(middle, between, other, others)

    def rebased(self, lengths: Lengths, recording: Recording) -> Laws:
        """The same laws with the tensors and events of another recording of theirs.

        Raises:
            NoLaw: It has another skeleton.
        """
        skeleton = Skeleton.of(recording.stream)
        if (where := self.skeleton.difference(skeleton)) is not None:
            raise NoLaw(f"the step allocates otherwise at {lengths}: {where}")
        return replace(self, skeleton=skeleton, base=lengths)

    def at(self, lengths: Lengths) -> Expected | None:
        """The step at some lengths; None where a kernel goes a way that was not explored."""
        at = Evaluation(self.values, lengths)
        ways = [launch.at(at) for launch in self.launches]
        sizes = [None if place is None else at[self.tensors[place].bytes] for place in self.law]
        if any(way is None for way in ways):
            return None
        skeleton = self.skeleton
        made = Expected([], [])
        numbers: dict[int, int] = {}

        def take(size: int) -> int:
            made.events.append(len(made.bytes))
            made.bytes.append(size)
            return made.events[-1]

        def plain(events: Iterable[int]) -> None:
            for event in events:
                if event < 0:
                    made.events.append(-numbers[-event - 1] - 1)
                    continue
                size = sizes[event]
                numbers[event] = take(skeleton.tensors[event].bytes if size is None else size)

        done = 0
        for block, launch, (first, last) in self._blocks():
            way = None if launch is None else ways[launch]
            if way is None:  # the same at every length
                plain(skeleton.events[done:first])
                self._constant(block, plain, take, made)
                done = last
                continue
            plain(skeleton.events[done:first])
            done = last
            own = skeleton.events[first:last]
            workspace = [event for event in own if event >= 0
                         and skeleton.tensors[event].role is Role.WORKSPACE]
            results = [event for event in own if event not in workspace]
            if not any(isinstance(step, Outputs) for step in way.steps):
                plain(results)
            taken: list[int | None] = []
            for step in way.steps:
                if isinstance(step, Outputs):
                    plain(results)
                elif isinstance(step, Back):
                    if (number := taken[step.index]) is not None:
                        made.events.append(-number - 1)
                    taken[step.index] = None
                else:
                    size = at[step]
                    if size is None:
                        return None
                    taken.append(take(size) if size else None)
            plain(workspace)
            made.events.extend(-number - 1 for number in taken if number is not None)
        plain(skeleton.events[done:])
        return made

    def _constant(self, number: int, plain: Any, take: Any, made: Expected) -> None:
        """The events of a block whose kernel takes the same at every length."""
        skeleton, stream = self.skeleton, self.skeleton.stream
        block = stream.blocks[number]
        place = skeleton.before[block.first_event]
        numbers: dict[int, int] = {}
        for event in stream.events[block.first_event:block.first_event + block.count]:
            tensor = stream.tensors[event if event >= 0 else -event - 1]
            if skeleton.is_left[tensor.number]:
                plain([skeleton.events[place]])
                place += 1
            elif event >= 0:
                numbers[event] = take(tensor.bytes)
            else:
                made.events.append(-numbers[-event - 1] - 1)

    def _blocks(self) -> Iterable[tuple[int, int | None, tuple[int, int]]]:
        """Each block, with its kernel's law and its part of the skeleton's events."""
        before = self.skeleton.before
        for number, block in enumerate(self.skeleton.stream.blocks):
            yield number, self.launch[number], (
                before[block.first_event], before[block.first_event + block.count])

    def document(self, blocks: Mapping[str, list[int]]) -> dict[str, Any]:
        """The expressions and laws as they stand in the file of the first recording.

        Args:
            blocks: The columns of those blocks whose kernels depend on lengths.
        """
        stream = self.skeleton.stream
        law = [-1] * len(stream.tensors)
        for tensor, place in zip(self.skeleton.tensors, self.law):
            law[tensor.number] = -1 if place is None else place
        return {"variables": list(self.values.variables), "at": list(self.base),
                "made_from": [list(one) for one in self.made_from],
                "checked_at": [list(one) for one in self.checked_at],
                "solves": self.range.solves, "tokens": list(self.range.tokens),
                "multiple": self.range.multiple, "batch": list(self.range.batch),
                "most_tokens": self.range.most_tokens,
                "values": self.values.document(),
                "tensors": [{"bytes": one.bytes, "shape": list(one.shape),
                             "regions": list(one.regions)} for one in self.tensors],
                "law": law,
                "launches": [[variant.document() for variant in launch.variants]
                             for launch in self.launches],
                "blocks": dict(blocks)}

    def regions(self) -> dict[int, RegionBytes]:
        """The bytes by region of the tensors that have laws, at the base's lengths.

        An extent that is by chance as long as rows are is found out by its other lengths.
        """
        at = Evaluation(self.values, self.base)
        shares = [RegionBytes(*(at[place] or 0 for place in one.regions)) for one in self.tensors]
        return {tensor.number: shares[place] for tensor, place
                in zip(self.skeleton.tensors, self.law) if place is not None}

    def blocks(self) -> list[tuple[Block, int]]:
        """The blocks whose kernels depend on lengths, with the places of their laws."""
        return [(block, launch) for block, launch in zip(self.skeleton.stream.blocks, self.launch)
                if launch is not None]


def _tensor_laws(recorded: Sequence[tuple[list[Tensor], Recording]], forms: Forms,
                 laws: Table[TensorLaw]) -> list[int | None]:
    """Each tensor's law, or None where it is the same in every recording."""
    found: list[int | None] = []
    known: dict[Any, int | None] = {}
    layouts = [recording.layout for _, recording in recorded]
    for several in zip(*(tensors for tensors, _ in recorded)):
        key = tuple((tensor.bytes, tensor.shape, tensor.role) for tensor in several)
        if key not in known:
            known[key] = None if all(one == key[0] for one in key) else laws.place(
                _tensor_law(several, layouts, forms))
        found.append(known[key])
    return found


def _tensor_law(several: Sequence[Tensor], layouts: Sequence[Any], forms: Forms) -> TensorLaw:
    first = several[0]
    bytes_ = forms.law([tensor.bytes for tensor in several])
    shape = [forms.law(extents) for extents in zip(*(tensor.shape for tensor in several))]
    if bytes_ is None or None in shape:
        sizes = ", ".join(f"{tensor.bytes}" for tensor in several)
        raise NoLaw(f"{first.op or 'a tensor'} in {first.module or 'the step'} takes {sizes} bytes "
                    "at the lengths that were recorded, and no law gives them")
    places = tuple(place for place in shape if place is not None)
    shares = [regions_of(tensor, layout) for tensor, layout in zip(several, layouts)]
    prefix, generated, crossing = (
        forms.law([getattr(share, name) for share in shares])
        for name in ("prefix", "generated", "crossing"))
    if prefix is None or generated is None or crossing is None:
        none = forms.values.place(0)  # an extent that is only by chance as long as rows are
        return TensorLaw(bytes_, places, (none, none, none, bytes_))
    rest = bytes_
    for place in (prefix, generated, crossing):
        rest = forms.values.apply("-", rest, place)
    return TensorLaw(bytes_, places, (prefix, generated, crossing, rest))
