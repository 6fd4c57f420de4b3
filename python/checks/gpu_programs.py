"""Public programs that made traces, run as they stand on the recorder's virtual device.

Each is known by the names of its traces and by the repository that has its code, which lies in a
folder of checkouts as owner+name. What it asks of CUDA besides memory is answered by nothing; the
calls by which it starts and dumps PyTorch's own history of memory say where its trace begins and
ends.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import re
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from checkout import Failure
from checks import gpu_releases
from checks.gpu_traces import Trace

# Packages that the programs import, and PyTorch does not bring: pip puts them beside the checkouts.
PACKAGES = ("einops", "jaxtyping", "wadler-lindig")
UNUSED = ("einx", "pandas")  # packages that they import, and of which these runs need nothing


@dataclass(frozen=True)
class Program:
    """A program, and the traces that it made.

    Attributes:
        repository: owner/name of its code.
        pattern: What the names of its traces match; the groups are given to `run`.
        gpu: The GPU that fits what its traces show of one.
        paths: Folders of the checkout from which it imports.
        run: Runs it, by the folder of the checkout, the way and the groups of the name.
        ways: In how many ways it may have been called; the likeliest first.
        release: What another release of PyTorch did otherwise.
        reads: What its reads of values are answered.
        is_alone: Whether its process ran nothing else before, that the allocator remembers.
    """

    repository: str
    pattern: re.Pattern[str]
    gpu: str
    paths: tuple[str, ...]
    run: Callable[..., None]
    ways: int = 1
    release: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
    reads: bool | None = None
    is_alone: bool = True


def of(trace: Trace) -> Program | None:
    """The program that made a trace, if it is known."""
    return next((one for one in PROGRAMS if one.pattern.fullmatch(trace.name)
                 and trace.repository in ("?", one.repository)), None)


def place(program: Program, checkouts: Path) -> Path | None:
    """The folder of a program's code, if it is there."""
    folder = checkouts / program.repository.replace("/", "+")
    return folder if folder.is_dir() else None


@contextlib.contextmanager
def importing(folders: list[Path]) -> Iterator[None]:
    """Imports from some folders first, and forgets in the end what was imported from them."""
    before, path = set(sys.modules), list(sys.path)
    sys.path[:0] = [str(folder) for folder in folders]
    for name in UNUSED:
        sys.modules.setdefault(name, module_from_spec(ModuleSpec(name, loader=None)))
    version = importlib.metadata.version

    def known(name: str) -> str:
        return "0" if name.startswith("cs336") else version(name)  # they are not installed

    try:
        with mock.patch.object(importlib.metadata, "version", known):
            yield
    except ModuleNotFoundError as error:
        raise Failure(f"the program needs {error.name}: pip install --target {folders[-1]} "
                      f"{' '.join(PACKAGES)}") from error
    finally:
        sys.path[:] = path
        new = set(sys.modules) - before
        roots = {name.partition(".")[0] for name in new if name in UNUSED or any(
            Path(getattr(sys.modules[name], "__file__", None) or "").is_relative_to(one)
            for one in folders)}
        for name in new:  # folders without a file of their own too
            if name.partition(".")[0] in roots:
                del sys.modules[name]


@contextlib.contextmanager
def answered(note: Callable[[str], None]) -> Iterator[None]:
    """Answers what programs ask of CUDA; `note` hears "begin" and "end" of the trace."""
    def nothing(*_: Any, **__: Any) -> int:
        return 0

    def history(enabled: str | None = "all", *_: Any, **__: Any) -> None:
        if enabled is not None:
            note("begin")

    @contextlib.contextmanager
    def nvtx(*_: Any, **__: Any) -> Iterator[None]:
        yield

    with contextlib.ExitStack() as stack:
        for owner, name, answer in (
                (torch.cuda.memory, "_record_memory_history", history),
                (torch.cuda.memory, "_dump_snapshot", lambda *_, **__: note("end")),
                (torch.cuda, "synchronize", nothing), (torch.cuda, "max_memory_allocated", nothing),
                (torch.cuda, "reset_peak_memory_stats", nothing),
                (importlib.import_module("torch.cuda.nvtx"), "range", nvtx)):
            stack.enter_context(mock.patch.object(owner, name, answer))
        yield


