import Files
import Foundation
import Reporting
import Ledger
import Retention
import Testing
import Transformer

private func makePoint(layers: Int, nC: Int = 4, _ lossRows: LossRows = .generated) -> Point {
  var point = Point(
    modelName: "m",
    model: DecoderConfiguration(layers: layers, dModel: 8, heads: 1, dFF: 8, vocab: 9),
    nC: nC, nG: 4)
  point.lossRows = lossRows
  return point
}

/// A weight to which prefix rows without loss give `silent`.
private func weight(
  _ module: Module, layer: Int?, silent: Double, boundary: Double? = nil, generated: Double = 0.5,
  parameter: String = "model.x.weight"
) -> WeightFlow {
  let prefix = silent + (boundary ?? 0)
  return WeightFlow(
    layer: layer, parameter: parameter, role: ParameterRole(module), prefixNorm: prefix,
    silentNorm: silent,
    boundaryNorm: boundary, generatedNorm: generated, totalNorm: prefix + generated,
    cosine: prefix > 0 && generated > 0 ? 0.25 : nil)
}

private func layer(_ index: Int, isSilent: Bool, boundary: Double? = nil) -> [WeightFlow] {
  [.query, .key, .value, .attentionOutput, .up, .down].map { (module: Module) in
    let feeds = !isSilent || module == .key || module == .value
    return weight(module, layer: index, silent: feeds ? Double(index + 1) : 0, boundary: boundary)
  }
}

/// The last lines of the table, after the last empty one.
private func sentences(_ flow: Flow) -> [String] {
  let lines = FlowTable.text(of: flow).split(separator: "\n", omittingEmptySubsequences: false)
  return lines.dropLast().reversed().prefix { !$0.isEmpty }.reversed().map(String.init)
}

