"""Tables of options, made from what ArgumentParser dumps."""

from __future__ import annotations

from typing import Any

import pytest

from checkout import Failure
from checks import command_page


def option(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "option", "preferredName": {"name": name}, "valueName": name, "isOptional": True,
            "isRepeating": False, "shouldDisplay": True, "sectionTitle": None, "abstract": f"The {name}.",
            **more}


def command(name: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"commandName": name, "abstract": f"Does {name}.", "arguments": list(arguments)}


def test_a_table_says_value_default_and_need() -> None:
    text = command_page.table([
        option("chunk", valueName="rows", defaultValue="256"), option("out", isOptional=False),
        option("quiet", kind="flag"),
        option("files", kind="positional", valueName="file", isRepeating=True)])
    assert text.split("\n")[2:] == [
        "| `--chunk <rows>` | The chunk. (default: 256) |", "| `--out` | The out. Has to be given. |",
        "| `--quiet` | The quiet. |", "| `<file>` … | The files. |", ""]


def test_options_of_a_point_are_told_once() -> None:
    found = [command("measure", option("n-c", sectionTitle="Point"), option("mode", sectionTitle="Point")),
             command("plan", option("n-c", sectionTitle="Point", abstract="More than one."))]
    text = command_page.point(found)
    assert "`ballast measure`, `ballast plan` take these." in text
    assert "`plan` lacks `--mode` and says more of `--n-c` in its help." in text
    with pytest.raises(Failure, match="measure lacks"):
        command_page.point([command("measure", option("n-c", sectionTitle="Point")),
                            command("plan", option("x", sectionTitle="Point"))])


def test_only_marked_parts_are_replaced() -> None:
    parts = "".join(f"<!-- command-page: {name} -->\nold\n<!-- command-page: end -->\nby hand\n"
                    for name in ("commands", "point", "options"))
    found = [command("measure", option("n-c", sectionTitle="Point"), option("json"))]
    made = command_page.made(parts, found)
    assert "old" not in made and made.count("by hand") == 3 and "`--json`" in made
    assert command_page.made(made, found) == made
    with pytest.raises(Failure, match="has the parts"):
        command_page.made("", found)
