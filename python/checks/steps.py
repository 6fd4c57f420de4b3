"""Steps of CI, two at a time: each starts when what it needs has ended, and what it prints comes out in one piece.

usage: python3 python/checks/steps.py <STEPS

A line a step, `name: needs: command`; the needs are names of steps above it, with spaces between. A step that is
marked with a star is niced, so that it fills the time that the others leave; of those that can start the first of
the table does, so the long ones stand above. Lines that begin with # say something.
After one that failed none starts. What each took is printed at the end: seconds on the clock, and of processors.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

AT_A_TIME = 2


@dataclass(frozen=True)
class Step:
    """A command of the shell, by name, and the steps that have to end well before it."""

    name: str
    needs: tuple[str, ...]
    command: str
    is_niced: bool = False


@dataclass(frozen=True)
class Done:
    """A step that has ended: its status, and its seconds on the clock and of processors."""

    step: Step
    status: int
    seconds: float
    processor: float


def parsed(text: str) -> list[Step]:
    """The steps of a table; one that needs what does not stand above it is refused."""
    steps: list[Step] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, needs, command = (part.strip() for part in line.split(":", 2))
        except ValueError:
            raise SystemExit(f"steps: no `name: needs: command`: {line}") from None
        step = Step(name.removeprefix("*"), tuple(needs.split()), command, name.startswith("*"))
        if unknown := set(step.needs) - {other.name for other in steps}:
            raise SystemExit(f"steps: {step.name} needs {unknown.pop()}, which is not above it")
        steps.append(step)
    return steps


def ready(steps: list[Step], started: set[str], ended: set[str]) -> Step | None:
    """The next step to start: the first of the table whose needs have ended."""
    return next((step for step in steps
                 if step.name not in started and ended.issuperset(step.needs)), None)


def run(steps: list[Step], say: Callable[[str], None], at_a_time: int = AT_A_TIME) -> list[Done]:
    """Runs steps, and says what each printed when it has ended; after one that failed none starts."""
    running: dict[int, tuple[Step, float, IO[bytes], subprocess.Popen[bytes]]] = {}
    started: set[str] = set()
    done: list[Done] = []
    while True:
        failed = any(one.status for one in done)
        ended = {one.step.name for one in done}
        while not failed and len(running) < at_a_time and (step := ready(steps, started, ended)):
            output: IO[bytes] = tempfile.TemporaryFile()
            process = subprocess.Popen(
                ["nice", "bash", "-c", step.command] if step.is_niced else ["bash", "-c", step.command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            running[process.pid] = (step, time.monotonic(), output, process)
            started.add(step.name)
        if not running:
            return done
        pid, status, usage = os.wait3(0)
        if pid not in running:
            continue
        step, start, output, process = running.pop(pid)
        process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for here, with what it used
        done.append(Done(step, process.returncode, time.monotonic() - start,
                         usage.ru_utime + usage.ru_stime))
        output.seek(0)
        printed = output.read().decode(errors="replace")
        output.close()
        say(f"── {step.name}: {step.command}\n{printed}{table(done[-1:])}")


def table(done: list[Done]) -> str:
    """What steps took."""
    return "".join(f"{one.seconds:7.0f} {one.processor:10.0f}  {one.step.name}"
                   f"{f', which failed with {one.status}' if one.status else ''}\n" for one in done)


def main() -> int:
    start = time.monotonic()
    steps = parsed(sys.stdin.read())
    done = run(steps, lambda text: print(text, flush=True))
    print(f"seconds processors'  step\n{table(done)}{time.monotonic() - start:7.0f} "
          f"{sum(one.processor for one in done):10.0f}  in all")
    return 0 if len(done) == len(steps) and not any(one.status for one in done) else 1


if __name__ == "__main__":
    sys.exit(main())
