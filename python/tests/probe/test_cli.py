"""The command: its files, its words, its exit status."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pytest

from ballast_probe import cli, files, versions
from ballast_probe.configuration import built_in

SMALL = ("--model-type llama --set hidden_size=64 --set intermediate_size=96 "
         "--set num_hidden_layers=2 --set num_attention_heads=4 --set num_key_value_heads=2 "
         "--set vocab_size=211").split()
REPOSITORY = Path(__file__).resolve().parents[3]


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
    schema = REPOSITORY / "python/ballast_pictures/schema.json"
    if not (REPOSITORY / "Package.swift").exists():
        pytest.skip("not in Ballast's repository")
    columns = {file["name"]: [column["name"] for column in file["columns"]]
               for file in json.loads(schema.read_text())["files"]}
    assert files.POINT_COLUMNS[:len(columns["points"])] == columns["points"]
    assert files.LEDGER_COLUMNS == columns["ledger"]
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
    ("--model gpt2 --n-c 16 --n-g 4 --mode detached-prefix --keep-prefix 17", 64, "more than the"),
    ("--model-type gemma2 --n-c 4 --n-g 4 --layers 1", 1, "give --attention eager"),
    ("--model-type gpt_oss --n-c 4 --n-g 4 --layers 1", 1, "give --attention eager"),
    ("--model-type t5 --n-c 4 --n-g 4", 1, "no causal language model"),
    ("--model gpt2 --n-c 4 --n-g 4 --lora r=4,alpha=nan,targets=c_attn", 64, "--lora"),
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


def test_a_name_that_a_configuration_has_not_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for setting, meant in (
        ("num_hidden_layer=4", "num_hidden_layers"), ("hidden_sizes=4", "hidden_size"),
        ("nonsense=4", ""), ("text_config.num_hidden_layers=1", ""), ("_name=1", ""),
    ):
        assert run("--model", "llama-3.1-8b", "--n-c", "4", "--n-g", "4", "--set", setting) == 64
        error = capsys.readouterr().err
        assert setting.split("=")[0] in error and meant in error and error.count("\n") == 1


@pytest.mark.parametrize("arguments", [
    "--model gpt2 --set n_layer=1", "--model gpt2 --set num_hidden_layers=1",  # an alias
    "--model llama-3.1-8b --set num_hidden_layers=1 --set rope_theta=5e4",  # a keyword
    "--model-type gemma3_text --set sliding_window_pattern=2 --layers 1",
    "--model gpt2 --layers 1 --set torch_dtype=bfloat16 --set num_labels=3",
])
def test_names_that_a_configuration_has(
    arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments.split(), "--n-c", "4", "--n-g", "4", "--tensors") == 0
    output, error = capsys.readouterr()
    assert error == "" and re.search(r"SiluBackward0|GeluBackward0|TanhBackward0", output)
    is_half = "bfloat16" in arguments or "8b" in arguments
    assert (" bfloat16 " in output.splitlines()[1]) == is_half


def test_an_alias_replaces_the_field_that_the_file_has(capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for name in ("n_layer", "num_hidden_layers"):
        assert run("--model", "gpt2", "--n-c", "4", "--n-g", "4", "--set", f"{name}=1") == 0
        counts.append(capsys.readouterr().out)
    assert run("--model", "gpt2", "--n-c", "4", "--n-g", "4", "--layers", "1") == 0
    assert counts[0] == counts[1] == capsys.readouterr().out


@pytest.mark.parametrize("name, value, words", [
    ("num_hidden_layers", -2, "at least 1"), ("num_hidden_layers", 0, "at least 1"),
    ("num_hidden_layers", "2", "num_hidden_layers"),
    ("num_hidden_layers", 2.5, "num_hidden_layers"),
    ("vocab_size", 0, "at least 1"), ("hidden_size", -64, "hidden_size"),
    ("num_key_value_heads", 0, "at least 1"), ("num_attention_heads", -1, ""),
    ("model_type", ["llama"], "model_type"), ("attention_dropout", "NaN", "attention_dropout"),
])
def test_sizes_that_no_model_has_are_refused(
    name: str, value: object, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 211, name: value}))
    assert run("--model", str(file), "--n-c", "4", "--n-g", "4") == 1
    output, error = capsys.readouterr()
    assert words in error and error.count("\n") == 1 and output == ""


def test_a_misspelled_field_of_a_file_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"model_type": "gpt2", "n_embd": 16, "num_hidden_layer": 1,
                                "n_head": 2, "vocab_size": 31, "n_layers": 1}))
    assert run("--model", str(file), "--n-c", "4", "--n-g", "4") == 0
    assert "did you mean num_hidden_layers?" in capsys.readouterr().err


def test_files_that_are_no_configuration_are_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe without a writer, an endless device, a huge file, a pointer, a value that is none."""
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "lfs").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (tmp_path / "nan").write_text('{"model_type": "gpt2", "attn_pdrop": NaN}')
    (tmp_path / "deep").write_text("[" * 100_000)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder" / "config.json").mkdir(parents=True)
    for name, words in (
        ("pipe", "no regular file"), ("/dev/zero", "no regular file"),
        ("huge", "larger than 64 MiB"),
        ("lfs", "git lfs pull"), ("nan", "NaN"), ("deep", "nested too deeply"), ("bytes", "utf-8"),
        ("folder", "no regular file"),
    ):
        assert run("--model", str(tmp_path / name), "--n-c", "4", "--n-g", "4") == 1
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    text = '{"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 31}'
    (tmp_path / "config.json").write_text("\ufeff" + text, encoding="utf-8")
    assert run("--model", str(tmp_path), "--n-c", "4", "--n-g", "4") == 0


