"""The fields of a config.json that transformers' model code reads; see scripts/embed-fields."""

from __future__ import annotations

import ast
import importlib.util
import textwrap
from importlib.metadata import version
from pathlib import Path

from checkout import ROOT, Failure
from checkout.command import Words

FAMILIES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
SHARED = ("modeling_utils.py", "masking_utils.py", "modeling_rope_utils.py", "cache_utils.py",
          "integrations/sdpa_attention.py", "integrations/flash_attention.py",
          "integrations/hub_kernels.py", "loss/loss_utils.py")
OUTPUT = ROOT / "Sources/HuggingFace/FieldsRead.swift"


def is_configuration(node: ast.expr) -> bool:
    """Whether an expression is a configuration, by what it is called."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "get_text_config"
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in ("config", "text_config", "model_config")


def fields(path: Path) -> set[str]:
    """Names that a file's code takes from a configuration; methods and private names apart."""
    tree = ast.parse(path.read_text())
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_configuration(node.value):
            if id(node) not in called:
                names.add(node.attr)
        elif (isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr")
              and is_configuration(node.args[0]) and isinstance(node.args[1], ast.Constant)):
            names.add(str(node.args[1].value))
    return {name for name in names if not name.startswith("_")}


def entry(name: str, names: set[str], indent: str) -> list[str]:
    """A Swift literal of names."""
    text = " ".join(f'"{name}",' for name in sorted(names))
    lines = textwrap.wrap(text, 98 - len(indent), break_on_hyphens=False)
    return [f"{name}[", *(f"{indent}{line}" for line in lines)]


def main(words: list[str]) -> int:
    Words().parse_args(words)
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        raise Failure("there is no transformers here")
    root = Path(spec.origin).parent
    shared = set[str]().union(*(fields(root / name) for name in SHARED))
    lines = [
        f"// Written by scripts/embed-fields from transformers {version('transformers')}.",
        "",
        "import Transformer",
        "",
        "/// Fields of a `config.json` that transformers' model code reads.",
        "enum FieldsRead {",
        "  /// By the code that all families run: loading, masks, rotary positions, caches, losses.",
        *entry("  static let shared: Set<String> = ", shared, "    "),
        "  ]",
        "",
        "  /// By each family's own modeling file.",
        "  static let byFamily: [DecoderConfiguration.Family: Set<String>] = [",
    ]
    for family in FAMILIES:
        own = fields(root / f"models/{family}/modeling_{family}.py")
        lines += [*entry(f"    .{family}: ", own, "      "), "    ],"]
    OUTPUT.write_text("\n".join([*lines, "  ]", "}", ""]))
    return 0
