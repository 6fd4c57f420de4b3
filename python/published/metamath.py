"""PEFT's benchmark of methods, method_comparison/MetaMathQA: two steps at its longest batch.

Batches are of four texts, cut at 768 tokens and padded to the longest (run.py, data.py). Weights
are bfloat16, an adapter's float32; there is no autocast and no checkpointing.
"""

from __future__ import annotations

from typing import Any

import torch

LENGTH, SEQUENCES = 768, 4
LLAMA_3B: dict[str, Any] = {
    "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28,
    "num_attention_heads": 24, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 128256,
    "max_position_embeddings": 131072, "tie_word_embeddings": True, "rope_theta": 500000.0,
    "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                     "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
}


def trained(rank: int | None, steps: int) -> dict[str, Any]:
    """Trains a LoRA adapter of a rank, or all weights, for some steps; returns what is alive."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        whole = LlamaForCausalLM(LlamaConfig(**LLAMA_3B))
    model: Any = whole.to(torch.bfloat16).to_empty(device="cuda")
    model.tie_weights()
    if rank is not None:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=["q_proj", "v_proj"],
            task_type="CAUSAL_LM"))
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4, weight_decay=0.1)
    model.train()
    for _ in range(steps):
        batch = {name: torch.ones(SEQUENCES, LENGTH, dtype=torch.long).to("cuda")
                 for name in ("input_ids", "attention_mask")}
        batch["labels"] = batch["input_ids"].clone()
        count = batch["attention_mask"].sum().item()
        optimizer.zero_grad()
        outputs = model(**batch, num_items_in_batch=count)
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return {"model": model, "optimizer": optimizer, "outputs": outputs}
