"""Training steps with a long prompt, on your own PyTorch model, with little kept of the prompt.

    from ballast import prefix_step

    loss = prefix_step(model, input_ids, n_c=prompt_tokens)
    loss.backward()

`group_step` does the same for several completions of one prompt, and `with_prefix` for the steps of
transformers' Trainer and TRL's SFTTrainer.
"""

from .errors import StepError
from .groups import group_step
from .steps import prefix_step
from .trainers import PrefixMixin, with_prefix

__all__ = ["PrefixMixin", "StepError", "group_step", "prefix_step", "with_prefix"]
