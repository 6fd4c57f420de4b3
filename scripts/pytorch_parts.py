"""Fixtures of what prefix, boundary row and generated rows add to every parameter's gradient."""

import math
from pathlib import Path

from pytorch_cases import Case
from pytorch_files import (
    description, read_case, read_gradients, read_model, versions, write_gradients, write_json,
    write_model, write_tokens,
)
from pytorch_steps import (
    Failure, new_model, new_tokens, relative, relative_whole, rounded, split_gradients,
    split_in_double, step, step_in_double,
)

EXACT = 1e-12  # what float64 may differ by


def parts_of(case: Case, regions: dict) -> dict:
    """The parts that a fixture holds, by the name of their file."""
    before, boundary = regions["before"], regions["boundary"]
    parts = {
        "prefix": {name: before[name] + boundary[name] for name in before},
        "generated": regions["generated"],
    }
    if case.loss_rows == "next-token":
        parts["boundary"] = boundary
    return parts


def measure_parts(model, case: Case, tokens) -> tuple[dict, dict]:
    """The parts in float64, and what `parts.json` says of them."""
    loss, regions = split_in_double(model, case, tokens)
    whole = step_in_double(model, case, tokens, "full-graph")
    total = {name: sum(region[name] for region in regions.values()) for name in whole.gradients}
    if not (relative_whole(total, whole.gradients) < EXACT
            and math.isclose(loss, whole.loss, rel_tol=EXACT)):
        raise Failure("the parts do not add up to the gradient.")

    exact = parts_of(case, regions)
    single = parts_of(case, split_gradients(model, case, tokens)[1])
    noise = {f"{part} {name}": relative(single[part][name], gradient)
             for part, gradients in exact.items() for name, gradient in gradients.items()}
    worst = max(noise, key=noise.get)
    return exact, {
        "loss": step(model, case, tokens, "full-graph").loss,
        "noise": rounded(noise[worst]),
        "noisiest": worst,
    }


def check_detached(model, case: Case, tokens, parts: dict) -> None:
    """In one layer with `generated` rows a detached prefix must leave the generated part."""
    if model.config.num_hidden_layers > 1 or case.loss_rows != "generated":
        return
    detached = step_in_double(model, case, tokens, "detached-prefix").gradients
    for name, gradient in parts["generated"].items():
        if not relative(detached[name], gradient) < EXACT:
            raise Failure(f"detached-prefix does not give {name} its generated part.")


def write_parts(case: Case, root: Path, noise_limit: float) -> str:
    model, tokens = new_model(case), new_tokens(case)
    parts, figures = measure_parts(model, case, tokens)
    check_detached(model, case, tokens, parts)
    if not figures["noise"] < noise_limit:
        raise Failure(f"float32 is {figures['noise']:.1e} off float64 in {figures['noisiest']}; "
                      "no oracle, change the case.")
    folder = root / case.name
    write_model(model, folder)
    write_tokens(tokens, folder / "tokens.json")
    write_json(folder / "parts.json", description(case) | figures | versions())
    for part, gradients in parts.items():
        write_gradients({name: gradient.float() for name, gradient in gradients.items()},
                        folder / f"{part}.safetensors")
    size = sum(path.stat().st_size for path in folder.iterdir())
    return f"loss {figures['loss']:.6f}, noise {figures['noise']:.1e}, {size:,} bytes"


def check_parts(folder: Path) -> tuple[float, float]:
    """The relative differences of the loss and of the parameter where it is largest."""
    case, tokens, facts = read_case(folder, "parts.json")
    model = read_model(folder)
    parts, figures = measure_parts(model, case, tokens)
    check_detached(model, case, tokens, parts)
    worst = 0.0
    for part, gradients in parts.items():
        wanted = read_gradients(folder / f"{part}.safetensors", gradients.keys())
        worst = max(worst, *(relative(gradients[name], wanted[name]) for name in wanted))
    return abs(figures["loss"] / facts["loss"] - 1), worst
