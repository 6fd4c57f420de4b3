"""Training steps in plain PyTorch: a Llama of torch's own functions, no framework.

Run as `python -m comparison.llama MODEL TOKENS.json N_C N_G DTYPE THREADS`, it answers a line of standard
input with a line of JSON, as Benchmarks/StepBenchmark does: `step NAME`, `peak SIZE`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512,
    "intermediate_size": 1408, "num_hidden_layers": 4, "num_attention_heads": 8,
    "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 8192, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False,
    "attention_bias": False, "mlp_bias": False, "max_position_embeddings": 1 << 20,
}


def make(folder: Path, n: int) -> None:
    """Draws a checkpoint and tokens: config.json, model.safetensors, tokens.json."""
    drawn = torch.Generator().manual_seed(7)
    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (CONFIG["vocab_size"], width)}
    for layer in range(CONFIG["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        shapes |= {f"{at}self_attn.{name}_proj.weight": (width, width) for name in "qkvo"}
        shapes |= {f"{at}mlp.{name}_proj.weight": (inner, width) for name in ("gate", "up")}
        shapes |= {f"{at}mlp.down_proj.weight": (width, inner),
                   f"{at}input_layernorm.weight": (width,),
                   f"{at}post_attention_layernorm.weight": (width,)}
    shapes |= {"model.norm.weight": (width,), "lm_head.weight": (CONFIG["vocab_size"], width)}
    save_file({name: torch.ones(shape) if len(shape) == 1
               else torch.randn(shape, generator=drawn) / math.sqrt(shape[1])
               for name, shape in shapes.items()}, str(folder / "model.safetensors"))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    tokens = torch.randint(CONFIG["vocab_size"], (n + 1,), generator=drawn).tolist()
    (folder / "tokens.json").write_text(json.dumps({"tokens": tokens}))


class Llama:
    """Weights by their Hugging Face names, and the passes over them."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        stored = load_file(str(folder / "model.safetensors"))
        self.weights = {name: value.to(dtype).requires_grad_() for name, value in stored.items()}
        self.rotary: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}
        self.dtype = dtype

    def angles(self, first: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines of some positions, [rows, d_head]; made once, as models do."""
        if (first, rows) not in self.rotary:
            half = CONFIG["head_dim"] // 2
            powers = torch.arange(half, dtype=torch.float32) / half
            frequencies = 1.0 / CONFIG["rope_theta"] ** powers
            angle = torch.outer(torch.arange(first, first + rows).float(), frequencies)
            angle = torch.cat((angle, angle), -1)
            self.rotary[first, rows] = (angle.cos().to(self.dtype), angle.sin().to(self.dtype))
        return self.rotary[first, rows]

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weights[name], CONFIG["rms_norm_eps"])

    def layer(self, x: torch.Tensor, index: int, first: int, past: tuple[torch.Tensor, torch.Tensor] | None = None,
              keep: list[tuple[torch.Tensor, torch.Tensor]] | None = None) -> torch.Tensor:
        """x [1, rows, width] at positions from `first` on, after the keys and values of `past`."""
        at = f"model.layers.{index}."
        rows, heads = x.shape[1], CONFIG["num_attention_heads"]
        h = self.norm(x, at + "input_layernorm.weight")
        q, k, v = (F.linear(h, self.weights[f"{at}self_attn.{name}_proj.weight"])
                   .view(1, rows, heads, -1).transpose(1, 2) for name in "qkv")
        cos, sin = self.angles(first, rows)
        half = CONFIG["head_dim"] // 2

        def rotate(x: torch.Tensor) -> torch.Tensor:
            return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin

        q, k = rotate(q), rotate(k)
        if keep is not None:
            keep.append((k, v))
        mask = None
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
            mask = torch.ones(rows, k.shape[2], dtype=torch.bool).tril(k.shape[2] - rows)
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        o = o.transpose(1, 2).reshape(1, rows, -1)
        x = x + F.linear(o, self.weights[at + "self_attn.o_proj.weight"])
        h = self.norm(x, at + "post_attention_layernorm.weight")
        gate = F.silu(F.linear(h, self.weights[at + "mlp.gate_proj.weight"]))
        return x + F.linear(gate * F.linear(h, self.weights[at + "mlp.up_proj.weight"]),
                            self.weights[at + "mlp.down_proj.weight"])

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        return F.embedding(tokens, self.weights["model.embed_tokens.weight"])[None]

    def loss(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean over the last rows, one a label."""
        x = self.norm(x[:, -labels.shape[0]:], "model.norm.weight")
        logits = F.linear(x, self.weights["lm_head.weight"])
        return F.cross_entropy(logits[0].float(), labels)


class Steps:
    """The training steps by name; each gives its loss."""

    def __init__(self, model: Llama, tokens: list[int], n_c: int, n_g: int) -> None:
        self.model, self.n_c, self.n_g = model, n_c, n_g
        self.tokens = torch.tensor(tokens[:n_c + n_g])
        # A row predicts the token after it, so that rows n_c - 1 to n - 2 carry loss.
        self.labels = self.tokens[n_c:]
        self.compiled: Callable[[], torch.Tensor] | None = None

    def run(self, name: str) -> float:
        for weight in self.model.weights.values():
            weight.grad = None
        with sdpa_kernel(SDPBackend.MATH if name == "math" else
                         [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
            loss = getattr(self, name)()
            loss.backward()
        return float(loss.item())

    def rows(self, layer: Callable[[torch.Tensor, int], torch.Tensor]) -> torch.Tensor:
        x = self.model.embed(self.tokens)
        for index in range(CONFIG["num_hidden_layers"]):
            x = layer(x, index)
        # The last token predicts nothing.
        return self.model.loss(x[:, :-1], self.labels)

    def sdpa(self) -> torch.Tensor:
        return self.rows(lambda x, index: self.model.layer(x, index, 0))

    math = sdpa

    def checkpointed(self) -> torch.Tensor:
        return self.rows(lambda x, index: checkpoint(self.model.layer, x, index, 0,
                                                     use_reentrant=False))

    def compiled_sdpa(self) -> torch.Tensor:
        if self.compiled is None:
            self.compiled = torch.compile(self.sdpa)
        return self.compiled()

    def detached(self) -> torch.Tensor:
        model, n_c = self.model, self.n_c - 1
        kept: list[tuple[torch.Tensor, torch.Tensor]] = []
        with torch.no_grad():
            x = model.embed(self.tokens[:n_c])
            for index in range(CONFIG["num_hidden_layers"]):
                x = model.layer(x, index, 0, keep=kept)
        x = model.embed(self.tokens[n_c:])
        for index in range(CONFIG["num_hidden_layers"]):
            x = model.layer(x, index, n_c, past=kept[index])
        return model.loss(x[:, :-1], self.labels)


def peak(size: int, dtype: torch.dtype) -> dict[str, float]:
    a = torch.full((size, size), 0.5, dtype=dtype)
    start = time.perf_counter()
    a @ a
    return {"seconds": time.perf_counter() - start, "flops": 2 * size ** 3}


def main(arguments: list[str]) -> None:
    folder, tokens, n_c, n_g, dtype, threads = arguments
    torch.set_num_threads(int(threads))
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype]
    steps = Steps(Llama(Path(folder), kind), json.loads(Path(tokens).read_text())["tokens"],
                  int(n_c), int(n_g))
    for line in sys.stdin:
        word, value = line.split()
        if word == "peak":
            answer = peak(int(value), kind)
        else:
            start = time.perf_counter()
            loss = steps.run(value)
            answer = {"seconds": time.perf_counter() - start, "loss": loss}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
