"""What one more prefix token keeps, op by op, and why; see scripts/prefix-token."""

from __future__ import annotations

import csv
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from checkout import Failure, program

LENGTHS = (4096, 4097)

# By the node and the op that keep a tensor, the first that fits: why it is kept.
REASONS = (
    ("PowBackward0.self", "norm", "the norm's input; below float32 a float32 copy of it"),
    ("RsqrtBackward0.result", "norm", "the norm's statistic"),
    ("MulBackward0.other", "norm", "the normalised input, for the norm's weight: a fused norm makes it again"),
    ("MmBackward0.self", "lm_head", "the head's input, though no prefix row has a loss"),
    ("MmBackward0.self", "proj", "a projection's input, for its weight"),
    ("AddmmBackward0.mat1", "", "a projection's input, for its weight"),
    ("SiluBackward0.self", "", "the gate, for SiLU's gradient"),
    ("MulBackward0.other", "mlp", "up, for the gradient of silu(gate)"),
    ("MulBackward0.self", "mlp", "silu(gate), for the gradient of up: could be made again from the gate"),
    ("MulBackward0.other", "attn", "cos and sin of the rotation, once for all layers"),
    ("attn_mask", "", "a mask, anew in every layer"),
    (".key", "", "keys"), (".value", "", "values"), (".query", "", "queries"),
    (".output", "", "attention's output, which o_proj reads too"),
    (".logsumexp", "", "the softmax's statistic"),
    ("LogSoftmaxBackward0.result", "", "float32 log-probabilities, of prefix rows too, whose labels are -100"),
    ("NllLossBackward0.target", "", "labels, int64"),
    ("EmbeddingBackward0.indices", "", "token numbers, int64"),
    ("_NoopSaveInputs", "", "a checkpointed layer's input"),
    ("SoftmaxBackward0.result", "", "attention probabilities"),
    ("BmmBackward0", "", "an operand of attention's products"),
)


def ledger(model: str, n_c: int, options: list[str]) -> list[dict[str, str]]:
    """The saved tensors of a point."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.csv"
        run = subprocess.run(
            [program(), "measure", "--model", model, "--backend", "shape", "--n-g", "512", "--n-c",
             str(n_c), "--ledger", path, *options], capture_output=True, text=True)
        if run.returncode:
            raise Failure(run.stderr.strip())
        with open(path, newline="") as file:
            return list(csv.DictReader(file))


def per_token(model: str, options: list[str]) -> dict[tuple[str, str], int]:
    """Bytes that one more prefix token adds, by op and tensor, summed over layers."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for sign, n_c in zip((-1, 1), LENGTHS):
        for row in ledger(model, n_c, options):
            sums[row["op"], row["tensor"]] += sign * int(row["requested_bytes"])
    return {key: value for key, value in sums.items() if value}


def reason(op: str, tensor: str) -> str:
    """Why a tensor is kept."""
    for node, part, why in REASONS:
        if node in tensor and part in op:
            return why
    return ""


def main(words: list[str]) -> int:
    arguments = list(words)
    model = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "llama-3.1-8b"
    recipe = [] if "--recipe" in arguments else ["--recipe", "transformers-sdpa"]
    theirs = per_token(model, recipe + arguments)
    total = sum(theirs.values())
    print("| op | tensor | B a prefix token | % | why it is kept |\n|---|---|--:|--:|---|")
    for (op, tensor), value in sorted(theirs.items(), key=lambda item: -item[1]):
        print(f"| `{op}` | `{tensor}` | {value:,} | {100 * value / total:.1f} | {reason(op, tensor)} |")
    print(f"| **all** | | **{total:,}** | 100 | |")
    plain = [a for a in arguments if a not in ("--recipe", "transformers-sdpa", "transformers-eager")]
    print()
    for name, options in (("as it stands", []), ("norms and activations made again", ["--recompute", "elementwise"])):
        if "--recompute" in plain and options:
            continue
        ours = sum(per_token(model, plain + options).values())
        print(f"Ballast's own graph, {name}: {ours:,} B a prefix token, {100 * (1 - ours / total):.1f} % fewer.")
    return 0
