"""The Python of docs/prefix-steps.md runs as it stands there, on a small model."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from checkout import ROOT
from checks.docs import blocks
from trainer_cases import gradients_of, prompts_and_completions, small_model, word_tokenizer

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
PAGE = ROOT / "docs/prefix-steps.md"


def a_readers_own() -> dict[str, Any]:
    """What the page says is the reader's."""
    datasets = pytest.importorskip("datasets")
    draw = torch.Generator().manual_seed(1)

    def tokens(*shape: int) -> Any:
        return torch.randint(2, 97, shape, generator=draw)

    ids = tokens(2, 24)
    labels = ids.clone()
    labels[:, :16] = -100
    batch = {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids), "n_c": 16}
    return {
        "torch": torch, "model": small_model().train(), "make_model": small_model,
        "tokenizer": word_tokenizer(),
        "input_ids": ids, "prompt_tokens": 16, "batches": [batch, batch],
        "rows": [{"input_ids": row.tolist(), "labels": label.tolist(), "attention_mask": [1] * 24}
                 for row, label in zip(ids, labels, strict=True)] * 2,
        "prompts_and_completions": datasets.Dataset.from_list(prompts_and_completions(4)),
        "prompt": tokens(20), "completions": [tokens(5), tokens(3), tokens(4)],
        "advantages": torch.tensor([1.0, -0.5, -0.5]), "old": torch.full((3, 5), -4.5),
        "reference": torch.full((2, 5), -4.5), "chosen": tokens(5), "rejected": tokens(4)}


@pytest.mark.filterwarnings("ignore")
def test_the_pages_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trl: Any = pytest.importorskip("trl")
    # Without a GPU its default type, bfloat16, has to be told that this is meant.
    monkeypatch.setattr(trl, "SFTConfig", partial(trl.SFTConfig, use_cpu=True))
    monkeypatch.chdir(tmp_path)
    names = a_readers_own()
    found = [block for block in blocks(PAGE.read_text()) if block.language == "python"]
    assert len(found) == 9
    for block in found:
        source = "\n" * block.line + "\n".join(block.lines)  # as a traceback's line numbers
        exec(compile(source, str(PAGE), "exec"), names)
        if "loss.backward()" in source:
            assert all(one.isfinite().all() for one in gradients_of(names["model"]).values())
            names["model"].zero_grad()
    assert names["MyTrainer"].prefix_options["chunk"] == 512
