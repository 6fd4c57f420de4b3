#!/usr/bin/env python3
"""Tiny models of every family with the loss and the gradients that PyTorch gives for them.

They are the oracle of Ballast's tests: `transformers`' own model classes with eager attention, in
float32, without dropout, in the modes `full-graph` and `detached-prefix`. What a fixture's folder
holds is in Tests/Fixtures/README.md.
"""

import argparse
import copy
import json
import math
import os
import shutil
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
try:
    import numpy as np
    import safetensors.torch
    import torch
    import transformers
    from torch.overrides import TorchFunctionMode

    missing_module = None
except ImportError as problem:  # --help and --list work without them
    missing_module = problem.name
    TorchFunctionMode = object

EXAMPLES = """\
examples:
  scripts/fixtures --check Tests/Fixtures               recompute all and compare
  scripts/fixtures --check Tests/Fixtures llama-gqa     one of them
  scripts/fixtures --write Tests/Fixtures               make all anew
  scripts/fixtures --list                               name them
  python3 scripts/pytorch_fixtures.py --check Tests/Fixtures
                                                        against another PyTorch

--check reads configurations, weights and tokens from the folder, so it needs no equal random
numbers. Exit status: 0 done, 1 not or not equal, 64 wrong usage.
"""

MODES = ("full-graph", "detached-prefix")
IGNORED = -100  # cross_entropy's label of a row without loss

# What --check allows: other builds of PyTorch add in another order.
LOSS_TOLERANCE = 1e-6
GRADIENT_TOLERANCE = 5e-6
BFLOAT16_FACTOR = 1.5  # of the whole gradient's error, between two builds of PyTorch

# What --write demands of a case: well inside the 2e-5 that Ballast must reach.
NOISE_LIMIT = 4e-6


class Failure(Exception):
    """Why there is no fixture or no agreement, as one sentence."""


# --- Cases ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One fixture: a configuration and a way to train on it."""

    name: str
    covers: str
    n_c: int
    n_g: int
    config: dict
    batch: int = 1
    loss_rows: str = "next-token"
    keep_prefix: int = 0

    @property
    def family(self) -> str:
        return self.name.split("-")[0]

    @property
    def n(self) -> int:
        return self.n_c + self.n_g

    @property
    def cut(self) -> int:
        """How many rows `detached-prefix` leaves out of the graph."""
        kept = self.keep_prefix
        if self.loss_rows == "next-token":
            kept = max(kept, 1)  # the last prefix row carries loss
        return max(self.n_c - kept, 0)

    @property
    def first_loss_row(self) -> int:
        return self.n_c if self.loss_rows == "generated" else max(self.n_c - 1, 0)

    @property
    def tokens(self) -> int:
        """Tokens a sequence: `generated` needs the one after the last row."""
        return self.n + 1 if self.loss_rows == "generated" else self.n


def rope(theta: float) -> dict:
    return {"rope_type": "default", "rope_theta": theta}


# Original context 32, factors 1 and 4: wavelengths below 8 stay, above 32 stretch, between blend.
LLAMA_31_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 100.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


def gpt2(**changes) -> dict:
    return {
        "vocab_size": 61, "n_positions": 40, "n_embd": 24, "n_layer": 2, "n_head": 3,
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "summary_first_dropout": 0.0,
        "bos_token_id": 0, "eos_token_id": 0,
    } | changes


def gated(**changes) -> dict:
    """What llama, mistral, qwen2 and qwen3 share."""
    return {
        "vocab_size": 67, "hidden_size": 24, "intermediate_size": 35, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
        "rope_parameters": rope(10000.0), "bos_token_id": 0, "eos_token_id": 0,
    } | changes


