"""Small models of transformers, of many families, for steps with a prefix."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

Fields = dict[str, Any]

WINDOWED = ("mistral", "gemma2", "gemma3_text", "gpt_oss", "cohere2", "exaone4", "llama4_text")
EAGER = ("gemma2", "gpt_oss", "bloom")  # transformers refuses them PyTorch's attention


def _mixture(draw: random.Random, **names: str) -> Fields:
    experts = draw.choice((2, 4))
    return {names["experts"]: experts, names["used"]: draw.randint(1, experts)}


def _latent(draw: random.Random) -> Fields:
    """Multi-head latent attention, and a mixture behind a dense layer."""
    return dict(q_lora_rank=draw.choice((None, 16)), kv_lora_rank=16, qk_rope_head_dim=8,
                qk_nope_head_dim=8, v_head_dim=16, n_routed_experts=4, num_experts_per_tok=2,
                moe_intermediate_size=16, n_group=1, topk_group=1, first_k_dense_replace=1)


_OWN: dict[str, Callable[[random.Random], Fields]] = {
    "llama": lambda draw: {},
    "mistral": lambda draw: dict(head_dim=2 * draw.randint(3, 12)),
    "qwen2": lambda draw: {},
    "qwen3": lambda draw: dict(head_dim=2 * draw.randint(3, 12)),
    "gemma2": lambda draw: dict(head_dim=2 * draw.randint(3, 12)),
    "gemma3_text": lambda draw: dict(head_dim=2 * draw.randint(3, 12)),
    "phi3": lambda draw: {},
    "olmo2": lambda draw: {},
    "granite": lambda draw: dict(attention_multiplier=0.3, residual_multiplier=0.7,
                                 logits_scaling=2.0),
    "smollm3": lambda draw: {},
    "glm4": lambda draw: dict(head_dim=16),
    "cohere2": lambda draw: {},
    "exaone4": lambda draw: {},
    "starcoder2": lambda draw: {},
    "apertus": lambda draw: {},
    "mixtral": lambda draw: _mixture(draw, experts="num_local_experts", used="num_experts_per_tok"),
    "qwen3_moe": lambda draw: _mixture(draw, experts="num_experts", used="num_experts_per_tok")
    | dict(moe_intermediate_size=16),
    "gpt_oss": lambda draw: _mixture(draw, experts="num_local_experts", used="num_experts_per_tok")
    | dict(head_dim=16),
    "deepseek_v3": _latent,
    "llama4_text": lambda draw: dict(head_dim=16, num_local_experts=2, intermediate_size_mlp=48,
                                     attention_chunk_size=8),
    "gpt_neox": lambda draw: dict(hidden_size=64, rotary_pct=0.5),
    "bloom": lambda draw: {},
    "opt": lambda draw: dict(word_embed_proj_dim=64, ffn_dim=96, dropout=0.0),
    "gpt2": lambda draw: {},
}
FAMILIES = tuple(_OWN)


def random_fields(draw: random.Random, family: str) -> Fields:
    """The fields of a small config.json of a family."""
    layers, vocab = draw.randint(1, 4), draw.randint(31, 150)
    common: Fields = dict(model_type=family, vocab_size=vocab, bos_token_id=0, eos_token_id=0,
                          tie_word_embeddings=draw.random() < 0.5)
    if family == "gpt2":
        return common | dict(n_embd=48, n_layer=layers, n_head=4, n_positions=256, resid_pdrop=0.0,
                             embd_pdrop=0.0, attn_pdrop=0.0)
    if family == "bloom":
        return common | dict(hidden_size=48, n_layer=layers, n_head=4)
    heads = draw.choice((2, 4))
    fields = common | dict(
        hidden_size=16 * draw.randint(2, 4), num_attention_heads=heads, num_hidden_layers=layers,
        intermediate_size=16 * draw.randint(2, 6), max_position_embeddings=256, pad_token_id=0,
        num_key_value_heads=heads if family == "deepseek_v3" else
        draw.choice([k for k in (1, 2, 4) if heads % k == 0]))
    if family in WINDOWED:
        fields["sliding_window"] = draw.choice((4, 8, 64))
    return fields | _OWN[family](draw)


def built(fields: Fields, attention: str, dtype: torch.dtype, seed: int) -> Any:
    """A model of these fields in train(), its parameters drawn from a seed."""
    from transformers import AutoConfig, AutoModelForCausalLM

    given = dict(fields)
    config = AutoConfig.for_model(given.pop("model_type"), **given)
    torch.manual_seed(seed)
    # Products of groups of experts, which stand in for the loop over them, take no float64.
    experts = {} if dtype != torch.float64 else dict(experts_implementation="eager")
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention,
                                             **experts)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2:  # biases of 0 and norms of 1 would hide what they are part of
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.train()


@contextmanager
def in_float64() -> Iterator[None]:
    """Has transformers compute in float64 what it computes in float32 whatever a model's type is:
    norms, rotary angles, some softmaxes."""
    single, alias, method = torch.float32, torch.float, torch.Tensor.float
    before = torch.get_default_dtype()
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.float32, torch.float = single, alias
        torch.Tensor.float = method  # type: ignore[method-assign]
        torch.set_default_dtype(before)
