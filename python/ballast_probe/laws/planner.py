"""The longest that fits, as the program `ballast` finds it from a recording with laws."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ProbeError, UsageError
from ..recording.reserved import program

MISSING = ("what fits is found by the program ballast, which is not installed: put it into "
           "PATH, or name it in BALLAST")
_SECONDS = 600
_DONE, _NOTHING_FITS = 0, 2


@dataclass(frozen=True)
class Question:
    """What a step has to fit.

    Attributes:
        gpu: A GPU's name or file; None for the recording's own.
        memory: Sizes such as `24GiB`, separated by commas; None for the GPU's.
    """

    gpu: str | None = None
    memory: str | None = None

    @property
    def words(self) -> list[str]:
        """As options of `ballast plan`."""
        return [*(["--gpu", self.gpu] if self.gpu else []),
                *(["--memory", self.memory] if self.memory else [])]


_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(B|[KMGT]i?B)?")


def refuse_memory(words: str | None) -> None:
    """Refuses what is no size of memory, before anything is recorded.

    Raises:
        UsageError: One sentence says which, and what a size is.
    """
    for word in [] if words is None else words.split(","):
        found = _SIZE.fullmatch(word)
        if found is None or float(found[1]) == 0:
            raise UsageError(f"--memory has '{word}' and must be sizes such as 24GiB or 80GiB, "
                             "separated by commas")


def require_program() -> str:
    """The path of the program.

    Raises:
        ProbeError: There is none.
    """
    if (path := program()) is None:
        raise ProbeError(MISSING)
    return path


def plan(file: Path, question: Question, *words: str) -> str:
    """What `ballast plan` writes about a recording.

    Raises:
        ProbeError: It failed; the sentence is its own.
    """
    command = [require_program(), "plan", "--recording", str(file), *question.words, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS,
                              check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise ProbeError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode not in (_DONE, _NOTHING_FITS):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ProbeError(f"{command[0]} plan failed: {last.removeprefix('ballast: ')}")
    return done.stdout


def planned(file: Path, question: Question) -> list[dict[str, Any]]:
    """What it found, an entry for each memory.

    Raises:
        ProbeError: It failed, or said something else.
    """
    try:
        values = json.loads(plan(file, question, "--format", "json"))
    except ValueError as error:
        raise ProbeError(f"ballast plan did not answer in JSON: {error}") from error
    answers = values.get("rows", [values]) if isinstance(values, dict) else None
    if not isinstance(answers, list) or not all(
            isinstance(one, dict) and "fits" in one for one in answers):
        raise ProbeError("ballast plan answered something else than was asked; take a ballast of "
                         "this version")
    return answers
