package import Ledger
import OrderedCollections
package import Reporting
package import Retention
import Spelling

/// Retained bytes as stacks of mode, layer, op and tensor, for the tools that draw flame graphs.
package struct Stacks {
  /// Frames from the outermost to the tensor, and bytes; in the order of first saving.
  private let stacks: [(frames: [String], bytes: Int)]
  private let name: String

  /// The stacks of what a step retains; equal ones are one.
  package init(of saved: [SavedStorage], point: Point) {
    var stacks: OrderedDictionary<[String], Int> = [:]
    for storage in saved {
      let tensor = TensorBytes(storage)
      let frames = [
        point.mode.name.rawValue, tensor.layer.map { "layer \($0)" } ?? "ends", tensor.op,
        tensor.tensor,
      ]
      stacks[frames, default: 0] += tensor.bytes * storage.copies
    }
    self.init(stacks, of: point)
  }

  /// The stacks of what a recorded step retains.
  package init(of rows: [LedgerRecord], point: Point) {
    var stacks: OrderedDictionary<[String], Int> = [:]
    for row in rows {
      let layer = row.layer.map { "layer \($0)" } ?? "ends"
      stacks[[point.mode.name.rawValue, layer, row.op, row.tensor], default: 0] +=
        row.requestedBytes
    }
    self.init(stacks, of: point)
  }

  private init(_ stacks: OrderedDictionary<[String], Int>, of point: Point) {
    self.stacks = stacks.map { (frames: $0.key, bytes: $0.value) }
    name = "\(point.modelName), \(point.mode.name.rawValue), n_c \(point.nC), n_g \(point.nG)"
  }

  /// A line a stack, `mode;layer;op;tensor bytes`, as `flamegraph.pl` reads them.
  package var collapsed: String {
    stacks.map { stack in
      // A semicolon or a line break would end a frame.
      let frames = stack.frames.map { frame in
        String(frame.map { $0 == ";" || $0.isNewline ? " " : $0 })
      }
      return "\(frames.joined(separator: ";")) \(stack.bytes)\n"
    }.joined()
  }

  /// The same as a sampled profile in bytes, in speedscope's own format
  /// (https://www.speedscope.app/file-format-schema.json).
  package var speedscope: String {
    var names: OrderedSet<String> = []
    let samples = stacks.map { stack in stack.frames.map { names.append($0).index } }
    let total = stacks.reduce(0) { $0 + $1.bytes }
    let profile = JSONText.object([
      ("type", .string("sampled")), ("name", .string("retained")), ("unit", .string("bytes")),
      ("startValue", .integer(0)), ("endValue", .integer(total)),
      ("samples", .array(samples.map { .integers($0) })),
      ("weights", .integers(stacks.map(\.bytes))),
    ])
    let frames = names.map { JSONText.object([("name", .string($0))]) }
    return JSONText.object(
      [
        ("$schema", .string("https://www.speedscope.app/file-format-schema.json")),
        ("exporter", .string("ballast")), ("name", .string(name)),
        ("activeProfileIndex", .integer(0)),
        ("shared", .object([("frames", .array(frames))])), ("profiles", .array([profile])),
      ], .rows
    ).text + "\n"
  }
}
