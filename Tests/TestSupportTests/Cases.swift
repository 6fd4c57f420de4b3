import TestSupport
import Testing

/// A tiny decoder with random weights, and a batch for it.
struct Case: Sendable, CustomTestStringConvertible {
  var name: String
  var configuration: ReferenceDecoder.Configuration
  var prefixLength: Int
  var generatedLength: Int
  var lossRows: ReferenceDecoder.LossRows
  var sequences: Int = 1
  var seed: UInt64 = 1

  var testDescription: String { name }

  /// The decoder and its batch; the same ones every time.
  var drawn: (decoder: ReferenceDecoder, batch: ReferenceDecoder.Batch) {
    var generator = SplitMix64(seed: seed)
    let parameters = configuration.randomParameters(using: &generator)
    let rows = prefixLength + generatedLength
    let tokens = configuration.randomTokens(
      batch: sequences, count: lossRows == .generated ? rows + 1 : rows, using: &generator)
    return (
      ReferenceDecoder(configuration, parameters: parameters),
      ReferenceDecoder.Batch(tokens: tokens, prefixLength: prefixLength, lossRows: lossRows)
    )
  }

  /// A decoder whose heads are wider than `d_model / heads`, and share keys if `kvHeads` is 1.
  static func tiny(
    layers: Int, kvHeads: Int = 2, tied: Bool = false
  ) -> ReferenceDecoder.Configuration {
    ReferenceDecoder.Configuration(
      vocab: 7, dModel: 6, layers: layers, heads: 2, kvHeads: kvHeads, dHead: 4, dFF: 5,
      tiesEmbeddings: tied)
  }

  static let all = [
    Case(
      name: "one layer, next-token", configuration: tiny(layers: 1), prefixLength: 3,
      generatedLength: 3, lossRows: .nextToken),
    Case(
      name: "one layer, generated", configuration: tiny(layers: 1), prefixLength: 3,
      generatedLength: 3, lossRows: .generated),
    Case(
      name: "two layers, shared keys, next-token", configuration: tiny(layers: 2, kvHeads: 1),
      prefixLength: 3, generatedLength: 2, lossRows: .nextToken),
    Case(
      name: "two layers, shared keys, generated, batch of two",
      configuration: tiny(layers: 2, kvHeads: 1), prefixLength: 2, generatedLength: 3,
      lossRows: .generated, sequences: 2),
    Case(
      name: "two layers, tied, next-token, batch of two",
      configuration: tiny(layers: 2, tied: true), prefixLength: 2, generatedLength: 2,
      lossRows: .nextToken, sequences: 2),
    Case(
      name: "no prefix, next-token", configuration: tiny(layers: 2), prefixLength: 0,
      generatedLength: 4, lossRows: .nextToken, seed: 2),
    Case(
      name: "no prefix, generated", configuration: tiny(layers: 1, tied: true), prefixLength: 0,
      generatedLength: 3, lossRows: .generated),
    Case(
      name: "prefix of one, next-token", configuration: tiny(layers: 2), prefixLength: 1,
      generatedLength: 3, lossRows: .nextToken, seed: 3),
    Case(
      name: "prefix of one, generated", configuration: tiny(layers: 2, kvHeads: 1),
      prefixLength: 1, generatedLength: 3, lossRows: .generated),
  ]

  static let withPrefix = all.filter { $0.prefixLength > 0 }
}

/// `(f(θ + h) − f(θ − h)) / 2h` for every entry of every parameter.
func centralDifferences(
  around decoder: ReferenceDecoder, step h: Double = 2e-5,
  of loss: (ReferenceDecoder) -> Double
) -> [String: [Double]] {
  decoder.parameters.reduce(into: [:]) { differences, entry in
    let (name, values) = entry
    differences[name] = values.indices.map { index in
      var shifted = decoder
      shifted.parameters[name, default: []][index] = values[index] + h
      let above = loss(shifted)
      shifted.parameters[name, default: []][index] = values[index] - h
      return (above - loss(shifted)) / (2 * h)
    }
  }
}
