"""What a device does otherwise than a plain run on fake tensors: each rule a finding of its own.

Every rule can be left out by its name, which shows what it is worth.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from ...errors import UsageError
from .attention import CudaAttention, HostSeeds
from .autocast import CudaAutocast
from .base import Rule, Setting
from .buckets import BucketsOnDevice
from .collectives import ExchangedBuffers
from .counting import WholeHistograms
from .dropout import FusedDropout, MaskFirst
from .foreach import ForeachIsDefault
from .grouping import GroupedProducts
from .heads import FusedHead
from .in_place import InPlaceFormulas, InPlaceGradients
from .logging import TrainersLogs
from .masks import RealMasks
from .mathematics import MaskInPlace
from .norms import FloatStatistics, FusedRootMeanSquare

RULES: tuple[Rule, ...] = (
    InPlaceGradients(), InPlaceFormulas(), MaskInPlace(), CudaAutocast(), FusedDropout(),
    MaskFirst(), CudaAttention(), HostSeeds(), FloatStatistics(), FusedRootMeanSquare(),
    RealMasks(), ForeachIsDefault(), GroupedProducts(), WholeHistograms(), FusedHead(),
    TrainersLogs(), ExchangedBuffers(), BucketsOnDevice(),
)

__all__ = ["RULES", "Rule", "Setting", "following"]


@contextlib.contextmanager
def following(setting: Setting, device: str, without: Sequence[str] = (),
              notes: list[str] | None = None) -> Iterator[None]:
    """Follows the rules of a device, but for those that are left out.

    At the end `notes` has what they took for given.

    Raises:
        UsageError: There is no rule of such a name.
    """
    notes = [] if notes is None else notes
    names = [rule.name for rule in RULES]
    for name in without:
        if name not in names:
            raise UsageError(f"there is no rule '{name}'; there are {', '.join(names)}")
    rules = [rule for rule in RULES if device in rule.devices and rule.name not in without]
    recorder = setting.recorder
    with contextlib.ExitStack() as stack:
        for rule in rules:
            if type(rule).instead is not Rule.instead:
                recorder.rules.append(rule)
            stack.enter_context(rule.active(setting))
        yield
        notes.extend(note for rule in rules for note in rule.notes())
