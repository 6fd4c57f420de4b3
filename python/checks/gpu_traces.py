"""Numbers of memory snapshots of real GPUs, as files of a folder, and the snapshots they came from.

A file `NAME.json.gz` has `source` (repository, commit, words), `trace`, `device`, `pre` (the blocks
that stand at the start: address and requested bytes), `segments` at the end (address, bytes,
whether small, stream, whether expandable, blocks: state, bytes, requested bytes), `events`, and
totals. An event is one of

    ["a", number, requested bytes, op, address, stream]   an allocation; no stream: stream 0
    ["f", number]  ["f", "pADDRESS"]                      a release; of a block that stood before
    ["sa"|"sf", bytes, address, stream]                   a segment is allocated, freed
    ["sm"|"su", bytes, address, stream]                   a range of a segment is mapped, unmapped
    ["oom", bytes, free bytes]                            the device had no room
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkout import Failure
from comparison.streams import Stream, peak, rounded

BASE = 1 << 46  # where addresses of a snapshot begin; those of a trace begin with 0
ACTIONS = {"sa": "segment_alloc", "sf": "segment_free", "sm": "segment_map", "su": "segment_unmap"}
KEYS = {"source", "trace", "device", "pre", "segments", "events", "reserved_start", "reserved_peak",
        "reserved_end", "allocated_end", "peak_allocated_rounded_requests"}


@dataclass(frozen=True)
class Trace:
    """A trace's file, read."""

    name: str
    fields: dict[str, Any]

    @property
    def repository(self) -> str:
        """owner/name of the public repository that has the snapshot, "?" if it is not known."""
        return str(self.fields["source"][0])

    @property
    def events(self) -> list[list[Any]]:
        return list(self.fields["events"])

    @property
    def is_expandable(self) -> bool:
        return any(segment[4] for segment in self.fields["segments"]) or any(
            event[0] in ("sm", "su") for event in self.events)

    @property
    def allocations(self) -> int:
        return sum(event[0] == "a" for event in self.events)

    def stream(self) -> Stream:
        """The trace's blocks and events; those that stand at the start come first."""
        stream = Stream()
        numbers: dict[int | str, int] = {}
        for address, size in self.fields["pre"]:
            numbers[f"p{address}"] = stream.stand(size)
        for event in self.events:
            if event[0] == "a":
                numbers[event[1]] = stream.allocate(event[2], event[3])
            elif event[0] == "f":
                stream.release(numbers.pop(event[1]))
        return stream

    def reserved(self) -> Iterator[int]:
        """The reserved bytes after each allocation, as they really were."""
        held = int(self.fields["reserved_start"])
        for event in self.events:
            if event[0] in ("sa", "sm"):
                held += event[1]
            elif event[0] in ("sf", "su"):
                held -= event[1]
            elif event[0] == "a":
                yield held

    def snapshot(self) -> dict[str, Any]:
        """What `torch.cuda.memory._dump_snapshot` pickled, without what the trace has not kept."""
        device = int(self.fields["device"])
        traces: list[list[dict[str, Any]]] = [[] for _ in range(device + 1)]
        traces[device] = list(self._entries())
        return {
            "segments": [_segment(device, *segment) for segment in self.fields["segments"]],
            "device_traces": traces,
            "allocator_settings": {"expandable_segments": self.is_expandable},
            "external_annotations": [],
        }

    def _entries(self) -> Iterator[dict[str, Any]]:
        blocks = {f"p{address}": (address, size, self._stream(address))
                  for address, size in self.fields["pre"]}
        for time, event in enumerate(self.events):
            if event[0] == "a":
                block = (event[4], event[2], event[5] if len(event) > 5 else 0)
                blocks[event[1]] = block
                yield _entry("alloc", time, *block, op=event[3])
            elif event[0] == "f":
                block = blocks.pop(event[1])
                yield _entry("free_requested", time, *block)
                yield _entry("free_completed", time, *block)
            elif event[0] in ACTIONS:
                stream = event[3] if len(event) > 3 else 0
                yield _entry(ACTIONS[event[0]], time, event[2], event[1], stream)
            elif event[0] == "oom":
                entry = _entry("oom", time, 0, event[1], 0)
                del entry["addr"]
                yield entry | {"device_free": event[2] if len(event) > 2 else 0}

    def _stream(self, address: int) -> int:
        """The stream of the segment that a block lies in, at the end or before it was freed."""
        segments = [(one[0], one[1], one[3]) for one in self.fields["segments"]]
        segments += [(event[2], event[1], event[3]) for event in self.events
                     if event[0] == "sf" and len(event) > 3]
        return next((int(stream) for start, size, stream in segments
                     if start <= address < start + size), 0)


def _entry(action: str, time: int, address: int, size: int, stream: int,
           op: str = "") -> dict[str, Any]:
    frames = [{"filename": "??", "line": 0, "name": f"at::_ops::{op}::call"}] if op else []
    return {"action": action, "addr": BASE + address, "size": size, "stream": stream,
            "time_us": time, "compile_context": "N/A", "user_metadata": "", "frames": frames}


def _segment(device: int, address: int, total: int, is_small: bool, stream: int,
             is_expandable: bool, blocks: list[tuple[str, int, int]]) -> dict[str, Any]:
    described = []
    at = BASE + address
    for state, size, requested in blocks:
        described.append({"address": at, "size": size, "requested_size": requested, "state": state,
                          "frames": []})
        at += size
    active = [one for one in described if one["state"] != "inactive"]
    return {
        "device": device, "address": BASE + address, "total_size": total,
        "allocated_size": sum(one["size"] for one in active),
        "active_size": sum(one["size"] for one in active),
        "requested_size": sum(one["requested_size"] for one in active), "stream": stream,
        "segment_type": "small" if is_small else "large", "segment_pool_id": (0, 0),
        "is_expandable": is_expandable, "frames": [], "blocks": described}


def read(path: Path) -> Trace:
    """Reads a trace's file.

    Raises:
        Failure: It is none.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            fields = json.load(file)
        if not isinstance(fields, dict) or (missing := sorted(KEYS - set(fields))):
            what = f"it has no {missing[0]}" if isinstance(fields, dict) else "it is no object"
            raise Failure(f"{path} is no trace of a GPU: {what}.")
        trace = Trace(path.name.removesuffix(".json.gz"), fields)
        stream = trace.stream()
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, zlib.error) as error:
        raise Failure(f"{path} is no trace of a GPU: {type(error).__name__}: {error}.") from error
    most = peak(stream, rounded).bytes
    if most != fields["peak_allocated_rounded_requests"]:
        raise Failure(f"{path} holds {most:,} bytes at its peak, and says that they are "
                      f"{fields['peak_allocated_rounded_requests']:,}.")
    return trace


def read_all(folder: Path) -> list[Trace]:
    """All traces of a folder, by name; none if there is no such folder."""
    return [read(path) for path in sorted(folder.glob("*.json.gz"))]
