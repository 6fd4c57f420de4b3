"""What is compared with PEFT: a small model, an adapter and a step; random ones, and the committed ones."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace
from typing import Any

import peft

from fixtures.cases import Case

FAMILIES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
LINEAR = {
    "gpt2": ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"),
    "llama": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
}


@dataclass
class Trial:
    """A model, an adapter, and a step."""

    case: Case
    adapter: peft.LoraConfig
    trainable: str | None
    dtype: str
    options: dict[str, str] = field(default_factory=dict)
    # Completions of one prefix; the case's batch is all of them.
    suffixes: int = 1
    # n_c and n_g of each sequence where they differ; then the case is of the longest.
    lengths: list[tuple[int, int]] | None = None

    @property
    def sequences(self) -> list[Case]:
        """The cases of single sequences."""
        return [replace(self.case, n_c=n_c, n_g=n_g, batch=1,
                        keep_prefix=min(n_c, self.case.keep_prefix))
                for n_c, n_g in self.lengths or []]

    @property
    def name(self) -> str:
        a = self.adapter
        targets = a.target_modules if isinstance(a.target_modules, str) else \
            "+".join(sorted(a.target_modules))
        parts = [self.case.family, self.dtype, f"r {a.r}", targets,
                 f"{self.case.n_c}+{self.case.n_g}"]
        parts += [f"batch {self.case.batch}"] if self.case.batch > 1 else []
        parts += [f"suffixes {self.suffixes}"] if self.suffixes > 1 else []
        parts += [f"lengths {self.lengths}"] if self.lengths else []
        parts += ["rslora"] if a.use_rslora else []
        parts += [f"dropout {a.lora_dropout}"] if a.lora_dropout else []
        parts += [f"saves {a.modules_to_save}"] if a.modules_to_save else []
        parts += [f"trains {self.trainable}"] if self.trainable else []
        return " ".join(parts + [f"{k} {v}" for k, v in self.options.items()])


def random_trial(draw: random.Random, number: int, seed: int) -> Trial:
    """A small model of one of the families with a random adapter."""
    family = FAMILIES[number % len(FAMILIES)]
    heads = draw.choice((1, 2, 4))
    width = 2 * draw.randint(2, 8)
    layers = draw.randint(1, 3)
    tied = draw.random() < 0.4
    if family == "gpt2":
        config: dict[str, Any] = dict(
            n_embd=heads * width, n_head=heads, n_layer=layers, n_positions=64, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0)
    else:
        config = dict(
            hidden_size=heads * width, num_attention_heads=heads, num_hidden_layers=layers,
            num_key_value_heads=draw.choice([k for k in (1, 2, 4) if heads % k == 0]),
            intermediate_size=draw.randint(5, 40), max_position_embeddings=64)
        if family == "mistral":
            config["sliding_window"] = draw.choice((None, draw.randint(3, 30)))
    config |= dict(vocab_size=draw.randint(11, 60), tie_word_embeddings=tied)
    names = LINEAR["gpt2" if family == "gpt2" else "llama"]
    targets: list[str] | str
    if draw.random() < 0.2:
        inner = "|".join(re.escape(n) for n in draw.sample(names, 2))
        targets = rf".*\.0\..*({inner})"
    else:
        targets = draw.sample(names, draw.randint(1, len(names)))
    saves = None
    if not tied and draw.random() < 0.3:
        saves = draw.choice((["lm_head"], ["wte" if family == "gpt2" else "embed_tokens"]))
    adapter = peft.LoraConfig(
        r=draw.choice((1, 2, 4, 7)), lora_alpha=draw.choice((1, 4, 16)),
        use_rslora=draw.random() < 0.3, target_modules=targets, modules_to_save=saves,
        lora_dropout=draw.choice((0.0, 0.05, 0.3)), fan_in_fan_out=family == "gpt2",
        task_type="CAUSAL_LM")
    n_c = draw.randint(0, 24)
    suffixes = draw.choice((1, 1, 2, 3))
    case = Case(f"{family}-peft-{seed}-{number}", "", n_c, draw.randint(2, 9), config,
                batch=suffixes * draw.choice((1, 1, 2)),
                loss_rows=draw.choice(("next-token", "generated")),
                keep_prefix=min(n_c, draw.choice((0, 0, 3))))
    options = {"recompute": draw.choice(("none", "none", "elementwise", "attention", "layer")),
               "attention": draw.choice(("fused", "materialized")),
               "head": draw.choice(("loss-rows", "chunked")), "chunk": draw.choice(("3", "256"))}
    if suffixes > 1:
        options["sharing"] = draw.choice(("none", "prefix", "prefix"))
        if options["sharing"] == "prefix":
            options["suffixes-at-a-time"] = draw.choice(("0", "1", "2"))
    lengths = None
    if suffixes == 1 and draw.random() < 0.4:
        lengths = [(draw.randint(1, 20), draw.randint(1, 9)) for _ in range(draw.randint(2, 4))]
        if draw.random() < 0.6:  # completions of different length behind one prompt
            lengths = [(lengths[0][0], n_g) for _, n_g in lengths]
            options["sharing"] = "prefix"
            options["suffixes-at-a-time"] = draw.choice(("0", "1", "2"))
        case = replace(case, n_c=max(n for n, _ in lengths), batch=len(lengths),
                       n_g=max(n for _, n in lengths), keep_prefix=min(case.keep_prefix, 1))
    trainable = draw.choice((None, None, None, "norm|ln_", "bias|embed|wte"))
    return Trial(case, adapter, trainable, draw.choice(("float32", "float32", "bfloat16")), options,
                 suffixes, lengths)


def committed() -> list[Trial]:
    """Small steps whose numbers are committed: a family each, adapters, a group, lengths."""
    def trial(family: str, targets: list[str] | str, suffixes: int = 1,
              lengths: list[tuple[int, int]] | None = None, **adapter: Any) -> Trial:
        if family == "gpt2":
            config: dict[str, Any] = dict(n_embd=12, n_head=2, n_layer=2, n_positions=32, embd_pdrop=0.0,
                                attn_pdrop=0.0, resid_pdrop=0.0)
        else:
            config = dict(hidden_size=12, num_attention_heads=4, num_key_value_heads=2, head_dim=4,
                          num_hidden_layers=2, intermediate_size=18, max_position_embeddings=32)
        if family == "mistral":
            config["sliding_window"] = 5
        config |= dict(vocab_size=19, tie_word_embeddings=False)
        batch = len(lengths) if lengths else suffixes
        case = Case(f"{family}-adapter", "", 7 if not lengths else max(n for n, _ in lengths),
                    4 if not lengths else max(n for _, n in lengths), config, batch=batch)
        return Trial(case, peft.LoraConfig(
            target_modules=targets, fan_in_fan_out=family == "gpt2", task_type="CAUSAL_LM",
            **({"r": 2, "lora_alpha": 4} | adapter)), None, "float32", {}, suffixes, lengths)

    return [
        trial("gpt2", ["attn.c_attn", "mlp.c_proj"], use_rslora=True),
        trial("llama", ["q_proj", "v_proj"], modules_to_save=["lm_head"]),
        trial("mistral", r".*\.0\..*(k_proj|up_proj)", r=3),
        trial("qwen2", ["k_proj", "o_proj", "gate_proj"], suffixes=2),
        trial("qwen3", ["q_proj", "k_proj", "v_proj", "down_proj"], lengths=[(7, 4), (3, 2), (1, 5)]),
    ] + [
        # The same with dropout.
        trial("gpt2", ["attn.c_attn", "mlp.c_proj"], suffixes=2, lora_dropout=0.3),
        trial("llama", ["q_proj", "v_proj", "down_proj"], lora_dropout=0.05, r=4),
        trial("qwen3", "all-linear", suffixes=3, lora_dropout=0.2),
        trial("mistral", ["k_proj", "o_proj", "up_proj"], lengths=[(7, 4), (3, 2), (1, 5)],
              lora_dropout=0.4),
    ]
