"""How far PyTorch in bfloat16 is from itself in float32: the yardstick for Ballast there."""

import copy
import math

from pytorch_cases import Case
from pytorch_steps import (
    MODES, Failure, missing_module, new_tokens, relative, rounded, step,
)

if not missing_module:
    import torch

DRAWS = 32  # batches of tokens: one difference of one batch is a lottery
ATTENTIONS = ("eager", "sdpa")


def new_draws(case: Case):
    """The batches that rounding is measured over, [draws, batch, tokens]."""
    return torch.stack([new_tokens(case, f"draw {index}") for index in range(DRAWS)])


def rounding_of(model, case: Case, draws) -> dict:
    """The root mean square over all draws of the relative differences, a mode and an attention."""
    rough = copy.deepcopy(model).to(torch.bfloat16)
    return {mode: rounding_in(mode, model, rough, case, draws) for mode in MODES}


def rounding_in(mode: str, model, rough, case: Case, draws) -> dict:
    squares = {attention: {} for attention in ATTENTIONS}
    for tokens in draws:
        exact = step(model, case, tokens, mode)
        for name, gradient in exact.gradients.items():
            if not gradient.any():
                raise Failure(f"{name} has no gradient, and nothing can be relative to that.")
        for attention, sums in squares.items():
            rough.set_attn_implementation(attention)
            result = step(rough, case, tokens, mode)
            add(sums, "loss", result.loss / exact.loss - 1)
            for name, gradient in result.gradients.items():
                add(sums, name, relative(gradient, exact.gradients[name]))
    return {attention: {name: rounded(math.sqrt(total / len(draws)))
                        for name, total in sums.items()}
            for attention, sums in squares.items()}


def add(squares: dict, name: str, error: float) -> None:
    squares[name] = squares.get(name, 0.0) + error * error


def worst_ratio(got: dict, want: dict) -> float:
    """The largest factor between two measurements of the same rounding."""
    ratios = [got[mode][attention][name] / error
              for mode, attentions in want.items()
              for attention, errors in attentions.items()
              for name, error in errors.items()]
    return max(max(ratios), 1 / min(ratios))
