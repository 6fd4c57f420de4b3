"""A kernel that is described from traced numbers takes what it takes from plain ones."""

from __future__ import annotations

import random

import pytest
import torch

from ballast_probe.laws.traced import Trace, Traced, Untraceable
from ballast_probe.laws.values import OPERATIONS, Evaluation, Values
from ballast_probe.laws.forms import Forms
from ballast_probe.laws.launches import LaunchLaw, NoLaw, launch_law
from ballast_probe.recording.gpus import gpu_of
from ballast_probe.recording.kernels.base import (
    KERNELS, Back, Launch, NotModelled, Outputs, Step, steps_of,
)
from ballast_probe.recording.kernels.operands import Operand

GPUS = [gpu_of(name) for name in ("a100-80gb", "h100", "rtx-4090", "l4")]
BF16, F32, I64 = torch.bfloat16, torch.float32, torch.int64


def dense(*shape: int, dtype: torch.dtype = BF16) -> Operand:
    return Operand.dense(shape, dtype)


def turned(*shape: int, dtype: torch.dtype = BF16) -> Operand:
    """Heads before tokens, as views of a projection's result have them."""
    batch, heads, rows, width = shape
    return Operand.dense((batch, rows, heads, width), dtype).transpose(1, 2)


def launches(tokens: int, draw: random.Random) -> list[tuple[str, tuple[object, ...], object]]:
    """Calls of every kernel whose temporaries depend on how many tokens there are."""
    width = draw.choice((64, 100, 768, 4096))
    rows, logits = dense(1, tokens, width), dense(tokens, 1031, dtype=F32)
    query, key = turned(2, 8, tokens, 64), turned(2, 2, tokens, 64)
    whole = turned(2, 8, tokens, 64, dtype=F32)
    ids = dense(1, tokens, dtype=I64)
    return [
        ("aten::sum", (rows, (0, 1)), dense(width)),
        ("aten::sum", (dense(tokens, width, dtype=F32), (0,)), dense(width)),
        ("aten::sum", (logits,), dense(dtype=F32)),
        ("aten::mean", (dense(1, tokens, width, dtype=F32), (-1,)), dense(1, tokens, 1)),
        ("aten::linalg_vector_norm", (rows, 2), dense()),
        ("aten::max", (logits.transpose(0, 1), 1), (dense(1031, dtype=F32), dense(1031))),
        ("aten::amax", (logits, (0,)), dense(1031)),
        ("aten::embedding_dense_backward", (rows, ids, 1031, -1, False), dense(1031, width)),
        ("aten::index_put", (dense(1031, width), (dense(tokens, dtype=I64),), dense(tokens, width),
                             True), dense(1031, width)),
        ("aten::cumsum", (dense(tokens, dtype=I64), 0), dense(tokens, dtype=I64)),
        ("aten::sort", (dense(tokens, dtype=F32), False, -1),
         (dense(tokens, dtype=F32), dense(tokens, dtype=I64))),
        ("aten::sort", (dense(tokens // 500 + 1, 1_000_000, dtype=F32), False, -1),
         (dense(tokens // 500 + 1, 1_000_000, dtype=F32), dense(tokens // 500 + 1, 1_000_000))),
        ("aten::sort", (dense(tokens, 5000, dtype=F32), False, -1),
         (dense(tokens, 5000, dtype=F32), dense(tokens, 5000, dtype=I64))),
        ("aten::topk", (dense(tokens, 64, dtype=F32), 8),
         (dense(tokens, 8, dtype=F32), dense(tokens, 8, dtype=I64))),
        ("aten::topk", (dense(2, tokens * 100, dtype=F32), 8),
         (dense(2, 8, dtype=F32), dense(2, 8, dtype=I64))),
        ("aten::native_layer_norm_backward", (rows, rows), (rows, dense(width), dense(width))),
        ("aten::_scaled_dot_product_flash_attention_backward", (query, query, key, key, query),
         (query, key, key)),
        ("aten::_scaled_dot_product_efficient_attention_backward", (whole, whole, whole, whole),
         (whole, whole, whole)),
        ("aten::_foreach_norm", ((rows, dense(3, dtype=F32)),), (dense(), dense())),
    ]


def launch(call: tuple[str, tuple[object, ...], object], gpu: object) -> Launch:
    name, arguments, outputs = call
    return Launch(name, arguments, (), outputs if isinstance(outputs, tuple) else (outputs,),
                  gpu)  # type: ignore[arg-type]


def plain(one: Launch) -> list[Step]:
    try:
        return list(steps_of(one))
    except NotModelled:
        return []


LENGTHS = [1, 2, 31, 127, 128, 129, 500, 2048, 3072, 3073, 4096, 4097, 10_007, 65_536, 65_537,
           131_072, 400_003]


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
@pytest.mark.parametrize("seed", range(2))
def test_every_kernel_takes_at_any_length_what_it_takes_from_plain_numbers(
        gpu: object, seed: int) -> None:
    """Also at lengths at which no way was explored: then no way may hold that is wrong."""
    draw = random.Random(seed)
    recorded = [640, 3109, 5443]
    values = Values(("n_c", "n_g"))
    forms = Forms(values, [(tokens - 512, 512) for tokens in recorded], [(1, 500)])
    calls = [launches(tokens, random.Random(seed)) for tokens in recorded]
    found = [launch_law([launch(call, gpu) for call in several], forms)
             for several in zip(*calls)]
    for law in found:
        for tokens in recorded:
            law.explore(values, Evaluation(values, (tokens - 512, 512)))
    held = 0
    for tokens in LENGTHS + [draw.randint(2, 200_000) for _ in range(20)]:
        at = Evaluation(values, (tokens - 512, 512))
        for law, call in zip(found, launches(tokens, random.Random(seed))):
            wanted = plain(launch(call, gpu))
            if (way := law.at(at)) is not None:
                held += 1
                assert taken(way.steps, at) == wanted, (call[0], tokens)
            assert taken(law.explore(values, at).steps, at) == wanted, (call[0], tokens)
    assert held > 100


def taken(steps: tuple[Step, ...], at: Evaluation) -> list[object]:
    return [at[step] if isinstance(step, int) else step for step in steps]


def test_kernels_of_the_test_are_most_of_those_that_are_known() -> None:
    named = {name for name, _, _ in launches(100, random.Random(0))}
    assert named <= set(KERNELS)


def test_numbers_remember_how_they_came_about() -> None:
    values = Values(("n",))
    trace = Trace(values)
    n = Traced.make(1000, 0, trace)
    found = {
        -(-n // 128): lambda n: -(-n // 128), (3 * n - 5) % 7: lambda n: (3 * n - 5) % 7,
        1 << (n.bit_length() - 1): lambda n: 1 << (n.bit_length() - 1),
        1_000_000 // n + n * n: lambda n: 1_000_000 // n + n * n, 17 - n: lambda n: 17 - n,
    }
    assert trace.conditions == {}
    for other in (1, 2, 127, 128, 4099):
        at = Evaluation(values, (other,))
        for number, plainly in found.items():
            assert at[number.place] == plainly(other)


def test_decisions_are_noted_with_how_they_fell() -> None:
    values = Values(("n",))
    trace = Trace(values)
    n = Traced.make(1000, 0, trace)
    assert max(n, 10) == 1000 and min(n, 10) == 10 and n != 7 and bool(n) and not n < 5
    for other, is_same in ((1000, True), (11, False), (2000, False)):
        at = Evaluation(values, (other,))
        assert all(bool(at[place]) == truth for place, truth in trace.conditions.items()) == is_same


def test_what_no_expression_says_is_refused() -> None:
    n = Traced.make(1000, 0, Trace(Values(("n",))))
    for use in (lambda: n / 2, lambda: float(n), lambda: n ** 2, lambda: n & 1, lambda: round(n)):
        with pytest.raises(Untraceable):
            use()


def test_a_value_that_cannot_be_is_none_and_stays_local() -> None:
    values = Values(("n",))
    bad = values.place(("//", values.place(5), 0))
    good = values.apply("+", 0, values.place(1))
    at = Evaluation(values, (0,))
    assert at[bad] is None and at[good] == 1
    assert set(OPERATIONS) == {"+", "-", "*", "//", "%", "<<", "bits", "<", "<=", "=="}


def test_steps_are_written_as_the_file_has_them() -> None:
    law = LaunchLaw(launch(("aten::embedding_dense_backward", (
        dense(1, 5000, 8), dense(1, 5000, dtype=I64), 100, -1, False), dense(100, 8)), GPUS[0]))
    written = law.explore(values := Values(("n",)), Evaluation(values, (1,))).document()
    assert written["when"] == [] and "outputs" in written["steps"]
    assert [step for step in written["steps"] if isinstance(step, int) and step < 0] == [-4, -3]
    assert Back(3) in law.variants[0].steps and any(
        isinstance(step, Outputs) for step in law.variants[0].steps)


def test_calls_that_are_not_alike_have_no_law() -> None:
    values = Values(("n_c", "n_g"))
    forms = Forms(values, [(1, 2), (3, 5), (9, 1)])
    calls = [launch(("aten::sum", (dense(7, size), (0,)), dense(size)), GPUS[0])
             for size in (12, 37, 1009)]
    with pytest.raises(NoLaw, match="aten::sum: 12, 37, 1009 have no law"):
        launch_law(calls, forms)
