// Written by scripts/embed-fields from transformers 5.23.0.

import Transformer

/// Fields of a `config.json` that transformers' model code reads.
enum FieldsRead {
  /// By the code that all families run: loading, masks, rotary positions, caches, losses.
  static let shared: Set<String> = [
    "architectures", "attention_chunk_size", "attention_dropout", "base_model_pp_plan",
    "base_model_tp_plan", "bos_token_id", "distributed_config", "dtype", "eos_token_id",
    "fusion_config", "gradient_checkpointing", "head_dim", "hidden_size", "init_std",
    "initializer_factor", "initializer_range", "is_causal", "kv_sharing_modes", "layer_types",
    "max_position_embeddings", "model_type", "name_or_path", "num_attention_heads",
    "num_hidden_layers", "num_labels", "pad_token_id", "per_layer_config", "problem_type",
    "rope_parameters", "sep_token_id", "sliding_window", "sub_configs", "tie_word_embeddings",
    "transformers_weights", "vocab_size",
  ]

  /// By each family's own modeling file.
  static let byFamily: [DecoderConfiguration.Family: Set<String>] = [
    .gpt2: [
      "activation_function", "add_cross_attention", "attn_pdrop", "classifier_dropout",
      "embd_pdrop", "hidden_dropout", "hidden_size", "initializer_range", "layer_norm_epsilon",
      "max_position_embeddings", "n_embd", "n_inner", "n_layer", "num_attention_heads",
      "num_hidden_layers", "num_labels", "pad_token_id", "problem_type",
      "reorder_and_upcast_attn", "resid_pdrop", "scale_attn_by_inverse_layer_idx",
      "scale_attn_weights", "summary_activation", "summary_first_dropout", "summary_last_dropout",
      "summary_proj_to_labels", "summary_type", "summary_use_proj", "vocab_size",
    ],
    .llama: [
      "attention_bias", "attention_dropout", "head_dim", "hidden_act", "hidden_size",
      "intermediate_size", "max_position_embeddings", "mlp_bias", "num_attention_heads",
      "num_hidden_layers", "num_key_value_heads", "pad_token_id", "rms_norm_eps",
      "rope_parameters", "vocab_size",
    ],
    .mistral: [
      "attention_dropout", "head_dim", "hidden_act", "hidden_size", "intermediate_size",
      "max_position_embeddings", "num_attention_heads", "num_hidden_layers",
      "num_key_value_heads", "pad_token_id", "rms_norm_eps", "rope_parameters", "sliding_window",
      "vocab_size",
    ],
    .qwen2: [
      "attention_dropout", "head_dim", "hidden_act", "hidden_size", "intermediate_size",
      "layer_types", "max_position_embeddings", "num_attention_heads", "num_hidden_layers",
      "num_key_value_heads", "pad_token_id", "rms_norm_eps", "rope_parameters", "sliding_window",
      "vocab_size",
    ],
    .qwen3: [
      "attention_bias", "attention_dropout", "head_dim", "hidden_act", "hidden_size",
      "intermediate_size", "layer_types", "max_position_embeddings", "num_attention_heads",
      "num_hidden_layers", "num_key_value_heads", "pad_token_id", "rms_norm_eps",
      "rope_parameters", "sliding_window", "vocab_size",
    ],
  ]
}
