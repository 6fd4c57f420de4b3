"""Traces of GPUs are read, refused, and made snapshots again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkout import Failure
from checks import gpu_traces
from comparison.streams import is_whole, peak, rounded

MIB = 1 << 20


def trace() -> dict[str, Any]:
    """One block stands, three come and three go; 3,072 + 512 bytes at the peak."""
    return {
        "source": ["owner/name", "abc", "a GPU"], "trace": "by_hand", "device": 1,
        "pre": [[0, 3000]],
        "segments": [
            [0, 2 * MIB, True, 0, False, [
                ["inactive", 4096, 4096], ["active_allocated", 1024, 1000],
                ["inactive", 2 * MIB - 5120, 0]]],
            [8 * MIB, 2 * MIB, True, 7, False, [["inactive", 2 * MIB, 0]]]],
        "events": [["a", 0, 1, "add_Tensor", 3072], ["sa", 2 * MIB, 8 * MIB, 7], ["f", 0],
                   ["a", 1, 8, "", 8 * MIB, 7], ["f", "p0"], ["a", 2, 1000, "mm", 4096], ["f", 1]],
        "counts": {}, "reserved_start": 2 * MIB, "reserved_peak": 4 * MIB, "reserved_end": 4 * MIB,
        "allocated_end": 1024, "peak_allocated_rounded_requests": 3584}


def written(fields: Any, folder: Path) -> Path:
    path = folder / "by_hand_0.json.gz"
    path.write_bytes(gzip.compress(json.dumps(fields).encode()))
    return path


def test_a_trace_by_hand(tmp_path: Path) -> None:
    found = gpu_traces.read(written(trace(), tmp_path))
    assert (found.name, found.repository, found.allocations) == ("by_hand_0", "owner/name", 3)
    assert not found.is_expandable
    stream = found.stream()
    assert is_whole(stream) and stream.sizes == [3000, 1, 8, 1000] and stream.standing == 1
    assert stream.events == [1, -2, 2, -1, 3, -3]
    assert peak(stream, rounded).bytes == 3584
    assert list(found.reserved()) == [2 * MIB, 4 * MIB, 4 * MIB]
    assert gpu_traces.read_all(tmp_path) == [found]
    assert gpu_traces.read_all(tmp_path / "none") == []


def test_its_snapshot_is_one_of_pytorch(tmp_path: Path) -> None:
    snapshot = gpu_traces.read(written(trace(), tmp_path)).snapshot()
    other, entries = snapshot["device_traces"]
    assert other == []
    assert [one["action"] for one in entries] == [
        "alloc", "segment_alloc", "free_requested", "free_completed", "alloc", "free_requested",
        "free_completed", "alloc", "free_requested", "free_completed"]
    first, last = entries[0], entries[-1]
    assert (first["size"], first["frames"][0]["name"]) == (1, "at::_ops::add_Tensor::call")
    assert (last["addr"], last["size"], last["stream"]) == (gpu_traces.BASE + 8 * MIB, 8, 7)
    one, two = snapshot["segments"]
    assert (one["device"], one["segment_type"], one["allocated_size"]) == (1, "small", 1024)
    assert [block["address"] for block in one["blocks"]] == [
        gpu_traces.BASE, gpu_traces.BASE + 4096, gpu_traces.BASE + 5120]
    assert (two["stream"], two["requested_size"]) == (7, 0)
    assert snapshot["allocator_settings"] == {"expandable_segments": False}


def test_what_stood_is_of_its_segments_stream_and_memory_may_end(tmp_path: Path) -> None:
    fields = trace()
    fields["segments"][0][3] = 5
    fields["events"].append(["oom", 1 << 30, 99])
    entries = gpu_traces.read(written(fields, tmp_path)).snapshot()["device_traces"][1]
    freed = [one for one in entries if one.get("addr") == gpu_traces.BASE]
    assert [one["stream"] for one in freed] == [5, 5]
    assert (entries[-1]["action"], entries[-1]["size"]) == ("oom", 1 << 30)
    assert entries[-1]["device_free"] == 99 and "addr" not in entries[-1]


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda t: t.pop("events"), "has no events"),
    (lambda t: t["events"].append(["f", 9]), "KeyError"),
    (lambda t: t["events"].append(["a", 3]), "IndexError"),
    (lambda t: t.update(peak_allocated_rounded_requests=1), "3,584 bytes at its peak"),
    (lambda t: t.update(pre=[3]), "TypeError"),
])
def test_what_is_no_trace_is_refused(change: Callable[[Any], Any], sentence: str,
                                     tmp_path: Path) -> None:
    fields = trace()
    change(fields)
    with pytest.raises(Failure, match=sentence):
        gpu_traces.read(written(fields, tmp_path))


def test_broken_files_are_refused(tmp_path: Path) -> None:
    whole = written(trace(), tmp_path).read_bytes()
    for content in (b"", b"{}", whole[:-20], gzip.compress(b"{"), gzip.compress(b"[]")):
        (tmp_path / "broken.json.gz").write_bytes(content)
        with pytest.raises(Failure, match="no trace of a GPU"):
            gpu_traces.read(tmp_path / "broken.json.gz")
