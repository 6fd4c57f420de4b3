"""The cases that pytorch_fixtures.py makes: configurations, and ways to train on them."""

from dataclasses import dataclass

PARTS_PREFIX = "parts-"


@dataclass(frozen=True)
class Case:
    """One fixture: a configuration and a way to train on it."""

    name: str
    covers: str
    n_c: int
    n_g: int
    config: dict
    batch: int = 1
    loss_rows: str = "next-token"
    keep_prefix: int = 0

    @property
    def family(self) -> str:
        return self.name.removeprefix(PARTS_PREFIX).split("-")[0]

    @property
    def holds_parts(self) -> bool:
        """Whether the fixture tells apart what prefix and generated rows add to a gradient."""
        return self.name.startswith(PARTS_PREFIX)

    @property
    def regions(self) -> dict:
        """The rows whose parts of a gradient are told apart, by name."""
        return {
            "before": range(0, max(self.n_c - 1, 0)),
            "boundary": range(max(self.n_c - 1, 0), self.n_c),
            "generated": range(self.n_c, self.n),
        }

    @property
    def n(self) -> int:
        return self.n_c + self.n_g

    @property
    def cut(self) -> int:
        """How many rows `detached-prefix` leaves out of the graph."""
        kept = self.keep_prefix
        if self.loss_rows == "next-token":
            kept = max(kept, 1)  # the last prefix row carries loss
        return max(self.n_c - kept, 0)

    @property
    def first_loss_row(self) -> int:
        return self.n_c if self.loss_rows == "generated" else max(self.n_c - 1, 0)

    @property
    def tokens(self) -> int:
        """Tokens a sequence: `generated` needs the one after the last row."""
        return self.n + 1 if self.loss_rows == "generated" else self.n


def rope(theta: float) -> dict:
    return {"rope_type": "default", "rope_theta": theta}


# Original context 32, factors 1 and 4: wavelengths below 8 stay, above 32 stretch, between blend.
LLAMA_31_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 100.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


# Qwen2.5's, with fewer positions: turns of 32 and 1 lie among the five pairs of a head.
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512,
        "rope_theta": 100.0}
# DeepSeek's fields.
YARN_MSCALE = {"rope_type": "yarn", "factor": 3.0, "mscale": 0.707, "mscale_all_dim": 0.3,
               "beta_fast": 4, "beta_slow": 0.5, "truncate": False, "rope_theta": 50.0,
               "original_max_position_embeddings": 12}
LINEAR = {"type": "linear", "factor": 4.0, "rope_theta": 100.0}
# The context is max_position_embeddings.
DYNAMIC = {"type": "dynamic", "factor": 2.0, "rope_theta": 100.0}
LONGROPE = {"rope_type": "longrope", "rope_theta": 100.0, "original_max_position_embeddings": 10,
            "short_factor": [1.0, 1.1, 1.4], "long_factor": [1.2, 2.5, 7.0]}


def gpt2(**changes) -> dict:
    return {
        "vocab_size": 61, "n_positions": 40, "n_embd": 24, "n_layer": 2, "n_head": 3,
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "summary_first_dropout": 0.0,
        "bos_token_id": 0, "eos_token_id": 0,
    } | changes


def gated(**changes) -> dict:
    """What llama, mistral, qwen2 and qwen3 share."""
    return {
        "vocab_size": 67, "hidden_size": 24, "intermediate_size": 35, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
        "rope_parameters": rope(10000.0), "bos_token_id": 0, "eos_token_id": 0,
    } | changes


CASES = [
    Case("gpt2-gelu-new", "n_inner = 4d, tied head, batch 2", 11, 5, gpt2(), batch=2),
    Case(
        "gpt2-untied", "exact gelu, n_inner, odd d and head, untied head, eps 1e-3, 3 layers", 7, 6,
        gpt2(
            n_embd=15, n_layer=3, n_inner=37, activation_function="gelu", layer_norm_epsilon=1e-3,
            tie_word_embeddings=False, vocab_size=53,
        ),
        loss_rows="generated", keep_prefix=3,
    ),
    Case(
        "gpt2-one-token", "n_g = 1, one head, gelu_pytorch_tanh, kept prefix rows", 9, 1,
        gpt2(n_embd=18, n_head=1, n_inner=30, activation_function="gelu_pytorch_tanh"),
        batch=3, keep_prefix=4,
    ),
    Case("llama-gqa", "grouped heads, untied head, batch 2", 13, 5, gated(), batch=2),
    Case(
        "llama-31-rope", "rope scaling, q/k/v/o and MLP biases, head_dim ≠ d/heads, one KV head, "
        "tied head, 3 layers", 37, 8,
        gated(
            hidden_size=21, num_attention_heads=3, num_key_value_heads=1, head_dim=10,
            num_hidden_layers=3, attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
            rope_parameters=LLAMA_31_ROPE, rms_norm_eps=1e-5,
        ),
        loss_rows="generated", keep_prefix=2,
    ),
    Case(
        "llama-one-token", "n_g = 1, one KV head, kept prefix rows, theta 500000", 6, 1,
        gated(
            hidden_size=20, num_attention_heads=2, num_key_value_heads=1, intermediate_size=27,
            rope_parameters=rope(500000.0), rms_norm_eps=1e-3,
        ),
        batch=3, keep_prefix=4,
    ),
    Case("llama-short-prefix", "n_c = 1 and kept prefix rows past it: nothing is detached", 1, 4,
         gated(hidden_size=12, num_attention_heads=2, num_key_value_heads=2, vocab_size=31,
               intermediate_size=17), batch=2, keep_prefix=3),
    Case("llama-linear", "linear rope scaling, beyond the context", 13, 5,
         gated(rope_parameters=LINEAR, max_position_embeddings=8), batch=2),
    Case("llama-dynamic", "dynamic rope scaling, beyond the context", 12, 5,
         gated(rope_parameters=DYNAMIC, max_position_embeddings=8), loss_rows="generated"),
    Case("qwen2-dynamic", "dynamic rope scaling, within the context", 9, 4,
         gated(rope_parameters=DYNAMIC, max_position_embeddings=13)),
    Case("llama-yarn", "yarn with mscale, no whole pairs, beyond the context", 13, 6,
         gated(rope_parameters=YARN_MSCALE, max_position_embeddings=36), batch=2),
    Case("qwen2-yarn", "yarn as Qwen2.5 publishes it, head_dim 10", 21, 5,
         gated(rope_parameters=YARN, hidden_size=20, num_attention_heads=2,
               max_position_embeddings=512),
         loss_rows="generated", keep_prefix=2),
    Case("qwen3-longrope", "longrope, within the original context", 6, 4,
         gated(rope_parameters=LONGROPE, head_dim=6, max_position_embeddings=40), batch=2),
    Case("mistral-longrope", "longrope, beyond the original context, sliding window 6", 14, 4,
         gated(rope_parameters=LONGROPE, head_dim=6, sliding_window=6,
               max_position_embeddings=40)),
    Case(
        "mistral-window", "sliding window 5 < n, d not a multiple of heads, one KV head", 12, 6,
        gated(
            hidden_size=25, num_attention_heads=3, num_key_value_heads=1, head_dim=8,
            sliding_window=5, rms_norm_eps=1e-5,
        ),
    ),
    Case(
        "mistral-full", "no window, as many KV heads as heads, tied head, batch 2", 8, 5,
        gated(
            num_attention_heads=3, num_key_value_heads=3, head_dim=6, sliding_window=None,
            tie_word_embeddings=True, rope_parameters=rope(1000000.0),
        ),
        batch=2, loss_rows="generated", keep_prefix=1,
    ),
    Case(
        "mistral-one-token", "n_g = 1, sliding window 3, kept prefix rows, 3 layers", 10, 1,
        gated(hidden_size=16, num_hidden_layers=3, head_dim=10, sliding_window=3),
        batch=2, loss_rows="generated", keep_prefix=2,
    ),
    Case(
        "qwen2-window-mix", "layer 0 full, layers 1 and 2 with a window of 4, untied head", 11, 5,
        gated(
            num_hidden_layers=3, use_sliding_window=True, sliding_window=4, max_window_layers=1,
        ),
        batch=2,
    ),
    Case(
        "qwen2-tied", "one KV head, tied head, theta 1000000", 9, 7,
        gated(
            hidden_size=18, num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True,
            rope_parameters=rope(1000000.0), vocab_size=101,
        ),
        loss_rows="generated", keep_prefix=2,
    ),
    Case("qwen2-one-token", "n_g = 1, kept prefix rows", 6, 1,
         gated(hidden_size=16, intermediate_size=23), batch=4, keep_prefix=3),
    Case(
        "qwen3-head-dim", "head_dim 12, one KV head, tied head, batch 2", 9, 7,
        gated(
            hidden_size=20, num_attention_heads=3, num_key_value_heads=1, head_dim=12,
            tie_word_embeddings=True, rope_parameters=rope(1000000.0), rms_norm_eps=1e-3,
        ),
        batch=2,
    ),
    Case(
        "qwen3-bias-window", "q/k/v/o biases, layer 0 full and layer 1 with a window of 6", 13, 5,
        gated(
            head_dim=8, attention_bias=True, use_sliding_window=True, sliding_window=6,
            max_window_layers=1,
        ),
        loss_rows="generated", keep_prefix=3,
    ),
    Case("qwen3-one-token", "n_g = 1, 3 layers", 7, 1,
         gated(hidden_size=16, head_dim=6, num_hidden_layers=3, intermediate_size=19), batch=3),
]


# Gradients in parts. One layer and `generated` rows: `detached-prefix` gives the generated part.
PARTS_CASES = [
    Case("parts-gpt2-layer", "1 layer, tied head, batch 2", 7, 5, gpt2(n_layer=1),
         batch=2, loss_rows="generated"),
    Case("parts-gpt2-untied-layer", "1 layer, untied head, exact gelu", 6, 3,
         gpt2(n_layer=1, n_embd=20, n_head=2, n_inner=31, activation_function="gelu",
              tie_word_embeddings=False),
         loss_rows="generated"),
    Case("parts-gpt2-next", "2 layers, untied head, batch 2", 6, 5,
         gpt2(n_embd=18, tie_word_embeddings=False), batch=2),
    Case("parts-llama-layer", "1 layer, grouped heads, all biases, batch 2", 8, 4,
         gated(num_hidden_layers=1, attention_bias=True, mlp_bias=True),
         batch=2, loss_rows="generated"),
    Case("parts-llama-next", "3 layers, grouped heads, all biases, tied head, batch 2", 7, 5,
         gated(num_hidden_layers=3, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
         batch=2),
    Case("parts-llama-one-token", "n_g = 1: all gradient is the prefix's", 6, 1,
         gated(hidden_size=16, num_key_value_heads=1)),
    Case("parts-llama-one-row", "n_c = 1: the boundary row is all of the prefix", 1, 4,
         gated(hidden_size=16, num_key_value_heads=4), batch=2),
    Case("parts-mistral-layer", "1 layer, sliding window 4, tied head, batch 2", 7, 4,
         gated(num_hidden_layers=1, sliding_window=4, tie_word_embeddings=True),
         batch=2, loss_rows="generated"),
    Case("parts-mistral-generated", "3 layers, sliding window 5, one KV head", 9, 4,
         gated(num_hidden_layers=3, num_key_value_heads=1, sliding_window=5),
         loss_rows="generated"),
    Case("parts-qwen2-layer", "1 layer, one KV head, tied head, batch 2", 6, 5,
         gated(hidden_size=18, num_hidden_layers=1, num_attention_heads=3, num_key_value_heads=1,
               tie_word_embeddings=True),
         batch=2, loss_rows="generated"),
    Case("parts-qwen2-next", "2 layers, untied head", 9, 4, gated()),
    Case("parts-qwen3-layer", "1 layer, head_dim 8, q/k/v/o biases, batch 2", 7, 4,
         gated(num_hidden_layers=1, head_dim=8, attention_bias=True),
         batch=2, loss_rows="generated"),
    Case("parts-qwen3-next", "2 layers, head_dim 10, tied head, batch 2", 7, 5,
         gated(hidden_size=18, head_dim=10, tie_word_embeddings=True), batch=2),
    Case("parts-qwen3-generated", "3 layers, untied head", 8, 3,
         gated(hidden_size=16, num_hidden_layers=3, head_dim=6), loss_rows="generated"),
]
