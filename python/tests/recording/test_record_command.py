"""The command `ballast-probe record`: its file, its answer, its sentences."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from ballast_probe import ProbeError, PointOptions, UsageError, cli, probe_configuration
from ballast_probe.recording import Role, writing
from ballast_probe.recording.trainer import Training, record_training

SMALL = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 211}
WORDS = ["record", "--model-type", "llama", *(word for name, value in SMALL.items()
                                              if name != "model_type"
                                              for word in ("--set", f"{name}={value}"))]


def run(*words: str) -> int:
    return cli.main([*WORDS, *words])


def test_the_file_and_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ballast"
    program.write_text('#!/bin/sh\n[ "$1 $3" = "allocator --json" ] || exit 1\n'
                       'echo \'{"replayed": {"peak_reserved_least": 1000, '
                       '"peak_reserved_most": 2000}}\'\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("BALLAST", str(program))
    folder = tmp_path / "made" / "here"
    assert run("--n-c", "20", "--n-g", "12", "--gpu", "a100-80gb", "--dtype", "bfloat16",
               "--output", str(folder)) == 0
    text = capsys.readouterr().out
    assert "peak allocated" in text and "1,000 to 2,000 bytes" in text
    assert "scaled dot products run by the flash kernel" in text
    values = writing.read(folder / writing.NAME)
    assert values["point"]["n_c"] == 20 and values["point"]["optimizer"] == "adamw"
    assert values["call"]["command"].startswith("ballast-probe record --model-type llama")
    assert values["model"]["configuration"]["hidden_size"] == 64
    assert len(values["boundaries"]) == 2
    assert run("--n-c", "20", "--n-g", "12", "--output", str(folder)) == 1
    assert "holds recording.json.gz already; give --overwrite" in capsys.readouterr().err


def test_the_answer_is_data_too(capsys: pytest.CaptureFixture[str],
                                monkeypatch: pytest.MonkeyPatch) -> None:
    from ballast_probe.recording import reserved

    monkeypatch.setattr(reserved, "program", lambda: None)
    assert run("--n-c", "8", "--n-g", "8", "--steps", "1", "--format", "json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["peak_allocated_bytes"] > values["parameter_bytes"] > 0
    assert values["most_peak_reserved_bytes"] is None and values["recording"] is None
    sizes = [one["bytes"] for one in values["largest_tensors"]]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == 10


def test_without_the_program_a_line_says_what_to_install(
        capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from ballast_probe.recording import reserved

    monkeypatch.setattr(reserved, "program", lambda: None)
    assert run("--n-c", "0", "--n-g", "8", "--steps", "1") == 0
    assert "found by the program ballast, which is not installed" in capsys.readouterr().out


@pytest.mark.parametrize("words, sentence, status", [
    (["--n-g", "8"], "--n-c", 64),
    (["--n-c", "1", "--n-g", "0"], "--n-g is 0", 64),
    (["--n-c", "1", "--n-g", "8", "--gpu", "h1000"], "did you mean h100?", 64),
    (["--n-c", "1", "--n-g", "8", "--optimizer", "lion"], "--optimizer is 'lion'", 64),
    (["--n-c", "1", "--n-g", "8", "--attention", "sparse"], "--attention is 'sparse'", 64),
    (["--n-c", "1", "--n-g", "8", "--clip", "-1"], "--clip is -1", 64),
    (["--n-c", "1", "--n-g", "8", "--lora", "r=2"], "add targets=all-linear", 64),
    (["--n-c", "1", "--n-g", "8", "--lora", "rank=2"], "--lora 'rank=2' must be like", 64),
    (["--n-c", "1", "--n-g", "8", "--trainable", "nothing.like.it"], "is found in no", 1),
    (["--n-c", "1", "--n-g", "8", "--gpu", "missing.json"], "missing.json", 1),
])
def test_what_cannot_be_is_a_sentence(words: list[str], sentence: str, status: int,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == status
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and "Traceback" not in error


def _recorded(**more: object) -> object:
    return record_training(SMALL, Training(n_c=12, n_g=12, **more))  # type: ignore[arg-type]


def test_a_base_of_4_bits_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ProbeError, match="needs bitsandbytes; pip install bitsandbytes"):
        record_training({"model_type": "llama"}, Training(
            n_c=0, n_g=8, base="4bit", lora="r=4,alpha=8,targets=all-linear"))
    with pytest.raises(UsageError, match="a 4bit base is not trained itself; give --lora"):
        Training(n_c=0, n_g=8, base="4bit").validate()


@pytest.mark.parametrize("more", [
    {"attention": "eager", "gpu": "l4"}, {"attention": "math"}, {"recompute": "layer"},
    {"recompute": "layer-reentrant"}, {"autocast": "bf16"}, {"autocast": "fp16"},
    {"optimizer": "adamw-fused"}, {"optimizer": "adamw-loop"}, {"optimizer": "sgd"},
    {"optimizer": "none", "clip": None}, {"accumulate": 3, "steps": 1}, {"gpu": "cpu"},
    {"gpu": "cpu", "dtype": "bfloat16", "recompute": "layer"},
    {"trainable": "q_proj"}, {"dtype": "bfloat16", "batch": 2}, {"layers": 1, "dropout": 0.1},
])
def test_every_kind_of_step(more: dict[str, object]) -> None:
    recording = record_training(SMALL, Training(n_c=12, n_g=12, **more))  # type: ignore[arg-type]
    micro_steps = int(str(more.get("accumulate", 1))) * int(str(more.get("steps", 2)))
    assert len(recording.stream.boundaries) == micro_steps
    assert recording.retained_bytes > 0
    last = len(recording.events) - 1
    assert recording.bytes_of(Role.GRADIENT, last) == 0
    alive = [tensor for tensor in recording.stream.standing(last)
             if tensor.role in (Role.ACTIVATION, Role.BACKWARD, Role.TEMPORARY)]
    assert not alive  # a step leaves nothing but weights, states and workspaces
    states = recording.bytes_of(Role.OPTIMIZER_STATE, last)
    assert (states > 0) == str(more.get("optimizer", "adamw")).startswith("adamw")


def test_a_warning_of_transformers_reads_nothing_of_the_callers() -> None:
    """With a token of padding gpt2 asks whether the batch has it, to warn."""
    values = {"model_type": "gpt2", "n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 50,
              "pad_token_id": 0}
    assert record_training(values, Training(n_c=4, n_g=4)).peak.bytes > 0


def test_adamw_of_each_kind_holds_what_it_is_known_to_hold() -> None:
    peaks = {}
    for optimizer in ("adamw", "adamw-loop", "adamw-fused"):
        recording = record_training(SMALL, Training(n_c=0, n_g=2, optimizer=optimizer, clip=None))
        stream = recording.stream
        spans = [(span, end) for span, end in zip(
            stream.spans, [*(one.first_event for one in stream.spans[1:]), len(stream.events)])
            if span.phase == "optimizer" and span.step == 1]
        totals = list(stream.totals())
        peaks[optimizer] = max((max(totals[span.first_event:end]) - totals[span.first_event - 1]
                                for span, end in spans), default=0)
    weights = recording.bytes_of(Role.PARAMETER)
    assert peaks["adamw-fused"] == 0
    assert weights <= peaks["adamw"] <= 1.02 * weights  # one copy of all
    assert 0 <= peaks["adamw-loop"] - 2 * 211 * 64 * 4 <= 2048  # two of the largest


def test_an_adapter_on_a_frozen_base() -> None:
    pytest.importorskip("peft")
    recording = record_training(SMALL, Training(
        n_c=12, n_g=12, dtype="bfloat16", lora="r=4,alpha=8,targets=all-linear",
        recompute="layer"))
    modules = {tensor.module for tensor in recording.tensors if tensor.role is Role.GRADIENT}
    assert any("lora_A" in module for module in modules)
    states = recording.bytes_of(Role.OPTIMIZER_STATE)
    ranks = 4 * sum(rows + columns for rows, columns in (
        (64, 64), (64, 32), (64, 32), (64, 64), (64, 96), (64, 96), (96, 64)))
    assert states == 2 * 2 * 4 * ranks  # two layers, two moments, float32


def test_regions_are_of_the_tokens_that_a_tensor_has_rows_for() -> None:
    recording = record_training(SMALL, Training(n_c=48, n_g=16, attention="eager"))  # 64, as wide
    values = recording.values()
    tables, rows = values["tables"], values["tensors"]
    for shape, size, region, role in zip(rows["shape"], rows["bytes"], rows["regions"],
                                         rows["role"]):
        prefix, generated, crossing, shared, padding = tables["regions"][region]
        if tables["roles"][role] == "activation" and tables["shapes"][shape] == [1, 64, 64]:
            assert (prefix, generated, crossing) == (size * 3 // 4, size // 4, 0)
        if tables["roles"][role] == "activation" and tables["shapes"][shape] == [1, 4, 64, 64]:
            assert crossing == size * 3 // 16
    assert any(region[2] for region in tables["regions"])


def test_a_step_beyond_the_gpus_memory_is_an_answer(tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["record", "--model", "llama-3.1-70b", "--layers", "2", "--n-c", "0", "--n-g",
                     "8192", "--batch", "4", "--steps", "1", "--gpu", "rtx-4090"]) == 0
    assert "runs out of memory" in capsys.readouterr().out


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("recompute", ["none", "layer"])
def test_what_is_retained_is_what_the_probe_finds(attention: str, recompute: str) -> None:
    options = PointOptions(n_c=20, n_g=12, attention=attention, recompute=recompute,
                           dtype="bfloat16")
    found = probe_configuration(SMALL, options)
    recording = record_training(SMALL, Training(
        n_c=20, n_g=12, attention=attention, recompute=recompute, dtype="bfloat16", gpu="cpu",
        steps=1))
    held = found.held_by_checkpoint_bytes or 0
    assert recording.retained_bytes == found.retained_bytes + held


@pytest.mark.parametrize("gpu", ["cpu", "h100"])
def test_tied_weights_are_one(gpu: str) -> None:
    recording = record_training({**SMALL, "tie_word_embeddings": True},
                                Training(n_c=12, n_g=12, gpu=gpu, steps=1))
    sizes = [tensor.bytes for tensor in recording.tensors if tensor.role is Role.PARAMETER]
    assert sizes.count(211 * 64 * 4) == 1
