"""Small random training steps of models of transformers, to be run and to be recorded."""

from __future__ import annotations

import contextlib
import random
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from .recordings_real import part

FAMILIES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
OTHERS = ("gemma2", "gemma3_text", "phi3", "mixtral", "qwen3_moe", "olmo2", "gpt_neox",
          "deepseek_v3")
MIXTURES = ("mixtral", "qwen3_moe", "deepseek_v3")
# Linear maps of a family's attention, for adapters on some of them.
MAPS = {
    "gpt2": ["c_attn"], "phi3": ["qkv_proj"], "gpt_neox": ["query_key_value", "dense"],
    "deepseek_v3": ["kv_b_proj", "o_proj"],
}


@dataclass(frozen=True)
class Case:
    """A model by the fields of its config.json, and how it is trained."""

    model: dict[str, Any]
    batch: int = 1
    tokens: int = 8
    attention: str = "sdpa"  # eager, sdpa
    numbers: str = "float32"  # bfloat16, float32, autocast: float32 weights, products in bfloat16
    adapter: str = "none"  # none, some, all: the linear maps that have a LoRA adapter
    checkpointing: str = "none"  # none, reentrant, non-reentrant
    optimizer: str = "foreach"  # AdamW's kinds: foreach, fused, loop
    is_clipped: bool = False
    accumulation: int = 1
    steps: int = 2
    holds_output: bool = False  # the logits live until backward has ended
    has_mask: bool = False  # an attention mask of ones is given

    @property
    def name(self) -> str:
        words = [str(self.model["model_type"]), f"{self.batch}×{self.tokens}", self.attention,
                 self.numbers]
        words += [f"lora {self.adapter}"] if self.adapter != "none" else []
        words += [f"{self.checkpointing} checkpoints"] if self.checkpointing != "none" else []
        words += [f"adamw {self.optimizer}"]
        words += ["clipped"] if self.is_clipped else []
        words += [f"{self.accumulation} a step"] if self.accumulation > 1 else []
        words += [f"{self.steps} steps"] if self.steps > 1 else []
        words += ["holds output"] if self.holds_output else []
        words += ["mask"] if self.has_mask else []
        return ", ".join(words)


def random_cases(draw: random.Random, count: int) -> list[Case]:
    """Steps of all families in turn: as many of each as of any other, or one fewer."""
    families = list(FAMILIES + OTHERS)
    draw.shuffle(families)
    return [random_case(draw, families[number % len(families)]) for number in range(count)]


def random_case(draw: random.Random, family: str) -> Case:
    """A step of a small model of a family."""
    return Case(
        random_model(draw, family), batch=draw.choice((1, 2, 3)), tokens=draw.randint(5, 70),
        # transformers refuses sdpa where it would leave a cap on the scores out.
        attention="eager" if family == "gemma2" else draw.choice(("eager", "sdpa")),
        numbers=draw.choice(("bfloat16", "float32", "autocast")),
        adapter=draw.choice(("none", "none", "some", "all")),
        checkpointing=draw.choice(("none", "none", "reentrant", "non-reentrant")),
        optimizer=draw.choice(("foreach", "fused", "loop")), is_clipped=draw.random() < 0.5,
        accumulation=draw.choice((1, 1, 2, 3)), steps=draw.choice((1, 2, 2)),
        holds_output=draw.random() < 0.3, has_mask=draw.random() < 0.3)


def random_model(draw: random.Random, family: str) -> dict[str, Any]:
    """The fields of a small config.json of a family."""
    heads, width, layers = draw.choice((2, 4)), 2 * draw.randint(3, 12), draw.randint(1, 3)
    vocab, tied = draw.randint(31, 200), draw.random() < 0.5
    if family == "gpt2":
        dropout = draw.choice((0.0, 0.1))
        return dict(
            model_type=family, n_embd=heads * width, n_head=heads, n_layer=layers, n_positions=128,
            vocab_size=vocab, tie_word_embeddings=tied, resid_pdrop=dropout, embd_pdrop=dropout,
            attn_pdrop=dropout, bos_token_id=0, eos_token_id=0)
    model = dict(
        model_type=family, hidden_size=heads * width, num_attention_heads=heads,
        num_hidden_layers=layers, vocab_size=vocab, intermediate_size=draw.randint(9, 150),
        max_position_embeddings=128, tie_word_embeddings=tied, bos_token_id=0, eos_token_id=0,
        pad_token_id=0)
    if family == "gpt_neox":  # half of a head is turned, in pairs
        return model | dict(hidden_size=heads * 4 * draw.randint(2, 6), rotary_pct=0.5,
                            use_parallel_residual=draw.random() < 0.5)
    model["num_key_value_heads"] = draw.choice([k for k in (1, 2, 4) if heads % k == 0])
    if family in ("mistral", "qwen3", "gemma2", "gemma3_text", "qwen3_moe"):
        model["head_dim"] = 2 * draw.randint(3, 12)
    if family in ("mistral", "gemma2", "gemma3_text"):
        model["sliding_window"] = draw.choice((8, 16, 128))
    if family in MIXTURES:
        # Products of groups want rows of whole 16 bytes.
        model |= dict(hidden_size=16 * draw.randint(2, 6), intermediate_size=8 * draw.randint(2, 9))
        model |= _experts(draw, family, heads)
    return model


