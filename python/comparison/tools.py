"""What other tools say of one training step, beside Ballast; see scripts/compare-tools."""

from __future__ import annotations

import contextlib
import datetime
import importlib
import io
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from checkout import ROOT, Failure  # noqa: E402, reads the word above
from checkout.command import Words  # noqa: E402

from .tools_inside import (  # noqa: E402
    ON_HUB, configuration, fsdp2, memtracker, on_meta, torchinfo, torchlens, torchsummary,
)
from .tools_run import (  # noqa: E402
    ADAPTER, CHECKPOINTING, GIB, KEPT, LORA, PEAK, RANK, RANKS, STATES, TRACED, WEIGHTS, Row, Run,
)

LIST = ROOT / "python/requirements/tools.txt"
PLACE = ROOT / ".venv-pytorch/tools"


def main(words: list[str]) -> int:
    """Asks the tools that are named, or all."""
    parser = Words()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--model", default=Run.model)
    parser.add_argument("--n-c", type=int, default=Run.n_c)
    parser.add_argument("--n-g", type=int, default=Run.n_g)
    parser.add_argument("--rows", action="store_true")
    given = parser.parse_args(words)
    run = Run(given.model, given.n_c, given.n_g)
    if unknown := [name for name in given.names if name not in TOOLS and name != "ballast"]:
        parser.error(f"there is no tool {unknown[0]}; there are {', '.join(TOOLS)}")
    if given.rows:  # one tool, in a process of its own
        print(json.dumps([asdict(row) for row in _asked(given.names[0], run)]))
        return 0
    install()
    step = f"{run.n_c:,} + {run.n_g:,} tokens"
    print(f"{run.model}, bfloat16, AdamW, {step}, {_date()}", flush=True)
    ours: dict[tuple[str, int | None], int] = {}
    for name in ("ballast", *(given.names or TOOLS)):
        rows = _in_a_process(name, run)
        if name == "ballast":
            ours = {(row.question, row.tokens): row.bytes for row in rows if row.bytes is not None}
        print(f"\n{name} {_version(name)}\n" + "\n".join(
            line(row, None if name == "ballast" else ours.get((row.question, row.tokens)))
            for row in rows), flush=True)
    return 0


def line(row: Row, ours: int | None) -> str:
    """A line of the table: what was asked, what it said, and how much more than Ballast that is."""
    if row.bytes is None:
        return f"  {row.question:<30} {'-':>15}            {row.note}"
    more = f"{row.bytes / ours - 1:+.2%}" if ours else ""
    return f"  {row.question:<30} {row.bytes:>15,} {more:>10} {row.note}".rstrip()


def install() -> None:
    """Puts the tools into a folder of their own, each without what it does not need here."""
    stamp = PLACE / "requirements.stamp"
    if stamp.exists() and stamp.read_text() == LIST.read_text():
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade",
           "--disable-pip-version-check", "--target", str(PLACE)]
    environment = {**os.environ, "DS_BUILD_OPS": "0"}
    if subprocess.run([*pip, "-r", str(LIST)], env=environment).returncode:
        for pin in pins(LIST.read_text()):  # those that there are
            if subprocess.run([*pip, pin], env=environment).returncode:
                print(f"not installed: {pin}", file=sys.stderr)
    else:
        stamp.write_text(LIST.read_text())


def pins(text: str) -> list[str]:
    """The lines of a list of requirements that are not comments."""
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


