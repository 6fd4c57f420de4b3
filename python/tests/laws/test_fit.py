"""The longest prompt of a step: found from three lengths, and seen at itself and one past it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import ballast_probe
from ballast_probe import cli
from ballast_probe.errors import UsageError
from ballast_probe.laws import api, command, planner
from ballast_probe.laws.changes import changed
from ballast_probe.laws.fitting import Fitter, Model, batches, prompts
from ballast_probe.laws.laws import Laws
from ballast_probe.laws.launches import NoLaw
from ballast_probe.laws.planner import Question
from ballast_probe.laws.table import values_of
from ballast_probe.recording import Recording
from ballast_probe.recording.trainer import Training, record_training

Limit = Callable[[int], None]

SMALL: dict[str, Any] = dict(
    model_type="llama", hidden_size=64, intermediate_size=96, num_hidden_layers=1,
    num_attention_heads=4, num_key_value_heads=2, vocab_size=331, max_position_embeddings=16_384,
    bos_token_id=0, eos_token_id=0, tie_word_embeddings=True)
WINDOWS = SMALL | dict(model_type="gemma3_text", head_dim=16, sliding_window=700,
                       layer_types=["sliding_attention", "full_attention"], num_hidden_layers=2)
MIXTURE = SMALL | dict(model_type="qwen3_moe", num_experts=4, num_experts_per_tok=2,
                       moe_intermediate_size=32, head_dim=16)


@cache
def recorded(model: str, training: Training) -> Recording:
    """A step, recorded once for all tests."""
    return record_training(json.loads(model), training)


def fitter(model: dict[str, Any], n_g: int = 64, most: int = 16_384,
           window: int = 0, **words: Any) -> Fitter:
    training = Training(n_c=1, n_g=n_g, gpu="a100-80gb", dtype="bfloat16", steps=1, **words)

    def record(n_c: int, generated: int) -> Recording:
        recording = recorded(json.dumps(model), replace(training, n_c=n_c, n_g=generated))
        recording.laws = None
        return recording

    counts = ((2, 4),) if model is MIXTURE else ()
    about = Model(most, (window,) if window else (), counts)
    return Fitter(record, about, prompts(about, n_g, training.batch), Question(), lambda _: None)


@pytest.mark.parametrize("model, words", [
    (SMALL, dict(recompute="layer", lora="r=4,alpha=8,targets=q_proj+v_proj")),
    (SMALL, dict(attention="eager", batch=2)), (MIXTURE, dict(optimizer="adamw-fused")),
], ids=["adapters", "scores", "mixture"])
def test_laws_of_three_lengths_give_every_byte_at_others(
        model: dict[str, Any], words: dict[str, Any]) -> None:
    found = fitter(model, **words)
    laws = found.laws(found.spans[0])
    assert laws.range.multiple == 1 and laws.range.tokens == (128, 16_384)
    for pair in ((0, 3073), (9001, 500)):
        laws.explore([pair])
        step = laws.at(pair)
        assert step is not None and step.difference(found.at(pair)) is None


def test_the_longest_is_recorded_and_one_past_it_too(limit: Limit) -> None:
    found = fitter(SMALL)
    limit(found.at((5000 - 64, 64)).peak.bytes)
    fit = found.run()
    n_c = fit.n_c
    assert n_c is not None and n_c >= 5000 - 64
    assert fit.held == [(n_c, 64), (n_c + 1, 64)]
    assert found.at(fit.held[0]).peak.bytes < found.at(fit.held[1]).peak.bytes
    assert fit.recording is found.at(fit.held[0]) and fit.recording.laws is not None
    # Its file has the laws with its own tensors.
    values = fit.recording.values()
    assert values["laws"]["at"] == [n_c, 64] and len(values["laws"]["law"]) == len(
        values["tensors"]["bytes"])
    laws = fit.recording.laws
    assert isinstance(laws, Laws)
    step = laws.at((n_c, 64))
    assert step is not None and step.difference(fit.recording) is None


def test_windows_have_laws_above_them_and_masks_are_padded(limit: Limit) -> None:
    found = fitter(WINDOWS, window=700)
    limit(found.at((9000 - 64, 64)).peak.bytes)
    fit = found.run()
    assert fit.n_c is not None and (fit.n_c + 64) % 8 == 0 and fit.n_c + 64 == 9000
    assert any("multiple of 8" in note for note in fit.notes)
    assert isinstance(fit.recording.laws, Laws) and fit.recording.laws.range.tokens[0] > 700


def test_what_is_shorter_than_a_window_has_laws_of_its_own(limit: Limit) -> None:
    found = fitter(WINDOWS | dict(sliding_window=3000), window=3000)
    limit(found.at((1024 - 64, 64)).peak.bytes)
    fit = found.run()
    assert fit.n_c is not None and fit.n_c + 64 == 1024
    assert isinstance(fit.recording.laws, Laws) and fit.recording.laws.range.tokens[1] <= 3000


def test_nothing_fits(limit: Limit) -> None:
    limit(1)
    fit = fitter(SMALL).run()
    assert fit.n_c is None and fit.held == [] and fit.recording.laws is not None


def test_all_that_the_model_has_positions_for(limit: Limit) -> None:
    limit(1 << 50)
    fit = fitter(SMALL).run()
    assert fit.n_c == 16_384 - 64 and fit.held == [(16_384 - 64, 64)]


def test_a_step_without_a_law_is_searched_by_recording(limit: Limit) -> None:
    """A loss in chunks of 256 rows takes more ops the longer it is."""
    def record(n_c: int, n_g: int) -> Recording:
        with ballast_probe.step(gpu="a100-80gb",
                                layout=ballast_probe.Layout(n_c, n_g)) as recording:
            rows = torch.ones(n_c + n_g, 64, device="cuda", requires_grad=True)
            loss = sum((part @ part.T).sum() for part in rows.split(256))
            loss.backward()  # type: ignore[union-attr]
        return recording

    found = Fitter(record, Model(8192), prompts(Model(8192), 64, 1), Question(), lambda _: None)
    limit(found.at((4096 - 64, 64)).peak.bytes)
    fit = found.run()
    assert fit.n_c == 4096 - 64 and fit.recording.laws is None
    assert "no law" in fit.notes[-1]


def test_a_step_of_ones_own(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "require_program", lambda: "ballast")

    def train(n_c: int, n_g: int) -> None:
        model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(),
                                    torch.nn.Linear(256, 64)).cuda()
        optimizer = torch.optim.AdamW(model.parameters())
        model(torch.zeros(n_c + n_g, 64, device="cuda")).sum().backward()
        optimizer.step()

    limit(200 << 20)
    found = ballast_probe.fit(train, n_g=16, gpu="h100", most_tokens=1_000_000)
    assert found.n_c is not None and 1000 < found.n_c < 999_984
    assert found.recording.peak.bytes <= 200 << 20 < found.recording.peak.bytes + (1 << 20)
    for wrong in (dict(n_g=0), dict(batch=1.5), dict(most_tokens=1), dict(device="cpu")):
        with pytest.raises(UsageError):
            ballast_probe.fit(train, **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="function of two lengths"):
        ballast_probe.fit(3)  # type: ignore[arg-type]


def test_the_largest_batch(limit: Limit) -> None:
    def record(n_c: int, n_g: int, batch: int) -> Recording:
        return recorded(json.dumps(SMALL), Training(
            n_c=n_c, n_g=n_g, batch=batch, gpu="a100-80gb", dtype="bfloat16", steps=1))

    found = Fitter(record, Model(), batches(500, 12), Question(), lambda _: None)
    limit(found.at((500, 12, 11)).peak.bytes)
    fit = found.run()
    assert fit.batch == 11 and fit.held == [(500, 12, 11), (500, 12, 12)]
    assert isinstance(fit.recording.laws, Laws)
    assert fit.recording.laws.range.batch[0] == 2 and fit.recording.laws.range.tokens == (512, 512)
    limit(found.at((500, 12, 1)).peak.bytes)
    alone = Fitter(record, Model(), batches(500, 12), Question(), lambda _: None).run()
    assert alone.batch == 1 and alone.recording.laws is None


def test_laws_say_where_recordings_part() -> None:
    found = fitter(WINDOWS, window=700)
    with pytest.raises(NoLaw, match="aten::"):
        Laws.of([(pair, found.at(pair)) for pair in ((64, 64), (3000, 64), (5000, 64))],
                ("n_c", "n_g"))


def test_logits_of_the_answer_alone(limit: Limit) -> None:
    """Nothing of the prompt's rows is as wide as the vocabulary then, and the loss is the same."""
    whole, answer = fitter(SMALL), fitter(SMALL, logits="answer")
    at = (3000, 64)
    wide = [tensor for tensor in answer.at(at).tensors if 331 in tensor.shape
            and not {64, 331} == set(tensor.shape)]
    assert wide and all(65 in tensor.shape or 64 in tensor.shape for tensor in wide)
    assert any(3064 in tensor.shape and 331 in tensor.shape for tensor in whole.at(at).tensors)
    limit(whole.at(at).peak.bytes)
    found, other = answer.run(), whole.run()
    assert found.n_c is not None and other.n_c is not None and found.n_c > other.n_c
    assert len(found.held) == 2 or found.n_c == 16_384 - 64


