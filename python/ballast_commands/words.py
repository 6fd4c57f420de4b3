"""The words behind a command, and its name as one types it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn


class Words(argparse.ArgumentParser):
    """The words behind a command's name; wrong ones end it with 64."""

    def __init__(self) -> None:
        super().__init__(prog=name(), add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(64)


def name() -> str:
    """The command's name as one types it: scripts/plot of a clone, ballast-plot of a wheel."""
    path = Path(sys.argv[0])
    return f"scripts/{path.name}" if path.parent.name == "scripts" else path.name