CASES = [
    Case("gpt2-gelu-new", "n_inner = 4d, tied head, batch 2", 11, 5, gpt2(), batch=2),
    Case(
        "gpt2-untied", "exact gelu, n_inner, odd d and head, untied head, eps 1e-3, 3 layers", 7, 6,
        gpt2(
            n_embd=15, n_layer=3, n_inner=37, activation_function="gelu", layer_norm_epsilon=1e-3,
            tie_word_embeddings=False, vocab_size=53,
        ),
        loss_rows="generated", keep_prefix=3,
    ),
    Case(
        "gpt2-one-token", "n_g = 1, one head, gelu_pytorch_tanh, kept prefix rows", 9, 1,
        gpt2(n_embd=18, n_head=1, n_inner=30, activation_function="gelu_pytorch_tanh"),
        batch=3, keep_prefix=4,
    ),
    Case("llama-gqa", "grouped heads, untied head, batch 2", 13, 5, gated(), batch=2),
    Case(
        "llama-31-rope", "rope scaling, q/k/v/o and MLP biases, head_dim ≠ d/heads, one KV head, "
        "tied head, 3 layers", 37, 8,
        gated(
            hidden_size=21, num_attention_heads=3, num_key_value_heads=1, head_dim=10,
            num_hidden_layers=3, attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
            rope_parameters=LLAMA_31_ROPE, rms_norm_eps=1e-5,
        ),
        loss_rows="generated", keep_prefix=2,
    ),
    Case(
        "llama-one-token", "n_g = 1, one KV head, kept prefix rows, theta 500000", 6, 1,
        gated(
            hidden_size=20, num_attention_heads=2, num_key_value_heads=1, intermediate_size=27,
            rope_parameters=rope(500000.0), rms_norm_eps=1e-3,
        ),
        batch=3, keep_prefix=4,
    ),
    Case("llama-short-prefix", "n_c = 1 and kept prefix rows past it: nothing is detached", 1, 4,
         gated(hidden_size=12, num_attention_heads=2, num_key_value_heads=2, vocab_size=31,
               intermediate_size=17), batch=2, keep_prefix=3),
    Case(
        "mistral-window", "sliding window 5 < n, d not a multiple of heads, one KV head", 12, 6,
        gated(
            hidden_size=25, num_attention_heads=3, num_key_value_heads=1, head_dim=8,
            sliding_window=5, rms_norm_eps=1e-5,
        ),
    ),
    Case(
        "mistral-full", "no window, as many KV heads as heads, tied head, batch 2", 8, 5,
        gated(
            num_attention_heads=3, num_key_value_heads=3, head_dim=6, sliding_window=None,
            tie_word_embeddings=True, rope_parameters=rope(1000000.0),
        ),
        batch=2, loss_rows="generated", keep_prefix=1,
    ),
    Case(
        "mistral-one-token", "n_g = 1, sliding window 3, kept prefix rows, 3 layers", 10, 1,
        gated(hidden_size=16, num_hidden_layers=3, head_dim=10, sliding_window=3),
        batch=2, loss_rows="generated", keep_prefix=2,
    ),
    Case(
        "qwen2-window-mix", "layer 0 full, layers 1 and 2 with a window of 4, untied head", 11, 5,
        gated(
            num_hidden_layers=3, use_sliding_window=True, sliding_window=4, max_window_layers=1,
        ),
        batch=2,
    ),
    Case(
        "qwen2-tied", "one KV head, tied head, theta 1000000", 9, 7,
        gated(
            hidden_size=18, num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True,
            rope_parameters=rope(1000000.0), vocab_size=101,
        ),
        loss_rows="generated", keep_prefix=2,
    ),
    Case("qwen2-one-token", "n_g = 1, kept prefix rows", 6, 1,
         gated(hidden_size=16, intermediate_size=23), batch=4, keep_prefix=3),
    Case(
        "qwen3-head-dim", "head_dim 12, one KV head, tied head, batch 2", 9, 7,
        gated(
            hidden_size=20, num_attention_heads=3, num_key_value_heads=1, head_dim=12,
            tie_word_embeddings=True, rope_parameters=rope(1000000.0), rms_norm_eps=1e-3,
        ),
        batch=2,
    ),
    Case(
        "qwen3-bias-window", "q/k/v/o biases, layer 0 full and layer 1 with a window of 6", 13, 5,
        gated(
            head_dim=8, attention_bias=True, use_sliding_window=True, sliding_window=6,
            max_window_layers=1,
        ),
        loss_rows="generated", keep_prefix=3,
    ),
    Case("qwen3-one-token", "n_g = 1, 3 layers", 7, 1,
         gated(hidden_size=16, head_dim=6, num_hidden_layers=3, intermediate_size=19), batch=3),
]