def test_empty_texts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """They come of variables that are not set: without `--lora` everything would be trained."""
    for words in ("--lora|", "--lora=", "--trainable|", "--output|", "--model|"):
        arguments = ["--model", "gpt2", "--n-c", "4", "--n-g", "4", *words.split("|")]
        assert run(*arguments) == 64
        error = capsys.readouterr().err
        assert words.rstrip("|=") in error and "empty" in error


def test_names_do_not_reach_the_terminal_or_a_spreadsheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 31}
    for number, name in enumerate(("=1+1", "@x\x1b[31m\u202e", "-x")):
        Path(name).write_text(json.dumps(config))
        assert run(f"--model={name}", "--n-c", "4", "--n-g", "4", "--output", f"out{number}") == 0
        Path(name).write_text("{")
        assert run(f"--model={name}", "--n-c", "4", "--n-g", "4") == 1
    output, error = capsys.readouterr()
    assert "\x1b" not in output + error and "\\x1b[31m\\u202e" in error
    cells = [dict(zip(*rows(tmp_path / f"out{number}" / "points.csv"))) for number in range(3)]
    assert [cell["model"] for cell in cells] == ["'=1+1", "'@x\\x1b[31m\\u202e", "'-x"]
    # Numbers stay numbers.
    assert not any(cell["retained_bytes"].startswith("'") for cell in cells)


def test_links_in_the_output_folder_are_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in (*files.NAMES, "points.csv.part"):
        (tmp_path / f"theirs-{name}").write_text("theirs")
        (tmp_path / "out" / name).symlink_to(tmp_path / f"theirs-{name}")
    arguments = [*SMALL, "--n-c", "8", "--n-g", "4", "--output", str(tmp_path / "out")]
    assert run(*arguments) == 1
    assert run(*arguments, "--overwrite") == 0
    for name in files.NAMES:
        assert not (tmp_path / "out" / name).is_symlink()
    for path in tmp_path.glob("theirs-*"):
        assert path.read_text() == "theirs"


def test_overwriting_leaves_nothing_of_the_old_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What Ballast made of other points goes; what is somebody else's stays, whatever its name."""
    ours = {"laws.csv": "profile,mode,constant_bytes\n", "gradients.csv": "mode,relative_error\n",
            "journal.jsonl": '{"digest":"0","x":1}\n',
            "flow.csv": "layer,parameter,weight,prefix_norm,generated_norm\n",
            "report.html": "<!doctype html><title>Ballast report</title>",
            "retained.png": "\x89PNG Ballast scripts/plot",
            "retained-narrow.png": "\x89PNG Ballast scripts/plot",
            "retained.svg": "<svg>Ballast scripts/plot"}
    theirs = {"notes.txt": "mine", "README.md": "mine", "completions.csv": "mine"}
    for name, text in {**ours, **theirs}.items():
        (tmp_path / name).write_text(text)
    arguments = [*SMALL, "--n-c", "8", "--n-g", "4", "--output", str(tmp_path)]
    assert run(*arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert run(*arguments, "--overwrite") == 0
    assert {path.name for path in tmp_path.iterdir()} == {*files.NAMES, *theirs}
    for name in ("laws.csv", "retained.png", "report.html"):
        (tmp_path / name).write_text("mine")
    assert run(*arguments, "--overwrite") == 0
    assert (tmp_path / "laws.csv").read_text() == "mine" == (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("name", [*files.NAMES, "laws.csv", "config.json"])
@pytest.mark.parametrize("link", ["itself", "symbolic", "symbolic to it", "hard"])
def test_what_is_read_is_never_replaced(
    name: str, link: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the model's file is called, and whichever links lead to it."""
    folder, model = tmp_path / "out", tmp_path / "model.json"
    folder.mkdir()
    # The last words are Ballast's mark of a laws.csv that it may remove.
    text = json.dumps({"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2,
                       "vocab_size": 31, "name": "constant_bytes"})
    written = folder / ("sweep.json" if name == "config.json" else name)
    if link == "itself":
        model = written
        model.write_text(text)
    elif link == "symbolic to it":
        written.write_text(text)
        model.symlink_to(written)
    else:
        model.write_text(text)
        written.symlink_to(model) if link == "symbolic" else written.hardlink_to(model)
    if name == "config.json":  # of a directory
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / name).symlink_to(model)
        model = tmp_path / "model"
    (folder / "journal.jsonl").write_text('{"digest":"0"}\n')
    before = sorted(folder.iterdir()), written.lstat()
    arguments = ["--n-c", "4", "--n-g", "4", "--output", str(folder), "--overwrite"]
    assert run("--model", str(model), *arguments) == 64
    error = capsys.readouterr().err
    assert f"--model and --output name the same file, '{written}'" in error
    assert error.count("\n") == 1
    after = sorted(folder.iterdir()), written.lstat()
    assert before[0] == after[0] and written.read_text() == text
    assert (before[1].st_ino, before[1].st_mtime_ns) == (after[1].st_ino, after[1].st_mtime_ns)


def test_a_model_may_lie_beside_its_results(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(
        {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 31}))
    arguments = ["--n-c", "4", "--n-g", "4", "--output", str(tmp_path), "--overwrite"]
    for model in (tmp_path, tmp_path / "config.json"):
        assert run("--model", str(model), *arguments) == 0
    assert (tmp_path / "config.json").exists() and (tmp_path / "sweep.json").exists()


def test_what_nobody_thought_of_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of all things. And more\nlines")

    monkeypatch.setattr(cli, "Prober", fail)
    assert run(*SMALL, "--n-c", "8", "--n-g", "4") == 1
    error = capsys.readouterr().err
    assert "ZeroDivisionError: of all things" in error and error.count("\n") == 1
