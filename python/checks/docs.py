"""What README.md and docs/ show, held against what the commands print; see scripts/check-docs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checkout import ROOT, program

DIRECTIVE = re.compile(r"<!-- check-docs: (machine|columns|run|skip|turn)(?::? (.*?))? -->")
NUMBER = re.compile(r"-?\d[\d.,]*(?:e[-+]?\d+)?")
# A range of errors on one machine may be a single number on another.
RANGE = re.compile(r"# … #")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MOST_README_LINES = 150
MOST_HELP_COLUMNS = 100


class Block:
    """A fenced block: its language, its lines, and what the comments before it say."""

    def __init__(self, line: int, language: str, directives: dict[str, str]) -> None:
        self.line, self.language, self.directives = line, language, directives
        self.lines: list[str] = []


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    directives: dict[str, str] = {}
    block: Block | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            if block is None:
                block = Block(number, line[3:].strip(), directives)
                directives = {}
            else:
                found.append(block)
                block = None
        elif block is not None:
            block.lines.append(line)
        elif match := DIRECTIVE.fullmatch(line.strip()):
            directives[match[1]] = match[2] or ""
    return found


class Shell:
    """A folder like a clone's, in which each command runs once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs: dict[str, tuple[int, list[str]]] = {}
        for name in ("profiles", "scripts", "Tests", ".build", ".venv", "python"):
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)
        # Commands write pictures there, which are no business of the repository's.
        shutil.copytree(ROOT / "docs", folder / "docs")
        self.environment = os.environ | {
            "PATH": f"{ROOT / '.build/release'}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}

    def run(self, command: str) -> tuple[int, list[str]]:
        if command not in self.outputs:
            run = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], cwd=self.folder,
                                 env=self.environment, stdin=subprocess.DEVNULL, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
            self.outputs[command] = (run.returncode, run.stdout.split("\n"))
        return self.outputs[command]


def missing(page: list[str], output: list[str], directives: dict[str, str]) -> str | None:
    """The first line of a page that the output does not have where it should."""
    def form(line: str) -> list[str]:
        if "machine" in directives:
            line = RANGE.sub("#", NUMBER.sub("#", line))
        return line.split()

    def shows(wanted: list[str], given: list[str]) -> bool:
        if "columns" not in directives:
            return wanted == given
        rest = iter(given)
        return all(word in rest for word in wanted)

    place = 0
    for line in page:
        wanted = form(line)
        if not wanted or wanted == ["..."]:
            continue
        while place < len(output) and not shows(wanted, form(output[place])):
            place += 1
        if place == len(output):
            return line
        place += 1
    return None


def is_in_turn(text: str) -> bool:
    """Whether a command of `turn: I/N` runs today.

    All do with BALLAST_TESTS=full, which may also be the number of a day, as in the tests.
    """
    word = os.environ.get("BALLAST_TESTS", "")
    if word == "full":
        return True
    day = int(word) if word.isdecimal() else int(time.time()) // 86_400
    turn, turns = map(int, text.split("/"))
    return day % turns == turn % turns


class Checker:
    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.troubles = 0
        self.counts = {"commands": 0, "outputs": 0, "links": 0, "skipped": 0, "left for another day": 0}

    def complain(self, place: str, sentence: str) -> None:
        self.troubles += 1
        print(f"{place}: {sentence}", file=sys.stderr)

    def page(self, path: Path) -> None:
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        self.links(path, name, text)
        command: str | None = None
        skipped = is_later = False
        for block in blocks(text):
            place = f"{name}:{block.line}"
            if block.language == "sh":
                skipped = "skip" in block.directives
                if skipped:
                    is_later = False
                    self.skip(place, block)
                    continue
                is_later = not is_in_turn(block.directives.get("turn", "0/1"))
                if is_later:
                    self.counts["left for another day"] += 1
                    continue
                command = "\n".join(block.lines)
                self.counts["commands"] += 1
                status, output = self.shell.run(command)
                if status not in (0, 2) or status == 2 and "machine" not in block.directives:
                    self.complain(place, f"the command ends with {status}: {output[-2:]}")
                marks = block.directives
            elif block.language == "":
                if "skip" in block.directives:
                    self.skip(place, block)
                    continue
                if (skipped or is_later) and "run" not in block.directives:
                    continue
                if "run" in block.directives:
                    command, marks = block.directives["run"], {}
                if command is None:
                    self.complain(place, "an output without a command; say which, or skip it")
                    continue
                self.counts["outputs"] += 1
                line = missing(block.lines, self.shell.run(command)[1], marks | block.directives)
                if line is not None:
                    self.complain(place, f"the command does not print, there: {line.strip()}")

    def skip(self, place: str, block: Block) -> None:
        self.counts["skipped"] += 1
        if not block.directives["skip"]:
            self.complain(place, "a block is skipped without a reason")

    def links(self, path: Path, name: str, text: str) -> None:
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            self.counts["links"] += 1
            file, _, anchor = target.partition("#")
            place = (path.parent / file).resolve() if file else path
            if not place.exists():
                self.complain(name, f"there is no {target}")
            elif anchor and anchor not in anchors(place.read_text()):
                self.complain(name, f"there is no heading {target}")

    def help(self) -> None:
        """Every command's help has examples and fits."""
        listed = self.shell.run("ballast --help")[1]
        start = next(i for i, line in enumerate(listed) if line.startswith("SUBCOMMANDS"))
        commands = [line.split()[0] for line in listed[start + 1:] if re.match(r"  [a-z]", line)]
        for command in commands:
            status, output = self.shell.run(f"COLUMNS=100 ballast {command} --help")
            wide = [line for line in output if len(line) > MOST_HELP_COLUMNS]
            if status or wide:
                self.complain(f"ballast {command} --help", f"does not fit: {wide[:1]}")
            if not any("EXAMPLES" in line for line in output):
                self.complain(f"ballast {command} --help", "has no examples")

    def options(self) -> None:
        """docs/command-line.md has every command and option, as the program's help says them."""
        done = subprocess.run([ROOT / "scripts/command-page", "--check"], capture_output=True, text=True)
        if done.returncode:
            self.complain("docs/command-line.md", done.stderr.strip())


def anchors(text: str) -> set[str]:
    heads = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def main(words: list[str]) -> int:
    program()
    pages = [Path(name).resolve() for name in words] or [
        ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(Shell(Path(folder)))
        for page in pages:
            checker.page(page)
        checker.help()
        if any(page.name == "command-line.md" for page in pages):
            checker.options()
    lines = len((ROOT / "README.md").read_text().split("\n"))
    if lines > MOST_README_LINES:
        checker.complain("README.md", f"has {lines} lines, more than {MOST_README_LINES}")
    counts = ", ".join(f"{count} {what}" for what, count in checker.counts.items())
    print(f"check-docs: {len(pages)} pages, {counts}; {checker.troubles} troubles", file=sys.stderr)
    return 1 if checker.troubles else 0
