"""Who leads at one prefix length, drawn for layers and KV heads; see scripts/crossover --picture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402, after the choice of a backend
from ballast_pictures.narrow import Column, Entry  # noqa: E402
from ballast_pictures.words import FONTS, GREY, SMALL, save  # noqa: E402

from studies.crossover import AT, HEADS, Case, Planner  # noqa: E402

LEADS = {"replay": "replay leads: its layers kept or made again",
         "checkpointing": "checkpointing of layers leads, pruned or not"}
PEAKS = ("Peaks of activations: forward, backward and replay. Parameters, their gradients and "
         "optimizer state come on top of either.")
COLORS = {"checkpointing": "#0072B2", "replay": "#009E73"}  # as `ballast_pictures.looks` has them


def family(way: str) -> str:
    return "replay" if way.startswith("replay") else "checkpointing"


def draw(planner: Planner, pool: ThreadPoolExecutor, path: Path) -> None:
    """A map of layers against KV heads for either dtype of dK and dV: who leads at n_c `AT`.

    A narrow one stands beside it.
    """
    depths, kv_heads = [4, 8, 16, 32, 48, 64, 80, 126], [1, 2, 4, 8, 16, 32]
    kinds = [("float32", "dK and dV in float32"), ("activations", "dK and dV in bfloat16")]
    cases = [Case(kv_heads=k, kv_gradients=g, layers=d) for g, _ in kinds for k in kv_heads
             for d in depths]
    peaks = dict(zip(cases, pool.map(lambda case: planner.peaks(case, AT), cases)))
    ahead = {kind: sum(family(min(peaks[c], key=lambda way: peaks[c][way][0])) == "replay"
                       for c in cases if c.kv_gradients == kind) for kind, _ in kinds}
    finding = (f"Replay peaks below checkpointing in {ahead['float32']} of {len(cases) // 2} "
               f"models, in {ahead['activations']} with bfloat16 dK and dV")
    under = (f"Both exact. {AT:,} prefix tokens; Llama-like, d_model 4096, 32 heads, bfloat16, "
             "n_g 512, chunk 256. Numbers: the other's peak over the leader's.")

    def fill(axes: Any, kind: str, size: float, unit: str) -> None:
        for case in (c for c in cases if c.kv_gradients == kind):
            least: dict[str, int] = {}
            for way, (peak, _) in peaks[case].items():
                least[family(way)] = min(least.get(family(way), peak), peak)
            lead, other = sorted(least, key=lambda name: least[name])
            x, y = depths.index(case.layers), kv_heads.index(case.kv_heads)
            axes.add_patch(plt.Rectangle((x + 0.03, y + 0.04), 0.94, 0.92, color=COLORS[lead],
                                         linewidth=0))
            digits = 2 if least[other] < 1.1 * least[lead] else 1
            axes.text(x + 0.5, y + 0.5, f"{least[other] / least[lead]:.{digits}f}{unit}",
                      color="white", fontsize=size, ha="center", va="center")
        axes.set(xlim=(0, len(depths)), ylim=(0, len(kv_heads)))
        axes.set_xticks([i + 0.5 for i in range(len(depths))], [str(d) for d in depths])
        axes.set_yticks([i + 0.5 for i in range(len(kv_heads))], [f"{k}/{HEADS}" for k in kv_heads])
        axes.set_xlabel("layers", color=GREY)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)

    plt.rcParams.update(FONTS)
    width, height = 11.4, 5.6
    figure = plt.figure(figsize=(width, height))
    figure.text(0.35 / width, 1 - 0.22 / height, finding, fontsize=16, weight="bold", va="top")
    figure.text(0.35 / width, 1 - 0.6 / height, under, fontsize=10.5, color=GREY, va="top")
    for panel, (kind, title) in enumerate(kinds):
        left = 1.0 + 5.5 * panel
        axes = figure.add_axes((left / width, 0.95 / height, 4.6 / width, (height - 2.5) / height))
        fill(axes, kind, 9.5, " ×")
        axes.set_title(title, loc="left", fontsize=11, color=GREY)
        if panel == 0:
            axes.set_ylabel("KV heads / heads", color=GREY)
    at = 1.0
    for name, words in LEADS.items():
        figure.patches.append(plt.Rectangle((at / width, 1 - 1.2 / height), 0.2 / width, 0.18 / height,
                                            color=COLORS[name], transform=figure.transFigure))
        figure.text((at + 0.28) / width, 1 - 1.11 / height, words, fontsize=10.5, va="center")
        at += 4.3
    figure.text(0.35 / width, 0.16 / height, PEAKS, fontsize=9, color=GREY)
    save(figure, path.parent, path.stem)
    column = Column(finding, under)
    for _, title in kinds:
        column.panel(f"KV heads / heads; {title}", 2.3, left=0.55, right=0.05)
    column.key([Entry(words.split(" leads")[0].capitalize() + " leads", "", COLORS[name])
                for name, words in LEADS.items()])
    column.say(PEAKS)
    figure, panels = column.build()
    for axes, (kind, _) in zip(panels, kinds):
        fill(axes, kind, SMALL, "")
        axes.tick_params(labelsize=SMALL)
    column.save(figure, path.parent, path.stem)
