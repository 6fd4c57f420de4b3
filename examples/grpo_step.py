"""One step of GRPO on one prompt with several completions, whose prompt is run once and replayed.

usage: scripts/with-pytorch examples/grpo_step.py

The model is tiny and its weights are random; with a model, tokens and rewards of yours the step is
the same.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from ballast import group_step

CLIP, KL = 0.2, 0.04
GroupLoss = Callable[[Tensor, Tensor], Tensor]


def made(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=100))


def reward(completion: Tensor) -> float:
    """A toy: the share of even tokens."""
    return (completion % 2 == 0).float().mean().item()


@torch.no_grad()
def log_probabilities(model: nn.Module, prompt: Tensor, completions: list[Tensor]) -> Tensor:
    """Of each completion's tokens, [completions, tokens of the longest], 0 behind shorter ones."""
    rows = []
    for completion in completions:
        ids = torch.cat([prompt, completion])[None]
        logits = model(ids, logits_to_keep=len(completion) + 1).logits[0, :-1].float()
        rows.append(logits.log_softmax(-1).gather(1, completion[:, None])[:, 0])
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def grpo(advantages: Tensor, old: Tensor, reference: Tensor) -> GroupLoss:
    """GRPO's loss (Shao et al., "DeepSeekMath", 2024, equations 3 and 4), to be minimised."""
    def loss(new: Tensor, mask: Tensor) -> Tensor:
        ratio = (new - old).exp()
        clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
        gain = torch.minimum(ratio * advantages[:, None], clipped * advantages[:, None])
        apart = (reference - new).exp() - (reference - new) - 1  # at least 0, 0 where they agree
        each = (gain - KL * apart) * mask
        return -(each.sum(1) / mask.sum(1)).mean()

    return loss


def main() -> None:
    policy, reference = made(seed=0), made(seed=1)
    prompt = torch.randint(100, (500,))
    completions = [torch.randint(100, (length,)) for length in (12, 20, 7, 16)]

    rewards = torch.tensor([reward(completion) for completion in completions])
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    loss = grpo(advantages, log_probabilities(policy, prompt, completions),
                log_probabilities(reference, prompt, completions))

    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3)
    policy.train()
    for step in range(3):
        optimizer.zero_grad()
        value = group_step(policy, prompt, completions, loss, at_a_time=2, chunk=128)
        value.backward()
        size = nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        print(f"step {step}: loss {value.item():.4f}, gradient {size.item():.3f}")


if __name__ == "__main__":
    main()
