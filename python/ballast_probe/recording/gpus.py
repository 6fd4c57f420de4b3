"""GPUs as data: what decides how many bytes a step takes on one, and how many there are.

The table is Ballast's own (`Sources/CUDAAllocator/GPU+All.swift`), exported into `gpus.json`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import ProbeError, UsageError
from ..reading import read_json
from ..words import printable

_TABLE = Path(__file__).parent.parent / "gpus.json"

# As `ballast` has them (`Sources/Recordings/GPU+Reading.swift`), but that a step needs a chip.
_RANGES = {
    "memory_bytes": (1, 1 << 50), "multiprocessors": (1, 1 << 20),
    "threads_per_multiprocessor": (1, 1 << 20), "context_bytes": (0, 1 << 50),
    "cublas_workspace_bytes": (0, 1 << 40),
}
_MAY_BE_MISSING = {"memory_source": "", "context_source": ""}
_CAPABILITY = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")


@dataclass(frozen=True)
class GPU:
    """A GPU.

    Attributes:
        name: As `--gpu` takes it.
        title: As its maker calls it.
        memory_bytes: What `torch.cuda.mem_get_info` gives as the total.
        memory_source: Where that figure is from.
        multiprocessors: Split reductions go by it.
        threads_per_multiprocessor: Resident threads at the most.
        compute_capability: Such as `9.0`.
        context_bytes: What the driver's context takes beside PyTorch's own bytes.
        context_source: Where that figure is from.
        cublas_workspace_bytes: What cuBLAS takes for each thread that multiplies.
    """

    name: str
    title: str
    memory_bytes: int
    memory_source: str
    multiprocessors: int
    threads_per_multiprocessor: int
    compute_capability: str
    context_bytes: int
    context_source: str
    cublas_workspace_bytes: int

    @property
    def capability(self) -> tuple[int, int]:
        """The compute capability as two numbers."""
        major, _, minor = self.compute_capability.partition(".")
        return int(major), int(minor)

    def values(self) -> dict[str, Any]:
        """The entry as a recording has it."""
        return asdict(self)


@cache
def table() -> dict[str, GPU]:
    """The GPUs that have a name."""
    entries = json.loads(_TABLE.read_text(encoding="utf-8"))
    return {entry["name"]: GPU(**entry) for entry in entries if entry["name"] != "cpu"}


def gpu_of(entry: str | Mapping[str, Any] | GPU) -> GPU:
    """The GPU of a name, of a JSON file with an entry, or of an entry.

    Raises:
        UsageError: There is none of that name, or it is nothing of these.
        ProbeError: A file or an entry does not say what a GPU is.
    """
    if isinstance(entry, GPU):
        return entry
    if isinstance(entry, str):
        if entry in table():
            return table()[entry]
        if not entry.endswith(".json") and "/" not in entry:
            like = difflib.get_close_matches(entry.lower(), table(), 1)
            meant = f"did you mean {like[0]}? Else " if like else ""
            raise UsageError(f"there is no GPU '{entry}'; {meant}give one of "
                             f"{', '.join(table())}, or a JSON file with an entry of your own")
        return _checked(read_json(Path(entry), "GPU file"), f"{entry}: ")
    return _checked(entry, "")


def _checked(entry: Any, place: str) -> GPU:
    """A GPU of what an entry says; `place` goes before a sentence about it."""
    if not isinstance(entry, Mapping):
        raise UsageError(f"{place}a GPU's entry must be an object")
    names = [field.name for field in fields(GPU)]
    if (unknown := next((key for key in entry if key not in names), None)) is not None:
        raise ProbeError(f"{place}a GPU's entry has the unknown key {_shown(unknown)}; its keys "
                         f"are {', '.join(names)}")
    given = {**_MAY_BE_MISSING, "title": entry.get("name"),
             **{name: value for name, value in entry.items() if value is not None}}
    gpu = GPU(**{name: _value(name, given.get(name), place) for name in names})
    if gpu.context_bytes >= gpu.memory_bytes:
        raise ProbeError(f"{place}a GPU's context_bytes must be less than its memory_bytes, "
                         f"{gpu.memory_bytes}, not {gpu.context_bytes}")
    return gpu


def _value(name: str, value: Any, place: str) -> Any:
    if value is None:
        raise ProbeError(f"{place}a GPU's entry does not say its {name}")
    if name in _RANGES:
        least, most = _RANGES[name]
        wanted = f"a whole number from {least} to {most}"
        is_right = type(value) is int and least <= value <= most
    elif name == "compute_capability":
        wanted = 'two numbers such as "9.0"'
        is_right = isinstance(value, str) and _CAPABILITY.fullmatch(value) is not None
    else:
        wanted = "a text without control characters"
        is_right = isinstance(value, str) and printable(value) == value
        if name in ("name", "title"):
            wanted = f"{wanted} that is not empty"
            is_right = is_right and bool(value.strip())
    if not is_right:
        raise ProbeError(f"{place}a GPU's {name} must be {wanted}, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """A value as JSON has it, cut where it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:60]}..."