def test_lengths_need_room() -> None:
    with pytest.raises(NoLaw, match="between 66 and 300 tokens with a completion of 64"):
        fitter(SMALL, most=300).laws(fitter(SMALL, most=300).spans[0])


def test_changes_are_named() -> None:
    training = Training(n_c=1, n_g=2)
    every = changed(training, "all")
    assert list(every) == [
        "checkpointing", "lora", "qlora", "answer-logits", "chunked-loss", "fused-optimizer",
        "sgd"]
    assert every["qlora"].base == "4bit" and every["qlora"].lora
    assert changed(training, None) == {}
    for words, sentence in (("lora,lora", "more than once"), ("what", "must be some of")):
        with pytest.raises(UsageError, match=sentence):
            changed(training, words)
    with pytest.raises(UsageError, match="changes nothing"):
        changed(every["checkpointing"], "checkpointing")


@pytest.mark.parametrize("words, sentence", [
    (["--n-g", "0"], "--n-g is 0 and must be from 1"),
    (["--gpu", "cpu"], "fit is about the memory of GPUs"),
    (["--gpu", "h1000"], "there is no GPU 'h1000'"),
    (["--also", "magic"], "--also has 'magic'"),
    (["--n-c", "5", "--batch", "2"], "with --n-c the largest batch is asked for"),
    (["--n-c", "-5"], "--n-c is -5"), (["--memory", ""], "--memory is given an empty text"),
    (["--n-g", "16384"], "--n-g 16,384 leaves no room for a prompt"),
    (["--n-c", "16384"], "--n-c 16,384 and --n-g 512 are 16,896 tokens, and the model has"),
    (["--memory", "much"], "--memory has 'much'"), (["--memory", "0"], "--memory has '0'"),
    (["--overwrite"], "--overwrite is about the recording in --output"),
    (["--batch", "0"], "--batch is 0"), (["--base", "4bit"], "give --lora"),
    (["--format", "xml"], "--format is 'xml' and must be one of table, json"),
])
def test_what_fit_refuses(words: list[str], sentence: str, tmp_path: Path,
                          capsys: pytest.CaptureFixture[str],
                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "require_program", lambda: "ballast")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SMALL))
    assert cli.main(["fit", "--model", str(config), *words]) == cli.WRONG_USAGE
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_fit_says_that_ballast_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "program", lambda: None)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SMALL))
    assert cli.main(["fit", "--model", str(config)]) == cli.FAILED
    assert "put it into PATH" in capsys.readouterr().err


