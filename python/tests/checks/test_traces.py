"""Each check of a picture sees what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from checks import traces

ROW = {"peak_bytes": 8, "retained_bytes": 4, "retained_allocated_bytes": 4, "recipe": "ballast",
       "recompute": "none", "mode": "full-graph"}


def timeline() -> dict[str, Any]:
    def counters(live: int, saved: int) -> list[dict[str, Any]]:
        regions = dict.fromkeys(traces.REGIONS, 0) | {"prefix": live}
        return [{"name": "live bytes", "args": {"activation": live}},
                {"name": "live activations", "args": regions},
                {"name": "saved", "args": {"bytes": saved}}]

    events: list[dict[str, Any]] = [{"ph": "M"}]
    for index, phase in enumerate(("forward", "backward")):
        events.append({"ph": "B", "name": phase, "cat": "phase"})
        events.append({"ph": "B", "name": "op", "cat": phase})
        for live, saved in ((8, 4), (4, 4)) if index == 0 else ((6, 4), (0, 0)):
            events += [{"ph": "C", **counter} for counter in counters(live, saved)]
        events += [{"ph": "E"}, {"ph": "E"}]
    return {"traceEvents": [event | {"ts": time} for time, event in enumerate(events)]}


def test_a_good_timeline_holds() -> None:
    traces.check_timeline(timeline(), ROW)


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda t, r: r.update(peak_bytes=9), "peak 8"),
    (lambda t, r: r.update(retained_bytes=5), "4 saved at the boundary"),
    (lambda t, r: r.update(recompute="layer"), "slices of"),
    (lambda t, r: t["traceEvents"][2].update(ts=0), "time goes back"),
    (lambda t, r: t["traceEvents"].pop(), "a slice does not end"),
    (lambda t, r: t["traceEvents"][4]["args"].update(prefix=7), "regions do not add up"),
    (lambda t, r: t["traceEvents"][5]["args"].update(bytes=-1), "is negative"),
])
def test_a_wrong_timeline_is_seen(change: Callable[[Any, Any], Any], sentence: str) -> None:
    trace, row = timeline(), dict(ROW)
    change(trace, row)
    with pytest.raises(traces.Trouble, match=sentence):
        traces.check_timeline(trace, row)


def test_stacks_and_speedscope() -> None:
    traces.check_stacks("full-graph;layer 0;op;x 3\nfull-graph;layer 0;op;y 1\n", ROW)
    for text in ("full-graph;layer 0;op;x 3\n", "full-graph;op 4\n", "other;layer 0;op;x 4\n"):
        with pytest.raises(traces.Trouble):
            traces.check_stacks(text, ROW)
    profile: dict[str, Any] = {
        "shared": {"frames": [{}, {}]}, "profiles": [{
            "type": "sampled", "unit": "bytes", "samples": [[0, 1], [0]], "weights": [3, 1],
            "endValue": 4}]}
    traces.check_speedscope(profile, ROW)
    profile["profiles"][0]["samples"][0] = [2]
    with pytest.raises(traces.Trouble, match="a frame that is not there"):
        traces.check_speedscope(profile, ROW)


def test_snapshot() -> None:
    def snapshot(size: int) -> dict[str, Any]:
        block = {"address": 64, "size": 4, "requested_size": size, "category": "activation",
                 "state": "active_allocated", "frames": [{"name": "op"}]}
        return {"segments": [{"address": 64, "total_size": 4, "blocks": [block]}],
                "device_traces": [[{"time_us": 0, "action": "alloc", "addr": 64, "size": 4}]],
                "allocator_settings": {}, "external_annotations": []}

    traces.check_snapshot(snapshot(4), ROW)
    with pytest.raises(traces.Trouble, match="requested bytes"):
        traces.check_snapshot(snapshot(3), ROW)
    gone = snapshot(4)
    gone["device_traces"][0].append({"time_us": 1, "action": "free_completed", "addr": 64, "size": 4})
    with pytest.raises(traces.Trouble, match="segments are not the end"):
        traces.check_snapshot(gone, ROW)
