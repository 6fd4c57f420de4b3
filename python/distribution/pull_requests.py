"""What scripts/check-action does: a pull request that changes nothing, and some that keep more."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT, Failure
from checkout.command import Words

from .action import Runner, job, repository

# Keeps silu's input, its sigmoid and their product, where silu keeps its input alone.
_SILU = ("nn.functional.silu(self.gate(normed))",
         "self.gate(normed) * torch.sigmoid(self.gate(normed))")


@dataclass(frozen=True)
class PullRequest:
    """A change, and what the run has to end with and to say."""

    about: str
    change: Callable[[Path], None]
    status: int
    says: tuple[str, ...]


def more(folder: Path) -> None:
    """A tensor more is kept for the backward pass."""
    file = folder / "train.py"
    before = file.read_text()
    assert _SILU[0] in before
    file.write_text(before.replace(*_SILU))


def no_budgets(folder: Path) -> None:
    (folder / "memory.yaml").unlink()


PULL_REQUESTS = (
    PullRequest("nothing changed", lambda folder: None, 0, ("0.1.0",)),
    PullRequest("silu written out", more, 2,
                ("::error file=memory.yaml,line=3,title=budget retained::", "layers.1.gate:MulBackward0")),
    PullRequest("no file of budgets", no_budgets, 1, ("memory.yaml",)),
)


def wrong(request: PullRequest, runner: Runner) -> str | None:
    if runner.status != request.status:
        return f"ended with {runner.status}: {runner.printed[-600:]}"
    if request.status == 0 and "::error" in runner.printed:
        return f"annotates though it passes: {runner.printed[-600:]}"
    for text in request.says:
        if text not in runner.printed:
            return f"does not say '{text}': {runner.printed[-600:]}"
    report = runner.temp / "ballast-report"
    if not any(report.glob("*")):
        return "leaves no report" if request.status != 1 else None
    if "### Ballast" not in (runner.temp / "summary.md").read_text():
        return "writes no summary"
    return None


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("wheel", nargs="?", type=Path)
    given = parser.parse_args(words)
    wheel = given.wheel or next(iter(sorted((ROOT / "dist").glob("ballast-*.whl"))), None)
    if wheel is None or not wheel.is_file():
        raise Failure(f"there is no wheel {wheel or 'in dist/'}; scripts/wheel makes one")
    faults = 0
    for request in PULL_REQUESTS:
        with tempfile.TemporaryDirectory() as folder:
            place = repository(Path(folder) / "repository")
            request.change(place)
            runner = job(place, wheel.resolve(), Path(folder) / "runner",
                         place / "memory-workflow.yml")
            fault = wrong(request, runner)
        faults += fault is not None
        print(f"{'✗' if fault else '✓'} {request.about}: ends with {runner.status}"
              + (f"; {fault}" if fault else ""))
        for line in runner.printed.splitlines():
            if line.startswith("::"):
                print(f"    {line[:300]}")
    print(f"left to GitHub: {', '.join(dict.fromkeys(runner.left))}")
    return 1 if faults else 0
