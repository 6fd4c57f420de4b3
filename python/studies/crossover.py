"""Where replay, checkpointing of layers, or both have the lowest peak; see scripts/crossover."""

from __future__ import annotations

import csv
import json
import subprocess
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from checkout import Failure, program
from checkout.command import Words

HEADS = 32
LENGTHS = [512 << k for k in range(12)]
AT = 131_072  # where work is shown
# A mode and what backward computes again, by the name under which it is shown.
WAYS = {
    ("full-graph", "layer"): "checkpointing",
    ("pruned-graph", "layer"): "pruned + checkpointing",
    ("replayed-prefix", "none"): "replay",
    ("replayed-prefix", "layer"): "replay + checkpointing",
}
# Peak bytes and relative work, by way.
Peaks = dict[str, tuple[int, float]]


@dataclass(frozen=True)
class Case:
    """One model and step."""
    kv_heads: int = 8
    kv_gradients: str = "float32"
    layers: int = 32
    n_g: int = 512
    chunk: int = 256

    @property
    def cells(self) -> list[str]:
        return [f"{self.kv_heads}/{HEADS}", self.kv_gradients, str(self.layers), str(self.n_g),
                str(self.chunk)]


CASES = (
    [Case(kv_heads=k, kv_gradients=g) for g in ("float32", "activations") for k in (32, 16, 8, 4, 1)]
    + [Case(layers=d) for d in (8, 46, 47, 80)]
    + [Case(kv_heads=32, layers=d) for d in (4, 5)]
    + [Case(kv_heads=16, kv_gradients="activations", layers=d) for d in (23, 24)]
    + [Case(n_g=64), Case(n_g=4096), Case(chunk=64), Case(chunk=2048)]
)


@dataclass
class Answer:
    """Who leads from which n_c on; the work and the slope of each way."""
    case: Case
    leads: list[tuple[int, str]] = field(default_factory=list)
    alone: int | None = None  # the n_c from which replay alone is below checkpointing
    work: dict[str, float] = field(default_factory=dict)
    slope: dict[str, float] = field(default_factory=dict)


