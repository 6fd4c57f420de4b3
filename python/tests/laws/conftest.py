"""Quiet libraries, and a planner that goes by what laws say is allocated."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ballast_probe.laws import fitting  # noqa: E402, after the words above
from ballast_probe.laws.laws import Expected, Laws  # noqa: E402
from ballast_probe.recording import Recording  # noqa: E402
from ballast_probe.recording.stream import to_blocks  # noqa: E402

Limit = Callable[[int], None]


def peak(step: Expected) -> int:
    """The most that is allocated at once, in blocks of 512 bytes."""
    now = most = 0
    for event in step.events:
        size = to_blocks(step.bytes[event if event >= 0 else -event - 1])
        now += size if event >= 0 else -size
        most = max(most, now)
    return most


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """In place of `ballast plan`: the longest prefix with so many allocated bytes at most."""
    most = [0]

    def found(recording: Recording) -> dict[str, Any]:
        laws = recording.laws
        if laws is None:
            layout = recording.layout
            assert layout is not None
            return {"fits": recording.peak.bytes <= most[0], "n_c": layout.n_c, "n_g": layout.n_g,
                    "batch": layout.batch}
        assert isinstance(laws, Laws)
        n_c, n_g = laws.base[:2]
        is_of_batch = laws.range.solves == "batch"
        least, last = laws.range.batch if is_of_batch else laws.range.tokens
        unit = laws.range.multiple
        lengths = [(n_c, n_g, size) if is_of_batch else (size - n_g, n_g)
                   for size in range(-(-least // unit) * unit, last + 1, unit)]
        low, high = -1, len(lengths) - 1
        while low < high:
            middle = (low + high + 1) // 2
            step = laws.at(lengths[middle])
            assert step is not None
            low, high = (middle, high) if peak(step) <= most[0] else (low, middle - 1)
        return {"fits": low >= 0, "n_c": lengths[max(low, 0)][0], "n_g": n_g,
                "batch": (*lengths[max(low, 0)], 1)[2], "ended_by":
                "memory" if low < len(lengths) - 1 else
                "positions" if last == laws.range.most_tokens else "law"}

    monkeypatch.setattr(fitting.Fitter, "_answers", lambda self, recording: [found(recording)])
    return lambda size: most.__setitem__(0, size)