@Suite struct FlowTests {
  @Test func `flow.csv has the contract's columns in the contract's order`() {
    #expect(WeightFlow.columns.map(\.name) == ContractColumns.flow)
    #expect(
      PositionRecord.columns.map(\.name)
        == ["layer", "weight", "position", "norm", "parameter"])
  }

  @Test func `a zero is a figure, and what there is not is empty`() {
    let none = weight(.query, layer: 0, silent: 0)
    #expect(CSV.line(of: none) == "0,model.x.weight,W_Q,0.0,,0.5,0.5,0.0,\n")
    let all = weight(.embedding, layer: nil, silent: 2, boundary: 1, generated: 0)
    #expect(CSV.line(of: all) == ",model.x.weight,E,3.0,1.0,0.0,3.0,1.0,\n")
    let nothing = weight(.embedding, layer: nil, silent: 0, generated: 0)
    #expect(CSV.line(of: nothing) == ",model.x.weight,E,0.0,,0.0,0.0,,\n")
  }

  @Test func `positions are rows of layer, weight, position and norm`() {
    let flow = Flow(
      point: makePoint(layers: 1), loss: 1, weights: [],
      positions: [
        PositionFlow(layer: nil, parameter: "wte", weight: "E", norms: [0.5, 0]),
        PositionFlow(layer: 0, parameter: "q", weight: "W_Q", norms: [0.25]),
      ])
    #expect(
      CSV.document(PositionRecord.rows(of: flow))
        == "layer,weight,position,norm,parameter\n,E,0,0.5,wte\n,E,1,0.0,wte\n0,W_Q,0,0.25,q\n")
  }

  @Test func `records make a JSON array`() throws {
    let records = [weight(.query, layer: 0, silent: 0), weight(.head, layer: nil, silent: 1)]
    for count in 0...2 {
      let text = JSONObject.text(ofAll: Array(records.prefix(count)))
      let objects = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
      #expect(objects?.count == count && text.hasSuffix("]\n"))
      #expect(
        objects?.first.map { $0["weight"] as? String == "W_Q" && $0["cosine"] is NSNull } ?? true)
    }
  }

  // MARK: The table

  @Test func `exact zeros are none, in the seed's form`() {
    let text = FlowTable.text(
      of: Flow(point: makePoint(layers: 1), loss: 5, weights: layer(0, isSilent: true)))
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.contains { $0.contains("W_Q") && $0.contains("✗ none           ✓ yes  0.500") })
    #expect(lines.contains { $0.contains("W_K") && $0.contains("✓ yes  1.00      ✓ yes  0.500") })
    #expect(
      sentences(Flow(point: makePoint(layers: 1), weights: layer(0, isSilent: true)))
        == [
          "In layer 0 prefix rows give exactly nothing to W_Q, W_O, W_up and W_down, and feed W_K "
            + "and W_V."
        ])
  }

  @Test func `a zero that is not exact is no none`() {
    let flow = Flow(
      point: makePoint(layers: 1), weights: [weight(.query, layer: 0, silent: 1e-300)])
    #expect(!FlowTable.text(of: flow).contains("✗"))
    #expect(sentences(flow) == ["In layer 0 prefix rows feed W_Q."])
  }

  @Test func `that the table holds in the last layer only is said where it does`() {
    let only = "So what holds for a single layer"
    func says(_ weights: [WeightFlow]) -> [String] {
      sentences(Flow(point: makePoint(layers: 2), weights: weights))
    }
    let below = says(layer(0, isSilent: false) + layer(1, isSilent: true))
    #expect(below.count == 3 && below[2].hasPrefix(only))
    #expect(below[0] == "In layer 0 prefix rows feed W_Q, W_K, W_V, W_O, W_up and W_down.")
    #expect(below[1].hasPrefix("In layer 1, the last, prefix rows give exactly nothing to W_Q, "))
    for weights in [
      layer(0, isSilent: true) + layer(1, isSilent: true),
      layer(0, isSilent: true) + layer(1, isSilent: false),
      layer(0, isSilent: false) + layer(1, isSilent: false),
    ] { #expect(!says(weights).contains { $0.hasPrefix(only) }) }
  }

  @Test func `the boundary row is named where it alone gives`() {
    let point = makePoint(layers: 1, .nextToken)
    let alone = Flow(point: point, weights: layer(0, isSilent: true, boundary: 0.125))
    #expect(FlowTable.text(of: alone).contains("✗ only row 3     ✓ yes  0.125"))
    #expect(FlowTable.text(of: alone).contains("its row 3"))
    #expect(
      sentences(alone).last?.hasPrefix("Row 3 belongs to the prefix and carries loss") == true)
    #expect(sentences(alone).first?.contains("prefix rows before row 3 give exactly") == true)
    let beside = Flow(point: point, weights: layer(0, isSilent: false, boundary: 0.125))
    #expect(!FlowTable.text(of: beside).contains("✗"))
    #expect(!sentences(beside).contains { $0.hasPrefix("Row 3") })
  }

  @Test func `without a prefix, or with one row that carries loss, this is said`() {
    #expect(
      sentences(Flow(point: makePoint(layers: 1, nC: 0), weights: layer(0, isSilent: true)))
        == ["There is no prefix: all gradient is from generated rows."])
    let one = makePoint(layers: 1, nC: 1, .nextToken)
    #expect(
      sentences(Flow(point: one, weights: layer(0, isSilent: true, boundary: 1)))
        == ["The prefix is row 0 alone, and it carries loss."])
  }

  @Test func `many layers that are alike are shown as one`() {
    let weights =
      [weight(.embedding, layer: nil, silent: 1)]
      + (0..<12).flatMap { layer($0, isSilent: $0 == 11) } + [weight(.head, layer: nil, silent: 0)]
    let lines = FlowTable.text(of: Flow(point: makePoint(layers: 12), weights: weights))
      .split(separator: "\n").map(String.init)
    #expect(lines.filter { $0.contains("W_K") && $0.contains("✓") }.count == 2)
    #expect(lines.contains { $0.hasPrefix("0–10") && $0.contains("✓ yes  1.00 … 11.0") })
    #expect(lines.contains { $0.hasPrefix("11 ") && $0.contains("✗ none") })
    #expect(lines.contains { $0.hasPrefix("In layers 0 to 10 prefix rows feed W_Q, W_K,") })
  }

  @Test func `norms of one layer are told apart by their module`() {
    let text = FlowTable.text(
      of: Flow(
        point: makePoint(layers: 1),
        weights: [
          weight(.attentionNorm, layer: 0, silent: 1, parameter: "transformer.h.0.ln_1.weight"),
          weight(.attentionNorm, layer: 0, silent: 0, parameter: "transformer.h.0.ln_2.weight"),
        ]))
    #expect(text.contains("       ln_2"))
    #expect(text.contains("nothing to ln_2, and feed ln_1."))
  }
}