def _wedsonlin(folder: Path, way: int, length: str, mode: str) -> None:
    """cs336_systems/nsys_profile.py: a medium model of the course's; the sixth step is traced."""
    path = folder / "cs336_systems/nsys_profile.py"
    # Quotes inside those of an f-string are of Python 3.12.
    text = path.read_text().replace('["context_length"]}_', "['context_length']}_")
    module = types.ModuleType("cs336_systems.nsys_profile")
    exec(compile(text, str(path), "exec"), module.__dict__)  # the program, fetched for this
    tokens = int(length)
    model = module.AnnotatedBasicsTransformerLM(
        vocab_size=10000, context_length=tokens, d_model=1024, num_layers=24, num_heads=16,
        d_ff=4096)
    device = torch.device("cuda")
    model.to(device)
    module.memory_profile(
        model=model, optimizer=module.AdamW(model.parameters()), device=device, model_name="medium",
        # As its results/ show: short ones ran in float32, and the longest inference too.
        autocast=(tokens >= 512 and (mode, tokens) != ("inference", 1024)) is (way == 0),
        pattern="full-training-step" if mode == "training" else "forward-only")


def _niu(_folder: Path, _way: int, mode: str, length: str, mixed: str | None) -> None:
    """cs336_systems/profile_memory: a model from its first allocation on, and three steps."""
    args = types.SimpleNamespace(mode="forward" if mode == "forward" else "full",
                                 context_length=int(length), use_mixed_precision=bool(mixed))
    if mixed:
        module = importlib.import_module("cs336_systems.profile_memory.profile_mixprecision_memory")
        module.profile_memory(args, torch.amp.autocast(device_type="cuda", dtype=torch.bfloat16))
    else:
        importlib.import_module("cs336_systems.profile_memory.profile_memory").profile_memory(args)


def _nothanmin(folder: Path, _way: int) -> None:
    """cs336_systems/benchmarking_script.py: an extra large model; its forward under autocast."""
    path = folder / "cs336_systems/benchmarking_script.py"
    # What made this trace is commented out since, in favor of the same without autocast.
    plain = """\
                logits = model(input_data)
                torch.cuda.memory._dump_snapshot("memory_snapshot_forward_without_mixed.pickle")
"""
    mixed = """\
                with autocast_context:
                    logits = model(input_data)
                    torch.cuda.memory._dump_snapshot("memory_snapshot_forward.pickle")
"""
    text = path.read_text()
    if plain not in text:
        raise Failure(f"{path} is another one than the check knows.")
    module = types.ModuleType("benchmarking_script")
    exec(compile(text.replace(plain, mixed, 1), str(path), "exec"), module.__dict__)
    model = module.TransformerLM(vocab_size=10000, context_length=256, d_model=1600, num_layers=48,
                                 num_heads=25, d_ff=6400, rope_theta=10000)
    model.to("cuda")
    module.run_benchmark_with_nvtx(model, module.AdamW(model.parameters()), "cuda", warmup_steps=1,
                                   running_steps=2, batch_size=4, context_length=256)


def _kkaitlyn(_folder: Path, _way: int, length: str, kind: str, mixed: str) -> None:
    """cs336_systems/benchmark.py: the largest model of the course's; models before it have gone."""
    module = importlib.import_module("cs336_systems.benchmark")
    # Forwards of growing lengths, then whole steps: what takes a workspace first has to come first.
    before = [] if (length, kind) == ("128", "forward") else [True]
    for is_forward in [*before, kind == "forward"]:
        module.run_memory_foward_fullstep(
            **module.get_model_config("2.7b"), context_length=int(length), batch_size=4,
            vocab_size=10000, theta=10000, dtype=torch.bfloat16 if mixed else torch.float32,
            model_size="2.7b", mixed_precision=bool(mixed), forward_only=is_forward)


PROGRAMS = [
    Program("Wedsonlin/assignment2-systems", re.compile(r"wed_(\d+)_(training|inference)_\d+"),
            "rtx-4090", ("cs336-basics", "."), _wedsonlin, ways=2),
    Program("NiuHuangxiaozi/assignment2-systems",
            re.compile(r"niu_(forward|forward_and_backward)_memory_snapshot_(\d+)"
                       r"(?:(_mixed_precision)|_no_mixed_precision)?_\d+"),
            "rtx-4090", (".",), _niu, release=gpu_releases.two_two),
    Program("notHanmin/assignment2-systems", re.compile(r"nothanmin_memory_snapshot_forward_\d+"),
            "l40s", ("cs336_systems", "."), _nothanmin, release=gpu_releases.two_six,
            is_alone=False),
    Program("kkaitlyn111/cs336-a2-systems",  # its models are those of the course's first part
            re.compile(r"kk_memory_ctx(\d+)_(forward|fullstep)_*(mixed|)_*\d+"), "h100",
            (".", "../kkaitlyn111+cs336-assignment1"), _kkaitlyn, release=gpu_releases.two_six,
            is_alone=False),
]