def test_the_answer_is_data_too(limit: Limit) -> None:
    limit(1 << 50)
    fit = fitter(SMALL, most=8192).run()
    values = json.loads(json.dumps(values_of({"": fit, "sgd": fit}, {"qlora": "it failed"})))
    assert values["answers"][0]["n_c"] == fit.n_c == 8192 - 64 and "file" not in values["answers"][0]
    assert values["recorded_at"] == [{"n_c": 8192 - 64, "n_g": 64}]
    assert [one["change"] for one in values["changes"]] == ["sgd", "qlora"]
    assert values["changes"][1]["error"] == "it failed"


def test_the_file_has_laws_beside_what_it_had(limit: Limit, tmp_path: Path) -> None:
    limit(1 << 50)
    fit = fitter(SMALL, most=8192).run()
    values = json.loads(gzip.decompress(fit.write(tmp_path / "r.json.gz").read_bytes()))
    laws = values["laws"]
    assert laws["variables"] == ["n_c", "n_g"] and laws["solves"] == "n_c"
    assert laws["multiple"] == 1 and laws["batch"] == [1, 1] and laws["most_tokens"] == 8192
    assert len(laws["made_from"]) == 3 and len(laws["checked_at"]) >= 1
    blocks = laws["blocks"]
    assert {len(column) for column in blocks.values()} == {len(blocks["first"])}
    for first, count, following in zip(blocks["first"], blocks["count"], blocks["first"][1:]):
        assert first + count <= following
    for entry in laws["values"]:
        assert isinstance(entry, (int, str, list))
