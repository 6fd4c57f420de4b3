"""The files of a fixture's folder."""

import json
import shutil
from pathlib import Path

from pytorch_cases import Case
from pytorch_steps import Failure, causal_lm, missing_module

if not missing_module:
    import safetensors.torch
    import torch
    import transformers


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


def read_case(folder: Path, file: str = "case.json") -> tuple:
    """The case, its tokens and all of the file that describes it."""
    facts = read_json(folder / file)
    case = Case(folder.name, facts["covers"], facts["n_c"], facts["n_g"], {}, facts["batch"],
                facts["loss_rows"], facts["keep_prefix"])
    tokens = torch.tensor(read_json(folder / "tokens.json")["tokens"])
    if case.cut != facts["cut"] or list(tokens.shape) != [case.batch, case.tokens]:
        raise Failure(f"{file}, tokens.json and the script disagree about the rows.")
    return case, tokens, facts


def write_model(model, folder: Path) -> None:
    """A new folder with what `save_pretrained` writes, and the configuration in its old style."""
    if folder.exists():
        shutil.rmtree(folder)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = read_json(folder / "config.json")
    if "rope_parameters" in config:
        write_json(folder / "config-4x.json", old_style(config))


def write_tokens(tokens, path: Path) -> None:
    rows = ",\n  ".join(json.dumps(row) for row in tokens.tolist())
    path.write_text(f'{{"tokens": [\n  {rows}\n]}}\n')


def description(case: Case) -> dict:
    """What every fixture says of its step."""
    return {
        "covers": case.covers,
        "n_c": case.n_c,
        "n_g": case.n_g,
        "batch": case.batch,
        "loss_rows": case.loss_rows,
        "keep_prefix": case.keep_prefix,
        "cut": case.cut,
    }


def versions() -> dict:
    return {"torch": torch.__version__, "transformers": transformers.__version__}


def write_gradients(gradients: dict, path: Path) -> None:
    safetensors.torch.save_file(gradients, path, metadata={"format": "pt"})


def read_gradients(path: Path, names) -> dict:
    """The tensors of a file that must hold these names and no others."""
    gradients = safetensors.torch.load_file(path)
    if gradients.keys() != set(names):
        odd = sorted(gradients.keys() ^ set(names))[0]
        raise Failure(f"{path.name} and the model disagree about {odd}.")
    return gradients
