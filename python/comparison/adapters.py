"""Losses and gradients of LoRA adapters against PEFT's; see scripts/compare-peft."""

from __future__ import annotations

import copy
import json
import math
import random
import re
import statistics
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import peft
import safetensors.torch
import torch
import transformers
from torch import Tensor

from checkout import Failure, program
from checkout.command import Words
from comparison.dropout import CountedDropout, count_dropouts
from comparison.trials import Trial, committed, random_trial
from fixtures.files import write_json
from fixtures.steps import (
    IGNORED, Gradients, InDouble, Model, detached_loss, full_loss, in_double, loss_of, new_model,
    new_tokens, relative, relative_whole, targets,
)

PREFIX = "base_model.model."
# Float32 against float64, relative to each gradient, or twice PyTorch's own where that is more; and
# for one that almost cancels, relative to all.
FLOAT32, FLOOR = 2e-5, 2**-21


def tokens_of(trial: Trial, purpose: str = "tokens") -> Any:
    """Every sequence's tokens; completions share their prompt, and lengths may differ."""
    case = trial.case
    tokens = new_tokens(case, purpose)
    for sequence in range(case.batch):
        shares = trial.lengths and trial.options.get("sharing") == "prefix"
        first = 0 if shares else sequence - sequence % trial.suffixes
        tokens[sequence, :case.n_c] = tokens[first, :case.n_c]
    return [t[:c.tokens] for t, c in zip(tokens, trial.sequences)] if trial.lengths else tokens


def our_name(name: str) -> str:
    """PEFT's name of a parameter as its files have it, or Hugging Face's where the base is meant."""
    if ".lora_" in name or ".modules_to_save." in name:
        return name.replace(".default", "").replace(".modules_to_save", "")
    return name.removeprefix(PREFIX).replace(".base_layer", "")


def adapted(base: Model, trial: Trial, state: dict[str, Tensor] | None = None) -> Model:
    """The base with the adapter, random where no state is given."""
    model = peft.get_peft_model(copy.deepcopy(base), copy.deepcopy(trial.adapter),
                                autocast_adapter_dtype=False)
    count_dropouts(model, PREFIX)
    numbers = torch.Generator().manual_seed(len(trial.name))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if state is not None:
                parameter.copy_(state[name])
                continue
            # What an adapter adds is half as large as what it is added to.
            drawn = torch.randn(parameter.shape, generator=numbers)
            a = trial.adapter
            scale = a.lora_alpha / (a.r**0.5 if a.use_rslora else a.r)
            if ".modules_to_save." in name:
                parameter += 0.1 * drawn
            elif ".lora_A." in name:
                parameter.copy_(drawn / parameter.shape[1]**0.5)
            elif ".lora_B." in name:
                parameter.copy_(0.5 * drawn / (scale * a.r**0.5))
    for name, parameter in model.named_parameters():
        if trial.trainable and ".lora_" not in name and ".modules_to_save." not in name \
                and ".original_module." not in name:
            parameter.requires_grad_(re.search(trial.trainable, our_name(name)) is not None)
    return model.train()


def count_rows(model: Model, trial: Trial, sequences: list[int], rows: int) -> None:
    """Tells all dropouts which sequences of the step come next, with so many rows."""
    longest = max(case.n for case in trial.sequences) if trial.lengths else trial.case.n
    # Sequences with prompts of one length have what is dropped of those in common.
    has_one = trial.lengths is not None and len({n_c for n_c, _ in trial.lengths}) == 1
    group = len(trial.lengths) if trial.lengths and has_one else trial.suffixes
    shared = trial.case.n_c if group > 1 else 0
    for module in model.modules():
        if isinstance(module, CountedDropout):
            module.count(sequences, [s - s % group for s in sequences], shared, rows, longest)


