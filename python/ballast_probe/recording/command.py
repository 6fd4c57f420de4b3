"""The command `ballast-probe record`."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..asked import add_model, asked_model
from ..completing import complete
from ..errors import ProbeError, UsageError
from ..options import DTYPES, LOGITS
from ..printed import add_format, is_json, print_json
from . import writing
from .answer import answer, figures
from .gpus import table
from .parallel import PARALLELS
from .trainer import (
    ATTENTIONS, AUTOCASTS, BASES, OPTIMIZERS, RECOMPUTES, Training, record_training,
)

EXAMPLES = """
examples:
  ballast-probe record --model llama-3.1-8b --n-c 7168 --n-g 1024 --gpu h100 \\
      --lora r=16,alpha=32,targets=all-linear --recompute layer --output recordings/8b
      what two steps allocate on an H100, when most, by what, and what the allocator reserves
  ballast-probe record --model path/to/config.json --n-c 0 --n-g 2048 --optimizer adamw-fused
  ballast-probe record --model llama-3.1-8b --n-c 0 --n-g 4096 --dtype float32 --autocast bf16 \\
      --recompute layer --ranks 8 --parallel fsdp2
      what one of eight H100s holds, of which each has an eighth of weights, gradients and moments
"""


def add_parser(commands: Any) -> None:
    """Adds the command to those of `ballast-probe`."""
    parser = commands.add_parser(
        "record", help="every allocation of a training step on a GPU", epilog=EXAMPLES,
        description="Runs training steps of a transformers model on shapes alone and records\n"
                    "every allocation and release that a GPU would see.",
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add_step(parser)
    output = parser.add_argument_group("output")
    complete(output.add_argument("--output", type=Path, metavar="DIR",
                                 help=f"write {writing.NAME} into this folder"),
             paths="directory")
    output.add_argument("--overwrite", action="store_true",
                        help="replace a recording that is there")
    add_format(output)


def add_step(parser: argparse.ArgumentParser, *, n_g: int | None = None) -> None:
    """Adds the model and the step that is run of it.

    Args:
        parser: Where they are added.
        n_g: How long a completion is if nothing is said, of a command that finds the prefix by
            itself; None for a command that is told both.
    """
    add_model(parser)
    step = parser.add_argument_group("step")
    standard = Training(n_c=0, n_g=2)
    if n_g is None:
        step.add_argument("--n-c", type=int, required=True, metavar="N",
                          help="prefix tokens, which carry no loss")
    step.add_argument("--n-g", type=int, required=n_g is None, default=n_g, metavar="N",
                      help="generated tokens, which carry loss"
                      + ("" if n_g is None else f" (default {n_g})"))
    for name, text in (("batch", "sequences at a time"), ("steps", "steps of the optimizer"),
                       ("accumulate", "forward and backward passes before each of those")):
        step.add_argument(f"--{name}", type=int, default=getattr(standard, name), metavar="N",
                          help=f"{text} (default {getattr(standard, name)})")
    for name, words in (("attention", ATTENTIONS), ("autocast", tuple(AUTOCASTS)),
                        ("recompute", RECOMPUTES), ("optimizer", OPTIMIZERS),
                        ("base", BASES), ("logits", LOGITS)):
        complete(step.add_argument(
            f"--{name}", default=getattr(standard, name), metavar="WORD",
            help=f"{', '.join(words)} (default {getattr(standard, name)})"), words)
    complete(step.add_argument(
        "--dtype", metavar="WORD", help=f"of the weights: {', '.join(DTYPES)} "
        "(default: the configuration's, or else float32)"), DTYPES)
    complete(step.add_argument(
        "--gpu", default=standard.gpu, metavar="GPU",
        help=f"{', '.join(table())}, cpu, or a JSON file with an entry of your own "
        f"(default {standard.gpu})"), [*table(), "cpu"], paths="file")
    step.add_argument("--clip", type=float, default=standard.clip, metavar="NORM",
                      help="the norm to which gradients are clipped, or 0 for no clipping "
                      f"(default {standard.clip})")
    step.add_argument("--lora", metavar="WORDS", help="an adapter of PEFT's on a frozen base, such "
                      "as r=16,alpha=32,targets=all-linear")
    step.add_argument("--trainable", metavar="REGEX",
                      help="parameters in whose name it is found are trained (default: all)")
    step.add_argument("--layers", type=int, metavar="N", help="the first N decoder layers")
    step.add_argument("--dropout", type=float, default=standard.dropout, metavar="P",
                      help="probability of every dropout (default 0)")
    several = parser.add_argument_group("several GPUs")
    several.add_argument("--ranks", type=int, default=standard.ranks, metavar="D",
                         help="processes that train together, each on such a GPU with a batch of "
                         f"its own; one of them is recorded (default {standard.ranks})")
    complete(several.add_argument(
        "--parallel", metavar="WORD",
        help="fsdp2: fully_shard on each layer, with --autocast as its policy; "
        "ddp: DistributedDataParallel (default with --ranks: fsdp2)"), PARALLELS)


def training_of(arguments: argparse.Namespace, n_c: int) -> Training:
    """The step that was asked for, with a prefix."""
    return Training(
        n_c=n_c, n_g=arguments.n_g, batch=arguments.batch, gpu=arguments.gpu,
        attention=arguments.attention, dtype=arguments.dtype, autocast=arguments.autocast,
        recompute=arguments.recompute, lora=arguments.lora, base=arguments.base,
        trainable=arguments.trainable, optimizer=arguments.optimizer,
        clip=arguments.clip or None, steps=arguments.steps, accumulate=arguments.accumulate,
        layers=arguments.layers, dropout=arguments.dropout, logits=arguments.logits,
        ranks=arguments.ranks, parallel=arguments.parallel)


def run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Runs the command; gives its exit status.

    Raises:
        ProbeError: The step cannot be recorded, or its file not written.
        UsageError: What is asked cannot be meant.
    """
    prints_json = is_json(arguments)
    training = training_of(arguments, arguments.n_c)
    training.validate()
    name, values = asked_model(arguments)
    file = place(arguments.output, arguments.overwrite)
    command = shlex.join(["ballast-probe", *words])
    recording = record_training(values, training, name=name,
                                command=command)
    if file is not None:
        recording.write(file)
    if prints_json:
        print_json(figures(recording) | {"recording": None if file is None else str(file)})
        return 0
    print(answer(recording))
    if file is not None:
        print(f"\nThe recording is in {file}.")
    return 0


def place(folder: Path | None, is_overwriting: bool) -> Path | None:
    """The file to write, at a place where it can be; nothing is made there yet.

    A step that is refused leaves nothing behind.
    """
    if folder is None:
        if is_overwriting:
            raise UsageError("--overwrite is about the recording in --output, which is not given")
        return None
    file = folder / writing.NAME
    writing.refuse_place(file)
    if os.path.lexists(file) and not is_overwriting:
        raise ProbeError(f"{folder} holds {file.name} already; give --overwrite to replace it")
    return file
