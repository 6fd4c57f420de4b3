"""This clone, for what scripts/ runs: where things are, the built program, and how a command ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["BALLAST", "ROOT", "Failure", "program"]

ROOT = Path(__file__).resolve().parents[2]
BALLAST = ROOT / ".build/release/ballast"


class Failure(Exception):
    """Why a command did not do its work, as one sentence."""


def program(product: str = "ballast") -> Path:
    """A built program, set up and built in release mode first where it is missing."""
    path = BALLAST.with_name(product)
    if not path.exists():
        print(f"building {product} (release)", file=sys.stderr)
        for command in ([str(ROOT / "scripts/setup")],
                        ["swift", "build", "-c", "release", "--product", product]):
            if subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode:
                raise Failure(f"{product} is not built: {command[0]} failed")
    return path
