"""Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models" (2205.05198).

Sections 4 and 5 count what one layer keeps: s rows, batch b, width h, a heads, t devices.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from checkout import Failure
from reproduction.program import Ledger, Program
from reproduction.rows import Group, Row

S, V, T = 2048, 51200, 8


@dataclass(frozen=True)
class Size:
    """A model of their table 3, and the bytes that its layer keeps."""

    name: str
    a: int
    h: int
    b: int
    layer: int

    @property
    def sbh(self) -> int:
        return S * self.b * self.h

    @property
    def as2b(self) -> int:
        return self.a * S * S * self.b

    def terms(self, of_sbh: int | Fraction, of_as2b: int | Fraction = 0) -> int:
        """So many sbh and as²b, which must be whole bytes."""
        value = Fraction(of_sbh) * self.sbh + Fraction(of_as2b) * self.as2b
        assert value.denominator == 1
        return int(value)


SIZES = [
    Size("22B", 64, 6144, 4, 7_079_985_152), Size("175B", 96, 12288, 1, 2_868_903_936),
    Size("530B", 128, 20480, 1, 4_110_417_920), Size("1T", 160, 25600, 1, 5_138_022_400),
]

STATISTICS = ("attention_norm:mean", "attention_norm:rstd", "mlp_norm:mean", "mlp_norm:rstd")

# What the paper lists of a layer: name, formula, sbh, as²b, and which tensors of ours that is.
PARTS = [
    ("QKV input", "2sbh", 2, 0, ("q_proj:input",)),
    ("Q and K", "4sbh", 4, 0, ("attention:q", "attention:k")),
    ("softmax output", "2as²b", 0, 2, ("attention:probabilities",)),
    ("softmax dropout mask", "as²b", 0, 1, ("attention:mask",)),
    ("softmax dropout output", "2as²b", 0, 2, ("attention:dropped_probabilities",)),
    ("V", "2sbh", 2, 0, ("attention:v",)),
    ("projection input", "2sbh", 2, 0, ("o_proj:input",)),
    ("attention dropout mask", "sbh", 1, 0, ("attention_dropout:mask",)),
    ("MLP", "19sbh", 19, 0,
     ("up_proj:input", "gelu:input", "down_proj:input", "mlp_dropout:mask")),
    ("LayerNorm inputs", "4sbh", 4, 0, ("attention_norm:input", "mlp_norm:input")),
]

# Outside the layers: name, formula, sbh, sbv, tensors.
OUTSIDE = [
    ("embedding dropout mask", "sbh", 1, 0, ("embedding_dropout:mask",)),
    ("final LayerNorm", "2sbh", 2, 0, ("final_norm:input",)),
    ("head input", "2sbh", 2, 0, ("head:input",)),
    ("logits", "4sbv", 0, 4, ("cross_entropy:logits",)),
]
UNLISTED = ("final_norm:mean", "final_norm:rstd", "cross_entropy:log_sum_exp")

ABOUT = """One layer of a GPT-2 model in bfloat16, dropout 0.1, materialised attention, batch b,
n_c + n_g = s = 2048, --head all-rows. Ours: sums of the ledger's rows, a layer's total over all of
its rows but the statistics. Outside: the formulas, put in numbers."""

ABOUT_DEVICES = """Ours: what ballast plan retains with --layers 2 less that with --layers 1, less
the statistics of the ledger above. Devices run nothing: plan divides each tensor's bytes. Outside:
that difference, and the formulas."""


def options(size: Size, recompute: str) -> dict[str, Any]:
    return {"n_c": S // 2, "n_g": S // 2, "batch": size.b, "dtype": "bfloat16", "dropout": 0.1,
            "attention": "materialized", "loss_rows": "generated", "recompute": recompute}


def groups(program: Program) -> list[Group]:
    found, ledgers = [], {}
    for size in SIZES:
        model = program.gpt2(size.name, size.h, size.a, 2, S, V)
        one = {recompute: program.ledger(model, layers=1, head="all-rows", backend="shape",
                                         **options(size, recompute))
               for recompute in ("none", "attention", "layer")}
        ledgers[size.name] = one["none"]
        found.append(one_layer(size, one))
    for size in SIZES:
        found.append(devices(program, size, ledgers[size.name]))
    found[0] = Group(found[0].title, " ".join(ABOUT.split()), found[0].rows)
    first = found[len(SIZES)]
    found[len(SIZES)] = Group(first.title, " ".join(ABOUT_DEVICES.split()), first.rows)
    return found


def layer_bytes(ledger: Ledger) -> int:
    """All that the one layer keeps but LayerNorm's statistics, whatever it is called."""
    return sum(r.bytes for r in ledger.rows if r.layer is not None) - ledger.of(*STATISTICS)


