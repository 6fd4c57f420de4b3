"""How a command prints its answer: as a table for people, or as JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .completing import complete
from .errors import UsageError

FORMATS = ("table", "json")


def add_format(output: Any) -> None:
    """Adds `--format` to the options of a command."""
    action: argparse.Action = output.add_argument(
        "--format", default=FORMATS[0], metavar="WORD",
        help=f"how the answer is printed: {', '.join(FORMATS)} (default {FORMATS[0]})")
    complete(action, FORMATS)


def is_json(arguments: argparse.Namespace) -> bool:
    """Whether JSON was asked for.

    Raises:
        UsageError: There is no such format.
    """
    word: str = arguments.format
    if word not in FORMATS:
        raise UsageError(f"--format is '{word}' and must be one of {', '.join(FORMATS)}")
    return word == "json"


def print_json(values: Any) -> None:
    """Prints values, a line a member of the outermost."""
    print(json.dumps(values, indent=2, default=str))
