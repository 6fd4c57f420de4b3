"""A small model, words for it, and how far two trained ones are apart."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from fixtures.words import word_tokenizer as tokenizer_of_words

VOCABULARY = 97
IGNORED = -100
Parameters = dict[str, Tensor]


def small_model(family: str = "llama", **fields: Any) -> Any:
    """The same one each time, in float32."""
    import transformers

    torch.manual_seed(5)
    config = transformers.AutoConfig.for_model(
        family, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=VOCABULARY, pad_token_id=0, bos_token_id=1,
        eos_token_id=1, initializer_range=0.2, **fields)
    return transformers.AutoModelForCausalLM.from_config(config)


def adapter(**fields: Any) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM",
                      init_lora_weights=False, **fields)


def word_tokenizer() -> Any:
    return tokenizer_of_words(VOCABULARY)


def text(draw: random.Random, words: int) -> str:
    return " ".join(f"w{draw.randrange(2, VOCABULARY)}" for _ in range(words))


def prompts_and_completions(count: int, seed: int = 1) -> list[dict[str, str]]:
    """Of several lengths."""
    draw = random.Random(seed)
    return [{"prompt": text(draw, draw.randint(8, 30)) + " ",
             "completion": text(draw, draw.randint(2, 9))} for _ in range(count)]


def parameters_of(model: Any) -> Parameters:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def gradients_of(model: Any) -> Parameters:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def are_near(found: Parameters, wanted: Parameters, error: float = 1e-5) -> None:
    assert found.keys() == wanted.keys() and wanted
    for name, want in wanted.items():
        assert float((found[name] - want).norm() / want.norm()) <= error, name


def are_trained_alike(found: Parameters, wanted: Parameters, start: Parameters) -> None:
    """Holds that two trainings came to the same parameters by the same way: they differ little
    even beside that, and no parameter has stayed."""
    are_near(found, wanted)
    are_near({name: one - start[name] for name, one in found.items()},
             {name: one - start[name] for name, one in wanted.items()}, error=1e-3)


def logged(trainer: Any, name: str) -> list[float]:
    return [entry[name] for entry in trainer.state.log_history if name in entry]
