"""Streams of the recipes against the recorder's; see scripts/compare-recipes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
import transformers  # noqa: E402, reads the words above

from ballast_probe.options import HEADS, LOGITS  # noqa: E402
from ballast_probe.recording.recording import Recording  # noqa: E402
from ballast_probe.recording.stream import Role  # noqa: E402
from ballast_probe.recording.trainer import Training, record_training  # noqa: E402
from checkout import Failure, program  # noqa: E402
from checkout.command import Words  # noqa: E402

from .recordings_steps import FAMILIES, random_model  # noqa: E402

# What a recipe has not: it is inside kernels.
INSIDE = (Role.TEMPORARY,)
LINEAR = {
    "gpt2": ("c_attn", "c_proj", "c_fc"),
    "llama": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
}
TRAINABLE = ("norm|ln_", "embed|wte", "layers.0|h.0", "bias|norm", "down_proj|mlp",
             "q_proj|c_attn")
# More than a tile of TRL's fused head is wide.
WORDS = 40_001
# Around the first difference.
LINES = 6


@dataclass(frozen=True)
class Step:
    """A model by the fields of its config.json, and what is asked of its training."""

    model: dict[str, Any]
    training: Training
    name: str

    @property
    def words(self) -> list[str]:
        """The same for `ballast measure`."""
        ask = self.training
        attention = "eager" if ask.attention == "eager" else "sdpa"
        words = ["--recipe", f"transformers-{attention}", "--backend", "shape",
                 "--head", HEADS[ask.logits], "--n-c", str(ask.n_c), "--n-g", str(ask.n_g),
                 "--batch", str(ask.batch), "--dtype", str(ask.dtype),
                 "--recompute", ask.recompute, "--optimizer", ask.optimizer]
        if attention == "eager":
            words += ["--attention", "materialized"]
        for option, value in (("--lora", ask.lora), ("--trainable", ask.trainable)):
            words += [option, value] if value else []
        return words + ([] if ask.is_cpu else ["--gpu", ask.gpu])


@dataclass
class Listed:
    """A stream to be read: its events, each a size and whether it is released, and their places."""

    events: list[tuple[int, bool]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    phases: list[tuple[str, int, int]] = field(default_factory=list)
    kept: int = 0

    def add(self, size: int, is_release: bool, place: str) -> None:
        self.events.append((size, is_release))
        self.places.append(place)

    def phase(self, event: int) -> str:
        """The phase of an event, in words."""
        name, step = next(((name, step) for name, step, first in reversed(self.phases)
                           if first <= event), ("model", 0))
        return f"{name} of step {step}"

    def line(self, event: int) -> str:
        """An event, in words."""
        if event >= len(self.events):
            return ""
        size, is_release = self.events[event]
        return f"{'−' if is_release else '+'} {size:,} {self.places[event]}"


def listed(values: dict[str, Any]) -> Listed:
    """A recording's file as a list, without what its kernels take inside."""
    tables, tensors = values["tables"], values["tensors"]
    roles = [tables["roles"][place] for place in tensors["role"]]
    seen, place_of = Listed(), [0]
    for event in values["events"]:
        number = event if event >= 0 else -event - 1
        if roles[number] not in INSIDE:
            op = tables["ops"][tensors["op"][number]].removeprefix("aten::")
            shape = "×".join(map(str, tables["shapes"][tensors["shape"][number]]))
            seen.add(tensors["bytes"][number], event < 0,
                     f"{op} {shape} {tables['modules'][tensors['module'][number]]}")
        place_of.append(len(seen.events))
    seen.phases = [(one["name"], one["step"], place_of[one["first_event"]])
                   for one in values["phases"]]
    seen.kept = sum(bytes_ for bytes_, kept, role in zip(tensors["bytes"], tensors["kept"], roles)
                    if kept and role not in INSIDE)
    return seen


def differences(mine: Listed, others: Listed) -> list[str]:
    """What two streams differ in, the first event that does with those around it."""
    pairs = zip_longest(mine.events, others.events)
    first = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
    if first is not None:
        lines = [f"event {first:,} of {len(others.events):,}, in {others.phase(first)}; "
                 "PyTorch's, then the recipe's"]
        for event in range(max(first - LINES, 0), first + LINES):
            mark = "▶" if event == first else " "
            lines.append(f"{mark} {event:6} {others.line(event):80} {mine.line(event)}")
        return lines
    lines = [] if mine.phases == others.phases else [
        f"phases {others.phases}", f"but {mine.phases} of the recipe"]
    if mine.kept != others.kept:
        lines.append(f"{others.kept:,} bytes kept, and {mine.kept:,} by the recipe")
    return lines


def recorded(step: Step) -> Listed:
    """What the recorder takes down of a step."""
    recording: Recording = record_training(step.model, step.training)
    values: dict[str, Any] = recording.values()
    return listed(values)


