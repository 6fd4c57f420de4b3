import ArgumentParser
import Files
import Foundation
import Measurement
import Retention
import Values

/// The options of a point; they are the same words as a profile's keys.
struct PointOptions: ParsableArguments {
  @Option(
    help: "\(ModelHelp.sources) holding one and perhaps model.safetensors.",
    completion: .words(ModelSource.names, orFiles: ["json"]))
  var model: String?
  @Option(
    help: ArgumentHelp(
      """
      Weights of the model: a safetensors file, an index of shards, or a directory with either \
      (default: those in the model's directory, or else drawn from the seed).
      """, valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors", "json"]))
  var weights: String?
  @Option(
    help: ArgumentHelp(
      """
      Tokens: an object {"tokens": [...]} with a list of numbers, or with one such list a \
      sequence; the first n_c + n_g of each are read, and one more for loss rows generated \
      (default: drawn from the seed).
      """, valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var tokens: String?
  @OptionGroup var axes: AxisOptions
  @OptionGroup var memory: MemoryOption

  /// What the options describe, with the files that they name looked at.
  struct Parsed {
    let planned: PlannedPoint
    let tokens: TokenFile?
    /// Sentences for standard error.
    let notes: [String]
  }

  /// The files and directories that are read, under their options.
  var inputs: [NamedFile] {
    [tokens.map { NamedFile("--tokens", $0) }].compactMap(\.self)
      + ModelInputs.files(
        model: model, weights: weights, adapter: axes.text(of: "adapter"),
        names: ("--model", "--weights", "--adapter"))
  }

  /// Reads and checks the options.
  ///
  /// What is given is checked before what is missing is asked for.
  ///
  /// - Throws: `ValueError`, `PointError` or `ModelError` for what cannot be; the reader's own
  ///   error for a file that cannot be used.
  func parsed() throws -> Parsed {
    let tokens = try tokens.map { try TokenFile.read($0) }
    let request = try request(tokens)
    let planned = try request.planned(standsAlone: true)
    try requireGiven(planned.point)
    try Checkpoints().check(planned)
    try tokens?.check(planned.point)
    let note = tokens?.note(for: [planned])
    return Parsed(
      planned: planned, tokens: tokens, notes: request.notes + (note.map { [$0] } ?? []))
  }

  private func request(_ tokens: TokenFile?) throws -> PointRequest {
    var request = PointRequest(model: try ModelSource.resolve(model ?? "seed"))
    request.threads = ProcessInfo.processInfo.activeProcessorCount
    request.weights = weights
    request.settings = try axes.settings()
    if request.settings["lengths"] == nil, let lengths = tokens?.lengths {
      request.settings["lengths"] = AxisValue(Lengths?.some(lengths))
    }
    try request.settings.requireLengthsAlone()
    // Stand-ins, until it is known that everything else is right.
    for axis in AxisOptions.axes where axis.isRequired && request.settings[axis.name] == nil {
      request.settings[axis.name] = AxisValue(4)
    }
    return request
  }

  private func requireGiven(_ point: Point) throws {
    let given = Set(axes.texts.map(\.axis.name))
    let missing = AxisOptions.axes.filter {
      $0.isRequired && !given.contains($0.name) && point.lengths == nil
    }
    let options = (model == nil ? ["--model"] : []) + missing.map { "--\($0.option)" }
    guard options.isEmpty else {
      throw UsageError("\(options.joined(separator: " and ")) must be given")
    }
  }
}

extension WrittenValue {
  /// What an option was given; nil for nothing.
  static func given(_ text: String?, for option: String) throws(ValueError) -> Self? {
    guard let text else { return nil }
    return try Self(text, for: option)
  }
}

/// The memory that a step may use.
struct MemoryOption: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: """
      Most bytes of a step, such as 80GiB, 512MiB, 4096 (default: what is available; on shapes, no \
      limit).
      """)
  var memory: String?

  /// The limit in bytes; nil if none was given.
  func given() throws(ValueError) -> Int? { try ByteSize.given(memory, for: "memory")?.bytes }
}