def one_layer(size: Size, one: dict[str, Ledger]) -> Group:
    whole = one["none"]
    listed = {t for *_, tensors in PARTS for t in tensors} | set(STATISTICS)
    outside = {t for *_, tensors in OUTSIDE for t in tensors} | set(UNLISTED)
    for r in whole.rows:
        if f"{r.op}:{r.tensor}" not in (outside if r.layer is None else listed):
            raise Failure(f"the paper lists nothing that {r.op}:{r.tensor} would be")
    if size.terms(34, 5) != size.layer:
        raise Failure(f"sbh(34 + 5as/h) of {size.name} is not {size.layer}")

    def row(what: str, formula: str, published: int | None, ours: int, ledger: Ledger = whole,
            reasons: tuple[tuple[int, str], ...] = ()) -> Row:
        return Row(what, formula, published, ours, "counted", (ledger.command,), reasons)

    rows = [row(what, formula, size.terms(sbh, as2b), whole.of(*tensors))
            for what, formula, sbh, as2b, tensors in PARTS]
    rows += [
        row("the layer", "sbh(34 + 5as/h)", size.layer, layer_bytes(whole)),
        row("selective recomputation", "34sbh", size.terms(34), layer_bytes(one["attention"]),
            one["attention"]),
        row("full recomputation", "2sbh", size.terms(2), layer_bytes(one["layer"]),
            one["layer"]),
        row("LayerNorm statistics", "ignored", None, whole.of(*STATISTICS), reasons=(
            (0, "means and inverse deviations in float32, 16sb; not in the rows above"),)),
    ]
    rows += [row(what, formula, size.terms(sbh) + sbv * S * size.b * V,
                 whole.of(*tensors, layers=False))
             for what, formula, sbh, sbv, tensors in OUTSIDE]
    title = (f"{size.name}, Korthikanti et al. (2205.05198): a layer of h {size.h}, a {size.a}, "
             f"b {size.b}, and what is outside")
    return Group(title, "", rows)


def devices(program: Program, size: Size, whole: Ledger) -> Group:
    """The rows of table 2."""
    shared = {"tensor_parallel": T}
    both = {**shared, "sequence_parallel": True}
    t = Fraction(1, T)
    table: list[tuple[str, str, int | Fraction, int | Fraction, str, dict[str, Any]]] = [
        ("one device", "sbh(34 + 5as/h)", 34, 5, "none", {}),
        ("tensor parallel", "sbh(10 + 24/t + 5as/ht)", 10 + 24 * t, 5 * t, "none", shared),
        ("  and sequence", "sbh/t (34 + 5as/h)", 34 * t, 5 * t, "none", both),
        ("  selective", "sbh(10 + 24/t)", 10 + 24 * t, 0, "attention", shared),
        ("  sequence, selective", "34sbh/t", 34 * t, 0, "attention", both),
        ("  full recomputation", "2sbh", 2, 0, "layer", shared),
    ]
    rows = []
    for what, formula, sbh, as2b, recompute, flags in table:
        (two, of_two), (one, of_one) = (
            program.retained(f"{size.name}.json", layers=layers, head="loss-rows",
                             **options(size, recompute), **flags) for layers in (2, 1))
        statistics = 0 if recompute == "layer" else whole.of(*STATISTICS)
        if "sequence_parallel" in flags:
            statistics //= T
        rows.append(Row(what, formula, size.terms(sbh, as2b),
                        two - one - statistics, "computed" if flags else "counted",
                        (of_two, of_one)))
    return Group(f"{size.name} on t = {T} devices, Korthikanti et al., table 2: a layer", "", rows)
