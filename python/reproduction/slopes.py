"""What one more prefix token costs: bfloat16, fused attention, no dropout."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reproduction.korthikanti import STATISTICS
from checkout import Failure
from reproduction.program import Laws, Program
from reproduction.rows import Group, Row


@dataclass(frozen=True)
class Model:
    name: str
    title: str
    h: int
    layers: int
    heads: int
    kv_heads: int
    d_ff: int

    @property
    def is_gpt(self) -> bool:
        """GELU, LayerNorm and as many heads of K and V as of q; the others are like Llama."""
        return self.kv_heads == self.heads

    def of_kv(self, count: int) -> int:
        """count · r · h · L, with r = kv_heads / heads."""
        value, rest = divmod(count * self.kv_heads * self.h * self.layers, self.heads)
        assert rest == 0
        return value

    def a_layer(self, slope: int) -> int:
        """A layer's part of a slope to which all layers add the same."""
        value, rest = divmod(slope, self.layers)
        if rest:
            raise Failure(f"the layers of {self.title} do not add the same to {slope}")
        return value


MODELS = [
    Model("gpt3-175b", "GPT-3 175B", 12288, 96, 96, 96, 49152),
    Model("llama-3.1-8b", "Llama 3.1 8B", 4096, 32, 32, 8, 14336),
    Model("qwen2.5-7b", "Qwen2.5 7B", 3584, 28, 28, 4, 18944),
]

ABOUT = """Bytes a prefix token. Ours: linear_bytes of the laws of ballast plan, retained, or of the
peak from the n_c on at which its last law begins; laws go through steps on shapes. Outside: the
formulas, of which only 0.75/L is applied to a slope of ours, and the sums that reasons name."""


def groups(program: Program) -> list[Group]:
    found = [of(program, model) for model in MODELS]
    found[0] = Group(found[0].title, " ".join(ABOUT.split()), found[0].rows)
    return found


def of(program: Program, model: Model) -> Group:
    def laws(mode: str, recompute: str = "none", **options: Any) -> Laws:
        return program.laws(model.name, n_c=1024, n_g=512, dtype="bfloat16", dropout=0,
                            attention="fused", head="chunked", loss_rows="generated", mode=mode,
                            recompute=recompute, **options)

    full, pruned = laws("full-graph"), laws("pruned-graph")
    layers, detached = laws("full-graph", "layer"), laws("detached-prefix")
    narrow = laws("replayed-prefix", kv_gradients="activations")
    wide = laws("replayed-prefix")
    h, L = model.h, model.layers

    def row(what: str, formula: str, published: int | None, ours: int, *plans: Laws,
            reasons: tuple[tuple[int, str], ...] = (), exact: bool = True) -> Row:
        return Row(what, formula, published, ours, "counted", tuple(p.command for p in plans),
                   reasons, exact)

    rows = []
    if model.is_gpt:
        ledger = program.ledger(model.name, layers=1, n_c=1, n_g=1, dtype="bfloat16", dropout=0,
                                attention="fused", loss_rows="generated", backend="shape")
        # It has two tokens.
        statistics, sums = (ledger.of(*tensors) // 2
                            for tensors in (STATISTICS, ["attention:log_sum_exp"]))
        rows.append(row(
            "full graph", "about 32hL", 32 * h * L, full.retained.slope, full, exact=False,
            reasons=((L * statistics, f"LayerNorm's statistics, {statistics} a layer"),
                     (L * sums, f"log-sum-exp of {model.heads} heads, {sums} a layer"))))
    else:
        rows.append(row("full graph", "–", None, full.retained.slope, full, reasons=(
            (0, f"32hL, which is said of a GELU GPT, would be {32 * h * L:,}; K and V are "
                f"{model.kv_heads}/{model.heads} as wide, the MLP is SwiGLU"),)))
    rows.append(pruning(model, full, pruned, row))
    rows += [
        row("checkpointing, kept", "2hL", 2 * h * L, layers.retained.slope, layers),
        row("detached K/V, kept", "4rhL", model.of_kv(4), detached.retained.slope, detached),
        row("replay, peak", f"8rhL, {begins(narrow)}", model.of_kv(8), narrow.peaks[-1].slope,
            narrow),
        row("  dK and dV in float32", begins(wide), None, wide.peaks[-1].slope, wide, reasons=(
            (0, "ballast's default: 12rhL, since an element of dK or dV takes 4 B"),)),
        checkpointing(model, layers, full, row),
    ]
    title = (f"Slopes of {model.title}: h {h}, L {L}, {model.heads} heads, "
             f"r = {model.kv_heads}/{model.heads}")
    return Group(title, "", rows)


def begins(laws: Laws) -> str:
    return f"n_c ≥ {laws.peaks[-1].starts:,}"


def checkpointing(model: Model, layers: Laws, full: Laws, row: Callable[..., Row]) -> Row:
    """The peak of checkpointing, whose law is 2hL and what one layer adds that is made again."""
    a_layer = model.a_layer(full.retained.slope)
    if model.is_gpt:
        more, what = 2 * model.d_ff, "the gradient of down_proj's input"
    else:
        more, what = 4 * model.d_ff, ("dgate and dup, when the gradient of down_proj's input has "
                                       "taken its place")
    return row(
        "checkpointing, peak", f"2hL + a layer, {begins(layers)}", 2 * model.h * model.layers,
        layers.peaks[-1].slope, layers, full, exact=False, reasons=(
            (a_layer, f"one layer made again, {a_layer:,}"),
            (more, f"{more:,} of its backward: {what}")))


def pruning(model: Model, full: Laws, pruned: Laws, row: Callable[..., Row]) -> Row:
    """What pruning spares, all of it in the last layer."""
    a_layer = model.a_layer(full.retained.slope)
    kept = {part: pruned.parts[part].slope - model.a_layer(law.slope) * (model.layers - 1)
            for part, law in full.parts.items() if law.slope}
    published, rest = divmod(3 * a_layer, 4)
    assert rest == 0
    parts = ", ".join(f"{part} {slope:,}" for part, slope in kept.items() if slope)
    cause = ("log-sum-exp and half of the statistics go too" if model.is_gpt
             else "K and V are narrower than h, and the MLP is more of a layer than in a GELU GPT")
    return row(
        "pruned graph, spared", "at most 0.75/L", published,
        full.retained.slope - pruned.retained.slope, full, pruned, exact=False, reasons=(
            (a_layer - published - sum(kept.values()),
             f"of {a_layer:,} the last layer keeps {sum(kept.values()):,} ({parts}), less than a "
             f"quarter: {cause}"),))
