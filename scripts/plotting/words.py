"""What both pictures say and look like: headline, units, savings, fonts."""

from pathlib import Path

from .data import Series

GREY = "#5A5A5A"
FONTS = {
    "font.family": "DejaVu Sans", "font.size": 10.5, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": GREY, "xtick.color": GREY,
    "ytick.color": GREY, "svg.hashsalt": "ballast", "svg.fonttype": "path",
}
TERMS = ("Retained: what backward needs and is alive when it starts, a storage counted once, "
         "parameters aside. Gradient: relative L2 distance from the gradient of full-graph.")


def title(shared: dict[str, str]) -> tuple[str, str]:
    """The headline, and the line that says what was measured."""
    def have(column: str, form: str) -> list[str]:
        value = shared.get(column, "")
        if value == "1":
            form = form.removesuffix("s")  # "1 layer"
        if value.isdigit():
            value = f"{int(value):,}"
        return [form.format(value)] if value else []

    heads = have("heads", "{} heads")
    if heads and shared.get("kv_heads", shared["heads"]) != shared["heads"]:
        heads = [f"{heads[0]} on {have('kv_heads', '{} KV heads')[0]}"]
    first = have("layers", "{} layers") + have("d_model", "d_model {}") + heads
    first += have("d_head", "d_head {}") + have("d_ff", "d_ff {}") + have("vocab", "vocab {}")
    second = have("dtype", "{}") + have("n_c", "n_c = {}") + have("n_g", "n_g = {}")
    second += have("batch", "batch {}") + have("loss_rows", "loss rows: {}")
    second += have("attention", "attention {}") + have("head", "head {}")
    second += have("recompute", "recompute {}")
    if shared.get("dropout", "0") not in ("", "0", "0.0"):
        second += have("dropout", "dropout {}")
    if shared.get("trainable", "") not in ("", ".*"):
        second += have("trainable", "trainable {}")
    if shared.get("recipe", "") not in ("", "ballast"):
        second += have("recipe", "recipe {}")
    model = Path(shared.get("model", "")).name
    return (f"What a prefix without loss makes the backward pass keep{': ' + model if model else ''}",
            " · ".join(first) + "\n" + " · ".join(second))


def unit(bytes_: float) -> tuple[str, int]:
    """The binary unit in which a largest value reads well."""
    if bytes_ >= 10 * 2**30:
        return "GiB", 2**30
    return ("MiB", 2**20) if bytes_ >= 2**20 else ("KiB", 2**10)


def save(figure, path: Path) -> None:
    figure.savefig(path / "retained.png", dpi=144, facecolor="white")
    figure.savefig(path / "retained.svg", facecolor="white", metadata={"Date": None})


def against(series: Series, whole: Series | None, length: int) -> str:
    """Bytes saved at one prefix length, never without the gradient error there."""
    here = [p.retained for p in series.points if p.n_c == length]
    there = [p.retained for p in whole.points if p.n_c == length] if whole else []
    if whole is series or not here or not there or not there[0]:
        return ""
    return f"{saving(here[0], there[0])}, {series.gradient_note(at=length)}"


def saving(here: int, whole: int) -> str:
    """How many bytes fewer than the whole, in per cent; show it beside the gradient alone."""
    return f"{100 * (here / whole - 1):+.1f} %".replace("-", "−") if whole else ""
