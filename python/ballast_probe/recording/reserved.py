"""What CUDA's caching allocator reserves for a recording, as the program `ballast` finds it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import writing

if TYPE_CHECKING:
    from .recording import Recording

_CHECKOUT = Path(__file__).resolve().parents[3] / ".build" / "release" / "ballast"
_SECONDS = 120
_MISSING = ("What the allocator reserves is found by the program ballast, which is not installed: "
            "put it into PATH, or name it in BALLAST.")


@dataclass(frozen=True)
class Reserved:
    """The most that was reserved, over the orders of addresses that a driver may give."""

    least: int
    most: int
    out_of_memory: int = 0  # orders with which the GPU's memory does not do

    def text(self) -> str:
        """The range as text."""
        end = "; with some orders the memory does not do" if self.out_of_memory else ""
        if self.least == self.most:
            return f"{self.most:>18,} bytes{end}"
        return f"{self.least:>18,} to {self.most:,} bytes, by the order of segments' addresses{end}"


def program() -> str | None:
    """The program `ballast`: what BALLAST names, or in PATH, or the checkout's own."""
    named = os.environ.get("BALLAST")
    for found in (named, shutil.which("ballast"), str(_CHECKOUT)):
        if found and os.access(found, os.X_OK) and Path(found).is_file():
            return found
    return None


def reserved(recording: Recording, file: Path | None = None) -> Reserved | str:
    """What is reserved at most, or a sentence that says why that is not known."""
    if (path := program()) is None:
        return _MISSING
    try:
        with tempfile.TemporaryDirectory() as folder:
            if file is None:
                file = recording.write(Path(folder) / writing.NAME)
            done = subprocess.run([path, "allocator", str(file), "--json", "-"],
                                  capture_output=True, text=True, timeout=_SECONDS, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            return f"What the allocator reserves is not known: {path} failed ({last})"
        found = _range(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"What the allocator reserves is not known: {path}: {error}"
    return found or f"What the allocator reserves is not known: {path} did not say it"


def _range(values: Any) -> Reserved | None:
    """The range in what `ballast allocator --json` writes."""
    replayed = values.get("replayed") if isinstance(values, dict) else None
    if not isinstance(replayed, dict):
        return None
    least, most = (replayed.get(f"peak_reserved_{name}") for name in ("least", "most"))
    if not isinstance(least, int) or not isinstance(most, int):
        return None
    refused = replayed.get("orders_out_of_memory")
    return Reserved(least, most, refused if isinstance(refused, int) else 0)
