import Foundation

// Each op of the reference decoder beside its gradient, for one sequence of n rows. Buffers are
// row-major; the gradients of rows that are not live stay zero.

// MARK: Linear

/// `y = W x` for every row: `x` `[n, inputs]`, `w` `[outputs, inputs]`, `y` `[n, outputs]`.
func linear(_ x: [Double], _ w: [Double], inputs: Int, outputs: Int) -> [Double] {
  let n = x.count / inputs
  var y = zeros(n * outputs)
  for row in 0..<n {
    for o in 0..<outputs {
      var total = 0.0
      for i in 0..<inputs { total += w[o * inputs + i] * x[row * inputs + i] }
      y[row * outputs + o] = total
    }
  }
  return y
}

/// `dx = Wᵀ dy` for live rows and `dW += Σ dy xᵀ` over counted rows.
func linearBackward(
  _ dy: [Double], x: [Double], _ w: [Double], inputs: Int, outputs: Int, rows: GradientRows,
  into dW: inout [Double]
) -> [Double] {
  var dx = zeros(x.count)  // [n, inputs]
  for row in rows.live {
    for o in 0..<outputs {
      let signal = dy[row * outputs + o]
      for i in 0..<inputs { dx[row * inputs + i] += signal * w[o * inputs + i] }
    }
  }
  for row in rows.counted {
    for o in 0..<outputs {
      let signal = dy[row * outputs + o]
      for i in 0..<inputs { dW[o * inputs + i] += signal * x[row * inputs + i] }
    }
  }
  return dx
}

// MARK: RMSNorm

/// `y = x / sqrt(mean(x²) + ε) · w` for every row of `x` `[n, width]`.
func rmsNorm(_ x: [Double], weight: [Double], epsilon: Double) -> [Double] {
  let width = weight.count
  var y = zeros(x.count)  // [n, width]
  for row in 0..<x.count / width {
    let scale = inverseRootMeanSquare(x, row: row, width: width, epsilon: epsilon)
    for i in 0..<width { y[row * width + i] = x[row * width + i] * scale * weight[i] }
  }
  return y
}

/// `dx = s · (g − x̂ · mean(g ∘ x̂))` with `x̂ = s x` and `g = dy ∘ w`; `dw += Σ dy ∘ x̂`.
func rmsNormBackward(
  _ dy: [Double], x: [Double], weight: [Double], epsilon: Double, rows: GradientRows,
  into dWeight: inout [Double]
) -> [Double] {
  let width = weight.count
  var dx = zeros(x.count)  // [n, width]
  for row in rows.live {
    let scale = inverseRootMeanSquare(x, row: row, width: width, epsilon: epsilon)
    var mean = 0.0  // of g ∘ x̂
    for i in 0..<width {
      let at = row * width + i
      mean += dy[at] * weight[i] * x[at] * scale / Double(width)
    }
    for i in 0..<width {
      let at = row * width + i
      dx[at] = scale * (dy[at] * weight[i] - x[at] * scale * mean)
      if rows.counted.contains(row) { dWeight[i] += dy[at] * x[at] * scale }
    }
  }
  return dx
}

private func inverseRootMeanSquare(
  _ x: [Double], row: Int, width: Int, epsilon: Double
) -> Double {
  var total = 0.0
  for i in 0..<width { total += x[row * width + i] * x[row * width + i] }
  return 1 / (total / Double(width) + epsilon).squareRoot()
}

// MARK: Rotary positions

/// Turns the pairs `(i, i + d_head/2)` of every head by `direction · row · frequencies[i]`.
///
/// `x` is `[n, heads, d_head]`. The transpose of a rotation turns back: `direction` −1 is the
/// gradient of `direction` 1.
func rotate(
  _ x: [Double], heads: Int, frequencies: [Double], direction: Double
) -> [Double] {
  let half = frequencies.count
  let dHead = 2 * half
  var y = zeros(x.count)  // [n, heads, d_head]
  for row in 0..<x.count / (heads * dHead) {
    for head in 0..<heads {
      for i in 0..<half {
        let angle = direction * Double(row) * frequencies[i]
        let first = (row * heads + head) * dHead + i
        let second = first + half
        y[first] = x[first] * cos(angle) - x[second] * sin(angle)
        y[second] = x[second] * cos(angle) + x[first] * sin(angle)
      }
    }
  }
  return y
}

// MARK: Attention

