/// The names of a Python function that runs: what they stand for lives until they stand for
/// something else, or the function returns.
@dynamicMemberLookup
final class Locals {
  private let torch: Torch
  /// Arguments, then the others in the order of their first values: so they are let go of.
  private var names: [String] = []
  private var values: [TorchTensor?] = []
  /// What a function that has been cut short would have gone on with.
  private var shadows: [String: TorchTensor] = [:]

  init(_ torch: Torch, _ arguments: KeyValuePairs<String, TorchTensor?>) {
    self.torch = torch
    for (name, value) in arguments {
      names.append(name)
      values.append(value)
      if let value { torch.hold(value) }
    }
  }

  /// Gives names their places before they have values.
  func reserve(_ names: [String]) {
    self.names += names
    values += names.map { _ in nil }
  }

  subscript(dynamicMember name: String) -> TorchTensor {
    get {
      if let shadow = shadows[name] { return shadow }
      guard let place = names.firstIndex(of: name), let value = values[place] else {
        preconditionFailure("\(name) stands for nothing yet")
      }
      return value
    }
    set {
      if torch.isStopped {
        shadows[name] = newValue
        return
      }
      torch.hold(newValue)
      guard let place = names.firstIndex(of: name) else {
        names.append(name)
        values.append(newValue)
        return
      }
      let old = values[place]
      values[place] = newValue
      if let old { torch.drop(old) }
    }
  }

  /// `del name`, or a container's hold that ends.
  func delete(_ name: String) {
    guard let place = names.firstIndex(of: name) else { return }
    names.remove(at: place)
    if let old = values.remove(at: place) { torch.drop(old) }
  }

  /// `return result`.
  func leave(_ result: TorchTensor) -> TorchTensor {
    torch.leave(values.compactMap(\.self), returning: [result])
    values = []
    return result
  }

  func leave(_ results: [TorchTensor]) -> [TorchTensor] {
    torch.leave(values.compactMap(\.self), returning: results)
    values = []
    return results
  }

  /// `return`, with some names let go of before the others.
  func leaveInOrder(_ first: [String]) {
    for name in first { delete(name) }
    leave()
  }

  func leave() {
    torch.leave(values.compactMap(\.self), returning: [])
    values = []
  }
}
