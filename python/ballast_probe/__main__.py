"""`python -m ballast_probe` is the command `ballast-probe`."""

from .cli import entry

entry()
