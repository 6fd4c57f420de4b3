"""A command of scripts/: its page is its help, its work is in a package, and it ends in one of three ways.

Exit status: 0 done, 1 not, with one sentence on standard error, 64 wrong usage.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

from ballast_commands.words import Words, name
from checkout import ROOT, Failure

__all__ = ["Words", "run"]


def run(page: str | None, module: str, environment: str | None = None) -> NoReturn:
    """Prints the page for --help, else runs `main(words)` of a module.

    It runs in the Python of `.venv-pytorch` if the environment is "pytorch", made first where it is missing,
    and in that of `.venv` if it is "pictures" and there is one.
    """
    words = sys.argv[1:]
    if "-h" in words or "--help" in words:
        print((page or "").strip())
        sys.exit(0)
    if environment == "pytorch" and not is_in(ROOT / ".venv-pytorch"):
        enter(str(ROOT / "scripts/with-pytorch"))
    if environment == "pictures" and not is_in(ROOT / ".venv") and (ROOT / ".venv/bin/python").exists():
        enter(str(ROOT / ".venv/bin/python"))
    sys.path.append(str(ROOT / "Benchmarks"))
    try:
        sys.exit(importlib.import_module(module).main(words))
    except Failure as failure:
        print(f"{name()}: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def is_in(folder: Path) -> bool:
    """Whether this Python is a virtual environment's."""
    return Path(sys.prefix).resolve() == folder.resolve()


def enter(python: str) -> NoReturn:
    """Goes on with another Python."""
    sys.stdout.flush()
    os.execv(python, [python, *sys.argv])
