"""Runs ballast and reads what it writes: ledgers of `measure`, bytes and laws of `plan`."""

import csv
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkout import ROOT, Failure

RECORDINGS = ROOT / "Tests/Fixtures/recordings/published"


@dataclass(frozen=True)
class Saved:
    """A row of the ledger; layer is None outside the layers."""

    layer: int | None
    op: str
    tensor: str
    dtype: str
    bytes: int


@dataclass(frozen=True)
class Ledger:
    """What backward keeps of one step."""

    rows: tuple[Saved, ...]
    command: str

    def of(self, *tensors: str, layers: bool = True) -> int:
        """The bytes of tensors named `op:tensor`, inside the layers or outside them."""
        return sum(r.bytes for r in self.rows
                   if f"{r.op}:{r.tensor}" in tensors and (r.layer is not None) == layers)


@dataclass(frozen=True)
class Law:
    """c0 + c1·n_c + c2·n_c², from a prefix length on."""

    constant: int
    slope: int
    square: int
    starts: int

    def __call__(self, n_c: int) -> int:
        return self.constant + self.slope * n_c + self.square * n_c * n_c


@dataclass(frozen=True)
class Laws:
    """What `ballast plan --laws` says of one combination: of its parts, of all, of its peaks."""

    parts: dict[str, Law]
    retained: Law
    peaks: tuple[Law, ...]
    command: str


@dataclass(frozen=True)
class Replayed:
    """What `ballast allocator` says of a recorded step: of PyTorch's allocator, in bytes.

    `peak` is the most that is allocated, `standing` what is at the end, `reserved` the most that is
    taken of the device, over several orders of addresses.
    """

    peak: int
    standing: int
    reserved: int
    command: str


class Program:
    """The program in a folder that holds the models' configurations."""

    def __init__(self, path: Path, folder: Path):
        self.path = path
        self.folder = folder

    def configuration(self, name: str, **fields: Any) -> str:
        """Writes a Hugging Face configuration, and says how `--model` finds it."""
        (self.folder / f"{name}.json").write_text(json.dumps(fields))
        return f"{name}.json"

    def gpt2(self, name: str, h: int, a: int, layers: int, s: int, v: int) -> str:
        """A model of the GPT-2 family: LayerNorm, GELU of 4h, learned positions, biases."""
        return self.configuration(
            name, model_type="gpt2", architectures=["GPT2LMHeadModel"], n_embd=h, n_head=a,
            n_layer=layers, n_positions=s, vocab_size=v, activation_function="gelu_new",
            layer_norm_epsilon=1e-5)

    def ledger(self, model: str, **options: Any) -> Ledger:
        """The ledger of one step, which must add up to the bytes that the step's row gives."""
        outputs = ["--ledger", "ledger.csv", "--json", "row.json"]
        command = self._run("measure", model, options, outputs).args
        with open(self.folder / "ledger.csv", newline="") as file:
            rows = tuple(
                Saved(int(r["layer"]) if r["layer"] else None, r["op"], r["tensor"], r["dtype"],
                      int(r["requested_bytes"])) for r in csv.DictReader(file))
        row = json.loads((self.folder / "row.json").read_text())
        if row["status"] != "ok" or row["retained_bytes"] != sum(r.bytes for r in rows):
            raise Failure(f"the ledger is not what the step retains: {command}")
        return Ledger(rows, command)

    def retained(self, model: str, **options: Any) -> tuple[int, str]:
        """What `ballast plan` says that one combination retains, and the command."""
        found, command = self._plan(model, options, [])
        return found["rows"][0]["retained_bytes"], command

    def laws(self, model: str, **options: Any) -> Laws:
        """The laws of one combination, which must give the bytes at its n_c."""
        found, command = self._plan(model, options, ["--laws"])
        laws: dict[str, list[tuple[str, Law]]] = {"retained": [], "peak": []}
        for r in found["laws"]:
            law = Law(r["constant_bytes"], r["linear_bytes"], r["quadratic_bytes"],
                      r["holds_from_n_c"])
            laws[r["figure"]].append((r["part"], law))
        parts = dict(laws["retained"])
        whole = parts.pop("total")
        n_c, bytes_ = (found["rows"][0][name] for name in ("n_c", "retained_bytes"))
        if any(law["holds_to_n_c"] is not None for law in found["laws"][-1:]):
            raise Failure(f"the last law of the peak ends: {command}")
        if not whole(n_c) == bytes_ == sum(part(n_c) for part in parts.values()):
            raise Failure(f"the laws do not give what is retained: {command}")
        return Laws(parts, whole, tuple(law for _, law in laws["peak"]), command)

    def replayed(self, name: str) -> Replayed:
        """A recording of Tests/Fixtures, put through the allocator from its first event on."""
        file = RECORDINGS / f"{name}.json.gz"
        command = f"ballast allocator {file.relative_to(ROOT)}"
        done = self._call(["allocator", str(file), "--json", "-"], command)
        found = json.loads(done.stdout)["replayed"]
        return Replayed(found["peak_allocated"], found["allocated_end"],
                        found["peak_reserved_most"], command)

    def _plan(self, model: str, options: dict[str, Any], outputs: list[str]) -> tuple[dict[str, Any], str]:
        done = self._run("plan", model, {"mode": "full-graph", **options},
                         ["--format", "json", *outputs])
        found = json.loads(done.stdout)
        if isinstance(found, list):
            found = {"rows": found}
        if len(found["rows"]) != 1:
            raise Failure(f"not one combination: {done.args}")
        return found, done.args

    def _run(self, command: str, model: str, options: dict[str, Any], outputs: list[str]) -> subprocess.CompletedProcess[str]:
        words = [command, "--model", model]
        for name, value in options.items():
            option = "--" + name.replace("_", "-")
            words += [option] if value is True else [option, str(value)]
        return self._call([*words, *outputs], " ".join(["ballast", *words]))

    def _call(self, words: list[str], command: str) -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run([self.path, *words], cwd=self.folder, text=True,
                                  capture_output=True)
        except OSError as error:
            raise Failure(f"{self.path} cannot be run: {error.strerror}") from None
        done.args = command
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
            raise Failure(f"{done.args}: {last}")
        return done