def _in_a_process(name: str, run: Run) -> list[Row]:
    words = [sys.executable, sys.argv[0], "--rows", name, "--model", run.model,
             "--n-c", str(run.n_c), "--n-g", str(run.n_g)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        if name == "ballast":
            raise Failure(last)
        return [Row("not tried", None, last)]
    return [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]


def _asked(name: str, run: Run) -> list[Row]:
    sys.path.append(str(PLACE))
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        return ballast(run) if name == "ballast" else TOOLS[name](run)


def _version(name: str) -> str:
    package = {"memtracker": "torch", "fsdp2": "torch"}.get(name, name)
    try:
        sys.path.append(str(PLACE))
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return {"cookbook": "827ee3b", "megatron": "d98e8a6"}.get(name, "")
    finally:
        sys.path.remove(str(PLACE))
    return f"torch {version}" if package == "torch" else version


def _date() -> str:
    return datetime.date.today().isoformat()


# Ballast


def ballast(run: Run) -> list[Row]:
    """What Ballast says of the same steps, recorded for an A100 80 GB."""
    from ballast_probe.configuration import read_configuration
    from ballast_probe.recording.stream import Role
    from ballast_probe.recording.trainer import Training, record_training

    _, values = read_configuration(run.model)
    rows = []
    for question, more in ((PEAK, {}), (CHECKPOINTING, {"recompute": "layer"}),
                           (LORA, {"lora": ADAPTER}), (RANK, {"ranks": RANKS})):
        held = record_training(values, Training(run.n_c, run.n_g, gpu="a100-80gb", **more))
        if question == PEAK:
            weights = held.most_bytes_of(Role.PARAMETER)
            states = weights + held.most_bytes_of(Role.GRADIENT) \
                + held.most_bytes_of(Role.OPTIMIZER_STATE)
            rows += [Row(WEIGHTS, weights, ""), Row(STATES, states, ""),
                     Row(KEPT, held.retained_bytes, "as backward begins")]
        rows.append(Row(question, held.peak.bytes, held.peak_phase.name))
    short = record_training(values, Training(TRACED // 2, TRACED // 2, gpu="cpu"))
    return [*rows, Row(KEPT, short.retained_bytes, f"of {TRACED} tokens, on a CPU", TRACED)]


# Formulas


def sizes(run: Run) -> dict[str, int]:
    """The sizes of which formulas are made, by the names of papers."""
    config = configuration(run)
    return {"L": config.num_hidden_layers, "h": config.hidden_size, "f": config.intermediate_size,
            "a": config.num_attention_heads, "k": config.num_key_value_heads,
            "v": config.vocab_size, "s": run.tokens, "tied": int(config.tie_word_embeddings)}


def cookbook_bytes(size: Mapping[str, int]) -> dict[str, float]:
    """EleutherAI's calc_transformer_mem.py, of one GPU in mixed precision with a gated MLP.

    Its parameters count the embedding twice, positions, and norms of eight vectors a layer; weights
    take 2 bytes each, gradients 4, the optimizer 12.
    """
    L, h, s, v = size["L"], size["h"], size["s"], size["v"]
    attention = int(2 * (1 + size["k"] / size["a"]) * L * h * h)
    parameters = 2 * v * h + h * s + 8 * h * L + 2 * h + attention + 3 * L * h * size["f"]
    return {"parameters": parameters, "weights": 2 * parameters, "gradients": 4 * parameters,
            "optimizer": 12 * parameters, "kept": s * h * L * (34 + 5 * size["a"] * s / h),
            "kept, checkpointing": s * h * L * 34}


def megatron_bytes(size: Mapping[str, int]) -> dict[str, float]:
    """Megatron-LM's theoretical_memory_usage.py, of one GPU, RMSNorm, SwiGLU, without parallelism.

    Weights, gradients and the optimizer take 18 bytes a parameter; a layer keeps 34 s h, the last
    rows and logits 2 bytes an element, and 5 % are added.
    """
    L, h, s, v = size["L"], size["h"], size["s"], size["v"]
    layer = 2 * h * (size["f"] * 1.5 + 1) + 2 * h * h * (1 + size["k"] / size["a"])
    parameters = layer * L + h + h * v * (1 if size["tied"] else 2)
    kept = 34 * s * h * L + 8 * s + s * h + 2 * (s * v + s * h)
    return {"parameters": parameters, "states": 18 * parameters, "kept": 1.05 * kept}


def cookbook(run: Run) -> list[Row]:
    """The calculator's formulas, with this model's sizes."""
    said = cookbook_bytes(sizes(run))
    states = sum(said[name] for name in ("weights", "gradients", "optimizer"))
    return [Row(WEIGHTS, round(said["weights"]), "the embedding twice, and positions"),
            Row(STATES, round(states), "18 bytes a parameter: mixed precision"),
            Row(KEPT, round(said["kept"]), "with the scores of attention"),
            Row(PEAK, round(states + said["kept"]), "the sum"),
            Row(CHECKPOINTING, round(states + said["kept, checkpointing"]), "the sum, with -ca")]


def megatron(run: Run) -> list[Row]:
    """What report_theoretical_memory says of this model's sizes."""
    said = megatron_bytes(sizes(run))
    return [Row(STATES, round(said["states"]), "18 bytes a parameter: mixed precision"),
            Row(KEPT, round(said["kept"]), "without sequence parallelism"),
            Row(PEAK, round(said["states"] + said["kept"]), "the sum")]


# Tools of weights alone


def accelerate(run: Run) -> list[Row]:
    """What accelerate estimate-memory computes behind its table; the command asks the Hub."""
    import torch
    from transformers import AutoModel

    estimate = importlib.import_module("accelerate.commands.estimate")
    with estimate.init_empty_weights():
        model = AutoModel.fromconfiguration(configuration(run), dtype=torch.float32)
    total, _ = estimate.calculate_maximum_sizes(model)
    rows = [Row(WEIGHTS, total // 2, "float16")]
    for dtype in ("float16", "float32"):
        parts = estimate.estimate_training_usage(total, dtype)
        rows.append(Row(STATES, max(parts.values()), f"'Training using Adam', {dtype}"))
    return rows


def deepspeed(run: Run) -> list[Row]:
    """DeepSpeed's two functions, of one GPU without offloading."""
    rows = []
    model = on_meta(run)
    count = sum(one.numel() for one in model.parameters())
    largest = max(sum(one.numel() for one in module.parameters(recurse=False))
                  for module in model.modules())
    for stage, module, given in ((2, "stage_1_and_2", {}),
                                 (3, "stage3", {"largest_layer_params": largest})):
        ask = getattr(importlib.import_module(f"deepspeed.runtime.zero.{module}"),
                      f"estimate_zero{stage}_model_states_mem_needs_all_cold")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            ask(total_params=count, num_gpus_per_node=1, num_nodes=1, **given)
        rows.append(Row(STATES, deepspeed_bytes(said.getvalue()), f"ZeRO {stage}, no offloading"))
    return rows


def deepspeed_bytes(text: str) -> int:
    """The bytes of a GPU without offloading, of DeepSpeed's printed table, to 0.01 GiB."""
    for row in text.splitlines():
        if "offload_optimizer=none" in row and (gpu := re.findall(r"([\d.]+)GB", row)[1:]):
            return round(float(gpu[0]) * GIB)
    raise Failure("DeepSpeed's table has no row without offloading")


def hf_mem(run: Run) -> list[Row]:
    """hf-mem reads the heads of files on the Hub; it takes no folder of one's own."""
    module = importlib.import_module("hf_mem")
    try:
        said = module.run(model_id=ON_HUB.get(run.model, run.model), experimental=True)
    except Exception as error:
        return [Row(WEIGHTS, None, f"needs huggingface.co: {type(error).__name__}")]
    return [Row(WEIGHTS, int(said.memory), "to load the model")]


def llmfit(run: Run) -> list[Row]:
    """llmfit plan, of a model in its own list."""
    done = subprocess.run(
        [PLACE / "bin/llmfit", "--json", "plan", ON_HUB.get(run.model, run.model), "--context",
         str(run.tokens), "--quant", "BF16"], capture_output=True, text=True)
    if done.returncode:
        return [Row(WEIGHTS, None, (done.stderr.strip().splitlines() or ["no word"])[-1])]
    weights, memory = llmfit_bytes(done.stdout)
    return [Row(WEIGHTS, weights, "disk_size_gb"),
            Row("inference", memory, "minimum vram_gb, taken as 2^30 bytes")]


def llmfit_bytes(text: str) -> tuple[int, int]:
    """Weights on the disk, and memory to run a model, of the plan's JSON."""
    said = json.loads(text)
    return round(said["disk_size_gb"] * 10**9), round(said["minimum"]["vram_gb"] * GIB)


def unsloth(run: Run) -> list[Row]:
    """The estimate by which Unsloth Studio chooses GPUs, for steps with Unsloth's own kernels."""
    sys.path.append(str(PLACE / "studio/backend/utils/hardware"))
    module = importlib.import_module("vram_estimation")
    rows = []
    for question, method, checkpointing in ((PEAK, "full", "none"), (CHECKPOINTING, "full", "true"),
                                            (LORA, "lora", "none")):
        said = module.estimate_training_vram(
            module.extract_archconfiguration(configuration(run)), module.TrainingVramConfig(
                training_method=method, batch_size=1, max_seq_length=run.tokens, lora_rank=16,
                target_modules=["all-linear"], gradient_checkpointing=checkpointing,
                optimizer="adamw_torch", load_in_4bit=False, attention_implementation="sdpa"))
        if question == PEAK:
            rows += [Row(WEIGHTS, said.model_weights, ""),
                     Row(STATES, said.model_weights + said.gradients + said.optimizer_states,
                         "the optimizer at 6 bytes a parameter"),
                     Row(KEPT, said.activations, "'activations'")]
        rows.append(Row(question, said.total,
                        f"the sum, with {said.cuda_overhead / 1e9:.2f} GB of CUDA's own"))
    return rows


TOOLS: dict[str, Callable[[Run], list[Row]]] = {
    "accelerate": accelerate, "cookbook": cookbook, "deepspeed": deepspeed, "fsdp2": fsdp2,
    "hf-mem": hf_mem, "llmfit": llmfit, "megatron": megatron, "memtracker": memtracker,
    "torchinfo": torchinfo, "torchlens": torchlens, "torchsummary": torchsummary,
    "unsloth": unsloth}
