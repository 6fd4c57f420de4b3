import Files
import Spelling
import Tensors
package import Transformer

/// A Hugging Face `config.json`, read into a `DecoderConfiguration`.
///
/// Absent fields take the defaults of transformers' configuration classes. What Ballast does not
/// build is refused with a sentence naming the field; nothing that changes the model is ignored.
package struct HuggingFaceConfiguration: Equatable, Sendable {
  package let decoder: DecoderConfiguration
  /// Sentences about what the file asks for and a measurement decides otherwise.
  package let notes: [String]
  /// Whether the file is of a larger model, of which this is the text model; its weights have other
  /// names.
  package let isPart: Bool

  /// The most bytes of a `config.json`.
  package static let maximumBytes = 4 << 20

  /// Reads a `config.json`, or the one in a directory.
  ///
  /// - Throws: `ConfigurationError` naming the file.
  package static func read(_ path: String) throws(ConfigurationError) -> HuggingFaceConfiguration {
    try read(path, isInside: false)
  }

  private static func read(
    _ path: String, isInside: Bool
  ) throws(ConfigurationError) -> HuggingFaceConfiguration {
    let bytes: [UInt8]
    do throws(OpenedFile.Failure) {
      bytes = try OpenedFile(path).contents(most: maximumBytes)
    } catch {
      if error.isDirectory && !isInside {
        return try read(Paths.join(path, "config.json"), isInside: true)
      }
      if error.isMissing && isInside {
        throw ConfigurationError(
          file: path,
          "is missing; a model's directory holds a config.json, as save_pretrained writes")
      }
      throw ConfigurationError(file: path, error.sentence)
    }
    return try HuggingFaceConfiguration(bytes, file: path)
  }

  /// Reads the bytes of a `config.json`; `file` names them in errors.
  ///
  /// - Throws: `ConfigurationError` with the first thing that is wrong.
  package init(_ bytes: [UInt8], file: String) throws(ConfigurationError) {
    if bytes.count > Self.maximumBytes {
      throw ConfigurationError(file: file, "is longer than \(Self.maximumBytes) bytes")
    }
    let json: JSON
    do throws(JSONError) {
      json = try JSONParser.parse(bytes)
    } catch {
      throw ConfigurationError(file: file, error.sentence)
    }
    guard case .object(let members) = json else {
      throw ConfigurationError(file: file, "must hold a JSON object, not \(json.kind)")
    }
    var notes: [String] = []
    var fields = ConfigurationFields(members, file: file)
    isPart = try Self.enterTextModel(&fields, members, notes: &notes)
    let family = try Self.family(&fields)
    try Self.refuseOtherHeads(family, &fields, notes: &notes)
    var decoder =
      family == .gpt2 ? try Self.gpt2(&fields) : try Self.llamaType(family, &fields)
    decoder.dtype = try Self.dtype(&fields, notes: &notes)
    notes += Self.notesOnRunning(&fields)
    if let note = try fields.refuseTheRest(family) { notes.append(note) }
    self.decoder = decoder
    self.notes = notes + fields.notes
  }

  private static func family(
    _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration.Family {
    let names = DecoderConfiguration.Family.allCases.map(\.rawValue).joined(separator: ", ")
    guard let type = try fields.optionalString("model_type") else {
      throw fields.error("has no \"model_type\"; it must be one of \(names)")
    }
    guard let family = DecoderConfiguration.Family(rawValue: type) else {
      throw fields.error(
        "model_type \(quoted(type)) is not built; Ballast has \(names); PyTorch's own step of it "
          + "is measured by ballast-probe run --model "
          + shellQuoted(fields.file.hasPrefix("-") ? "./\(fields.file)" : fields.file) + " "
          + "--n-c 1024 --n-g 128")
    }
    fields.modelType = type
    return family
  }

  /// `dtype`, or `torch_dtype` before transformers 4.56; nil where it is not one of Ballast's.
  private static func dtype(
    _ fields: inout ConfigurationFields, notes: inout [String]
  ) throws(ConfigurationError) -> DType? {
    let new = try fields.optionalString("dtype")
    let old = try fields.optionalString("torch_dtype")
    guard let given = new ?? old else { return nil }
    let name = given.hasPrefix("torch.") ? String(given.dropFirst(6)) : given
    if let dtype = DType.numeric.first(where: { $0.rawValue == name }) { return dtype }
    guard name == "float64" else {
      let field = new == nil ? "torch_dtype" : "dtype"
      throw fields.error(
        "\(quoted(field)) must be float32, bfloat16, float16 or float64, not \(quoted(name))")
    }
    notes.append(
      "\(fields.file): \(name) is not built; float32 stands in for it unless --dtype says otherwise"
    )
    return nil
  }

  // MARK: Shared by the families

  /// The largest sizes, the same that a point may have.
  enum Limit {
    static let layers = 1...4096
    static let width = 1...(1 << 20)
    static let heads = 1...(1 << 16)
    static let inner = 1...(1 << 24)
    static let vocab = 1...(1 << 24)
    static let positions = 1...(1 << 30)
  }

  static func epsilon(
    _ name: String, default fallback: Double, _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> Float {
    Float(
      try fields.number(name, default: fallback, "a number from 1e-30 to below 1") {
        $0 >= 1e-30 && $0 < 0.99
      })
  }
}
