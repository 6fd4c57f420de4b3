"""What PyTorch keeps where a step is called otherwise than predicted; see scripts/step-variants."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
import transformers

import ballast_probe
from checkout.command import Words

TOKENS, PREFIX = 64, 48
SHAPE: dict[str, Any] = dict(vocab_size=128, hidden_size=64, intermediate_size=172, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=256)


def model(dtype: torch.dtype = torch.float32, checkpointed: bool = False) -> Any:
    """A model as it trains."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SHAPE, attn_implementation="sdpa", tie_word_embeddings=False)
    made = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype).train()
    if checkpointed:
        made.gradient_checkpointing_enable()
    return made


def retained(module: torch.nn.Module, keeps_outputs: bool = False, rows: int = 1,
             context: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext, **more: Any) -> int:
    """The bytes that are kept at the boundary of one step."""
    ids = torch.arange(TOKENS).repeat(rows, 1) % 128
    labels = ids.clone()
    labels[:, :PREFIX] = -100
    given: dict[str, Any] = {"input_ids": ids, "labels": labels, "use_cache": False, **more}
    with ballast_probe.record(module) as probe:
        with context():
            outputs = module(**given)
            loss = outputs.loss if outputs.loss is not None else outputs.logits.float().mean()
        if not keeps_outputs:
            del outputs
        probe.boundary(loss)
    return probe.retained_bytes


def variants() -> list[tuple[str, int, int]]:
    """Each way of calling: what it is, its bytes, and those of the predicted step beside it."""
    def autocast() -> AbstractContextManager[Any]:
        return torch.autocast("cpu", dtype=torch.bfloat16)

    ones = torch.ones(1, TOKENS, dtype=torch.long)
    padded = torch.ones(2, TOKENS, dtype=torch.long)
    padded[1, :16] = 0
    packed = torch.cat([torch.arange(40), torch.arange(24)])[None]
    plain, two = retained(model()), retained(model(), rows=2)
    narrow, checked = retained(model(torch.bfloat16)), retained(model(checkpointed=True))
    return [
        ("the predicted step", plain, plain),
        ("a mask of ones", retained(model(), attention_mask=ones), plain),
        ("two sequences, a mask with padding", retained(model(), rows=2, attention_mask=padded), two),
        ("packed: position_ids that start again", retained(model(), position_ids=packed), plain),
        ("use_cache=True", retained(model(), use_cache=True), plain),
        ("use_cache=True, outputs kept", retained(model(), True, use_cache=True), plain),
        ("outputs kept", retained(model(), True), plain),
        ("autocast to bfloat16, float32 weights", retained(model(), context=autocast), plain),
        ("  the same, beside bfloat16 weights", retained(model(), context=autocast), narrow),
        ("eval()", retained(model().eval()), plain),
        ("checkpointing", checked, plain),
        ("checkpointing, eval()", retained(model(checkpointed=True).eval()), checked),
        ("checkpointing, use_cache=True", retained(model(checkpointed=True), use_cache=True), checked),
    ]


def main(words: list[str]) -> int:
    Words().parse_args(words)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    print("| the step | retained, B | against the predicted one |\n|---|--:|--:|")
    for name, found, predicted in variants():
        share = f"{100 * (found / predicted - 1):+.1f} %".replace("-", "−")
        print(f"| {name.strip()} | {found:,} | {'same' if found == predicted else share} |")
    return 0
