"""Times of prefix_step's modes by turns; see scripts/bench-prefixes."""

from __future__ import annotations

import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ballast import prefix_step
from checkout.command import Words


def model(dtype: torch.dtype) -> Any:
    """Four layers of a Llama, 512 wide, with grouped query heads."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "llama", hidden_size=512, intermediate_size=1408, num_hidden_layers=4,
        num_attention_heads=8, num_key_value_heads=2, head_dim=64, vocab_size=8000,
        max_position_embeddings=65536, bos_token_id=0, eos_token_id=0)
    return AutoModelForCausalLM.from_config(config, dtype=dtype).train()


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--n-c", type=int, default=2048)
    parser.add_argument("--n-g", type=int, default=256)
    parser.add_argument("--chunk", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(given.threads)
    trained = model(getattr(torch, given.dtype))
    ids = torch.randint(0, 8000, (1, given.n_c + given.n_g))

    def step(mode: str, recompute: bool = False) -> Callable[[], None]:
        def run() -> None:
            loss = prefix_step(trained, ids, given.n_c, mode=mode, chunk=given.chunk,
                               recompute=recompute)
            loss.backward()  # type: ignore[no-untyped-call]

        return run

    runs = {"full": step("full"), "full, layers again": step("full", recompute=True),
            "pruned": step("pruned"), "replayed": step("replayed"),
            "replayed, layers again": step("replayed", recompute=True),
            "detached": step("detached")}
    ratios: dict[str, list[float]] = {name: [] for name in runs}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(given.rounds + 1):
        taken = {}
        for name, run in runs.items():
            trained.zero_grad()
            began = time.perf_counter()
            run()
            taken[name] = time.perf_counter() - began
        if number:  # the first is to warm up
            for name in runs:
                ratios[name].append(taken[name] / taken["full"])
                seconds[name].append(taken[name])
    print(f"n_c {given.n_c}, n_g {given.n_g}, chunk {given.chunk}, {given.dtype}, "
          f"{given.threads} threads, {given.rounds} rounds; times the whole graph's")
    for name in runs:
        low, high = min(ratios[name]), max(ratios[name])
        print(f"{name:24}{statistics.median(ratios[name]):6.2f}  [{low:.2f} … {high:.2f}]"
              f"{statistics.median(seconds[name]):9.2f} s")
    if given.json:
        given.json.write_text(json.dumps({"ratios": ratios, "seconds": seconds}, indent=2))
    return 0
