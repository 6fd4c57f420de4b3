"""Laws of recorded steps against recordings at other lengths; see scripts/check-laws."""

from __future__ import annotations

import os
import random
import tempfile
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from ballast_probe.configuration import make_subject  # noqa: E402, reads the words above
from ballast_probe.errors import ProbeError  # noqa: E402
from ballast_probe.laws.fitting import Fitter, Model, prompts  # noqa: E402
from ballast_probe.laws.laws import Laws  # noqa: E402
from ballast_probe.laws.launches import NoLaw  # noqa: E402
from ballast_probe.laws.lengths import Point  # noqa: E402
from ballast_probe.laws.planner import Question, planned  # noqa: E402
from ballast_probe.recording import Recording, writing  # noqa: E402
from ballast_probe.recording.trainer import Training, record_training  # noqa: E402
from ballast_probe.words import first_line  # noqa: E402
from checkout.command import Words  # noqa: E402

from .recordings_steps import FAMILIES, MAPS, OTHERS, random_model  # noqa: E402

_GPUS = ("a100-80gb", "h100", "rtx-4090", "l4", "b200")
_POSITIONS = 40_000
_OTHER_LENGTHS = 5
_MIB = 1 << 20


@dataclass
class Case:
    """A step, and what was found of it."""

    model: dict[str, Any]
    training: Training
    troubles: list[str] = field(default_factory=list)
    said: str = ""
    lengths: int = 0

    @property
    def name(self) -> str:
        """The step in a few words."""
        one = self.training
        words = [str(self.model["model_type"]), one.gpu, f"batch {one.batch}", one.attention,
                 one.dtype or "", *([f"autocast {one.autocast}"] if one.autocast != "none" else []),
                 *(["lora"] if one.lora else []),
                 *([one.recompute] if one.recompute != "none" else []), one.optimizer,
                 *([f"{one.accumulate} a step"] if one.accumulate > 1 else [])]
        return ", ".join(word for word in words if word)


def random_case(draw: random.Random, family: str) -> Case:
    """A step of a small model of a family."""
    model = random_model(draw, family)
    for name in ("max_position_embeddings", "n_positions"):
        if name in model:
            model[name] = _POSITIONS
    if "sliding_window" in model:
        model["sliding_window"] = draw.choice((64, 700, 30_000))
    dtype = draw.choice(("bfloat16", "float32"))
    maps = MAPS.get(family, ["q_proj", "v_proj"])
    return Case(model, Training(
        n_c=1, n_g=draw.choice((1, 37, 512)), batch=draw.choice((1, 1, 2, 3)),
        gpu=draw.choice(_GPUS),
        attention="eager" if family == "gemma2" else draw.choice(("sdpa", "sdpa", "eager")),
        dtype=dtype, autocast=draw.choice(("none", "bf16")) if dtype == "float32" else "none",
        recompute=draw.choice(("none", "layer", "layer-reentrant")),
        lora=draw.choice((None, f"r=4,alpha=8,targets={'+'.join(maps)}")),
        optimizer=draw.choice(("adamw", "adamw-loop", "adamw-fused", "sgd")),
        clip=draw.choice((None, 1.0)), steps=draw.choice((1, 2)),
        accumulate=draw.choice((1, 1, 2))))


def check(case: Case, draw: random.Random) -> None:
    """Finds a step's laws, and holds them against recordings."""
    text = make_subject(case.model, layers=None, dropout=0.0).text

    def record(n_c: int, n_g: int) -> Recording:
        return record_training(case.model, replace(case.training, n_c=n_c, n_g=n_g))

    training = case.training
    model = Model.of(text)
    fitter = Fitter(record, model, prompts(model, training.n_g, training.batch), Question(),
                    lambda _: None)
    laws = _found(fitter)
    least, most = laws.range.tokens
    case.said = f"{least:,} to {most:,} tokens" + (
        f" in {laws.range.multiple}s" if laws.range.multiple > 1 else "")
    for _ in range(_OTHER_LENGTHS):
        pair = _drawn(draw, laws, training.n_g)
        laws.explore([pair])
        expected = laws.at(pair)
        where = "a kernel that was not explored" if expected is None \
            else expected.difference(fitter.at(pair))
        case.lengths += 1
        if where is not None:
            case.troubles.append(f"at {pair[0]} + {pair[1]} tokens: {where}")
    if not case.troubles:
        _check_longest(case, fitter, laws, draw)