# --- Models --------------------------------------------------------------------------------------


def causal_lm(config):
    """A model of the configuration, as it trains here."""
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    return model.float().train()


def new_model(case: Case):
    """The case's model with weights that make attention uneven and gradients large."""
    settings = transformers.CONFIG_MAPPING[case.family](**case.config)
    settings.architectures = None  # save_pretrained fills it in
    settings.dtype = torch.float32
    model = causal_lm(settings)
    numbers = np.random.default_rng(zlib.crc32(case.name.encode()))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            shape = tuple(parameter.shape)
            drawn = numbers.standard_normal(shape)
            if "norm" in name or ".ln_" in name:
                centre = 0.0 if name.endswith("bias") else 1.0
                drawn = centre + numbers.uniform(-0.3, 0.3, shape)
            elif name.endswith("bias"):
                drawn *= 0.3
            elif "wte" in name or "wpe" in name or "embed_tokens" in name:
                drawn *= 0.5
            else:
                # Conv1D keeps [in, out], Linear [out, in].
                conv = case.family == "gpt2" and "lm_head" not in name
                scored = any(part in name for part in ("q_proj", "k_proj", "c_attn"))
                drawn *= (1.5 if scored else 1.0) / math.sqrt(shape[0] if conv else shape[1])
            parameter.copy_(torch.from_numpy(drawn))
    return model


def new_tokens(case: Case):
    numbers = np.random.default_rng(zlib.crc32(f"{case.name} tokens".encode()))
    return torch.from_numpy(numbers.integers(0, case.config["vocab_size"],
                                             (case.batch, case.tokens)))


def targets(case: Case, tokens):
    """What each row predicts, IGNORED where it carries no loss: [batch, n]."""
    following = torch.full((case.batch, case.n), IGNORED)
    first = case.first_loss_row
    following[:, first:tokens.shape[1] - 1] = tokens[:, first + 1:]
    return following


def loss_of(logits, targets):
    """The mean over the loss rows of all sequences."""
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(),
                                             ignore_index=IGNORED)


def full_loss(model, case: Case, tokens):
    logits = model(tokens[:, :case.n], use_cache=False).logits
    return loss_of(logits, targets(case, tokens))


def detached_loss(model, case: Case, tokens):
    """The prefix under no_grad into a cache, then the other rows against its keys and values."""
    cut = case.cut
    # Without a configuration the cache's layers keep every key, windows notwithstanding.
    cache = transformers.DynamicCache()
    if cut > 0:
        with torch.no_grad():
            model(tokens[:, :cut], past_key_values=cache, use_cache=True)
        if cache.get_seq_length() != cut:
            raise Failure(f"the cache holds {cache.get_seq_length()} tokens and not {cut}.")
    logits = model(tokens[:, cut:case.n], past_key_values=cache, use_cache=True).logits
    return loss_of(logits, targets(case, tokens)[:, cut:])


@dataclass
class Result:
    """What one step gave: the loss, and the gradient of each parameter by its name."""

    loss: float
    gradients: dict = field(repr=False)


def step(model, case: Case, tokens, mode: str) -> Result:
    model.zero_grad(set_to_none=True)
    loss = (full_loss if mode == "full-graph" else detached_loss)(model, case, tokens)
    loss.backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    if missing:
        raise Failure(f"{mode} gives {missing[0]} no gradient.")
    return Result(loss.item(), {name: parameter.grad.detach().clone()
                                for name, parameter in model.named_parameters()})


