"""Names on the Hugging Face Hub: the cache of this machine, whole and broken, and built-in models."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
import transformers

from ballast_probe import cli, hub
from ballast_probe.configuration import (
    built_in, configuration_file, make_subject, read_configuration)

COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40
SMALL = json.dumps({"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 31})
NAME = "org/tiny-1"
REPOSITORY = Path(__file__).resolve().parents[3]
with open(hub.MODELS / "models.csv", newline="", encoding="utf-8") as models:
    ROWS = {row["name"]: row for row in csv.DictReader(models)}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of one model in a cache, as `hf download` leaves it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    place = tmp_path / "hub" / "models--org--tiny-1"
    add(place, COMMIT)
    (place / "refs").mkdir()
    (place / "refs/main").write_text(COMMIT)
    return place


def add(place: Path, commit: str, text: str = SMALL) -> None:
    (place / "blobs").mkdir(parents=True, exist_ok=True)
    (place / "snapshots" / commit).mkdir(parents=True)
    (place / "blobs" / commit).write_text(text)
    (place / "snapshots" / commit / "config.json").symlink_to(f"../../blobs/{commit}")


def run(model: str, *arguments: str) -> int:
    return cli.main(["run", "--model", model, "--n-c", "4", "--n-g", "4", *arguments])


def test_a_model_in_the_cache(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert configuration_file(NAME) == place / "snapshots" / COMMIT / "config.json"
    assert read_configuration(NAME)[0] == NAME
    assert run(NAME) == 0 and capsys.readouterr().err == ""
    add(place, OTHER, SMALL.replace("16", "32"))
    assert read_configuration(NAME)[1]["n_embd"] == 16
    assert read_configuration(f"{NAME}@{OTHER}")[1]["n_embd"] == 32
    (place / "refs/pr").mkdir()
    (place / "refs/pr/7").write_text(f"{OTHER}\n")
    assert read_configuration(f"{NAME}@refs/pr/7".replace("refs/", ""))[1]["n_embd"] == 32
    (place / "refs/main").unlink()
    shutil.rmtree(place / "snapshots" / COMMIT)
    assert read_configuration(NAME)[1]["n_embd"] == 32  # the only one


@pytest.mark.parametrize("values, folder", [
    ({"HF_HUB_CACHE": "/a", "HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"}, "/a"),
    ({"HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"}, "/b"),
    ({"HF_HOME": "/c", "XDG_CACHE_HOME": "/d"}, "/c/hub"), ({"HF_HOME": "~/c"}, "~/c/hub"),
    ({"XDG_CACHE_HOME": "/d"}, "/d/huggingface/hub"), ({}, "~/.cache/huggingface/hub"),
])
def test_the_cache_is_where_huggingface_hub_has_it(values: dict[str, str], folder: str) -> None:
    expected = os.path.expanduser(folder)
    assert hub.cache_folder(values) == Path(expected)
    told = subprocess.run(
        [sys.executable, "-c", "from huggingface_hub.constants import HF_HUB_CACHE as c; print(c)"],
        env={"HOME": os.path.expanduser("~"), **values}, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == expected


def test_what_huggingface_hub_finds_is_found(place: Path) -> None:
    add(place, OTHER)
    (place / "refs/v2").write_text(OTHER)
    for revision in (None, "main", "v2", COMMIT, OTHER):
        told = huggingface_hub.try_to_load_from_cache(
            NAME, "config.json", cache_dir=place.parent, revision=revision)
        assert Path(str(told)) == configuration_file(NAME + (f"@{revision}" if revision else ""))


def test_an_empty_variable_is_not_set() -> None:
    assert hub.cache_folder({"HF_HUB_CACHE": "", "HF_HOME": "/c"}) == Path("/c/hub")


def test_a_path_comes_first_and_the_cache_before_what_is_built_in(place: Path, tmp_path: Path) -> None:
    public = "meta-llama/Llama-3.1-8B"
    assert read_configuration(public)[1]["hidden_size"] == 4096
    ours = place.parent / "models--meta-llama--Llama-3.1-8B"
    add(ours, COMMIT)
    assert read_configuration(public)[1]["n_embd"] == 16
    (ours / "snapshots" / COMMIT / "config.json").unlink()  # a tokenizer alone was fetched
    assert read_configuration(public)[1]["hidden_size"] == 4096
    (tmp_path / public).mkdir(parents=True)
    (tmp_path / public / "config.json").write_text(SMALL.replace("16", "48"))
    assert read_configuration(public)[1]["n_embd"] == 48


@pytest.mark.parametrize("model, words", [
    ("nobody/nothing-7b", ["hf download nobody/nothing-7b config.json", "hub)"]),
    ("nobody/nothing-7b@v2", ["hf download nobody/nothing-7b config.json --revision v2"]),
    ("meta-llama/llama-3.1-8b", ["'llama-3.1-8b', which is built in"]),
    ("meta-llama/Llama-3.1-8B-Instruct", ["'llama-3.1-8b', which is built in"]),
    ("meta-lama/Llama-3.1-8B", ["'llama-3.1-8b', which is built in"]),
    ("meta-llama/Llama-3.1-8B@main", ["'llama-3.1-8b', which is built in", "--revision main"]),
    ("ALLENAI/olmo-2-1124-7b", ["'olmo-2-7b', which is built in"]),
    ("mistralai/Mistral-7B-Instruct-v0.1", ["'mistral-7b-v0.1', which is built in"]),
    ("deepseek-r1-distill-llama-8b", ["did you mean 'r1-distill-llama-8b'?"]),
    ("qwen3_8b", ["did you mean 'qwen3-8b'?"]), ("qwen3-9b", ["ballast models lists those"]),
    ("org/tiny-1@../../../etc", ["no built-in model"]), ("../x", ["no built-in model"]),
])
def test_a_name_that_is_nowhere(
    model: str, words: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model) == 1
    output, error = capsys.readouterr()
    assert output == "" and error.count("\n") == 1 and all(word in error for word in words), error


@pytest.mark.parametrize("fault, words", [
    ("junk in refs", "names no commit"), ("nothing in refs", "names no commit"),
    ("bytes in refs", "names no commit"), ("a path in refs", "names no commit"),
    ("refs/main is a folder", "no regular file"), ("refs/main is a pipe", "no regular file"),
    ("refs/main leads nowhere, two snapshots", "holds 2 snapshots"),
    ("the commit is not there", "not in the Hugging Face cache"),
    ("snapshots is a file", "not in the Hugging Face cache"),
    ("the model's folder is a file", "not in the Hugging Face cache"),
    ("config.json leads nowhere", "has no config.json in the Hugging Face cache"),
    ("config.json leads to itself", "has no config.json in the Hugging Face cache"),
    ("config.json is a folder", "no regular file"), ("config.json is cut off", "cannot be read"),
    ("config.json is a list", "is no configuration"),
])
def test_a_broken_cache_is_one_sentence(
    fault: str, words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, config = place / "refs/main", place / "snapshots" / COMMIT / "config.json"
    if "refs" in fault:
        reference.unlink()
    if fault.startswith("config.json"):
        config.unlink()
    match fault:
        case "junk in refs": reference.write_text("main")
        case "nothing in refs": reference.write_text("")
        case "bytes in refs": reference.write_bytes(bytes(range(256)) * 64)
        case "a path in refs": reference.write_text("../../../../etc")
        case "refs/main is a folder": reference.mkdir()
        case "refs/main is a pipe": os.mkfifo(reference)
        case "refs/main leads nowhere, two snapshots":
            reference.symlink_to("nowhere")
            add(place, OTHER)
        case "the commit is not there": shutil.rmtree(config.parent)
        case "snapshots is a file":
            shutil.rmtree(place / "snapshots")
            (place / "snapshots").write_text("")
        case "the model's folder is a file":
            shutil.rmtree(place)
            place.write_text("")
        case "config.json leads nowhere": config.symlink_to("../../blobs/gone")
        case "config.json leads to itself": config.symlink_to("config.json")
        case "config.json is a folder": config.mkdir()
        case "config.json is cut off": config.write_text(SMALL[:20])
        case "config.json is a list": config.write_text("[1]")
    assert run(NAME) == 1
    output, error = capsys.readouterr()
    assert output == "" and error.count("\n") == 1 and words in error, error


def test_a_result_is_not_written_over_the_cache(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = place / "snapshots" / COMMIT / "config.json"
    config.rename(config.parent / "points.csv")
    config.symlink_to("points.csv")
    assert run(NAME, "--output", str(config.parent), "--overwrite") == 64
    assert "name the same file" in capsys.readouterr().err


# What is built in.


def test_the_list_and_the_files_are_the_same() -> None:
    assert sorted(ROWS) == built_in()
    names = [row["public_name"] for row in ROWS.values() if row["public_name"]]
    assert len({name.lower() for name in names}) == len(names)
    assert all(hub.HubName.read(name) for name in names)


def test_what_is_written_from_the_list_is_current() -> None:
    """By `scripts/embed-models`: the table of the README, and the program's."""
    program = REPOSITORY / "Sources/HuggingFace/BuiltInModels+Table.swift"
    if not program.exists():
        pytest.skip("not in Ballast's repository")
    table, swift = (hub.MODELS / "README.md").read_text(), program.read_text().replace("_", "")
    for row in ROWS.values():
        public = row["public_name"]
        assert (f"| `{row['name']}` | {public or 'none'} | {int(row['parameters']):,} | "
                f"{row['published']} | {row['source']} |") in table
        assert f"name: \"{row['name']}\",\n      publicName: " + (
            f'"{public}",' if public else "nil,") in swift
        assert f"parameters: {row['parameters']}," in swift


@pytest.mark.parametrize("name", sorted(ROWS))
def test_parameters_are_transformers_and_the_published_number(name: str) -> None:
    """Counted on the meta device; within one in a hundred of what is published, or rounded to it."""
    config = make_subject(read_configuration(name)[1], layers=None, dropout=None).config
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == int(ROWS[name]["parameters"])
    number, unit = ROWS[name]["published"][:-1], {"B": 1e9, "M": 1e6}[ROWS[name]["published"][-1]]
    rounding = 0.5 / 10 ** len(number.partition(".")[2])
    assert abs(count / unit - float(number)) <= max(0.01 * float(number), rounding)


FAMILIES = {read_configuration(name)[1]["model_type"]: name for name in sorted(ROWS, reverse=True)}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_step_of_every_family_is_counted(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(FAMILIES[family], "--layers", "1", "--attention", "eager", "--tensors") == 0
    assert re.search("bfloat16|float16" if family != "gpt2" else "float32", capsys.readouterr().out)
