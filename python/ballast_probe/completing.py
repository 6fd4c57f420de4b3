"""Shells' completion of `ballast-probe`: what options take, the scripts, and where they go.

The scripts are files of the package, which shtab makes from the command's own parser and a test holds
to it, so that users need no shtab.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import ProbeError, UsageError
from .words import printable

_SCRIPTS = Path(__file__).parent / "completions"
SHELLS = ("bash", "zsh", "fish")
#: How a file of ours is known.
MARK = "# Written by 'ballast-probe completions', which replaces it."

# Words behind the last comma of what was typed.
_BASH = """\
_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
"""


def complete(action: argparse.Action, words: Sequence[str] = (), *, lists: bool = False,
             paths: str = "") -> None:
    """Says what a shell completes of an option: shtab takes it from its attribute `complete`.

    Args:
        action: The option.
        words: What may be given.
        lists: Whether several may, separated by commas.
        paths: `file` or `directory` if a path may be given too.
    """
    if not words:
        setattr(action, "complete", {
            "bash": f"_shtab_compgen_{'dirs' if paths == 'directory' else 'files'}",
            "zsh": "_files -/" if paths == "directory" else "_files",
            "fish": "(__fish_complete_directories)" if paths == "directory"
            else "(__fish_complete_path (commandline -ct))"})
        return
    name = "_ballast_probe_" + re.sub(r"\W", "_", f"{action.dest}_{words[0]}_{len(words)}")
    text = " ".join(words)
    zsh = f"_values -s , value {text}" if lists else f"({text})"
    fish = f"(__fish_append , {text})" if lists else text
    bash = f'_ballast_probe_words "{text}" "$1"'
    preamble = {"bash": f"{_BASH}{name}() {{\n  {bash}\n}}\n"}
    if paths:
        preamble["bash"] = f"{_BASH}{name}() {{\n  {bash}\n  compgen -f -- \"$1\"\n}}\n"
        preamble["zsh"] = (f"{name}() {{\n  _alternative 'words:value:({text})' "
                           "'files:file:_files'\n}\n")
        zsh = name
        fish = f"(printf '%s\\\\n' {text}) (__fish_complete_path (commandline -ct))"
    setattr(action, "complete", {"bash": name, "zsh": zsh, "fish": fish, "preamble": preamble})


def file_of(shell: str) -> Path:
    """The file of the package that holds a shell's script."""
    return _SCRIPTS / f"ballast-probe.{shell}"


class Place(NamedTuple):
    """Where a shell looks for a script of a user, and what is left to do."""

    path: Path
    advice: str


def place(shell: str, environment: Mapping[str, str]) -> Place:
    """Where a script goes.

    Raises:
        ProbeError: There is no home.
    """
    variable, fallback = (("XDG_CONFIG_HOME", ".config") if shell == "fish"
                          else ("XDG_DATA_HOME", ".local/share"))
    home, given = environment.get("HOME", ""), environment.get(variable, "")
    if not os.path.isabs(given) and not os.path.isabs(home):
        raise ProbeError("HOME names no folder, so that there is no place to install to")
    root = Path(given) if os.path.isabs(given) else Path(home) / fallback
    if shell == "bash":
        return Place(root / "bash-completion/completions/ballast-probe",
                     "new shells with the package bash-completion take it")
    if shell == "fish":
        return Place(root / "fish/completions/ballast-probe.fish", "fish takes it at once")
    folder = root / "zsh/site-functions"
    return Place(folder / "_ballast-probe", f"put fpath=({folder} $fpath) into ~/.zshrc, above its "
                 "compinit, if it is not there")


def add_parser(commands: Any) -> None:
    """Adds the command to those of `ballast-probe`."""
    parser = commands.add_parser(
        "completions", help="a shell's completion of these commands", allow_abbrev=False,
        description="Prints a shell's completion of commands, options and their values:\n"
                    "  source <(ballast-probe completions bash)\n"
                    "or writes it where the shell looks for it:\n"
                    "  ballast-probe completions --install",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    complete(parser.add_argument("shell", nargs="?", metavar="SHELL",
                                 help=f"{', '.join(SHELLS)} (default with --install: that of $SHELL)"),
             SHELLS)
    parser.add_argument("--install", action="store_true",
                        help="write the script where the shell looks for it")
    parser.add_argument("--overwrite", action="store_true",
                        help="with --install, replace a file that ballast-probe did not write")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; gives its exit status.

    Raises:
        UsageError: There is no such shell, or none was named.
        ProbeError: The script cannot be written.
    """
    shell = arguments.shell
    if arguments.install and shell is None:
        shell = os.path.basename(os.environ.get("SHELL", ""))
        if shell not in SHELLS:
            raise UsageError(f"$SHELL is '{shell}'; name one of {', '.join(SHELLS)} beside --install")
    if shell is None:
        raise UsageError(f"name the shell: {', '.join(SHELLS)}; or give --install")
    if shell not in SHELLS:
        raise UsageError(f"there is no completion for '{shell}', but for {', '.join(SHELLS)}")
    if arguments.overwrite and not arguments.install:
        raise UsageError("--overwrite goes with --install")
    text = file_of(shell).read_text(encoding="utf-8")
    if not arguments.install:
        print(text, end="")
        return 0
    path, advice = place(shell, os.environ)
    if os.path.lexists(path) and not arguments.overwrite and not _is_ours(path):
        raise ProbeError(f"{path} was not written by ballast-probe; replace it with --overwrite")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ProbeError(f"{path} cannot be written: {error.strerror}") from error
    print(f"ballast-probe: wrote {printable(str(path))}; {advice}", file=sys.stderr)
    return 0


def _is_ours(path: Path) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return MARK in (next(file, "").rstrip(), next(file, "").rstrip())
    except (OSError, UnicodeDecodeError):
        return False
