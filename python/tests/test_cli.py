"""The command: its files, its words, its exit status."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from ballast_probe import cli, files, versions
from ballast_probe.configuration import built_in

SMALL = ("--model-type llama --set hidden_size=64 --set intermediate_size=96 "
         "--set num_hidden_layers=2 --set num_attention_heads=4 --set num_key_value_heads=2 "
         "--set vocab_size=211").split()
REPOSITORY = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> int:
    return cli.main(["run", *arguments])


def rows(path: Path) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "made" / "here"
    assert run(*SMALL, "--n-c", "20,30", "--n-c", "40", "--n-g", "8", "--attention", "eager,sdpa",
               "--mode", "full-graph,detached-prefix", "--output", str(folder)) == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(files.NAMES)

    header, *points = rows(folder / "points.csv")
    assert header == files.POINT_COLUMNS and len(points) == 12
    cells = [dict(zip(header, point)) for point in points]
    assert {cell["status"] for cell in cells} == {"ok"}
    assert {cell["recipe"] for cell in cells} == {"transformers-eager", "transformers-sdpa"}
    assert {cell["backend"] for cell in cells} == {"pytorch"}
    for cell in cells:
        parts = [int(cell[f"retained_{part}_bytes"])
                 for part in ("prefix", "generated", "crossing", "shared")]
        assert sum(parts) == int(cell["retained_bytes"]) > 0
        assert cell["loss"] == "" and cell["peak_bytes"] == ""
        assert (cell["attention"], cell["recipe"]) in {
            ("materialized", "transformers-eager"), ("fused", "transformers-sdpa")}

    header, *ledger = rows(folder / "ledger.csv")
    assert header == files.LEDGER_COLUMNS
    assert all(len(row) == len(header) for row in ledger)
    first = header.index("order")
    blocks = [index for index, row in enumerate(ledger) if row[first] == "0"]
    assert len(blocks) == 12
    for cell, begin, end in zip(cells, blocks, [*blocks[1:], len(ledger)]):
        block = [row[first:] for row in ledger[begin:end]]
        assert [int(row[0]) for row in block] == list(range(int(cell["saved_tensors"])))
        assert sum(int(row[6]) for row in block) == int(cell["retained_bytes"])
        assert all(sum(map(int, row[8:12])) == int(row[6]) for row in block)
        assert ledger[begin][header.index("n_c")] == cell["n_c"]

    manifest = json.loads((folder / "sweep.json").read_text())
    assert (manifest["schema"], manifest["points"], manifest["complete"]) == (2, 12, True)
    assert manifest["probe"]["transformers"] == cells[0]["transformers"]
    assert capsys.readouterr().out.count("\n") == 13


def test_columns_are_ballasts() -> None:
    """In its repository: the program's own list of columns comes first, in its order."""
    source = REPOSITORY / "Sources/Reporting/PointRecord.swift"
    if not source.exists():
        pytest.skip("not in Ballast's repository")
    listed = re.search(r'\.arranged\(\s*"""(.*?)"""', source.read_text(), re.DOTALL)
    assert listed is not None
    columns = listed[1].split()
    assert files.POINT_COLUMNS[:len(columns)] == columns
    ledger = (REPOSITORY / "Sources/Reporting/LedgerRecord.swift").read_text()
    after = re.findall(r'Column\("(\w+)"\)', ledger)
    assert files.LEDGER_COLUMNS == ["profile", *files._KEY, *after[1:]]
    assert sorted(built_in()) == sorted(
        path.stem for path in (REPOSITORY / "profiles/models").glob("*.json"))


