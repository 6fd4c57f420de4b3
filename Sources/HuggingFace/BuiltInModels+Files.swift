// Written by scripts/embed-models from profiles/models/*.json; change those instead.

extension BuiltInModels {
  /// What Ballast reads of each `profiles/models/NAME.json`, by name.
  static let files: [String: String] = [
    "gpt2": #"""
    {"activation_function": "gelu_new", "attn_pdrop": 0.1, "embd_pdrop": 0.1, "layer_norm_epsilon":
    1e-05, "model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024,
    "resid_pdrop": 0.1, "vocab_size": 50257}
    """#,
    "gpt3-175b": #"""
    {"activation_function": "gelu_new", "attn_pdrop": 0.1, "embd_pdrop": 0.1, "layer_norm_epsilon":
    1e-05, "model_type": "gpt2", "n_embd": 12288, "n_head": 96, "n_inner": 49152, "n_layer": 96,
    "n_positions": 2048, "resid_pdrop": 0.1, "vocab_size": 50257}
    """#,
    "llama-2-13b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 5120,
    "intermediate_size": 13824, "max_position_embeddings": 4096, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 40, "num_hidden_layers": 40, "num_key_value_heads": 40,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings":
    false, "torch_dtype": "float16", "vocab_size": 32000}
    """#,
    "llama-2-70b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 8192,
    "intermediate_size": 28672, "max_position_embeddings": 4096, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings":
    false, "torch_dtype": "float16", "vocab_size": 32000}
    """#,
    "llama-2-7b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 4096,
    "intermediate_size": 11008, "max_position_embeddings": 4096, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings":
    false, "torch_dtype": "float16", "vocab_size": 32000}
    """#,
    "llama-3-70b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 8192,
    "intermediate_size": 28672, "max_position_embeddings": 8192, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 500000.0, "tie_word_embeddings":
    false, "torch_dtype": "bfloat16", "vocab_size": 128256}
    """#,
    "llama-3-8b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 4096,
    "intermediate_size": 14336, "max_position_embeddings": 8192, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 500000.0, "tie_word_embeddings":
    false, "torch_dtype": "bfloat16", "vocab_size": 128256}
    """#,
    "llama-3.1-405b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 16384,
    "intermediate_size": 53248, "max_position_embeddings": 131072, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 128, "num_hidden_layers": 126, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size":
    128256}
    """#,
    "llama-3.1-70b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 8192,
    "intermediate_size": 28672, "max_position_embeddings": 131072, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size":
    128256}
    """#,
    "llama-3.1-8b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 4096,
    "intermediate_size": 14336, "max_position_embeddings": 131072, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size":
    128256}
    """#,
    "llama-3.2-1b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "head_dim": 64, "hidden_act": "silu",
    "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias":
    false, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0,
    "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
    "rope_type": "llama3"}, "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype":
    "bfloat16", "vocab_size": 128256}
    """#,
    "llama-3.2-3b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 3072, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias":
    false, "model_type": "llama", "num_attention_heads": 24, "num_hidden_layers": 28,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0,
    "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
    "rope_type": "llama3"}, "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype":
    "bfloat16", "vocab_size": 128256}
    """#,
    "llama-3.3-70b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 8192,
    "intermediate_size": 28672, "max_position_embeddings": 131072, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size":
    128256}
    """#,
    "mistral-7b": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 4096, "intermediate_size":
    14336, "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta":
    1000000.0, "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
    "vocab_size": 32768}
    """#,
    "mistral-7b-v0.1": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 4096, "intermediate_size":
    14336, "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
    "sliding_window": 4096, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size":
    32000}
    """#,
    "mistral-nemo-12b": #"""
    {"attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu", "hidden_size": 5120,
    "intermediate_size": 14336, "max_position_embeddings": 128000, "model_type": "mistral",
    "num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 8, "rms_norm_eps":
    1e-05, "rope_theta": 1000000.0, "sliding_window": null, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "vocab_size": 131072}
    """#,
    "qwen2.5-0.5b": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864,
    "max_position_embeddings": 32768, "max_window_layers": 24, "model_type": "qwen2",
    "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps":
    1e-06, "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 151936}
    """#,
    "qwen2.5-1.5b": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 1536, "intermediate_size": 8960,
    "max_position_embeddings": 131072, "model_type": "qwen2", "num_attention_heads": 12,
    "num_hidden_layers": 28, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta":
    1000000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 151936}
    """#,
    "qwen2.5-14b": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 5120, "intermediate_size":
    13824, "max_position_embeddings": 131072, "model_type": "qwen2", "num_attention_heads": 40,
    "num_hidden_layers": 48, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta":
    1000000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 152064}
    """#,
    "qwen2.5-32b": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 5120, "intermediate_size":
    27648, "max_position_embeddings": 131072, "model_type": "qwen2", "num_attention_heads": 40,
    "num_hidden_layers": 64, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta":
    1000000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 152064}
    """#,
    "qwen2.5-3b": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 2048, "intermediate_size":
    11008, "max_position_embeddings": 32768, "model_type": "qwen2", "num_attention_heads": 16,
    "num_hidden_layers": 36, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta":
    1000000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 151936}
    """#,
    "qwen2.5-72b": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 8192, "intermediate_size":
    29568, "max_position_embeddings": 131072, "model_type": "qwen2", "num_attention_heads": 64,
    "num_hidden_layers": 80, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta":
    1000000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 152064}
    """#,
    "qwen2.5-7b": #"""
    {"attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 3584, "intermediate_size":
    18944, "max_position_embeddings": 131072, "max_window_layers": 28, "model_type": "qwen2",
    "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4, "rms_norm_eps":
    1e-06, "rope_theta": 1000000.0, "sliding_window": 131072, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 152064}
    """#,
    "qwen3-0.6b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 1024, "intermediate_size": 3072, "max_position_embeddings": 40960, "model_type":
    "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 151936}
    """#,
    "qwen3-1.7b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 2048, "intermediate_size": 6144, "max_position_embeddings": 40960, "model_type":
    "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 151936}
    """#,
    "qwen3-14b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 5120, "intermediate_size": 17408, "max_position_embeddings": 40960, "model_type":
    "qwen3", "num_attention_heads": 40, "num_hidden_layers": 40, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 151936}
    """#,
    "qwen3-32b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 5120, "intermediate_size": 25600, "max_position_embeddings": 40960, "model_type":
    "qwen3", "num_attention_heads": 64, "num_hidden_layers": 64, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 151936}
    """#,
    "qwen3-4b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 2560, "intermediate_size": 9728, "max_position_embeddings": 40960, "model_type":
    "qwen3", "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false,
    "vocab_size": 151936}
    """#,
    "qwen3-8b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 4096, "intermediate_size": 12288, "max_position_embeddings": 40960,
    "max_window_layers": 36, "model_type": "qwen3", "num_attention_heads": 32, "num_hidden_layers":
    36, "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta":
    1000000, "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
    "use_sliding_window": false, "vocab_size": 151936}
    """#,
    "r1-distill-llama-70b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 8192,
    "intermediate_size": 28672, "max_position_embeddings": 131072, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size":
    128256}
    """#,
    "r1-distill-llama-8b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 4096,
    "intermediate_size": 14336, "max_position_embeddings": 131072, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size":
    128256}
    """#,
    "smollm2-1.7b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 2048,
    "intermediate_size": 8192, "max_position_embeddings": 8192, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 32, "num_hidden_layers": 24, "num_key_value_heads": 32,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 130000, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "vocab_size": 49152}
    """#,
    "smollm2-135m": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 576,
    "intermediate_size": 1536, "max_position_embeddings": 8192, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 100000, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "vocab_size": 49152}
    """#,
    "smollm2-360m": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 960,
    "intermediate_size": 2560, "max_position_embeddings": 8192, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 15, "num_hidden_layers": 32, "num_key_value_heads": 5,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 100000, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "vocab_size": 49152}
    """#,
    "tinyllama-1.1b": #"""
    {"attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 2048,
    "intermediate_size": 5632, "max_position_embeddings": 2048, "mlp_bias": false, "model_type":
    "llama", "num_attention_heads": 32, "num_hidden_layers": 22, "num_key_value_heads": 4,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings":
    false, "torch_dtype": "bfloat16", "vocab_size": 32000}
    """#,
  ]
}
