import Files
import Transformer

/// Fields of a `config.json` that the families do not read themselves.
///
/// Sources: `PretrainedConfig` and `GenerationConfig` of transformers 4.30 to 5.23, the families'
/// configuration classes, and what public files carry.
enum KnownFields {
  /// A field with only some values that leave the model as it is built.
  struct Required: Sendable {
    let allowed: [JSON]
    /// Follows "only" in the error's sentence.
    let description: String

    func allows(_ value: JSON) -> Bool {
      if case .array(let list) = value, case .array(let pattern)? = allowed.first,
        pattern.count == 1
      {
        return list.allSatisfy { $0 == pattern[0] }
      }
      return allowed.contains(value)
    }

    static func without(_ what: String, _ allowed: JSON...) -> Required {
      Required(allowed: allowed, description: "without \(what)")
    }

    static func with(_ what: String, _ allowed: JSON...) -> Required {
      Required(allowed: allowed, description: "with \(what)")
    }
  }

  private static let dropouts = [
    "attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "embd_pdrop",
    "hidden_dropout", "hidden_dropout_prob", "layerdrop", "resid_pdrop", "residual_dropout",
  ]

  /// Fields that would change the model, with the values that do not.
  static let required = others.merging(
    dropouts.map { ($0, Required.without("dropout", .integer(0), .number(0))) }
  ) { one, _ in one }

  private static let others: [String: Required] = [
    "add_cross_attention": .without("cross-attention", .bool(false)),
    "attention_bias": .without("this bias", .bool(false)),
    "auto_map": Required(
      allowed: [],
      description: "from its own code, not from the repository's; delete the field for that"),
    "compression_config": .without("quantization", .object([:])),
    "is_causal": .with("causal attention", .bool(true)),
    "is_encoder_decoder": Required(allowed: [.bool(false)], description: "as a decoder"),
    "layer_types": .with("full attention", .array([.string("full_attention")])),
    "loss_type": Required(
      allowed: [.string("ForCausalLM")], description: "with the loss of a causal language model"),
    "mlp_bias": .without("this bias", .bool(false)),
    "partial_rotary_factor": .with("rotations of whole heads", .integer(1), .number(1)),
    "per_layer_config": .with("layers that are all alike", .object([:])),
    "pretraining_tp": .with("whole matrix products (1)", .integer(1)),
    "pruned_heads": .without("pruned heads", .object([:]), .array([])),
    "quantization_config": .without("quantization", .object([:])),
    "sliding_window": Required(allowed: [], description: "without a sliding window"),
    "tie_encoder_decoder": Required(allowed: [.bool(false)], description: "as a decoder"),
    "torchscript": .without("TorchScript's copy of tied weights", .bool(false)),
    "use_bidirectional_attention": .with("causal attention", .bool(false)),
    "use_mrope": .without("multimodal rotations", .bool(false)),
    "use_sliding_window": .without("a sliding window", .bool(false)),
  ]

  /// Whether code reads a field: transformers' of the family, what loads any model, or that of
  /// earlier versions.
  static func isRead(_ name: String, by family: DecoderConfiguration.Family) -> Bool {
    FieldsRead.shared.subtracting(readToWarn).contains(name)
      || FieldsRead.byFamily[family]?.contains(name) == true
      || others[name] != nil && !ofModelCodeAlone.contains(name)
  }

  /// Fields that shared code reads for a warning alone: of FlashAttention beside dropout.
  private static let readToWarn: Set<String> = ["attention_dropout"]

  /// Fields of `required` that nothing but a family's own modeling file would read.
  private static let ofModelCodeAlone: Set<String> = [
    "attention_bias", "mlp_bias", "use_bidirectional_attention", "use_mrope", "use_sliding_window",
  ]

  /// Whether a field never changes the loss or the gradients.
  ///
  /// A leading underscore marks what transformers keeps for itself (`_name_or_path`).
  static func isHarmless(_ name: String) -> Bool {
    name.hasPrefix("_") || name.hasPrefix("summary_") || name.hasPrefix("unsloth_")
      || harmless.contains(name)
  }

  private static let harmless: Set<String> = [
    // What the file is.
    "architectures", "transformers_version", "name_or_path", "model_type", "finetuning_task",
    "task_specific_params", "transformers.js_config", "torch_dtype", "dtype",
    "base_model_tp_plan", "base_model_pp_plan", "auto_class",
    // Tokens and tokenizers.
    "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id",
    "tokenizer_class", "prefix", "vocab_file", "cls_token_id", "mask_token_id", "unk_token_id",
    "model_max_length", "tokenizer_model_max_length", "max_sequence_length", "seq_length",
    "n_ctx", "max_window_layers", "original_max_position_embeddings", "tokenizer_padding_side",
    // How the code runs, not what it computes.
    "use_cache", "return_dict", "output_hidden_states", "output_attentions", "use_bfloat16",
    "tf_legacy_loss", "chunk_size_feed_forward", "gradient_checkpointing", "is_decoder",
    "attn_implementation", "use_return_dict", "cross_attention_hidden_size",
    "keys_to_ignore_at_inference", "low_cpu_mem_usage",
    // Heads for other tasks, and how weights were drawn.
    "initializer_range", "init_std", "initializer_factor", "id2label", "label2id", "num_labels",
    "problem_type", "classifier_dropout", "classifier_bias",
    // Generation.
    "max_length", "max_new_tokens", "min_length", "min_new_tokens", "do_sample", "early_stopping",
    "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p",
    "min_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
    "output_logits", "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id",
    "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens",
    "begin_suppress_tokens", "epsilon_cutoff", "eta_cutoff", "encoder_repetition_penalty",
    "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold",
    "assistant_lookbehind", "target_lookbehind", "max_time", "stop_strings",
    "cache_implementation", "cache_config", "renormalize_logits", "penalty_alpha",
    "guidance_scale", "low_memory", "top_h", "use_mtp",
  ]
}