@pytest.mark.parametrize("arguments, status, words", [
    ("--model nosuch --n-c 4 --n-g 4", 1, "no built-in model"),
    ("--model-type nosuch --n-c 4 --n-g 4", 1, "no model type 'nosuch'"),
    ("--model gpt2 --n-c -1 --n-g 4", 64, "--n-c is -1"),
    ("--model gpt2 --n-c 4 --n-g 0", 64, "--n-g is 0"),
    ("--model gpt2 --n-c 4,x --n-g 4", 64, "4,x"),
    ("--model gpt2 --n-g 4", 64, "--n-c"),
    ("--n-c 4 --n-g 4", 64, "--model"),
    ("--model gpt2 --n-c 4 --n-g 4 --trainable (", 64, "no regular expression"),
    ("--model gpt2 --n-c 4 --n-g 4 --trainable nothing --layers 1", 1, "in no parameter's name"),
    ("--model gpt2 --n-c 4 --n-g 4 --mode half", 64, "must be one of full-graph"),
    ("--model gpt2 --n-c 4 --n-g 4 --layers 99", 64, "the model has 12"),
    ("--model gpt2 --n-c 4 --n-g 4 --dropout 1", 64, "less than 1"),
    ("--model gpt2 --n-c 4 --n-g 4 --set heads", 64, "name=value"),
    ("--model gpt2 --n-c 4 --n-g 4 --output /proc/nothing/here", 1, "cannot be written"),
    ("--model-type gemma --set hidden_size=wide --n-c 4 --n-g 4", 1, "hidden_size"),
    ("--model gpt2 --n-c 4 --n-g 4 --nonsense", 64, "--nonsense"),
])
def test_what_is_refused(
    arguments: str, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments.split()) == status
    output, error = capsys.readouterr()
    assert words in error and error.count("\n") == 1 and error.startswith("ballast-probe: ")
    assert output == ""


def test_configurations_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("a.json", "{"), ("b.json", "[]"), ("c.json", '{"hidden_size": 3}')):
        (tmp_path / name).write_text(text)
        assert run("--model", str(tmp_path / name), "--n-c", "4", "--n-g", "4") == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert run("--model", str(tmp_path), "--n-c", "4", "--n-g", "4") == 1
    assert "config.json" in capsys.readouterr().err


def test_a_directory_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(
        {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 31}))
    assert run("--model", str(tmp_path), "--n-c", "4", "--n-g", "4") == 0


def test_results_are_not_overwritten_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SMALL, "--n-c", "8", "--n-g", "4", "--output", str(tmp_path)]
    assert run(*arguments) == 0
    before = (tmp_path / "points.csv").read_text()
    assert run(*arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "points.csv").read_text() == before
    assert run(*arguments, "--overwrite") == 0


def test_a_point_that_fails_has_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--model-type gpt2 --set n_embd=16 --set n_layer=1 --set n_head=2 " \
        "--set vocab_size=31 --set n_positions=16 --device cpu --n-c 8,20 --n-g 4"
    assert run(*arguments.split(), "--output", str(tmp_path)) == 1
    header, *points = rows(tmp_path / "points.csv")
    cells = [dict(zip(header, point)) for point in points]
    assert [cell["status"] for cell in cells] == ["ok", "failed"]
    assert cells[0]["loss"] != "" and cells[1]["error"] != "" and cells[1]["retained_bytes"] == ""
    assert capsys.readouterr().err.count("\n") == 1


def test_too_much_memory_is_a_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--model-type gpt2 --set n_embd=16 --set n_layer=1 --set n_head=2 " \
        "--set vocab_size=31 --device cpu --n-c 200000000 --n-g 4 --batch 999999"
    assert run(*arguments.split(), "--output", str(tmp_path)) == 1
    header, point = rows(tmp_path / "points.csv")
    assert dict(zip(header, point))["status"] == "out-of-memory"
    assert "needs more memory" in capsys.readouterr().err


def test_tensors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SMALL, "--n-c", "20", "--n-g", "8", "--tensors") == 0
    output = capsys.readouterr().out
    assert re.search(r"mlp\.act_fn +SiluBackward0\.self +float32 +2 +21\.0 KiB", output)


def test_other_versions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "installed",
                        lambda: {"torch": "2.13.0+cpu", "transformers": "5.23.0"})
    assert versions.warning() is None
    monkeypatch.setattr(versions, "installed",
                        lambda: {"torch": "2.12.1", "transformers": "5.23.0"})
    warning = versions.warning()
    assert warning is not None and "torch 2.13.0" in warning and "torch 2.12.1" in warning