class InDouble(TorchFunctionMode):
    """Turns the casts to float32 that model code makes by itself into casts to float64."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.float:
            function = torch.Tensor.double
        args = [torch.float64 if value is torch.float32 else value for value in args]
        kwargs = {key: torch.float64 if value is torch.float32 else value
                  for key, value in (kwargs or {}).items()}
        return function(*args, **kwargs)


def step_in_double(model, case: Case, tokens, mode: str) -> Result:
    """The step in float64 throughout: norms, rotations, softmax and loss too."""
    with InDouble():
        # From the configuration, not a copy: so the frequencies are float64's own.
        exact = causal_lm(model.config).double()
        exact.load_state_dict(model.state_dict())
        return step(exact, case, tokens, mode)


def bfloat16_errors(model, case: Case, tokens, mode: str, exact: Result, attention: str) -> dict:
    """How far PyTorch in bfloat16 is from itself in float32: the yardstick for Ballast there."""
    rough = copy.deepcopy(model).to(torch.bfloat16)
    rough.set_attn_implementation(attention)
    result = step(rough, case, tokens, mode)
    return {
        "loss": result.loss,
        "loss_relative_difference": rounded(abs(result.loss / exact.loss - 1)),
        "gradient_relative_l2": rounded(relative_whole(result.gradients, exact.gradients)),
        "relative_l2": {name: rounded(relative(gradient, exact.gradients[name]))
                        for name, gradient in result.gradients.items()},
    }


def rounded(error: float) -> float:
    return float(f"{error:.4g}")


def relative(got, want) -> float:
    """The relative L2 distance of two tensors."""
    want = want.double()
    return ((got.double() - want).norm() / want.norm()).item()


def relative_whole(got: dict, want: dict) -> float:
    """The relative L2 distance of two gradients as one vector each."""
    def flat(gradients):
        return torch.cat([gradients[name].double().flatten() for name in sorted(want)])
    return relative(flat(got), flat(want))


# --- Files ---------------------------------------------------------------------------------------


def old_style(config: dict) -> dict:
    """The configuration as transformers 4 wrote it, and as most published models still have it."""
    old = {key: value for key, value in config.items()
           if key not in ("rope_parameters", "dtype", "layer_types")}
    old["torch_dtype"] = config["dtype"]
    old["transformers_version"] = "4.44.2"
    rotation = dict(config["rope_parameters"])
    old["rope_theta"] = rotation.pop("rope_theta")
    old["rope_scaling"] = None if rotation["rope_type"] == "default" else rotation
    if config.get("use_sliding_window") is False:
        old["sliding_window"] = 4  # published Qwen2 models name a window that they do not use
    return dict(sorted(old.items()))


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise Failure(f"{path} cannot be read: {problem}.") from problem


def read_model(folder: Path):
    """The model in a fixture's folder, with the weights from its file and nothing else."""
    old = folder / "config-4x.json"
    modern = int(transformers.__version__.split(".")[0]) >= 5
    source = folder / "config.json" if modern or not old.exists() else old
    return load_weights(transformers.AutoConfig.from_pretrained(source), folder)


def load_weights(config, folder: Path):
    model = causal_lm(config)
    model.tie_weights()
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    known = dict(model.named_parameters())
    if weights.keys() != known.keys():
        odd = sorted(weights.keys() ^ known.keys())[0]
        raise Failure(f"{folder}/model.safetensors and the model disagree about {odd}.")
    with torch.no_grad():
        for name, parameter in known.items():
            parameter.copy_(weights[name])
    return model


def read_case(folder: Path) -> tuple:
    """The case, its tokens and all of case.json."""
    facts = read_json(folder / "case.json")
    case = Case(folder.name, facts["covers"], facts["n_c"], facts["n_g"], {}, facts["batch"],
                facts["loss_rows"], facts["keep_prefix"])
    tokens = torch.tensor(read_json(folder / "tokens.json")["tokens"])
    return case, tokens, facts


