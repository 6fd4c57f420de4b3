"""Small configurations, and one place that keeps PyTorch to two threads."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # as the command has it

from ballast_probe import Saved  # noqa: E402, after the word above

torch.set_num_threads(2)

_SMALL = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, vocab_size=211, max_position_embeddings=512, pad_token_id=0,
              bos_token_id=1, eos_token_id=2)


def _small(model_type: str, **more: Any) -> dict[str, Any]:
    return {"model_type": model_type, **_SMALL, **more}


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    # Families of which Ballast has recipes.
    "gpt2": {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512,
             "vocab_size": 211},
    "llama": _small("llama"),
    "mistral": _small("mistral", sliding_window=32),
    "qwen3": _small("qwen3", head_dim=16),
    # Families that it does not know.
    "gemma": _small("gemma", head_dim=16),
    "phi3": _small("phi3"),
    "mixtral": _small("mixtral", num_local_experts=4),
    "gpt_neox": _small("gpt_neox"),
    "olmo2": _small("olmo2"),
    "granite": _small("granite"),
    "qwen3_moe": _small("qwen3_moe", head_dim=16, num_experts=8, num_experts_per_tok=2,
                        moe_intermediate_size=48),
    "gemma3_text": _small("gemma3_text", head_dim=16, sliding_window=32),
    "starcoder2": _small("starcoder2"),
    "deepseek_v3": _small("deepseek_v3", num_key_value_heads=4, n_routed_experts=8, q_lora_rank=32,
                          kv_lora_rank=32, qk_rope_head_dim=8, qk_nope_head_dim=16, v_head_dim=16,
                          n_group=2, topk_group=1, num_experts_per_tok=2, moe_intermediate_size=32,
                          first_k_dense_replace=1),
    "phi": _small("phi", partial_rotary_factor=0.5),
    "qwen2_moe": _small("qwen2_moe", num_experts=8, num_experts_per_tok=2,
                        moe_intermediate_size=48, shared_expert_intermediate_size=64),
    "falcon": {"model_type": "falcon", "hidden_size": 64, "num_hidden_layers": 2,
               "num_attention_heads": 4, "vocab_size": 211, "alibi": False},
    "stablelm": _small("stablelm"),
    "cohere": _small("cohere"),
    "glm": _small("glm", head_dim=16),
    "smollm3": _small("smollm3"),
    "deepseek_v2": _small("deepseek_v2", num_key_value_heads=4, n_routed_experts=8,
                          q_lora_rank=None, kv_lora_rank=32, qk_rope_head_dim=8,
                          qk_nope_head_dim=16, v_head_dim=16, n_group=1, topk_group=1,
                          num_experts_per_tok=2, moe_intermediate_size=32,
                          first_k_dense_replace=1),
    "opt": {"model_type": "opt", "hidden_size": 64, "ffn_dim": 96, "num_hidden_layers": 2,
            "num_attention_heads": 4, "vocab_size": 211, "max_position_embeddings": 512,
            "word_embed_proj_dim": 64},
}


_TEXT = {key: value for key, value in _SMALL.items() if not key.endswith("token_id")}
_VISION = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
           "intermediate_size": 64}

# More than a text model: the file, and the text model alone that it should be measured as.
MULTIMODAL: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "gemma3": ({"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3",
                "torch_dtype": "bfloat16", "text_config": {**_TEXT, "head_dim": 16},
                "vision_config": {"model_type": "siglip_vision_model", **_VISION}},
               {"model_type": "gemma3_text", **_TEXT, "head_dim": 16}),
    "llava": ({"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava",
               "torch_dtype": "bfloat16", "text_config": {"model_type": "llama", **_TEXT},
               "vision_config": {"model_type": "clip_vision_model", **_VISION}},
              {"model_type": "llama", **_TEXT}),
    "mistral3": ({"architectures": ["Mistral3ForConditionalGeneration"], "model_type": "mistral3",
                  "dtype": "bfloat16", "text_config": {"model_type": "mistral", **_TEXT},
                  "vision_config": {"model_type": "pixtral", **_VISION}},
                 {"model_type": "mistral", **_TEXT}),
    # Flat, as Qwen2-VL's files are; transformers has its text model in no class of its own.
    "qwen2_vl": ({"architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl",
                  "torch_dtype": "bfloat16", **_TEXT,
                  "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
                  "vision_config": {"depth": 1, "embed_dim": 32, "num_heads": 2,
                                    "hidden_size": 64}},
                 {"model_type": "qwen2", **_TEXT}),
    "qwen3_vl": ({"architectures": ["Qwen3VLForConditionalGeneration"], "model_type": "qwen3_vl",
                  "dtype": "bfloat16",
                  "text_config": {"model_type": "qwen3_vl_text", **_TEXT, "head_dim": 16,
                                  "rope_scaling": {"rope_type": "default",
                                                   "mrope_section": [2, 3, 3]}},
                  "vision_config": {"depth": 1, "hidden_size": 32, "num_heads": 2,
                                    "intermediate_size": 64, "out_hidden_size": 64,
                                    "deepstack_visual_indexes": [0]}},
                 {"model_type": "qwen3", **_TEXT, "head_dim": 16}),
}


def multiset(saved: Iterable[Saved]) -> Counter[tuple[tuple[int, ...], str, int]]:
    """What was saved, whatever its order: shape, dtype and bytes."""
    return Counter(one.key for one in saved)


Case = TypeVar("Case")


def todays(pairs: Sequence[Case]) -> list[Case]:
    """One of every two neighbours, the other one tomorrow; all of them with BALLAST_TESTS=full.

    As in the tests of Swift, BALLAST_TESTS can also be the number of a day.
    """
    word = os.environ.get("BALLAST_TESTS", "")
    if word == "full":
        return list(pairs)
    day = int(word) if word.isdecimal() else int(time.time()) // 86_400
    return [pair for place, pair in enumerate(pairs) if (place // 2 + place + day) % 2 == 0]
