"""What scripts/check-wheel does."""

from __future__ import annotations

from pathlib import Path

from checkout import ROOT, Failure
from checkout.command import Words

from .trees import PYTHONS, check


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("wheel", nargs="?", type=Path)
    parser.add_argument("--suite", choices=list(PYTHONS))
    parser.add_argument("--trees", type=Path, default=ROOT / ".build/trees")
    parser.add_argument("--plots", action="store_true")
    given = parser.parse_args(words)
    wheel = given.wheel or next(iter(sorted((ROOT / "dist").glob("ballast-*.whl"))), None)
    if wheel is None or not wheel.is_file():
        raise Failure(f"there is no wheel {wheel or 'in dist/'}; scripts/wheel makes one")
    suites = [given.suite] if given.suite else list(PYTHONS)
    return 1 if check(wheel, suites, given.trees.resolve(), plots=given.plots) else 0
