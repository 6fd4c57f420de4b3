import TestSupport
import Testing

private typealias Name = ReferenceDecoder.Name

@Suite struct `The reference decoder` {
  @Test(arguments: Case.all)
  func `has the gradients that finite differences find`(_ test: Case) {
    let (decoder, batch) = test.drawn
    let step = decoder.step(on: batch)
    let differences = centralDifferences(around: decoder) { $0.loss(of: batch) }
    #expect(step.loss == decoder.loss(of: batch))
    expectEqual(step.gradients, differences, within: 1e-6)
    // Nothing is zero by accident: every parameter has a gradient to be wrong about.
    for (name, gradient) in step.gradients { #expect(norm(gradient) > 1e-4, "\(name)") }
  }

  @Test(arguments: Case.withPrefix)
  func `takes keys and values before the cut as constants`(_ test: Case) {
    let (decoder, batch) = test.drawn
    for cut in 1...max(batch.rowsWithLoss.lowerBound, 1)
    where cut <= batch.rowsWithLoss.lowerBound {
      let step = decoder.step(on: batch, cut: cut)
      let differences = centralDifferences(around: decoder) {
        $0.loss(of: batch, cut: cut, prefixFrom: decoder)
      }
      #expect(step.loss == decoder.loss(of: batch))
      #expect(step.loss == decoder.loss(of: batch, cut: cut, prefixFrom: decoder))
      expectEqual(step.gradients, differences, within: 1e-6)
    }
  }

  @Test(arguments: Case.all)
  func `splits each gradient into parts of rows that sum to the whole`(_ test: Case) {
    let (decoder, batch) = test.drawn
    let whole = decoder.step(on: batch).gradients
    let parts = (0..<batch.rows).map {
      decoder.step(on: batch, rows: $0..<$0 + 1).gradients
    }
    for (name, gradient) in whole {
      let total = parts.reduce(gradient.map { _ in 0 }) { total, part in
        zip(total, part[name] ?? []).map { $0 + $1 }
      }
      #expect(relativeL2(total, gradient) < 1e-12, "\(name)")
    }
  }

  @Test func `gives no prefix gradient but keys' and values' in one layer, as the seed's table`() {
    let (decoder, batch) = Case.all[1].drawn
    let prefix = decoder.step(on: batch, rows: 0..<batch.prefixLength).gradients
    expectSeedTable(prefix, layer: 0)
    #expect(norm(prefix[Name.finalNorm] ?? []) == 0)
    #expect(norm(prefix[Name.head] ?? []) == 0)
    #expect(norm(prefix[Name.embedding] ?? []) > 1e-3)
  }

  @Test func `gives every weight below the last layer prefix gradient`() {
    let (decoder, batch) = Case.all[3].drawn
    let prefix = decoder.step(on: batch, rows: 0..<batch.prefixLength).gradients
    for weight in weights(of: 0) { #expect(norm(prefix[weight] ?? []) > 1e-3, "\(weight)") }
    expectSeedTable(prefix, layer: 1)
  }

  @Test func `gives the last prefix row alone a loss gradient under next-token rows`() {
    let (decoder, batch) = Case.all[0].drawn
    let last = batch.prefixLength - 1
    expectSeedTable(decoder.step(on: batch, rows: 0..<last).gradients, layer: 0)
    let boundary = decoder.step(on: batch, rows: last..<last + 1).gradients
    for weight in weights(of: 0) { #expect(norm(boundary[weight] ?? []) > 1e-3, "\(weight)") }
  }

  @Test func `detached at the prefix, one layer has the generated rows' part`() {
    let (decoder, batch) = Case.all[1].drawn
    let detached = decoder.step(on: batch, cut: batch.prefixLength).gradients
    let generated = decoder.step(on: batch, rows: batch.prefixLength..<batch.rows).gradients
    expectEqual(detached, generated, within: 1e-15)
  }

  @Test func `detached at the prefix, two layers lose more than the prefix rows' part`() {
    let (decoder, batch) = Case.all[3].drawn
    let detached = decoder.step(on: batch, cut: batch.prefixLength).gradients
    let generated = decoder.step(on: batch, rows: batch.prefixLength..<batch.rows).gradients
    let whole = decoder.step(on: batch).gradients
    let (q0, q1) = (Name.q(0), Name.q(1))
    #expect(relativeL2(detached[q0] ?? [], whole[q0] ?? []) > 0.01)
    #expect(relativeL2(detached[q1] ?? [], whole[q1] ?? []) < 1e-15)
    #expect(relativeL2(generated[q0] ?? [], whole[q0] ?? []) > 0.01)
  }

  @Test func `has the gradient of a batch as the mean of its sequences'`() {
    let (decoder, batch) = Case.all[3].drawn
    let whole = decoder.step(on: batch)
    let single = batch.tokens.map { tokens in
      decoder.step(
        on: ReferenceDecoder.Batch(
          tokens: [tokens], prefixLength: batch.prefixLength, lossRows: batch.lossRows))
    }
    #expect(abs(whole.loss - (single[0].loss + single[1].loss) / 2) < 1e-14)
    for (name, gradient) in whole.gradients {
      let mean = zip(single[0].gradients[name] ?? [], single[1].gradients[name] ?? [])
        .map { ($0 + $1) / 2 }
      #expect(relativeL2(gradient, mean) < 1e-13, "\(name)")
    }
  }

  @Test func `sees no token after the row that it predicts from`() {
    let (decoder, batch) = Case.all[1].drawn
    var changed = batch
    changed.tokens[0][4] = (batch.tokens[0][4] + 1) % 7
    let (before, after) = (decoder.logits(of: batch)[0], decoder.logits(of: changed)[0])
    #expect(before[..<(4 * 7)] == after[..<(4 * 7)])
    #expect(before[(4 * 7)...] != after[(4 * 7)...])
  }

  // MARK: Helpers

  private func expectEqual(
    _ a: [String: [Double]], _ b: [String: [Double]], within tolerance: Double,
    _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(a.keys.sorted() == b.keys.sorted(), sourceLocation: location)
    for (name, values) in a.sorted(by: { $0.key < $1.key }) {
      let error = relativeL2(values, b[name] ?? [])
      #expect(error <= tolerance, "\(name): \(error)", sourceLocation: location)
    }
  }

  /// The seed's table: W_K and W_V get gradient from the prefix; W_Q, W_O and the MLP get none.
  private func expectSeedTable(
    _ prefix: [String: [Double]], layer: Int, _ location: SourceLocation = #_sourceLocation
  ) {
    for weight in weights(of: layer) {
      let size = norm(prefix[weight] ?? [])
      if [Name.k(layer), Name.v(layer)].contains(weight) {
        #expect(size > 1e-3, "\(weight)", sourceLocation: location)
      } else {
        #expect(size == 0, "\(weight)", sourceLocation: location)
      }
    }
  }

  private func weights(of layer: Int) -> [String] {
    [
      Name.q(layer), Name.k(layer), Name.v(layer), Name.o(layer), Name.gate(layer),
      Name.up(layer), Name.down(layer),
    ]
  }
}
