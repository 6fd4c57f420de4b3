"""The command: published figures beside ours; see scripts/reproduce."""

from __future__ import annotations

import tempfile
from pathlib import Path

from checkout import program
from checkout.command import Words
from reproduction import korthikanti, others, peaks, slopes
from reproduction.program import Program
from reproduction.rows import as_json, as_text, holds


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--ballast", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        ballast = Program((given.ballast or program()).resolve(), Path(folder))
        groups = [group for part in (korthikanti, others, slopes, peaks)
                  for group in part.groups(ballast)]
    print(as_json(groups) if given.json else as_text(groups))
    return 0 if holds(groups) else 1