def counted(step: Step) -> Listed:
    """What `ballast measure --stream` counts of it.

    Raises:
        Failure: It refuses the step.
    """
    with tempfile.TemporaryDirectory() as folder:
        model, stream = Path(folder) / "config.json", Path(folder) / "stream.json"
        model.write_text(json.dumps(step.model))
        done = subprocess.run(
            [program(), "measure", "--model", model, *step.words, "--stream", stream],
            capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"{step.name}: {done.stderr.strip()}")
        values: dict[str, Any] = json.loads(stream.read_text())
    return listed(values)


def random_steps(draw: random.Random, count: int, gpu: str) -> list[Step]:
    """Steps of the five families in turn."""
    return [random_step(draw, FAMILIES[number % len(FAMILIES)], gpu) for number in range(count)]


def random_step(draw: random.Random, family: str, gpu: str) -> Step:
    """A step of a small model of a family, on a CPU or a GPU whose kernels of attention take it."""
    model = random_model(draw, family)
    if family == "gpt2":
        model |= dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
                      activation_function=draw.choice(("gelu_new", "gelu", "gelu_pytorch_tanh")))
    if family == "llama":
        model |= dict(attention_bias=draw.random() < 0.3, mlp_bias=draw.random() < 0.3)
    if family in ("qwen2", "qwen3") and draw.random() < 0.4:
        model |= dict(use_sliding_window=True, sliding_window=draw.choice((4, 8, 16)),
                      max_window_layers=draw.randint(0, model["num_hidden_layers"]))
    attention, dtype = draw.choice(("sdpa", "eager")), draw.choice(("float32", "bfloat16"))
    if gpu != "cpu":
        _align(model, 8 * draw.randint(1, 4), is_grouped=dtype != "float32")
    tokens = draw.randint(3, 40)
    n_c = draw.randint(0, tokens - 1)
    names = LINEAR["gpt2" if family == "gpt2" else "llama"]
    targets = draw.choice(("all-linear", "+".join(draw.sample(names, draw.randint(1, 3)))))
    lora = draw.choice((None, None, f"r={draw.randint(1, 6)},alpha=8,targets={targets}"))
    optimizer = draw.choice(("adamw", "none"))
    training = Training(
        n_c=n_c, n_g=tokens - n_c, batch=draw.choice((1, 2, 3)), gpu=gpu, attention=attention,
        dtype=dtype, recompute=draw.choice(("none", "layer")), lora=lora, clip=None,
        trainable=draw.choice((None, None, *TRAINABLE)), optimizer=optimizer,
        steps=2 if optimizer == "adamw" else 1, logits=draw.choice(LOGITS))
    if training.logits == "chunked" and draw.random() < 0.3:
        model["vocab_size"] = WORDS
    return Step(model, training, _name(model, training))


def _align(model: dict[str, Any], width: int, is_grouped: bool) -> None:
    """Gives heads a width that a GPU's kernels take, and keys as many of them if need be."""
    if model["model_type"] == "gpt2":
        model["n_embd"] = model["n_head"] * width
        return
    if "head_dim" in model:
        model["head_dim"] = width
    else:
        model["hidden_size"] = model["num_attention_heads"] * width
    if not is_grouped:
        model["num_key_value_heads"] = model["num_attention_heads"]


def _name(model: dict[str, Any], ask: Training) -> str:
    words = [str(model["model_type"]), f"{ask.batch}×{ask.n_c}+{ask.n_g}", ask.attention,
             str(ask.dtype)]
    words += [f"recompute {ask.recompute}"] if ask.recompute != "none" else []
    words += [f"lora {ask.lora}"] if ask.lora else []
    words += [f"trains {ask.trainable}"] if ask.trainable else []
    words += [f"logits {ask.logits}"] if ask.logits != "all" else []
    words += ["tied"] if model["tie_word_embeddings"] else []
    return ", ".join([*words, f"optimizer {ask.optimizer}"])


def run(steps: Sequence[tuple[int, Step]], count: Callable[[Step], Listed] = counted,
        record: Callable[[Step], Listed] = recorded) -> int:
    """Compares steps and prints a line of each; gives how many differ."""
    wrong = events = 0
    for number, step in steps:
        others = record(step)
        found = differences(count(step), others)
        wrong += bool(found)
        events += len(others.events)
        print(f"{'✗' if found else '✓'} {number:3} {len(others.events):7,} events  {step.name}",
              flush=True)
        for text in found:
            print(f"      {text}")
    print(f"{len(steps) - wrong} of {len(steps)} streams are equal; {events:,} events")
    return wrong


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--random", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gpu", default="cpu")
    parser.add_argument("--only", type=lambda text: [int(one) for one in text.split(",")])
    given = parser.parse_args(words)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, on {given.gpu}")
    steps = list(enumerate(random_steps(random.Random(given.seed), given.random, given.gpu), 1))
    return 1 if run([(number, step) for number, step in steps
                     if not given.only or number in given.only]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
