"""PyTorch's own layer, the Ultra-Scale Playbook, and layer inputs that Hugging Face offloads."""

from reproduction.korthikanti import STATISTICS, layer_bytes
from reproduction.program import Program
from reproduction.rows import Group, Row


def groups(program: Program) -> list[Group]:
    return [pytorch(program), playbook(program), offload(program)]


def pytorch(program: Program) -> Group:
    ledger = program.ledger("gpt2", layers=1, vocab=256, n_c=896, n_g=128, dtype="bfloat16",
                            dropout=0.1, attention="materialized", loss_rows="generated",
                            backend="cpu", threads=1)
    statistics = ledger.of(*STATISTICS)
    # In bfloat16 each float32 of them would be half.
    wider = sum(r.bytes for r in ledger.rows if r.layer is not None and r.dtype == "float32") // 2
    return Group(
        "PyTorch's autograd on a bfloat16 layer: s 1024, b 1, h 768, a 12, native_dropout on CPU",
        "Ours: sums of the ledger's rows of a step of gpt2's first layer that was run; the ledger "
        "is held against jemalloc's arena. Outside: nothing.",
        [
            Row("the layer", "sbh(34 + 5as/h)", 89_653_248, layer_bytes(ledger), "run",
                (ledger.command,)),
            Row("LayerNorm statistics", "8sb", 8_192, statistics, "run", (ledger.command,), (
                (wider, "ours are float32, 16sb, as PyTorch's are elsewhere; its CPU kernel keeps "
                        "bfloat16"),), exact=False),
        ])


def playbook(program: Program) -> Group:
    published = {1024: 3_827_302_400, 2048: 13_023_313_920, 4096: 47_521_464_320,
                 8192: 180_942_274_560}
    rows = []
    for s, figure in published.items():
        model = program.gpt2("1B", 2048, 32, 16, s, 50257)
        ledger = program.ledger(model, n_c=s - 256, n_g=256, dtype="bfloat16", dropout=0.1,
                                attention="materialized", loss_rows="generated", backend="shape")
        ours = layer_bytes(ledger) + ledger.of("embedding_dropout:mask", layers=False)
        rows.append(Row(f"s {s}", "sbhL(34 + 5as/h) + sbh", figure, ours, "counted",
                        (ledger.command,)))
    return Group(
        'Ultra-Scale Playbook, "1B": h 2048, a 32, L 16, b 1',
        "Ours: the ledger's rows of all 16 layers but the statistics, and the embedding's dropout "
        "mask. Outside: nothing.", rows)


def offload(program: Program) -> Group:
    mebibyte = 1 << 20
    rows = []
    for layers, h, s, figure in [(8, 1024, 8192, 128), (16, 1024, 16384, 512),
                                 (28, 2048, 32768, 3584)]:
        model = program.configuration(
            f"qwen3-{layers}x{h}", model_type="qwen3", architectures=["Qwen3ForCausalLM"],
            hidden_size=h, num_attention_heads=h // 64, num_key_value_heads=8, head_dim=128,
            num_hidden_layers=layers, intermediate_size=3 * h, max_position_embeddings=s,
            vocab_size=151936, rms_norm_eps=1e-6, hidden_act="silu", rope_theta=1e6)
        rows.append(inputs(program, model, s, f"{layers} × {h} × {s}", figure * mebibyte))
    rows.append(inputs(program, "qwen3-8b", 1 << 17, "Qwen3-8B, 131072 rows", 36 << 30))
    return Group(
        "Hugging Face transformers, pull request 48444: layer inputs that offloading frees, "
        "layers × width × rows",
        "Ours: the ledger's inputs of op layer under --recompute layer, Qwen3 in bfloat16. "
        "Outside: nothing. They measured them on an H100, in MiB.", rows)


def inputs(program: Program, model: str, s: int, what: str, figure: int) -> Row:
    ledger = program.ledger(model, n_c=s - 256, n_g=256, dtype="bfloat16", recompute="layer",
                            loss_rows="generated", backend="shape")
    return Row(what, "2Lsh", figure, ledger.of("layer:input"), "counted", (ledger.command,))
