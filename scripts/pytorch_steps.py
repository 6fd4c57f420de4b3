"""Models of the cases in PyTorch, and what one training step of them gives."""

import copy
import math
import os
import zlib
from dataclasses import dataclass, field

from pytorch_cases import Case

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
try:
    import numpy as np
    import torch
    import transformers
    from torch.overrides import TorchFunctionMode

    missing_module = None
except ImportError as problem:  # --help and --list work without them
    missing_module = problem.name
    TorchFunctionMode = object

MODES = ("full-graph", "detached-prefix")
IGNORED = -100  # cross_entropy's label of a row without loss


class Failure(Exception):
    """Why there is no fixture or no agreement, as one sentence."""


def causal_lm(config):
    """A model of the configuration, as it trains here."""
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    return model.float().train()


def new_model(case: Case):
    """The case's model with weights that make attention uneven and gradients large."""
    settings = transformers.CONFIG_MAPPING[case.family](**case.config)
    settings.architectures = None  # save_pretrained fills it in
    settings.dtype = torch.float32
    model = causal_lm(settings)
    numbers = np.random.default_rng(zlib.crc32(case.name.encode()))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            shape = tuple(parameter.shape)
            drawn = numbers.standard_normal(shape)
            if "norm" in name or ".ln_" in name:
                centre = 0.0 if name.endswith("bias") else 1.0
                drawn = centre + numbers.uniform(-0.3, 0.3, shape)
            elif name.endswith("bias"):
                drawn *= 0.3
            elif "wte" in name or "wpe" in name or "embed_tokens" in name:
                drawn *= 0.5
            else:
                # Conv1D keeps [in, out], Linear [out, in].
                conv = case.family == "gpt2" and "lm_head" not in name
                scored = any(part in name for part in ("q_proj", "k_proj", "c_attn"))
                drawn *= (1.5 if scored else 1.0) / math.sqrt(shape[0] if conv else shape[1])
            parameter.copy_(torch.from_numpy(drawn))
    return model


def new_tokens(case: Case, purpose: str = "tokens"):
    numbers = np.random.default_rng(zlib.crc32(f"{case.name} {purpose}".encode()))
    return torch.from_numpy(numbers.integers(0, case.config["vocab_size"],
                                             (case.batch, case.tokens)))


def targets(case: Case, tokens):
    """What each row predicts, IGNORED where it carries no loss: [batch, n]."""
    following = torch.full((case.batch, case.n), IGNORED)
    first = case.first_loss_row
    following[:, first:tokens.shape[1] - 1] = tokens[:, first + 1:]
    return following


def loss_of(logits, targets):
    """The mean over the loss rows of all sequences."""
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(),
                                             ignore_index=IGNORED)


def meet_length(model, n: int) -> None:
    """Has rotations that depend on the length take n: `dynamic` keeps those of the longest sequence.

    Else a prefix that runs first would be turned as one of its own length.
    """
    for name, module in model.named_modules():
        if name.endswith("rotary_emb"):
            module(torch.zeros(1), torch.arange(n)[None])


def full_loss(model, case: Case, tokens):
    logits = model(tokens[:, :case.n], use_cache=False).logits
    return loss_of(logits, targets(case, tokens))


def detached_loss(model, case: Case, tokens):
    """The prefix under no_grad into a cache, then the other rows against its keys and values."""
    cut = case.cut
    meet_length(model, case.n)
    # Without a configuration the cache's layers keep every key, windows notwithstanding.
    cache = transformers.DynamicCache()
    if cut > 0:
        with torch.no_grad():
            model(tokens[:, :cut], past_key_values=cache, use_cache=True)
        if cache.get_seq_length() != cut:
            raise Failure(f"the cache holds {cache.get_seq_length()} tokens and not {cut}.")
    logits = model(tokens[:, cut:case.n], past_key_values=cache, use_cache=True).logits
    return loss_of(logits, targets(case, tokens)[:, cut:])


@dataclass
class Result:
    """What one step gave: the loss, and the gradient of each parameter by its name."""

    loss: float
    gradients: dict = field(repr=False)


def step(model, case: Case, tokens, mode: str) -> Result:
    model.zero_grad(set_to_none=True)
    loss = (full_loss if mode == "full-graph" else detached_loss)(model, case, tokens)
    loss.backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    if missing:
        raise Failure(f"{mode} gives {missing[0]} no gradient.")
    return Result(loss.item(), {name: parameter.grad.detach().clone()
                                for name, parameter in model.named_parameters()})


class InDouble(TorchFunctionMode):
    """Turns the casts to float32 that model code makes by itself into casts to float64."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.float:
            function = torch.Tensor.double
        args = [torch.float64 if value is torch.float32 else value for value in args]
        kwargs = {key: torch.float64 if value is torch.float32 else value
                  for key, value in (kwargs or {}).items()}
        return function(*args, **kwargs)


def step_in_double(model, case: Case, tokens, mode: str) -> Result:
    """The step in float64 throughout: norms, rotations, softmax and loss too."""
    with InDouble():
        return step(in_double(model), case, tokens, mode)


def in_double(model):
    """The model in float64; from its configuration, so that the frequencies are float64's own."""
    exact = causal_lm(model.config).double()
    exact.load_state_dict(model.state_dict())
    return exact


def split_gradients(model, case: Case, tokens) -> tuple[float, dict]:
    """The loss, and what the rows of each region add to every parameter's gradient, by region.

    Every module with parameters runs once a region, on the rows of that region and with weights of
    that region's own; the graph is whole. So the gradient of a region's copy of a weight is that of
    the weight's use in those rows alone, whatever rows its effect passes through.
    """
    whole = copy.deepcopy(model)
    copies = {region: copy.deepcopy(model) for region in case.regions}

    def split(name: str):
        def forward(x):
            return torch.cat([
                copies[region].get_submodule(name)(x[:, rows.start:rows.stop].contiguous())
                for region, rows in case.regions.items()
            ], dim=1)
        return forward

    for name, module in whole.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            module.forward = split(name)
    loss = full_loss(whole, case, tokens)
    loss.backward()
    return loss.item(), {
        region: {name: torch.zeros_like(parameter) if parameter.grad is None
                 else parameter.grad.detach().clone()
                 for name, parameter in copied.named_parameters()}
        for region, copied in copies.items()}


def split_in_double(model, case: Case, tokens) -> tuple[float, dict]:
    """The same in float64 throughout."""
    with InDouble():
        return split_gradients(in_double(model), case, tokens)


def rounded(error: float) -> float:
    return float(f"{error:.4g}")


def relative(got, want) -> float:
    """The relative L2 distance of two tensors; 0 if both are zero."""
    want = want.double()
    distance = (got.double() - want).norm()
    return 0.0 if distance == 0 else (distance / want.norm()).item()


def relative_whole(got: dict, want: dict) -> float:
    """The relative L2 distance of two gradients as one vector each."""
    def flat(gradients):
        return torch.cat([gradients[name].double().flatten() for name in sorted(want)])
    return relative(flat(got), flat(want))
