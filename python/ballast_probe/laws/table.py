"""What each change would let fit, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..recording.answer import readable
from .fitting import Fit

_TITLES = ("change", "longest prompt", "tokens", "peak allocated", "peak reserved", "ended by")
_OF_BATCH = ("change", "largest batch", "tokens each", "peak allocated", "peak reserved", "ended by")


def answer_of(fit: Fit) -> Mapping[str, Any]:
    """The first of the answers."""
    return fit.answers[0]


def values_of(fits: Mapping[str, Fit], refused: Mapping[str, str]) -> dict[str, Any]:
    """All that is printed, as data: answers as `ballast plan --format json` has them.

    Args:
        fits: What was found, by change; the step as it is has none.
        refused: Changes with which the step could not be recorded, and why.
    """
    fit = fits[""]
    return {
        "answers": [_without_file(one) for one in fit.answers], "notes": fit.notes,
        "recorded_at": [dict(zip(fit.span.variables, point)) for point in fit.held],
        "changes": [{"change": change, **_without_file(answer_of(found))}
                    for change, found in fits.items() if change]
        + [{"change": change, "error": error} for change, error in refused.items()],
    }


def _without_file(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without the file that was asked about, which may be gone by now."""
    return {name: value for name, value in answer.items() if name != "file"}


def table(answers: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each change; the step as it is comes first."""
    is_of_batch = any(answer.get("solves") == "batch" for answer in answers.values())
    rows = [_OF_BATCH if is_of_batch else _TITLES]
    for change, answer in answers.items():
        title = change or "as it is"
        if not answer.get("fits"):
            rows.append((title, "nothing fits", "", "", "", str(answer.get("ended_by") or "")))
            continue
        least = "at least " if answer.get("ended_by") == "law" else ""
        most = answer["batch" if is_of_batch else "n_c"]
        rows.append((title, f"{least}{most:,}", f"{answer['tokens']:,}",
                     readable(answer["peak_allocated_bytes"]),
                     readable(answer["peak_reserved_bytes"]), str(answer.get("ended_by") or "")))
    widths = [max(len(row[place]) for row in rows) for place in range(len(_TITLES))]
    return "\n".join("  ".join(
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)
