"""What scripts/wheel does."""

from __future__ import annotations

from pathlib import Path

from checkout import ROOT, Failure
from checkout.command import Words

from .make import make


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--program", type=Path)
    given = parser.parse_args(words)
    if given.program is not None and not given.program.is_file():
        raise Failure(f"there is no program {given.program}")
    print(make(given.output, given.program).words)
    return 0
