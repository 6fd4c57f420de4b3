"""GPUs as data: what decides how many bytes a step takes on one, and how many there are.

The table is Ballast's own (`Sources/CUDAAllocator/GPU+All.swift`), exported into `gpus.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import ProbeError, UsageError
from ..reading import read_json

_TABLE = Path(__file__).parent.parent / "gpus.json"


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
        return int(major), int(minor or 0)

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
        UsageError: There is none of that name.
        ProbeError: A file or an entry does not say what a GPU is.
    """
    if isinstance(entry, GPU):
        return entry
    if isinstance(entry, str):
        if entry in table():
            return table()[entry]
        if not entry.endswith(".json"):
            raise UsageError(f"there is no GPU '{entry}'; give one of {', '.join(table())}, or a "
                             "JSON file with an entry of your own")
        entry = read_json(Path(entry))
    if not isinstance(entry, Mapping):
        raise ProbeError("a GPU's entry must be an object")
    kinds = {field.name: int if field.type == "int" else str for field in fields(GPU)}
    missing = [name for name in kinds if not isinstance(entry.get(name), kinds[name])]
    if missing:
        raise ProbeError(f"a GPU's entry does not say its {missing[0]} "
                         f"({kinds[missing[0]].__name__})")
    return GPU(**{name: entry[name] for name in kinds})
