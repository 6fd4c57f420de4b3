"""Commands of scripts/: their pages, their statuses, where they run."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import checkout
from checkout import ROOT, Failure, command

COMMANDS = sorted(path for path in (ROOT / "scripts").iterdir()
                  if path.is_file() and "from checkout import command" in path.read_text())


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.name)
def test_help_is_the_page(path: Path, monkeypatch: pytest.MonkeyPatch,
                          capsys: pytest.CaptureFixture[str]) -> None:
    """Printed before anything is installed or imported that the work needs."""
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    monkeypatch.setattr(sys, "prefix", "/usr")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    page = capsys.readouterr().out
    assert not ended.value.code and f"usage: scripts/{path.name}" in page
    assert max(map(len, page.split("\n"))) <= 120


def run(monkeypatch: pytest.MonkeyPatch, module: str, *words: str) -> object:
    monkeypatch.setattr(sys, "argv", ["/somewhere/scripts/a-command", *words])
    with pytest.raises(SystemExit) as ended:
        command.run("The page.", module)
    return ended.value.code


def test_statuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                  capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a_module.py").write_text(
        "from checkout import Failure\nfrom checkout.command import Words\n\n\n"
        "def main(words):\n    parser = Words()\n    parser.add_argument('--number', type=int)\n"
        "    number = parser.parse_args(words).number\n    if number == 1:\n"
        "        raise Failure('it is one')\n    return number\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert run(monkeypatch, "a_module", "--number", "0") == 0
    assert run(monkeypatch, "a_module", "--number", "1") == 1
    assert capsys.readouterr().err == "scripts/a-command: it is one\n"
    assert run(monkeypatch, "a_module", "--nummer", "1") == 64
    assert capsys.readouterr().err == (
        "scripts/a-command: unrecognized arguments: --nummer 1; see scripts/a-command --help\n")
    assert run(monkeypatch, "a_module", "-h") == 0
    assert capsys.readouterr().out == "The page.\n"


def test_a_missing_program_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[list[str]] = []

    def ends(status: int) -> None:
        def fake(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            ran.append(words)
            return subprocess.CompletedProcess(words, status)
        monkeypatch.setattr(subprocess, "run", fake)

    monkeypatch.setattr(checkout, "BALLAST", tmp_path / "ballast")
    ends(0)
    assert checkout.program("step-benchmark") == tmp_path / "step-benchmark"
    assert [words[0] for words in ran] == [str(ROOT / "scripts/setup"), "swift"]
    ends(1)
    with pytest.raises(Failure, match="is not built"):
        checkout.program()
    (tmp_path / "ballast").touch()
    assert checkout.program() == tmp_path / "ballast"
