import Autograd
import CPUBackend
import Retention
import Tensors
import Transformer

/// A use of a parameter: its name, and the formula's name.
struct Use: Hashable {
  let parameter: String
  let weight: String
}

/// A step on the CPU with parameters that are all of some consequence.
func makeStep(_ point: Point) throws -> (step: TrainingStep, backend: CPUBackend) {
  let backend = try CPUBackend(threads: point.threads)
  let step = try TrainingStep(point, on: backend.backend)
  drawParameters(of: step, backend, seed: point.seed)
  return (step, backend)
}

/// The gradient of every trained use by parts: `[part][use]`, zeros where nothing reached one.
func parts(
  of step: TrainingStep, _ backend: CPUBackend, rows: [Range<Int>]
) throws -> [[Use: [Double]]] {
  _ = try step.run(inParts: rows)
  var parts: [[Use: [Double]]] = rows.map { _ in [:] }
  for weight in step.decoder.weights where weight.gradient != nil {
    let use = Use(parameter: weight.parameter.name, weight: weight.symbol)
    let sums = weight.parameter.parts?.sums(of: weight.role) ?? []
    for (index, sum) in sums.enumerated() {
      let values = sum.map { backend.read($0).map(Double.init) }
      parts[index][use] = values ?? Array(repeating: 0, count: weight.value.count)
    }
  }
  return parts
}

/// Uses put together to the gradients of their parameters, as `TrainingStep.gradients` lays them out.
func assembled(_ part: [Use: [Double]], like decoder: Decoder) -> [String: [Double]] {
  var gradients: [String: [Double]] = [:]
  for parameter in decoder.parameters {
    let uses = decoder.weights.filter { $0.parameter === parameter }
    let values = uses.compactMap {
      part[Use(parameter: parameter.name, weight: $0.symbol)]
    }
    guard !values.isEmpty else { continue }
    let isTied = uses.count == 2 && uses[1].symbol == "U"
    let isConv = decoder.configuration.family == .gpt2 && parameter.name.contains(".h.")
    if isTied {
      gradients[parameter.name] = zip(values[0], values[1]).map { $0 + $1 }
    } else if isConv, parameter.value.shape.rank == 2 {
      // Rows of [out, in] become columns of [in, out].
      let (inputs, outputs) = (parameter.value.extent(0), parameter.value.extent(1))
      let rows = values.flatMap(\.self)
      gradients[parameter.name] = (0..<inputs * outputs).map {
        rows[$0 % outputs * inputs + $0 / outputs]
      }
    } else {
      gradients[parameter.name] = values.flatMap(\.self)
    }
  }
  return gradients
}
