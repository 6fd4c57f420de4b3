"""TRL's trainers, run as they are; left out where it is not installed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ballast_probe import ProbeError
from ballast_probe.recording import Phase, Recording, step
from ballast_probe.recording.trainer import Training, record_training
from fixtures.words import word_tokenizer

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
trl: Any = pytest.importorskip("trl")

_WORDS = 211
_TILE = 32_768
Run = Callable[..., Recording]


def _model() -> Any:
    import transformers

    return transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=_WORDS, dtype="bfloat16"))


def _tokenizer() -> Any:
    return word_tokenizer(_WORDS)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """What both trainers are told."""
    return dict(output_dir=str(tmp_path), max_steps=1, report_to=[], save_strategy="no",
                disable_tqdm=True, gradient_checkpointing=False)


@pytest.fixture
def sft(settings: dict[str, Any]) -> Run:
    """Two rows of 32 tokens."""
    import datasets

    def run(*without: str) -> Recording:
        rows = datasets.Dataset.from_list([{"input_ids": list(range(2, 34))}] * 4)
        with step(gpu="a100-80gb", without=without) as recording:
            arguments = trl.SFTConfig(per_device_train_batch_size=2, max_length=32, **settings)
            trl.SFTTrainer(model=_model(), args=arguments, train_dataset=rows,
                           processing_class=_tokenizer()).train()
        return recording

    return run


@pytest.fixture
def grpo(settings: dict[str, Any]) -> Run:
    """Four completions of 6 tokens behind 4 of a prompt, given and not drawn."""
    import datasets

    def completions(prompts: list[str], _: object) -> dict[str, Any]:
        count = len(prompts)
        return {"prompt_ids": [[2, 3, 4, 5]] * count,
                "completion_ids": [[6, 7, 8, 9, 10, 11]] * count,
                "logprobs": [[-1.0] * 6] * count}

    def reward(completions: list[str], **_: object) -> list[float]:
        return [1.0] * len(completions)

    def run(*without: str) -> Recording:
        rows = datasets.Dataset.from_list([{"prompt": "w2 w3"}] * 4)
        with step(gpu="a100-80gb", without=without) as recording:
            arguments = trl.GRPOConfig(per_device_train_batch_size=4, num_generations=4,
                                       **settings)
            trl.GRPOTrainer(model=_model(), args=arguments, train_dataset=rows,
                            processing_class=_tokenizer(), reward_funcs=reward,
                            rollout_func=completions).train()
        return recording

    return run


def _phases(recording: Recording) -> set[Phase]:
    return {span.phase for span in recording.stream.spans}


_ALL = {Phase.FORWARD, Phase.BACKWARD, Phase.CLIP, Phase.OPTIMIZER}


@pytest.mark.filterwarnings("ignore")
def test_sft_trainer_with_its_own_loss(sft: Run) -> None:
    recording = sft()
    assert _ALL <= _phases(recording)
    assert all("masked_scatter" in name for name in recording.not_modelled)
    # Its loss is of the rows that have a next token alone, in a tile of logits that a kernel of
    # Triton's folds where it lies: no logits in float32.
    assert not [one for one in recording.tensors
                if one.shape[1:] == (_WORDS,) and one.dtype == "float32"]
    assert {one.shape[0] for one in recording.tensors if one.shape[1:] == (_TILE,)} == {2 * 31}
    # As a CPU folds it, which has no Triton.
    rows = {one.shape[0] for one in sft("fused-head").tensors
            if one.shape[1:] == (_WORDS,) and one.dtype == "float32"}
    assert rows == {2 * 31}


@pytest.mark.parametrize("n_c, rows", [(7, 2 * 5), (1, 2 * 11), (0, 2 * 11)])
def test_the_loss_in_pieces_scores_the_answer_alone(n_c: int, rows: int) -> None:
    model = dict(model_type="llama", hidden_size=32, intermediate_size=40, num_hidden_layers=1,
                 num_attention_heads=4, num_key_value_heads=2, vocab_size=_WORDS,
                 max_position_embeddings=64, tie_word_embeddings=False)
    asked = Training(n_c=n_c, n_g=12 - n_c, batch=2, dtype="bfloat16", logits="chunked",
                     gpu="a100-80gb", steps=1, clip=None)
    recording = record_training(model, asked)
    tiles = [one for one in recording.tensors if one.shape[1:] == (_TILE,)]
    assert [one.shape[0] for one in tiles] == [rows, rows]  # forward's, and backward's
    assert not [one for one in recording.tensors if one.shape[-1:] == (_WORDS,)]
    assert recording.point["head"] == "chunked"


@pytest.mark.filterwarnings("ignore")
def test_grpo_trainer_with_completions_that_are_given(grpo: Run) -> None:
    recording = grpo()
    assert _ALL <= _phases(recording)
    assert all("masked_scatter" in name for name in recording.not_modelled)
    assert len(recording.stream.boundaries) == 1
    assert recording.stream.most_allocated == recording.peak.bytes > 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trainer", ["sft", "grpo"])
def test_what_they_log_is_read_in_vain(trainer: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(trainer)
    with pytest.raises(ProbeError, match=f"{trainer}_trainer.py:[0-9]+ reads the value"):
        run("trainers-logs")