def _found(fitter: Fitter) -> Laws:
    why = NoLaw("")
    for span in fitter.spans:
        try:
            return fitter.laws(span)
        except NoLaw as error:
            why = error
    raise why


def _drawn(draw: random.Random, laws: Laws, n_g: int) -> Point:
    """Lengths within the laws' range, with another completion than was recorded."""
    unit, (least, most) = laws.range.multiple, laws.range.tokens
    tokens = draw.randint(-(-least // unit), most // unit) * unit
    generated = draw.choice((n_g, draw.randint(1, tokens), 2))
    return max(0, tokens - generated), min(tokens, generated)


def _check_longest(case: Case, fitter: Fitter, laws: Laws, draw: random.Random) -> None:
    """Whether the longest that fits some memory does when it is recorded, and one more does not."""
    unit, (least, most) = laws.range.multiple, laws.range.tokens
    n_g = case.training.n_g
    tokens = draw.randint(least // unit + 1, most // unit - 1) * unit
    held = fitter.at((tokens - n_g, n_g))
    assert held.gpu is not None
    memory = held.peak.bytes + held.gpu["context_bytes"] + draw.randint(0, 40) * _MIB
    question = Question(memory=str(memory))
    recording = fitter.at(laws.base)
    recording.laws = laws
    (answer,) = _planned(recording, question)
    recording.laws = None
    if not answer["fits"]:
        case.said += f"; nothing fits {memory:,} bytes"
        return
    pair = (answer["n_c"], answer["n_g"])
    case.said += f"; {sum(pair):,} fit {memory:,} bytes"
    one = fitter.at(pair)
    (alone,) = _planned(one, question)
    if not alone["fits"]:
        case.troubles.append(f"{sum(pair)} tokens were said to fit {memory}, and do not")
    if (alone["peak_allocated_bytes"], alone["peak_reserved_bytes"]) != (
            answer["peak_allocated_bytes"], answer["peak_reserved_bytes"]):
        case.troubles.append(f"at {sum(pair)} tokens other peaks were recorded than were said")
    if answer["ended_by"] == "memory":
        (past,) = _planned(fitter.at((pair[0] + unit, pair[1])), question)
        if past["fits"]:
            case.troubles.append(f"{sum(pair) + unit} tokens fit {memory} too")


def _planned(recording: Recording, question: Question) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return planned(recording.write(Path(folder) / writing.NAME), question)


def main(words: list[str]) -> int:
    """Runs the command; gives its exit status."""
    parser = Words()
    parser.add_argument("--random", type=int, default=len(FAMILIES + OTHERS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args(words)
    draw = random.Random(asked.seed)
    families = list(FAMILIES + OTHERS)
    draw.shuffle(families)
    cases = [random_case(draw, families[number % len(families)]) for number in range(asked.random)]
    only = {int(one) for one in asked.only.split(",")} if asked.only else set()
    chosen = [(number, case) for number, case in enumerate(cases, 1) if not only or number in only]
    for number, case in chosen:
        began = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check(case, random.Random(asked.seed * 1000 + number))
        except (ProbeError, NoLaw) as error:
            case.troubles.append(first_line(error))
        verdict = "; ".join(case.troubles) or "holds"
        print(f"{number:3d}  {case.name}: {verdict} ({case.said}; "
              f"{time.monotonic() - began:.0f} s)", flush=True)
        if asked.show:
            print(f"     {case.training}\n     {case.model}")
    failed = [number for number, case in chosen if case.troubles]
    print(f"{len(chosen) - len(failed)} of {len(chosen)} steps hold, "
          f"{sum(case.lengths for _, case in chosen)} lengths that made no law")
    if failed:
        print(f"not: {', '.join(map(str, failed))}")
    return 1 if failed else 0