def padded_loss(model: Model, trial: Trial, tokens: list[Tensor]) -> Tensor:
    """One batch, filled up behind the shorter sequences, with a mask over what fills."""
    longest = max(case.n for case in trial.sequences)
    ids = torch.zeros(len(tokens), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for row, (case, own) in enumerate(zip(trial.sequences, tokens)):
        ids[row, :case.n] = own[:case.n]
        mask[row, :case.n] = 1
        labels[row, :case.n] = targets(case, own[None])[0]
    count_rows(model, trial, list(range(len(tokens))), longest)
    logits = model(ids, attention_mask=mask, use_cache=False).logits
    return loss_of(logits, labels)


def gradients(model: Model, trial: Trial, tokens: Any, mode: str) -> tuple[float, Gradients]:
    model.zero_grad(set_to_none=True)
    if mode == "padded":
        loss = padded_loss(model, trial, tokens)
    elif trial.lengths:
        step = full_loss if mode == "full-graph" else detached_loss
        cases = trial.sequences
        rows = [case.n - case.first_loss_row - (case.loss_rows == "next-token") for case in cases]
        loss = torch.zeros(())
        for number, (case, t, count) in enumerate(zip(cases, tokens, rows)):
            count_rows(model, trial, [number], case.n)
            loss += step(model, case, t[None]) * count / sum(rows)
    else:
        count_rows(model, trial, list(range(trial.case.batch)), trial.case.n)
        loss = (full_loss if mode == "full-graph" else detached_loss)(model, trial.case, tokens)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item(), {our_name(n): torch.zeros_like(p) if p.grad is None else p.grad.clone()
                         for n, p in model.named_parameters() if p.requires_grad}


def ours(trial: Trial, folder: Path, mode: str, draw: int) -> tuple[float, Gradients]:
    case = trial.case
    command = [
        str(program()), "measure", "--model", str(folder / "base"),
        "--adapter", str(folder / "adapter"), "--tokens", str(folder / f"tokens-{draw}.json"),
        "--mode", "full-graph" if mode == "padded" else mode,
        "--dtype", trial.dtype, "--loss-rows", case.loss_rows,
        "--gradients", str(folder / f"{mode}.safetensors")]
    if trial.lengths:
        command += ["--lengths", ",".join(f"{n_c}+{n_g}" for n_c, n_g in trial.lengths),
                    "--layout", "padded" if mode == "padded" else "packed"]
    else:
        command += ["--n-c", str(case.n_c), "--n-g", str(case.n_g), "--batch",
                    str(case.batch // trial.suffixes), "--suffixes", str(trial.suffixes)]
    command += ["--trainable", trial.trainable] if trial.trainable else []
    if mode == "detached-prefix":
        command += ["--keep-prefix", str(case.keep_prefix)]
    for name, value in trial.options.items():
        if mode == "padded" and name in ("sharing", "suffixes-at-a-time"):
            continue
        goes = value != "256" and (mode in ("detached-prefix", "replayed-prefix")
                                   or trial.options["head"] == "chunked")
        if name != "chunk" or goes:
            command += [f"--{name}", value]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise Failure(f"{trial.name}: {run.stderr.strip()}\n{' '.join(command)}")
    loss = re.search(r"^loss +(\S+)", run.stdout, re.MULTILINE)
    if loss is None:
        raise Failure(f"{trial.name}: no loss is printed\n{' '.join(command)}")
    return float(loss[1]), safetensors.torch.load_file(folder / f"{mode}.safetensors")


def errors(got: Gradients, want: Gradients) -> dict[str, float]:
    """The relative error of each gradient; 0 within the floor of all of them."""
    whole = torch.cat([w.double().flatten() for w in want.values()]).norm()
    return {name: 0.0 if (got[name].double() - w.double()).norm() <= FLOOR * whole
            else relative(got[name], w) for name, w in want.items()}


def root_mean_square(values: list[float]) -> float:
    return math.sqrt(sum(v * v for v in values) / len(values))


def faults(trial: Trial, folder: Path, ratios: list[float]) -> tuple[list[str], int]:
    """What differs, and how many gradients were compared; bfloat16's errors over PyTorch's are added.

    Roundings are drawn anew with the tokens: errors are root mean squares over some draws, whose
    ratio is bounded by 3, the median of all ratios by 1.25.
    """
    case = trial.case
    base = new_model(case)
    if trial.dtype == "bfloat16":  # both sides start from the same rounded values
        base = base.to(torch.bfloat16).float()
    base.save_pretrained(folder / "base")
    draws = [tokens_of(trial, f"tokens {n}") for n in range(4 if trial.dtype == "bfloat16" else 1)]
    for number, tokens in enumerate(draws):
        write_json(folder / f"tokens-{number}.json", {"tokens": [t.tolist() for t in tokens]})
    model = adapted(base, trial)
    if trial.dtype == "bfloat16":
        model = model.to(torch.bfloat16).float()
    model.save_pretrained(folder / "adapter")
    exact = adapted(in_double(base), trial, dict(model.named_parameters()))
    lines, count = [], 0
    modes = ("full-graph", "pruned-graph", "detached-prefix", "replayed-prefix")
    for mode in modes + (("padded",) if trial.lengths else ()):
        theirs = mode if mode in ("detached-prefix", "padded") else "full-graph"
        if trial.dtype == "bfloat16":
            narrow = copy.deepcopy(model).to(torch.bfloat16)
            mine, yours = [], []
            for number, tokens in enumerate(draws):
                with InDouble():
                    _, want = gradients(exact, trial, tokens, theirs)
                mine.append(relative_whole(ours(trial, folder, mode, number)[1], want))
                yours.append(relative_whole(gradients(narrow, trial, tokens, theirs)[1], want))
                count += len(want)
            ratios.append(root_mean_square(mine) / root_mean_square(yours))
            if ratios[-1] > 3:
                lines.append(f"{mode}: gradients are off by {mine}, PyTorch's by {yours}")
            continue
        tokens = draws[0]
        with InDouble():
            loss, want = gradients(exact, trial, tokens, theirs)
        our_loss, got = ours(trial, folder, mode, 0)
        if got.keys() != want.keys():
            lines.append(f"{mode}: names differ: {sorted(got.keys() ^ want.keys())[:4]}")
            continue
        count += len(want)
        if abs(our_loss - loss) > 1e-5 * loss:
            lines.append(f"{mode}: loss {our_loss} and {loss}")
        rough = errors(gradients(model, trial, tokens, theirs)[1], want)
        lines += [f"{mode}: {name} is off by {error:.2g}, PyTorch's by {rough[name]:.2g}"
                  for name, error in errors(got, want).items()
                  if error > max(FLOAT32, 2 * rough[name])]
    return lines, count


def write(trial: Trial, folder: Path) -> None:
    """A fixture: the model, the adapter, tokens, and PyTorch's float64 losses and gradients."""
    case = trial.case
    folder.mkdir(parents=True, exist_ok=True)
    base = new_model(case)
    base.save_pretrained(folder)
    model = adapted(base, trial)
    model.save_pretrained(folder)
    for extra in ("README.md", "generation_config.json"):
        (folder / extra).unlink(missing_ok=True)
    rows = tokens_of(trial)
    (folder / "tokens.json").write_text(json.dumps({"tokens": [t.tolist() for t in rows]}) + "\n")
    exact = adapted(in_double(base), trial, dict(model.named_parameters()))
    losses = {}
    for mode in ("full-graph", "detached-prefix"):
        with InDouble():
            losses[mode], found = gradients(exact, trial, rows, mode)
        safetensors.torch.save_file({n: g.float().contiguous() for n, g in found.items()},
                                    folder / f"{mode}.safetensors")
    lengths = ",".join(f"{n_c}+{n_g}" for n_c, n_g in trial.lengths or [])
    write_json(folder / "adapter.json", {
        "n_c": case.n_c, "n_g": case.n_g, "suffixes": trial.suffixes, "lengths": lengths,
        "losses": losses, "torch": torch.__version__, "peft": peft.__version__})


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--random", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    given = parser.parse_args(words)
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    print(f"torch {torch.__version__}, peft {peft.__version__}")
    if given.write:
        for trial in committed():
            kind = "dropout" if trial.adapter.lora_dropout else "adapter"
            write(trial, given.write / f"{kind}-{trial.case.family}")
        return 0
    draw = random.Random(given.seed)
    differing = total = 0
    ratios: list[float] = []
    for number in range(given.random):
        trial = random_trial(draw, number, given.seed)
        with tempfile.TemporaryDirectory() as folder:
            lines, count = faults(trial, Path(folder), ratios)
        total += count
        differing += bool(lines)
        print(f"{'✗' if lines else '✓'} {number + 1:3} {trial.name}: {count} gradients")
        if lines:
            print("\n".join(f"    {line}" for line in lines[:12]))
    print(f"{given.random - differing} of {given.random} models agree, {total} gradients")
    median = statistics.median(ratios) if ratios else 0.0
    print(f"bfloat16: {len(ratios)} gradients' errors over PyTorch's, median {median:.2f}")
    return 1 if differing or median > 1.25 else 0
