#!/usr/bin/env python3
"""Tiny models of every family with the loss and the gradients that PyTorch gives for them.

They are the oracle of Ballast's tests: `transformers`' own model classes with eager attention, in
float32, without dropout, in the modes `full-graph` and `detached-prefix`; and, for the cases
`parts-…`, what the rows of prefix and generated tokens add to each gradient. What a fixture's folder
holds is in Tests/Fixtures/README.md.
"""

import argparse
import math
import sys
from pathlib import Path

from pytorch_cases import CASES, LLAMA_31_ROPE, PARTS_CASES, Case
from pytorch_files import (
    description, load_weights, read_case, read_gradients, read_json, read_model, versions,
    write_gradients, write_json, write_model, write_tokens,
)
from pytorch_parts import check_parts, write_parts
from pytorch_rotary import FILE as ROTARY_FILE, check_rotary, write_rotary
from pytorch_rounding import new_draws, rounding_of, worst_ratio
from pytorch_steps import (
    IGNORED, MODES, Failure, missing_module, new_model, new_tokens, relative, relative_whole,
    rounded, step, step_in_double,
)

if not missing_module:
    import safetensors
    import torch
    import transformers

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

# What --check allows: other builds of PyTorch add in another order.
LOSS_TOLERANCE = 1e-6
ROTARY = ROTARY_FILE.removesuffix(".json")  # a file of its own beside the folders
GRADIENT_TOLERANCE = 5e-6
BFLOAT16_FACTOR = 1.5  # of any error, between two builds of PyTorch

# What --write demands of a case: well inside the 2e-5 that Ballast must reach.
NOISE_LIMIT = 4e-6


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


def measure(model, case: Case, tokens) -> tuple[dict, dict]:
    """The results of a case in float32, and the figures of case.json."""
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

    figures = {}
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
    figures["detached-prefix"]["gradient_relative_error"] = rounded(
        relative_whole(detached.gradients, full.gradients))
    return results, figures


def write(case: Case, root: Path) -> str:
    model, tokens = new_model(case), new_tokens(case)
    if case.config.get("rope_parameters") is LLAMA_31_ROPE:
        check_frequencies(model)
    results, figures = measure(model, case, tokens)
    for mode in MODES:
        if not figures[mode]["noise"] < NOISE_LIMIT:
            raise Failure(f"float32 is {figures[mode]['noise']:.1e} off float64 in "
                          f"{figures[mode]['noisiest']}; no oracle, change the case.")

    folder = root / case.name
    write_model(model, folder)
    if (folder / "config-4x.json").exists():
        again = load_weights(
            transformers.AutoConfig.from_pretrained(folder / "config-4x.json"), folder)
        if step(again, case, tokens, MODES[1]).loss != results[MODES[1]].loss:
            raise Failure("config-4x.json gives another loss than config.json.")
    write_json(folder / "case.json", description(case) | {"modes": figures} | versions())
    write_tokens(tokens, folder / "tokens.json")
    for mode in MODES:
        write_gradients(results[mode].gradients, folder / f"{mode}.safetensors")
    draws = new_draws(case)
    write_json(folder / "bfloat16.json", rounding_of(model, case, draws))
    write_tokens(draws, folder / "draws.json")
    noise = max(figures[mode]["noise"] for mode in MODES)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return f"loss {figures[MODES[0]]['loss']:.6f}, noise {noise:.1e}, {size:,} bytes"


def check(name: str, root: Path) -> str:
    if name == ROTARY:
        return check_rotary(root)
    folder = root / name
    if (folder / "parts.json").exists():
        return within_tolerance(*check_parts(folder))
    case, tokens, facts = read_case(folder)
    model = read_model(folder)
    results, _ = measure(model, case, tokens)
    worst_loss = worst = 0.0
    for mode, result in results.items():
        loss = facts["modes"][mode]["loss"]
        worst_loss = max(worst_loss, abs(result.loss / loss - 1))
        wanted = read_gradients(folder / f"{mode}.safetensors", result.gradients.keys())
        worst = max(worst, *(relative(result.gradients[key], wanted[key]) for key in wanted))
    draws = torch.tensor(read_json(folder / "draws.json")["tokens"])
    rough = worst_ratio(rounding_of(model, case, draws), read_json(folder / "bfloat16.json"))
    return within_tolerance(worst_loss, worst, rough)


def within_tolerance(loss: float, gradients: float, rough: float = 1.0) -> str:
    """The largest differences of a case in words, if they are what builds of PyTorch differ by."""
    figures = f"loss {loss:.1e}, gradients {gradients:.1e}, bfloat16 error ×{rough:.2f}"
    if (not loss <= LOSS_TOLERANCE or not gradients <= GRADIENT_TOLERANCE
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
    known = {case.name for case in CASES + PARTS_CASES} | {ROTARY}
    for name in options.cases:
        if not options.check and name not in known:
            parser.error(f"there is no case {name}; --list names them")
    return options


def run(options: argparse.Namespace) -> bool:
    """Does what was asked; whether all went well."""
    wanted = [case for case in CASES + PARTS_CASES
              if case.name in options.cases or not options.cases]
    if options.list:
        for case in wanted:
            print(f"{case.name:24} n_c {case.n_c:2}, n_g {case.n_g}, batch {case.batch}, "
                  f"{case.loss_rows}, cut {case.cut}: {case.covers}")
        if not options.cases or ROTARY in options.cases:
            print(f"{ROTARY:24} inverse frequencies and attention factors at several lengths")
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
        if not options.cases or ROTARY in options.cases:
            print(f"{ROTARY:24} {write_rotary(options.write)}", flush=True)
        for case in wanted:
            try:
                written = (write_parts(case, options.write, NOISE_LIMIT) if case.holds_parts
                           else write(case, options.write))
                print(f"{case.name:24} {written}", flush=True)
            except Failure as problem:
                raise Failure(f"{case.name}: {problem}") from problem
        return True

    names = options.cases or sorted(path.parent.name for kind in ("case", "parts")
                                     for path in options.check.glob(f"*/{kind}.json"))
    if not options.cases and (options.check / ROTARY_FILE).exists():
        names.append(ROTARY)
    if not names:
        raise Failure(f"{options.check} holds no fixture.")
    failed = False
    for name in names:
        try:
            print(f"{name:24} ok: {check(name, options.check)}", flush=True)
        except (Failure, OSError, safetensors.SafetensorError) as problem:
            print(f"{name:24} FAILED: {problem}", flush=True)
            failed = True
        except (KeyError, TypeError, ValueError) as problem:  # a file with other contents
            print(f"{name:24} FAILED: {type(problem).__name__}: {problem}", flush=True)
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
