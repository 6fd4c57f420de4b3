"""What PyTorch's CPU allocator really did in a step, by the allocation events of torch.profiler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from typing import Any

import torch
from torch._C._profiler import _EventType, _ExperimentalConfig
from torch.profiler import ProfilerActivity, profile

from .streams import Stream

# A node of the profiler's tree: an op, an allocation, ... PyTorch does not type it well.
Event = Any


NUMBER = "a number as a tensor"  # Python's, that an op was called with, as in x * 2
STATE = "a state of the random numbers"  # as checkpoints keep them
STATE_BYTES = 5056  # of the CPU's generator; the recorder's run does not make one


@dataclass
class Real:
    """The allocator's events of a run.

    The stream's ops are those that dispatch modes see, "" outside any.

    Attributes:
        unseen: The blocks that no dispatch mode sees, and what each is: an op that released it
            before it ended, so that it is its kernel's own temporary; NUMBER or STATE.
        marks: The step's parts, each with the event before which it began.
    """

    stream: Stream = field(default_factory=Stream)
    unseen: dict[int, str] = field(default_factory=dict)
    marks: list[tuple[str, int]] = field(default_factory=list)

    def part(self, event: int) -> str:
        """The part of the step in which an event was, "" before the first."""
        return next((name for name, first in reversed(self.marks) if first <= event), "")

    def seen(self) -> Stream:
        """The stream as a dispatch mode can see it, which is outside the kernels."""
        return self.stream.without(lambda number: number in self.unseen)


def run(step: Callable[[], object]) -> Real:
    """Runs a step under the profiler, on one thread, and reads what was allocated and released.

    Blocks that the step releases but did not allocate are not among the profiler's events.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        config = _ExperimentalConfig(capture_overload_names=True)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True,
                     experimental_config=config) as profiled:
            step()
    finally:
        torch.set_num_threads(threads)
    results = profiled.profiler.kineto_results
    return read(results.experimental_event_tree())


def read(roots: Iterable[Event]) -> Real:
    """Reads allocations and releases from the profiler's tree of events."""
    real = Real()
    held: dict[int, tuple[int, Event | None]] = {}  # by address: number, the op it came in
    for event in in_order(roots):
        if event.tag != _EventType.Allocation:
            if event.name.startswith(MARK):
                real.marks.append((event.name.removeprefix(MARK), len(real.stream.events)))
            continue
        address, size = event.extra_fields.ptr, event.extra_fields.alloc_size
        if size > 0:
            kernel = kernel_of(event)
            number = real.stream.allocate(size, op_name(kernel) if kernel else "")
            held[address] = number, kernel
            if kernel is None and size in (8, 1, STATE_BYTES):
                real.unseen[number] = STATE if size == STATE_BYTES else NUMBER
        elif address in held:
            number, kernel = held.pop(address)
            real.stream.release(number)
            if kernel is not None and event.start_time_ns <= kernel.end_time_ns:
                real.unseen[number] = NUMBER if real.stream.sizes[number] <= 8 else op_name(kernel)
    return real


MARK = "ballast: "  # what the names of the step's parts begin with


def part(name: str) -> torch.profiler.record_function:
    """Marks the beginning of a part of the step."""
    return torch.profiler.record_function(MARK + name)


def in_order(roots: Iterable[Event]) -> Iterator[Event]:
    """The events of a tree as they began; a parent comes before its children."""
    waiting = sorted(roots, key=lambda event: event.start_time_ns)[::-1]
    while waiting:
        event = waiting.pop()
        yield event
        waiting += event.children[::-1]


def is_op(event: Event) -> bool:
    return bool(event.tag == _EventType.TorchOp and event.name.startswith(("aten::", "mkldnn::")))


def above(event: Event) -> Iterator[Event]:
    """The events around an event, innermost first."""
    while (event := event.parent) is not None:
        yield event


def kernel_of(event: Event) -> Event | None:
    """The op around an event that dispatch modes see: the outermost that is not made of others.

    An op that calls itself again is a wrapper, such as autocast's, and not the op that modes see.
    Autograd's copy of what an op in place will overwrite is an op of its own.
    """
    ops = [one for one in above(event) if is_op(one)][::-1]
    return next((op for op, inner in zip_longest(ops, ops[1:])
                 if not is_composite(op.name, op.overload_name) and not wraps_itself(op)
                 and not keeps_what_it_overwrites(op, inner)), None)


def wraps_itself(op: Event) -> bool:
    """Whether an op's own name is among its children's: a cast of autocast's, then the op again."""
    return any(child.tag == _EventType.TorchOp and child.name == op.name
               and child.overload_name == op.overload_name for child in op.children)


def keeps_what_it_overwrites(op: Event, inner: Event | None) -> bool:
    """Whether an op in place has its operand copied first, for backward: `a /= b` keeps a.

    The copy is made above the kernel (torch/csrc/autograd: VariableType, `self.clone()`), and goes
    before the op ends where a checkpoint does not keep it.
    """
    return inner is not None and inner.name == "aten::clone" and bool(op.name.endswith("_"))


@cache
def is_composite(name: str, overload: str) -> bool:
    """Whether an op is made of other ops before any dispatch mode sees it."""
    full = f"{name}.{overload}" if overload else name
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    try:
        return has(full, "CompositeImplicitAutograd") and not has(full, "CPU")
    except RuntimeError:  # no op of that name
        return False


def op_name(event: Event) -> str:
    return f"{event.name}.{event.overload_name}" if event.overload_name else str(event.name)