def _experts(draw: random.Random, family: str, heads: int) -> dict[str, Any]:
    """Fields of a mixture in which every token goes to every expert: no value decides a size."""
    experts = draw.choice((2, 4))
    if family == "mixtral":
        return dict(num_local_experts=experts, num_experts_per_tok=experts)
    if family == "qwen3_moe":
        return dict(num_experts=experts, num_experts_per_tok=experts,
                    moe_intermediate_size=8 * draw.randint(2, 9))
    return dict(
        n_routed_experts=experts, num_experts_per_tok=experts, n_shared_experts=1, n_group=1,
        topk_group=1, first_k_dense_replace=draw.choice((0, 1)), num_key_value_heads=heads,
        moe_intermediate_size=8 * draw.randint(2, 9), q_lora_rank=draw.choice((None, 12)),
        kv_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=12, v_head_dim=16)


class Training:
    """A model and its optimizer, made for a case; `run` trains it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        torch.manual_seed(0)
        self.model = model(case)
        self.parameters = [one for one in self.model.parameters() if one.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=1e-4, fused=True if case.optimizer == "fused" else None,
            foreach=None if case.optimizer == "fused" else case.optimizer == "foreach")
        self.ids = torch.randint(0, int(case.model["vocab_size"]), (case.batch, case.tokens))
        self.mask = torch.ones_like(self.ids) if case.has_mask else None

    def run(self) -> None:
        """Trains for the case's steps; ends with gradients dropped and states standing."""
        for _ in range(self.case.steps):
            for _ in range(self.case.accumulation):
                self.backward()
            with part("clip"):
                if self.case.is_clipped:
                    torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            with part("optimizer"):
                self.optimizer.step()
            with part("zero"):
                self.optimizer.zero_grad()

    def backward(self) -> None:
        """Forward and backward of one batch."""
        with part("forward"), self.products():
            output = self.model(input_ids=self.ids, labels=self.ids, attention_mask=self.mask,
                                use_cache=False)
            loss = output.loss / self.case.accumulation
        if not self.case.holds_output:
            del output
        with part("backward"):
            loss.backward()

    def products(self) -> AbstractContextManager[Any]:
        if self.case.numbers != "autocast":
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=torch.bfloat16)


def model(case: Case) -> Any:
    """The case's model, as it trains."""
    fields = {name: value for name, value in case.model.items() if name != "model_type"}
    config = transformers.AutoConfig.for_model(case.model["model_type"], **fields)
    dtype = torch.bfloat16 if case.numbers == "bfloat16" else torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = transformers.AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation=case.attention).train()
        if case.adapter != "none":
            made = adapted(made, case)
        if case.checkpointing != "none":
            made.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": case.checkpointing == "reentrant"})
            if case.adapter != "none":
                made.enable_input_require_grads()
    return made


def adapted(base: Any, case: Case) -> Any:
    """The model with LoRA adapters."""
    import peft

    family = str(case.model["model_type"])
    maps = {name.rpartition(".")[2] for name, one in base.named_modules()
            if type(one).__name__ in ("Linear", "Conv1D")} - {"lm_head", "embed_out"}
    if family in MIXTURES:  # their experts' weights have the same names, and are no maps
        maps -= {"gate_proj", "up_proj", "down_proj"}
    targets = sorted(maps) if case.adapter == "all" else MAPS.get(family, ["q_proj", "v_proj"])
    return peft.get_peft_model(base, peft.LoraConfig(
        r=4, lora_alpha=8, lora_dropout=0.05, target_modules=targets,
        fan_in_fan_out=family == "gpt2", task_type="CAUSAL_LM"))
