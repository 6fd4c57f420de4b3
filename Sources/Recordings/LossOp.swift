/// The ops of PyTorch that make a loss of logits, and its gradient: log-probabilities
/// `[rows, vocabulary]` and their mean. Raw values are the names that recordings carry.
package enum LossOp: String, CaseIterable, Sendable {
  case logProbabilities = "aten::_log_softmax"
  case logProbabilitiesBackward = "aten::_log_softmax_backward_data"
  case mean = "aten::nll_loss_forward"
  case meanBackward = "aten::nll_loss_backward"
}
