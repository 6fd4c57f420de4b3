"""What `ballast-probe record` refuses: options, GPUs of one's own, places, sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ballast_probe import ProbeError, UsageError, cli
from ballast_probe.options import lora_settings
from ballast_probe.recording.gpus import gpu_of, table
from ballast_probe.recording.trainer import Training, record_training

SMALL = {"model_type": "llama", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
         "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 31}
WORDS = ["record", "--model-type", "llama", *(word for name, value in SMALL.items()
                                              if name != "model_type"
                                              for word in ("--set", f"{name}={value}"))]
H100 = table()["h100"].values()


def refused(capsys: pytest.CaptureFixture[str], *words: str, tokens: int = 8) -> str:
    """The one sentence of a call that is refused."""
    assert cli.main([*WORDS, "--n-c", "0", "--n-g", str(tokens), *words]) in (1, 64)
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("value", ["1", "-0.1", "5", "nan", "inf"])
def test_a_dropout_is_a_probability(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--dropout is" in refused(capsys, "--dropout", value)


@pytest.mark.parametrize("text", [
    "r=4,targets=q_proj,rslora=TRUE", "r=4,targets=q_proj,rslora", "r=4,targets=q_proj+",
    "r=4,targets=+", "r=0,targets=q_proj", "r=4,r=8,targets=q_proj", "r=4,targets=q_proj,targets=v",
])
def test_an_adapter_says_each_thing_once_and_right(text: str) -> None:
    with pytest.raises(UsageError, match="more than once" if "r=8" in text else "--lora"):
        lora_settings(text)


def test_adapters_as_before() -> None:
    assert lora_settings("targets=all-linear")["target_modules"] == "all-linear"
    both = lora_settings("r=4,targets=q_proj+v_proj,rslora=true")
    assert both["target_modules"] == ["q_proj", "v_proj"] and both["use_rslora"] is True


@pytest.mark.parametrize("name, value", [
    *(("memory_bytes", value) for value in (-5, 0, True, 10**30, 1.5, "80")),
    ("context_bytes", 10**15), ("context_bytes", -1), ("context_bytes", 1 << 51),
    ("multiprocessors", 0), ("multiprocessors", -3), ("threads_per_multiprocessor", 0),
    ("cublas_workspace_bytes", -1), ("cublas_workspace_bytes", False),
    *(("compute_capability", value) for value in ("-1.0", "9", "abc", "9.x", "9.0.0", "",
                                                  "9.\u0663", 9.0, "9.0\n")),
    ("name", ""), ("name", " "), ("title", "a\x1b[2Jb"), ("title", ""), ("name", None),
    ("memory_source", "a\nb"), ("memory_byte", 1),
])
def test_a_gpu_of_ones_own_has_to_be_one(name: str, value: object, tmp_path: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({**H100, name: value}))
    folder = tmp_path / "out"
    said = refused(capsys, "--gpu", str(file), "--output", str(folder))
    assert name in said and "mine.json" in said and "\x1b" not in said
    assert not folder.exists()
    with pytest.raises(ProbeError, match=name):
        gpu_of({**H100, name: value})


def test_a_gpu_may_leave_out_where_its_figures_are_from() -> None:
    short = {name: value for name, value in H100.items()
             if not name.endswith("_source") and name != "title"}
    assert gpu_of({**short, "name": "mine"}).title == "mine"
    with pytest.raises(UsageError, match="must be an object"):
        gpu_of(3)  # type: ignore[arg-type]


def test_a_missing_file_of_a_gpu_is_called_one(tmp_path: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    for name in ("missing.json", "./missing"):
        said = refused(capsys, "--gpu", name, "--output", str(folder))
        assert "cannot be read as a GPU file" in said and not folder.exists()


@pytest.mark.parametrize("words", [["--gpu", "h10"], ["--trainable", "no.such.name"]])
def test_a_refused_step_leaves_no_folder(words: list[str], tmp_path: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "made" / "here"
    refused(capsys, *words, "--output", str(folder))
    assert list(tmp_path.iterdir()) == []


def test_places_that_no_file_can_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--output, which is not given" in refused(capsys, "--overwrite")
    assert "no file's has" in refused(capsys, "--output", "a\0b")
    file = tmp_path / "cfg.json"
    file.write_text("{}")
    assert "is no folder" in refused(capsys, "--output", str(file / "x"))
    assert "is no folder" in refused(capsys, "--output", str(file))
    assert "too long" in refused(capsys, "--output", str(tmp_path / ("x" * 300)))


def test_a_tensor_that_no_program_reads_again(tmp_path: Path,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    said = refused(capsys, "--output", str(folder), "--set", "vocab_size=32000", "--steps", "1",
                   tokens=200_000_000)
    assert "takes" in said and "lm_head" in said and "2,199,023,255,552" in said
    assert not folder.exists()


def _training(tokens: int) -> Training:
    return Training(n_c=8, n_g=tokens, gpu="cpu", steps=1, attention="eager")


FAMILIES: list[dict[str, Any]] = [
    {"model_type": "gpt2", "n_positions": 16, "n_embd": 16, "n_layer": 1, "n_head": 2},
    {"model_type": "gpt_neo", "max_position_embeddings": 16, "hidden_size": 16, "num_layers": 1,
     "num_heads": 2, "attention_types": [[["global"], 1]]},
    {"model_type": "opt", "max_position_embeddings": 16, "hidden_size": 16, "ffn_dim": 16,
     "num_hidden_layers": 1, "num_attention_heads": 2, "word_embed_proj_dim": 16},
    {"model_type": "biogpt", "max_position_embeddings": 16, "hidden_size": 16,
     "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    {"model_type": "gptj", "n_positions": 16, "n_embd": 16, "n_layer": 1, "n_head": 2,
     "rotary_dim": 4},
]


@pytest.mark.parametrize("values", FAMILIES, ids=lambda values: str(values["model_type"]))
def test_positions_that_a_model_does_not_have(values: dict[str, Any]) -> None:
    values = {"vocab_size": 31, "bos_token_id": 0, "eos_token_id": 0, **values}
    with pytest.raises(UsageError, match=r"make 17 tokens, .* positions for 16 alone"):
        record_training(values, _training(9))
    assert record_training(values, _training(8)).peak.bytes > 0


def test_rotary_positions_go_on() -> None:
    values = {**SMALL, "max_position_embeddings": 16}
    assert record_training(values, Training(n_c=20, n_g=20, gpu="cpu", steps=1)).peak.bytes > 0
