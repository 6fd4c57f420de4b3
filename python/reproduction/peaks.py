"""Memory of whole runs on GPUs, in bytes as others have published it, beside recorded steps."""

from reproduction.program import Program
from reproduction.rows import Group, Row

MIB = 1 << 20
MOST, STANDING = "max-allocated", "allocated"  # of Megatron-LM's log: mem-…-bytes
SCORES = 4 * 8 * 1024 * 1024 * 2  # 4 sequences, 8 heads, 1024² scores in half precision
# Of its cuBLAS, by Transformer Engine's pytorch/module/base.py: get_cublas_workspace_size_bytes
TE_WORKSPACE = {"A100": 4 * MIB, "H100": 32 * MIB + 1024}
NUMBER = 512  # what a number takes on the GPU, where the allocator gives out no less


def groups(program: Program) -> list[Group]:
    return [megatron(program), transformer_engine(program), metamath(program)]


def recorded(program: Program, name: str, what: str, figure: str, published: int,
             reasons: tuple[tuple[int, str], ...] = (), not_known: int = -NUMBER) -> Row:
    replayed = program.replayed(name)
    ours = replayed.peak if figure == MOST else replayed.standing
    return Row(what, figure, published, ours, "recorded", (replayed.command,), reasons,
               exact=False, not_known=not_known)


def megatron(program: Program) -> Group:
    def row(name: str, what: str, figure: str, published: int, not_known: int = -NUMBER) -> Row:
        return recorded(program, f"megatron-{name}", what, figure, published, (), not_known)

    return Group(
        "Megatron-LM's functional tests: 12 layers × 512, s 1024, 4 sequences, 1 of 8 GPUs",
        "Its log of the allocator, as the tests compare it; the layers are Megatron's own. Ours: "
        "steps of the rank that logs, recorded without a GPU with megatron-core, and put through "
        "PyTorch's allocator from the first allocation on. Outside: nothing.",
        [
            row("bf16-1", "bfloat16, step 1", MOST, 4_639_367_168),
            row("bf16-2", "  from step 2 on", MOST, 4_735_983_616),
            row("bf16-2", "  after every step", STANDING, 615_042_560),
            row("fp16-1", "float16, step 1", MOST, 4_511_150_592),
            row("fp16-2", "  to step 17", MOST, 4_544_705_536),
            row("fp16-2", "  after steps that overflow", STANDING, 454_770_688),
            row("fp16-4", "  from step 18 on", MOST, 4_607_767_040),
            row("fp16-4", "  after others", STANDING, 518_880_768),
            row("fp16-4", "  after a checkpoint", MOST, 4_608_815_616, -MIB - NUMBER),
        ])


def transformer_engine(program: Program) -> Group:
    rows = []
    for gpu, most, standing in [("A100", 4_673_069_568, 552_128_512),
                                ("H100", 4_702_430_720, 581_489_664)]:
        reasons = (
            (SCORES, "Megatron's own layers have a buffer for scores that stays"),
            (-TE_WORKSPACE[gpu], "Transformer Engine has a workspace of its own for cuBLAS"))
        rows += [recorded(program, "megatron-bf16-2", what, figure, published, reasons,
                          -2 * NUMBER)
                 for what, figure, published in [
                     (f"{gpu}, from step 2 on", MOST, most),
                     ("  after every step", STANDING, standing)]]
    return Group(
        "The same with Transformer Engine's layers, bfloat16, attention-backend unfused",
        "Ours: the recording of Megatron's own layers, as above. Outside: the reasons.", rows)


def metamath(program: Program) -> Group:
    reason = ((0, "a bound: no batch is longer than the 768 tokens of ours, and how long the "
                  "longest was is not said"),)
    rows = []
    for name, what, published in [("lora", "LoRA, r = 32, q and v", 22_292_725_760),
                                  ("full", "all weights", 38_868_615_168)]:
        replayed = program.replayed(f"metamath-{name}")
        rows.append(Row(what, "max reserved", published, replayed.reserved, "recorded",
                        (replayed.command,), reason, exact=False, at_most=True))
    return Group(
        "PEFT's benchmark on MetaMathQA: Llama 3.2 3B, 4 sequences, one L40S",
        "The most that is reserved in a whole run, evaluation included. Ours: two steps at the "
        "length at which texts are cut, padded. Outside: nothing.", rows)
