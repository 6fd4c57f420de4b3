import Foundation

/// Values of axes of texts, for a gpt2 model.
package enum AxisSamples {
  /// A value that is not the default; of an adapter a directory, with its configuration alone.
  package static func text(of axis: String) throws -> String {
    switch axis {
    case "lengths": return "3+2,1+4"
    case "lora": return "r=2,alpha=4,targets=c_attn"
    case "adapter":
      let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("ballast-adapter-\(ProcessInfo.processInfo.processIdentifier)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let configuration = #"{"peft_type": "LORA", "r": 2, "target_modules": ["c_attn"]}"#
      try Data(configuration.utf8).write(
        to: folder.appendingPathComponent("adapter_config.json"), options: .atomic)
      return folder.path
    default: return "attn"
    }
  }
}