class Planner:
    def __init__(self, ballast: Path, folder: Path) -> None:
        self.ballast, self.folder = ballast, folder
        self.seen: dict[tuple[Case, int], Peaks] = {}

    def model(self, case: Case) -> Path:
        path = self.folder / f"llama-{case.kv_heads}-{case.layers}.json"
        if path.exists():
            return path
        draft = path.with_suffix(f".{threading.get_ident()}")  # another thread may make it too
        draft.write_text(json.dumps({
            "model_type": "llama", "hidden_size": 4096, "num_attention_heads": HEADS,
            "num_key_value_heads": case.kv_heads, "intermediate_size": 14336,
            "num_hidden_layers": case.layers, "vocab_size": 128_256, "torch_dtype": "bfloat16",
            "max_position_embeddings": 2 * LENGTHS[-1]}))
        return draft.rename(path)

    def peaks(self, case: Case, n_c: int) -> Peaks:
        """Peak bytes and relative work of each way, asked for once."""
        if (case, n_c) not in self.seen:
            self.seen[case, n_c] = self.planned(case, n_c)
        return self.seen[case, n_c]

    def planned(self, case: Case, n_c: int) -> Peaks:
        command = [str(self.ballast), "plan", "--model", str(self.model(case)), "--n-c", str(n_c),
                   "--n-g", str(case.n_g), "--chunk", str(case.chunk), "--attention", "fused",
                   "--head", "chunked", "--kv-gradients", case.kv_gradients, "--format", "csv"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Failure(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
        rows = csv.DictReader(done.stdout.splitlines())
        return {WAYS[key]: (int(row["peak_bytes"]), float(row["relative_work"])) for row in rows
                if (key := (row["mode"], row["recompute"])) in WAYS}

    def lead(self, case: Case, n_c: int) -> str:
        """The way with the lowest peak; of equals the one with less work."""
        peaks = self.peaks(case, n_c)
        return min(peaks, key=lambda way: peaks[way])

    def alone(self, case: Case) -> int | None:
        """The first n_c at which replay alone has a lower peak than checkpointing, pruned or not."""
        def ahead(n_c: int) -> tuple[bool, int]:
            peaks = self.peaks(case, n_c)
            by = min(peaks[way][0] for way in WAYS.values() if not way.startswith("replay"))
            return by > peaks["replay"][0], by - peaks["replay"][0]

        first = next((n for n in LENGTHS if ahead(n)[0]), None)
        return first if first in (None, LENGTHS[0]) else change(first // 2, first, ahead)

    def answer(self, case: Case) -> Answer:
        answer = Answer(case)
        leads = [self.lead(case, n) for n in LENGTHS]
        answer.leads.append((LENGTHS[0], leads[0]))
        for (low, before), (high, after) in zip(zip(LENGTHS, leads), zip(LENGTHS[1:], leads[1:])):
            while before != after:  # Perhaps by way of a third one.
                def ahead(n_c: int, leader: str = before) -> tuple[bool, int]:
                    peaks = self.peaks(case, n_c)
                    least = min(peak for way, (peak, _) in peaks.items() if way != leader)
                    return self.lead(case, n_c) != leader, peaks[leader][0] - least

                low = change(low, high, ahead)
                before = self.lead(case, low)
                answer.leads.append((low, before))
        answer.alone = self.alone(case)
        here, further = self.peaks(case, AT), self.peaks(case, 2 * AT)
        answer.work = {way: work for way, (_, work) in here.items()}
        answer.slope = {way: (further[way][0] - peak) / AT for way, (peak, _) in here.items()}
        return answer


def change(low: int, high: int, ahead: Callable[[int], tuple[bool, int]]) -> int:
    """The first n_c behind `low` at which somebody else is ahead, as is so at `high`, and by how much.

    Between two kinks peaks are straight, so the next guess is where the line through both ends meets 0; every
    third is the middle, for the kinks. Both neighbours of the change are looked at, whatever was guessed.
    """
    below, above = ahead(low)[1], ahead(high)[1]
    turn = 0
    while high - low > 1:
        turn += 1
        guess = (low + high) // 2
        if turn % 3 and below <= 0 < above:
            guess = min(max(low - below * (high - low) // (above - below), low + 1), high - 1)
        is_past, by = ahead(guess)
        low, below, high, above = (low, below, guess, by) if is_past else (guess, by, high, above)
    return high


def spans(answer: Answer) -> str:
    """Who leads where, such as `replay to 1,107, then checkpointing`."""
    text = answer.leads[0][1]
    for n_c, way in answer.leads[1:]:
        text += f" to {n_c - 1:,}, {way}"
    return text


def table(answers: list[Answer]) -> str:
    names = list(WAYS.values())
    lines = [["KV heads", "dK and dV", "layers", "n_g", "chunk", "replay alone from",
              "lowest peak, n_c from 512 on"]]
    lines += [answer.case.cells
              + ["never" if answer.alone is None else f"{answer.alone:,}", spans(answer)]
              for answer in answers]
    text = columns(lines, left={1, 6})
    lines = [["KV heads", "dK and dV", "layers", "n_g", "chunk"] + names]
    for answer in answers:
        lines.append(answer.case.cells + [
            f"{answer.slope[name]:,.0f} B, {answer.work[name]:.2f} ×" for name in names])
    return (text + f"\nWhat a prefix token adds to the peak from n_c {AT:,} to {2 * AT:,}, and the matrix"
            " work over\nfull-graph's:\n\n" + columns(lines, left={1}))


def columns(lines: list[list[str]], left: set[int]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "".join(
        "  ".join(cell.ljust(w) if i in left else cell.rjust(w)
                  for i, (cell, w) in enumerate(zip(line, widths))).rstrip() + "\n"
        for line in lines)


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--ballast", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        planner = Planner(given.ballast or program(), Path(folder))
        answers = list(pool.map(planner.answer, CASES))
        if given.picture:
            from studies import crossover_map  # needs matplotlib
            crossover_map.draw(planner, pool, given.picture)
    print(table(answers), end="")
    return 0