def check_frequencies(model) -> None:
    """Llama 3.1's scaling must show all its three bands, or the case tests nothing."""
    scaled = model.model.rotary_emb.inv_freq
    rotation = model.config.rope_parameters
    size = model.config.head_dim
    plain = rotation["rope_theta"] ** -(torch.arange(0, size, 2, dtype=torch.float64) / size)
    ratio = (plain / scaled).tolist()
    kept = [r for r in ratio if abs(r - 1) < 1e-5]
    stretched = [r for r in ratio if abs(r - rotation["factor"]) < 1e-5]
    if not kept or not stretched or len(kept) + len(stretched) == len(ratio):
        raise Failure(f"not all three bands of the rope scaling occur: {ratio}.")


def measure(model, case: Case, tokens) -> tuple[dict, dict, dict]:
    """All that is known of a case: float32 results, case.json's figures, bfloat16.json."""
    results = {mode: step(model, case, tokens, mode) for mode in MODES}
    full, detached = (results[mode] for mode in MODES)
    if not math.isclose(full.loss, detached.loss, rel_tol=LOSS_TOLERANCE):
        raise Failure(f"the loss is {full.loss} in full and {detached.loss} detached; "
                      "the cached prefix is not the same prefix.")
    if case.loss_rows == "next-token":
        labels = tokens.clone()
        labels[:, :case.n_c] = IGNORED
        theirs = model(tokens, labels=labels, use_cache=False).loss.item()
        if not math.isclose(full.loss, theirs, rel_tol=LOSS_TOLERANCE):
            raise Failure(f"the loss is {full.loss}, from labels it is {theirs}.")

    figures, bfloat16 = {}, {}
    for mode in MODES:
        exact = step_in_double(model, case, tokens, mode)
        noise = {name: relative(gradient, exact.gradients[name])
                 for name, gradient in results[mode].gradients.items()}
        worst = max(noise, key=noise.get)
        figures[mode] = {
            "loss": results[mode].loss,
            "loss_float64": exact.loss,
            "noise": rounded(noise[worst]),
            "noisiest": worst,
        }
        bfloat16[mode] = {
            attention: bfloat16_errors(model, case, tokens, mode, results[mode], attention)
            for attention in ("eager", "sdpa")
        }
    figures["detached-prefix"]["gradient_relative_error"] = rounded(
        relative_whole(detached.gradients, full.gradients))
    return results, figures, bfloat16


def write(case: Case, root: Path) -> str:
    model, tokens = new_model(case), new_tokens(case)
    if case.config.get("rope_parameters") is LLAMA_31_ROPE:
        check_frequencies(model)
    results, figures, bfloat16 = measure(model, case, tokens)
    for mode in MODES:
        if not figures[mode]["noise"] < NOISE_LIMIT:
            raise Failure(f"float32 is {figures[mode]['noise']:.1e} off float64 in "
                          f"{figures[mode]['noisiest']}; no oracle, change the case.")

    folder = root / case.name
    if folder.exists():
        shutil.rmtree(folder)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = read_json(folder / "config.json")
    if "rope_parameters" in config:
        write_json(folder / "config-4x.json", old_style(config))
        again = load_weights(
            transformers.AutoConfig.from_pretrained(folder / "config-4x.json"), folder)
        if step(again, case, tokens, MODES[1]).loss != results[MODES[1]].loss:
            raise Failure(f"config-4x.json gives another loss than config.json.")
    write_json(folder / "case.json", {
        "covers": case.covers,
        "n_c": case.n_c,
        "n_g": case.n_g,
        "batch": case.batch,
        "loss_rows": case.loss_rows,
        "keep_prefix": case.keep_prefix,
        "cut": case.cut,
        "modes": figures,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    })
    rows = ",\n  ".join(json.dumps(row) for row in tokens.tolist())
    (folder / "tokens.json").write_text(f'{{"tokens": [\n  {rows}\n]}}\n')
    for mode in MODES:
        safetensors.torch.save_file(results[mode].gradients, folder / f"{mode}.safetensors",
                                    metadata={"format": "pt"})
    write_json(folder / "bfloat16.json", bfloat16)
    noise = max(figures[mode]["noise"] for mode in MODES)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return f"loss {figures[MODES[0]]['loss']:.6f}, noise {noise:.1e}, {size:,} bytes"


