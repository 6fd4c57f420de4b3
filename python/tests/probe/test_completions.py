"""Shells' completion of the command: what bash proposes, and what is installed where."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ballast_probe import cli, completing
from checks.completions import made


@pytest.mark.parametrize("shell", completing.SHELLS)
def test_scripts_are_those_of_the_parser(shell: str) -> None:
    path = completing.file_of(shell)
    if "BALLAST_WRITE_COMPLETIONS" in os.environ:
        path.write_text(made(shell), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made(shell), \
        "BALLAST_WRITE_COMPLETIONS=1 scripts/with-pytorch -m pytest tests/probe/test_completions.py writes it"


def proposed(line: str, folder: Path) -> list[str]:
    """What bash proposes for the last word of a line."""
    script = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
complete -p ballast-probe >/dev/null || exit 3
_shtab_ballast_probe "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
    bash = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", completing.file_of("bash"), *line.split(" ")],
        capture_output=True, text=True, check=True, cwd=folder)
    return bash.stdout.split()


def test_bash_proposes_words_lists_and_files(tmp_path: Path) -> None:
    (tmp_path / "mine.json").touch()
    assert {"run", "record", "fit", "completions"} <= set(proposed("ballast-probe ", tmp_path))
    assert proposed("ballast-probe run --mode d", tmp_path) == ["detached-prefix"]
    assert proposed("ballast-probe run --mode full-graph,d", tmp_path) == \
        ["full-graph,detached-prefix"]
    assert proposed("ballast-probe fit --model qwen3-8", tmp_path) == ["qwen3-8b"]
    assert {"mistral-7b", "mine.json"} <= set(proposed("ballast-probe fit --model mi", tmp_path))
    assert "h100" in proposed("ballast-probe fit --gpu h1", tmp_path)
    assert "--recompute" in proposed("ballast-probe record --rec", tmp_path)
    assert set(proposed("ballast-probe completions ", tmp_path)) >= set(completing.SHELLS)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_their_scripts(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n", completing.file_of(shell)], check=True)


def test_install_writes_where_the_shell_looks(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    places = {"bash": ".local/share/bash-completion/completions/ballast-probe",
              "zsh": ".local/share/zsh/site-functions/_ballast-probe",
              "fish": ".config/fish/completions/ballast-probe.fish"}
    for shell, name in places.items():
        monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
        path = tmp_path / name
        assert cli.main(["completions", "--install"]) == 0
        output = capsys.readouterr()
        assert output.out == "" and output.err.startswith(f"ballast-probe: wrote {path}; ")
        assert path.read_text() == completing.file_of(shell).read_text()
        assert cli.main(["completions", "--install"]) == 0  # its own is replaced
        path.write_text("mine\n")
        assert cli.main(["completions", "--install"]) == 1 and path.read_text() == "mine\n"
        assert "--overwrite" in capsys.readouterr().err
        assert cli.main(["completions", shell, "--install", "--overwrite"]) == 0
        assert path.read_text() != "mine\n"
        capsys.readouterr()


@pytest.mark.parametrize(("words", "part"), [
    ([], "name the shell"), (["tcsh"], "there is no completion for 'tcsh'"),
    (["bash", "--overwrite"], "--overwrite goes with --install"), (["--install"], "$SHELL is 'sh'"),
])
def test_wrong_usage(words: list[str], part: str, monkeypatch: pytest.MonkeyPatch,
                     capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")
    assert cli.main(["completions", *words]) == 64
    error = capsys.readouterr().err
    assert part in error and error.count("\n") == 1
