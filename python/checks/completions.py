"""The completion scripts of `ballast-probe`, as shtab makes them from its parser."""

from __future__ import annotations

import shtab

from ballast_probe import cli
from ballast_probe.completing import MARK


def made(shell: str) -> str:
    """The script of a shell, under a line that says whose it is."""
    lines = shtab.complete(cli.parser_of_command(), shell, root_prefix="ballast_probe").split("\n")
    # In zsh the first line says what is completed; shtab's own says how to copy a file by hand.
    first = [lines.pop(0)] if lines[0].startswith("#compdef") else []
    text = "\n".join(line.rstrip() for line in lines if not _is_advice(line))
    return "\n".join([*first, MARK, f"# Made by shtab {shtab.__version__}.", text.strip(), ""])


def _is_advice(line: str) -> bool:
    return line.startswith(("# AUTOMATICALLY GENERATED", "# Usage:", "# 1)", "# 2)", "#    source",
                            "# See also:"))