def check(name: str, root: Path) -> str:
    folder = root / name
    case, tokens, facts = read_case(folder)
    if case.cut != facts["cut"] or list(tokens.shape) != [case.batch, case.tokens]:
        raise Failure(f"case.json, tokens.json and the script disagree about the rows.")
    results, _, bfloat16 = measure(read_model(folder), case, tokens)
    committed = read_json(folder / "bfloat16.json")
    worst_loss = worst = 0.0
    rough = 1.0
    for mode, result in results.items():
        loss = facts["modes"][mode]["loss"]
        worst_loss = max(worst_loss, abs(result.loss / loss - 1))
        wanted = safetensors.torch.load_file(folder / f"{mode}.safetensors")
        if wanted.keys() != result.gradients.keys():
            odd = sorted(wanted.keys() ^ result.gradients.keys())[0]
            raise Failure(f"{mode}.safetensors and the model disagree about {odd}.")
        worst = max(worst, *(relative(result.gradients[key], wanted[key]) for key in wanted))
        ratio = (bfloat16[mode]["eager"]["gradient_relative_l2"]
                 / committed[mode]["eager"]["gradient_relative_l2"])
        rough = max(rough, ratio, 1 / ratio)
    figures = f"loss {worst_loss:.1e}, gradients {worst:.1e}, bfloat16 error ×{rough:.2f}"
    if (not worst_loss <= LOSS_TOLERANCE or not worst <= GRADIENT_TOLERANCE
            or not rough <= BFLOAT16_FACTOR):
        raise Failure(f"too far from the fixture: {figures}.")
    return figures


# --- Command line --------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="pytorch_fixtures.py", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--write", metavar="DIR", type=Path, help="make the fixtures in DIR")
    task.add_argument("--check", metavar="DIR", type=Path,
                      help="recompute the fixtures in DIR and compare, a line a case")
    task.add_argument("--list", action="store_true", help="print the cases and what they cover")
    parser.add_argument("cases", metavar="CASE", nargs="*", help="only these (default: all)")
    options = parser.parse_args(arguments)
    known = {case.name for case in CASES}
    for name in options.cases:
        if not options.check and name not in known:
            parser.error(f"there is no case {name}; --list names them")
    return options


def run(options: argparse.Namespace) -> bool:
    """Does what was asked; whether all went well."""
    wanted = [case for case in CASES if case.name in options.cases or not options.cases]
    if options.list:
        for case in wanted:
            print(f"{case.name:20} n_c {case.n_c:2}, n_g {case.n_g}, batch {case.batch}, "
                  f"{case.loss_rows}, cut {case.cut}: {case.covers}")
        return True

    if missing_module:
        raise Failure(f"there is no Python module {missing_module}; use scripts/fixtures, which "
                      "installs what scripts/requirements-pytorch.txt lists.")
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}", file=sys.stderr)
    if options.write:
        if int(transformers.__version__.split(".")[0]) < 5:
            raise Failure("--write needs transformers 5 or newer; --check works with 4 too.")
        options.write.mkdir(parents=True, exist_ok=True)
        for case in wanted:
            try:
                print(f"{case.name:20} {write(case, options.write)}", flush=True)
            except Failure as problem:
                raise Failure(f"{case.name}: {problem}") from problem
        return True

    names = options.cases or sorted(path.parent.name for path in options.check.glob("*/case.json"))
    if not names:
        raise Failure(f"{options.check} holds no fixture.")
    failed = False
    for name in names:
        try:
            print(f"{name:20} ok: {check(name, options.check)}", flush=True)
        except (Failure, OSError, safetensors.SafetensorError) as problem:
            print(f"{name:20} FAILED: {problem}", flush=True)
            failed = True
        except (KeyError, TypeError, ValueError) as problem:  # a file with other contents
            print(f"{name:20} FAILED: {type(problem).__name__}: {problem}", flush=True)
            failed = True
    return not failed


def main() -> int:
    options = parse(sys.argv[1:])
    try:
        return 0 if run(options) else 1
    except (Failure, OSError) as problem:
        print(f"pytorch_fixtures.py: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
