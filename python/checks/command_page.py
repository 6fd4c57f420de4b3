"""The tables of docs/command-line.md, from the program's own help; see scripts/command-page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from checkout import ROOT, Failure, program
from checkout.command import Words

PAGE = ROOT / "docs/command-line.md"
PART = re.compile(r"(<!-- command-page: (?!end)([a-z]+) -->\n).*?(<!-- command-page: end -->)", re.DOTALL)
EVERYWHERE = {"version", "help"}  # options of every command



def commands(ballast: Path) -> list[dict[str, Any]]:
    """The commands that are shown, as ArgumentParser dumps them."""
    try:
        dump = subprocess.run([ballast, "--experimental-dump-help"], capture_output=True, text=True,
                              check=True).stdout
        found = json.loads(dump)["command"]["subcommands"]
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError) as error:
        raise Failure(f"{ballast} does not say what its help is: {error}") from error
    return [c for c in found if c["shouldDisplay"] and c["commandName"] != "help"]


def cell(text: str) -> str:
    """Text as it stands in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")


def spelled(argument: dict[str, Any]) -> str:
    """An option as one types it: `--chunk N`, with the word for its value if that says more."""
    value = argument.get("valueName") or ""
    if argument["kind"] == "positional":
        return f"`<{value}>`" + (" …" if argument["isRepeating"] else "")
    name = argument["preferredName"]["name"]
    shown = f" <{value}>" if argument["kind"] == "option" and value != name else ""
    return f"`--{name}{shown}`"


def table(arguments: list[dict[str, Any]]) -> str:
    lines = ["| option | meaning |", "|---|---|"]
    for argument in arguments:
        text = argument.get("abstract") or ""
        default = argument.get("defaultValue")
        if default is not None and "(default" not in text:
            text += f" (default: {default})"
        if argument["kind"] == "option" and not argument["isOptional"]:
            text += " Has to be given."
        lines.append(f"| {spelled(argument)} | {cell(text)} |")
    return "\n".join(lines) + "\n"


def is_point(argument: dict[str, Any]) -> bool:
    return argument.get("sectionTitle") in ("Point", "Step")


def own(command: dict[str, Any]) -> list[dict[str, Any]]:
    """What a command takes besides the options of a point and those of all commands."""
    return [a for a in command["arguments"] if not is_point(a) and a["shouldDisplay"]
            and (a.get("preferredName") or {}).get("name") not in EVERYWHERE]


def point(found: list[dict[str, Any]]) -> str:
    """The options of a point, and what commands that take them say otherwise of one."""
    sets = {c["commandName"]: {a["preferredName"]["name"]: a for a in c["arguments"] if is_point(a)}
            for c in found}
    first = sets["measure"]
    takers = [name for name, options in sets.items() if options]
    text = table(list(first.values()))
    for name in takers:
        absent = [f"`--{o}`" for o in first if o not in sets[name]
                  and all(a.get("preferredName", {}).get("name") != o
                          for c in found if c["commandName"] == name for a in own(c))]
        changed = [f"`--{o}`" for o in first if o in sets[name]
                   and sets[name][o].get("abstract") != first[o].get("abstract")]
        if further := set(sets[name]) - set(first):
            raise Failure(f"{name} has options of a point that measure lacks: {', '.join(further)}")
        if absent or changed:
            text += f"\n`{name}` " + " and ".join(
                ([f"lacks {', '.join(absent)}"] if absent else [])
                + ([f"says more of {', '.join(changed)} in its help"] if changed else [])) + ".\n"
    return f"`ballast {'`, `ballast '.join(takers)}` take these.\n\n{text}"


def parts(found: list[dict[str, Any]]) -> dict[str, str]:
    """The text of every part of the page that is made here."""
    overview = "| command | does |\n|---|---|\n" + "".join(
        f"| [`ballast {c['commandName']}`](#ballast-{c['commandName']}) | {cell(c['abstract'])} |\n"
        for c in found)
    each = "\n".join(f"### `ballast {c['commandName']}`\n\n{table(own(c))}" for c in found)
    return {"commands": overview, "point": point(found), "options": each}


def made(page: str, found: list[dict[str, Any]]) -> str:
    """The page with its parts made again."""
    texts = parts(found)
    names = [match[2] for match in PART.finditer(page)]
    if sorted(names) != sorted(texts):
        raise Failure(f"{PAGE.name} has the parts {', '.join(names)}, and not {', '.join(texts)}")
    return PART.sub(lambda match: match[1] + texts[match[2]] + match[3], page)


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--ballast", type=Path)
    given = parser.parse_args(words)
    page = PAGE.read_text(encoding="utf-8")
    text = made(page, commands(given.ballast.resolve() if given.ballast else program()))
    if not given.check:
        PAGE.write_text(text, encoding="utf-8")
    elif text != page:
        lines = zip(page.split("\n"), text.split("\n"))
        line = next((n for n, (old, new) in enumerate(lines, 1) if old != new), 1)
        print(f"docs/command-line.md:{line}: is not what the program says; scripts/command-page writes it "
              "again", file=sys.stderr)
        return 1
    return 0
