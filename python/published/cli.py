"""Records published runs; see scripts/record-published."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import warnings
from pathlib import Path

from checkout import ROOT, Failure
from checkout.command import Words

LIST = ROOT / "python/requirements/megatron.txt"
PLACE = ROOT / ".venv-pytorch/megatron"


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--write", type=Path)
    parser.add_argument("--check", type=Path)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args(words)
    install()
    from published.cases import CASES

    if unknown := [name for name in given.names if name not in CASES]:
        raise Failure(f"there is no case {unknown[0]}; there are {', '.join(CASES)}")
    chosen = given.names or list(CASES)
    folder = given.write or given.check
    if folder is None or given.write and given.check:
        if folder is not None:
            raise Failure("give --write or --check, not both")
        print("\n".join(f"{name:<18} {CASES[name].about}" for name in chosen))
        return 0
    if len(chosen) > 1:  # a process each: megatron-core keeps what a run sets up in its modules
        option = "--write" if given.write else "--check"
        return max(subprocess.run([sys.executable, sys.argv[0], option, folder, name]).returncode
                   for name in chosen)
    name, = chosen
    file = folder / f"{name}.json.gz"
    warnings.simplefilter("ignore")
    recording = CASES[name].record()
    recording.call = f"scripts/record-published {name}"
    if given.write:
        recording.write(file)
    else:
        with gzip.open(file) as there:
            before, now = json.load(there), recording.values()
        if any(before[part] != now[part] for part in ("tensors", "events", "gpu", "rank", "ranks")):
            raise Failure(f"{name} is recorded otherwise than {file} has it")
    print(f"{name:<18} {len(recording.tensors):,} allocations", flush=True)
    return 0


def install() -> None:
    """Puts megatron-core into a folder of its own, without what it can do without."""
    stamp = PLACE / "requirements.stamp"
    if not stamp.exists() or stamp.read_text() != LIST.read_text():
        print(f"installing what {LIST.name} lists", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade",
             "--target", PLACE, "--requirement", LIST])
        if done.returncode:
            raise Failure(f"pip could not install what {LIST.name} lists")
        stamp.write_text(LIST.read_text())
    sys.path.append(str(PLACE))