/// `o = P v` with `P = softmax(q · k / √d_head)` over keys no later than the row.
///
/// `q`, `o` are `[n, heads, d_head]`, `k`, `v` `[n, kv_heads, d_head]`, `P` `[heads, n, n]`.
func attention(
  q: [Double], k: [Double], v: [Double], heads: Int, kvHeads: Int, dHead: Int
) -> (o: [Double], probabilities: [Double]) {
  let n = q.count / (heads * dHead)
  var o = zeros(q.count)
  var p = zeros(heads * n * n)
  for head in 0..<heads {
    let kvHead = head / (heads / kvHeads)
    for row in 0..<n {
      let query = (row * heads + head) * dHead  // where this row's q and o start
      let line = (head * n + row) * n  // where this row's probabilities start
      var greatest = -Double.infinity
      for key in 0...row {
        var score = 0.0
        for i in 0..<dHead { score += q[query + i] * k[(key * kvHeads + kvHead) * dHead + i] }
        p[line + key] = score / Double(dHead).squareRoot()
        greatest = max(greatest, p[line + key])
      }
      var total = 0.0
      for key in 0...row {
        p[line + key] = exp(p[line + key] - greatest)
        total += p[line + key]
      }
      for key in 0...row {
        p[line + key] /= total
        for i in 0..<dHead {
          o[query + i] += p[line + key] * v[(key * kvHeads + kvHead) * dHead + i]
        }
      }
    }
  }
  return (o, p)
}

/// The gradients of `attention`; keys and values of rows that are not live take none.
///
/// `dV_j = Σ_i P_ij dO_i`, `dP_ij = dO_i · V_j`, `dS_ij = P_ij (dP_ij − Σ_j P_ij dP_ij) / √d_head`,
/// `dQ_i = Σ_j dS_ij K_j`, `dK_j = Σ_i dS_ij Q_i`; query heads that share a key head add up.
func attentionBackward(
  _ dO: [Double], q: [Double], k: [Double], v: [Double], probabilities p: [Double],
  heads: Int, kvHeads: Int, dHead: Int, rows: GradientRows
) -> (dQ: [Double], dK: [Double], dV: [Double]) {
  let n = q.count / (heads * dHead)
  var dQ = zeros(q.count)  // [n, heads, d_head]
  var dK = zeros(k.count)  // [n, kv_heads, d_head]
  var dV = zeros(v.count)  // [n, kv_heads, d_head]
  for head in 0..<heads {
    let kvHead = head / (heads / kvHeads)
    for row in rows.live {
      let query = (row * heads + head) * dHead
      let line = (head * n + row) * n
      var dP = zeros(row + 1)  // [keys]
      var mean = 0.0  // Σ_j P_ij dP_ij
      for key in 0...row {
        for i in 0..<dHead { dP[key] += dO[query + i] * v[(key * kvHeads + kvHead) * dHead + i] }
        mean += p[line + key] * dP[key]
      }
      for key in 0...row {
        let dScore = p[line + key] * (dP[key] - mean) / Double(dHead).squareRoot()
        for i in 0..<dHead {
          let at = (key * kvHeads + kvHead) * dHead + i
          dQ[query + i] += dScore * k[at]
          if rows.live.contains(key) {
            dK[at] += dScore * q[query + i]
            dV[at] += p[line + key] * dO[query + i]
          }
        }
      }
    }
  }
  return (dQ, dK, dV)
}

// MARK: MLP

/// `silu(gate) ∘ up` with `silu(g) = g σ(g)`; all `[n, d_ff]`.
func swiGLU(gate: [Double], up: [Double]) -> [Double] {
  zip(gate, up).map { g, u in g * sigmoid(g) * u }
}

/// `dGate = dy u σ(g) (1 + g (1 − σ(g)))` and `dUp = dy silu(g)`; all `[n, d_ff]`.
func swiGLUBackward(
  _ dy: [Double], gate: [Double], up: [Double]
) -> (dGate: [Double], dUp: [Double]) {
  var dGate = zeros(gate.count)
  var dUp = zeros(up.count)
  for i in dy.indices {
    let g = gate[i]
    dGate[i] = dy[i] * up[i] * sigmoid(g) * (1 + g * (1 - sigmoid(g)))
    dUp[i] = dy[i] * g * sigmoid(g)
  }
  return (dGate, dUp)
}

private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

// MARK: Loss

/// `Σ −log softmax(logits[row])[labels[row + 1]] / divisor` over `rows`, and its gradient.
///
/// `logits` and the gradient are `[n, vocab]`, `labels` are the sequence's tokens.
func crossEntropy(
  _ logits: [Double], labels: [Int], rows: Range<Int>, vocab: Int, divisor: Int
) -> (loss: Double, dLogits: [Double]) {
  var loss = 0.0
  var dLogits = zeros(logits.count)
  for row in rows {
    let label = labels[row + 1]
    let line = logits[row * vocab..<(row + 1) * vocab]
    let greatest = line.reduce(-Double.infinity, max)
    let logSumExp = greatest + log(line.reduce(0) { $0 + exp($1 - greatest) })
    loss += (logSumExp - logits[row * vocab + label]) / Double(divisor)
    for token in 0..<vocab {
      let probability = exp(logits[row * vocab + token] - logSumExp)
      dLogits[row * vocab + token] = (probability - (token == label ? 1 : 0)) / Double(divisor)
    }
  }
  return (loss, dLogits)
}

// MARK: Arrays

func zeros(_ count: Int) -> [Double] { Array(repeating: 0, count: count) }

func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }
