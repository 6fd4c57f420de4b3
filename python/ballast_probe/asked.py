"""The model that a command is asked about; every command asks in these words."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from .completing import complete
from .configuration import built_in, parse_settings, read_configuration, with_settings


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds `--model`, `--model-type` and `--set`."""
    model = parser.add_argument_group("model").add_mutually_exclusive_group(required=True)
    complete(model.add_argument("--model", metavar="MODEL",
                                help="a name such as qwen3-8b (ballast models lists them), org/name "
                                "in the Hugging Face cache, a config.json, or a directory that holds "
                                "one"), built_in(), paths="file")
    model.add_argument("--model-type", metavar="TYPE",
                       help="a model type of transformers, with its default configuration")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[],
                        help="a value of the configuration; may be given more than once")


def asked_model(arguments: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
    """The model's name and the contents of its configuration, as it was asked for.

    Raises:
        UsageError: There is no such model, or no such value.
    """
    settings = parse_settings(arguments.set)
    if arguments.model is not None:
        name, values = read_configuration(arguments.model)
        return name, with_settings(values, settings)
    return arguments.model_type, with_settings({"model_type": arguments.model_type}, settings)
