/// The contract's column lists, copied from DESIGN.md, section 6.
enum ContractColumns {
  static let points = split(
    """
    schema, profile, model, layers, d_model, heads, kv_heads, d_head, d_ff, vocab, dtype,
    attention, head, recompute, loss_rows, mode, keep_prefix, chunk, backend, threads, batch, n_c, n_g, seed, repeat,
    status, error, loss, saved_tensors, retained_bytes, retained_prefix_bytes, retained_generated_bytes,
    retained_crossing_bytes, retained_shared_bytes, retained_allocated_bytes, predicted_retained_bytes,
    predicted_allocated_bytes, peak_bytes, peak_forward_bytes, peak_backward_bytes, predicted_peak_bytes,
    workspace_peak_bytes, parameter_bytes, gradient_bytes, process_peak_rss_bytes, matmul_flops, forward_seconds,
    backward_seconds, gradient_relative_error, gradient_cosine, version, started_at, trainable, dropout, recipe,
    kv_gradients, gradient_reference, predicted_workspace_bytes, optimizer, optimizer_bytes,
    adapter, lora, suffixes, sharing, suffixes_at_a_time, lengths, layout, retained_padding_bytes,
    peak_allocated_bytes, peak_allocated_forward_bytes, peak_allocated_backward_bytes,
    peak_allocated_optimizer_bytes, peak_reserved_bytes
    """)

  static let ledger = split(
    """
    profile, mode, keep_prefix, chunk, recompute, attention, head, loss_rows, dtype,
    batch, n_c, n_g, repeat, order, layer, op, tensor, shape, dtype, requested_bytes,
    allocated_bytes, prefix_bytes, generated_bytes, crossing_bytes, shared_bytes, needed_for, also_saved_by,
    padding_bytes
    """)

  static let lawsEnd = split(
    """
    constant_bytes, linear_bytes, quadratic_bytes, n_c_min, n_c_max, points_checked, points_matching,
    kv_gradients,
    holds_from_n_c, optimizer, figure, part, holds_to_n_c, n_c_step, tensor_parallel,
    adapter, lora, suffixes, sharing, suffixes_at_a_time,
    completion_constant_bytes, completion_n_c_bytes, completion_n_g_bytes, completion_n_c_n_g_bytes,
    completion_n_g_n_g_bytes, lengths, layout,
    of_prefix_constant_bytes, of_prefix_linear_bytes, of_prefix_quadratic_bytes
    """)

  /// The key of `ledger.csv`, then a parameter's figures.
  static let gradients = split(
    """
    profile, mode, keep_prefix, chunk, recompute, attention, head, loss_rows, dtype,
    batch, n_c, n_g, repeat, parameter, weight, layer, relative_error, cosine, norm, reference_norm,
    reference
    """)

  static let flow = split(
    "layer, parameter, weight, prefix_norm, boundary_norm, generated_norm, total_norm, prefix_share, "
      + "cosine")

  private static func split(_ text: String) -> [String] {
    text.split { $0 == "," || $0.isWhitespace }.map(String.init)
  }
}
