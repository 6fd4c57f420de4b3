import Foundation
import TestSupport
import Testing

/// Every refusal is one sentence on standard error, nothing on standard output, and a status.
@Suite struct RefusalTests {
  /// Arguments of `measure`, and what the sentence says.
  static let usage: [(String, String)] = [
    ("--model seed --n-g 4 --n-c -1", "--n-c must be 0"),
    ("--model seed --n-g 4 --n-c -1", "not -1"),
    ("--n-c -1", "not -1"),
    ("--model seed --n-c 4 --n-g 0", "--n-g must be 1"),
    ("--model seed --n-c 0 --n-g 1", "no row carries loss"),
    ("--model seed --n-c 4 --n-g 4 --d-model 65", "d_model 65 is not divisible by heads 4"),
    ("--model seed --n-c 4 --n-g 4 --kv-heads 3", "heads 4 is not divisible by kv_heads 3"),
    ("--model seed --n-c 4 --n-g 4 --heads 0", "--heads must be 1"),
    ("--model seed --n-c 4 --n-g 4 --mode full-grph", "unknown mode \"full-grph\""),
    ("--model seed --n-c 4 --n-g 4 --mode full-grph", "did you mean \"full-graph\", one of"),
    ("--model seed --n-c 4 --n-g 4 --mode x", "full-graph, pruned-graph, detached-prefix"),
    ("--model seed --n-c 4 --n-g 4 --recompute layers", "did you mean \"layer\""),
    ("--model seed --n-c 4 --n-g 4 --format xml", "unknown format \"xml\""),
    ("--model sed --n-c 4 --n-g 4", "did you mean \"seed\""),
    ("--model seed", "--n-c and --n-g must be given"),
    ("--n-c 4 --n-g 4", "--model must be given"),
    ("--model seed --n-c 4 --n-g 4 --memory 12Gib", "is not a size"),
    ("--model seed --n-c 4 --n-g 4 --memory -5", "is not a size"),
    ("--model seed --n-c four --n-g 4", "--n-c must be a whole number, not four"),
    ("--model seed --n-c 99999999999999999999 --n-g 4", "does not fit 64 bits"),
    ("--model seed --n-c 4 --n-g 4 --seed -1", "--seed must be 0 or more, not -1"),
    ("--model seed --n-c 4 --n-g 4 --dropout lots", "--dropout must be a number, not lots"),
    ("--model seed --n-c 4 --n-g 4 --trainable (", "is not a regular expression"),
    ("--model seed --n-c 9223372036854775807 --n-g 9223372036854775807", "--n-c must be"),
    ("--model seed --n-c 4 --n-g 4 --threads 0", "--threads must be 1"),
    ("--model seed --n-c 4 --n-g 4 --batch -3", "--batch must be 1"),
    ("--model seed --n-c 4 --n-g 4 --keep-prefix 2", "mode detached-prefix, not with full-graph"),
    ("--model seed --n-c 4 --n-g 4 --mode detached-prefix --keep-prefix 5", "than the prefix has"),
    (
      "--model seed --n-c 4 --n-g 4 --mode detached-prefix --keep-prefix 9223372036854775807",
      "--keep-prefix must be 0 to"
    ),
    ("--model seed --n-c 4 --n-g 4 --kv-gradients activations", "goes with mode replayed-prefix"),
    ("--model seed --n-c 4 --n-g 4 --recipe transformers-sdpa", "use backend shape"),
    (
      "--model seed --n-c 4 --n-g 4 --recipe transformers-sdpa --backend shape --mode pruned-graph",
      "goes with mode full-graph or detached-prefix, not pruned-graph"
    ),
    ("--model llama-3.1-405b --n-c 20000 --n-g 4 --batch 1000000", "batch 1000000 is too large"),
    ("--model seed --n-c 4 --n-g 4 --kv-gradients bfloat16", "unknown kv-gradients \"bfloat16\""),
    ("--model seed --n-c 4 --n-g 4 --chunk 9223372036854775807", "--chunk must be 1 to"),
    (
      "--model seed --n-c 4 --n-g 4 --dtype float16",
      "dtype float16 is counted and not computed; use --dtype bfloat16 to compute"
    ),
    ("--model seed --n-c 4 --n-g 4 --head chunky", "did you mean \"chunked\""),
    ("--model seed --n-c 4 --n-g 4 --gradient-errors x --backend shape", "needs --backend cpu"),
    ("--model seed --n-c 4 --n-g 4 --gradient-errors x --json x", "name the same file"),
    ("--model seed --n-c 4 --n-g 4 --gradient-errors x --no-reference", "leave --no-reference out"),
    ("--model seed --lengths 9+4,8+4 --sharing prefix", "n_c 9 and 8; give all the same n_c"),
    ("--model seed --lengths 9+4,9+3 --sharing prefix --suffixes 2", "leave suffixes out"),
    ("--model seed --lengths 9+4,9+3 --sharing prefix --batch 2", "leave batch out"),
    ("--model seed --lengths 9+4,9+3 --sharing prefix --n-g 3", "leave n_g out"),
    ("--model seed --lengths 9+4,9+3 --sharing prefix --layout padded", "goes with sharing none"),
    ("--model seed --n-c 4 --n-g 4 --nc 3", "unknown option '--nc'"),
    ("--model seed --n-c 4 --n-g", "missing value"),
    ("--model seed --n-c 4 --n-g 4 extra", "extra"),
  ]

  @Test(arguments: usage)
  func `wrong usage ends with 64 and one sentence`(arguments: String, part: String) throws {
    let result = try Program.run(["measure"] + arguments.split(separator: " ").map(String.init))
    #expect(result.status == 64)
    #expect(result.output.isEmpty)
    let sentence = try #require(result.sentence, "\(result.errors)")
    #expect(sentence.hasPrefix("ballast: ") && sentence.contains(part), "\(sentence)")
    #expect(sentence.contains("see 'ballast measure --help'"), "\(sentence)")
  }

  /// What its tensors are called says nothing of the text model's.
  @Test func `an adapter of a whole model is refused by name`() throws {
    let folder = try Folder()
    _ = try folder.add(
      "llava.json", #"{"model_type": "llava", "text_config": {"model_type": "llama"}}"#)
    _ = try folder.add("adapter_config.json", #"{"peft_type": "LORA", "r": 4}"#)
    let result = try Program.run(
      ["plan", "--model", "llava.json", "--adapter", ".", "--n-c", "4", "--n-g", "4"],
      in: folder.path)
    #expect(result.status != 0 && result.output.isEmpty)
    #expect(result.sentence?.contains("give its r, lora_alpha and targets with --lora") == true)
  }

  /// Each sentence names what Git LFS left, and says nothing of columns or keys.
  @Test(arguments: ["compare p.csv p.csv", "report .", "sweep p.csv --output x", "check p.csv"])
  func `a pointer of Git LFS is called so in the place of any file`(command: String) throws {
    let folder = try Folder()
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:46\nsize 1\n"
    for name in ["p.csv", "points.csv"] { _ = try folder.add(name, pointer) }
    let result = try Program.run(command.split(separator: " ").map(String.init), in: folder.path)
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("is a Git LFS pointer") == true, "\(result.errors)")
    #expect(result.sentence?.hasSuffix("git lfs pull") == true, "\(result.errors)")
  }

  @Test(arguments: [["frobnicate"], ["sweep"], ["sweep", "x.yaml"], ["--bogus"]])
  func `a wrong command line ends with 64 and one sentence`(arguments: [String]) throws {
    let result = try Program.run(arguments)
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains("--help'") == true, "\(result.errors)")
  }

  @Test func `a model larger than the memory is refused before it runs`() throws {
    let result = try Program.run(
      ["measure", "--model", "seed", "--n-c", "4", "--n-g", "4", "--memory", "1KiB"])
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("more than the limit of 1024 B") == true)
  }

  @Test func `kernels that this processor lacks are refused, and no name is none`() throws {
    let arguments = ["measure", "--model", "seed", "--n-c", "4", "--n-g", "4"]
    let refused = try Program(arguments, environment: ["BALLAST_KERNELS": "avx1024"]).result()
    #expect(refused.status == 1 && refused.output.isEmpty)
    #expect(
      refused.sentence?.contains("BALLAST_KERNELS is \"avx1024\"") == true, "\(refused.errors)")
    for name in ["", "portable", "halves"] {
      let result = try Program(arguments, environment: ["BALLAST_KERNELS": name]).result()
      #expect(result.status == 0, "\(name): \(result.errors)")
    }
  }

  /// A profile's file, or nil for one that is missing, and what the sentence says.
  static let profiles: [(Data?, String)] = [
    (nil, "there is no such file"),
    (Data(), "is empty"),
    (Data("model: seed\0".utf8), "is not UTF-8 text"),
    (Data((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 73) }), "is not UTF-8 text"),
    (Data(repeating: UInt8(ascii: "["), count: 10 << 20), "is larger than 128 KiB"),
    (Data("model: seed\nn_g: 4\nn_cc: 4\n".utf8), "p.yaml:3: unknown key \"n_cc\""),
    (Data("model: seed\nn_g: 4\nn_c: -1\n".utf8), "p.yaml:3: n_c must be 0"),
  ]

  @Test(arguments: profiles)
  func `a profile that is none ends with 1 and one sentence`(data: Data?, part: String) throws {
    let folder = try Folder()
    if let data { _ = try folder.add("p.yaml", data) }
    let result = try Program.run(["sweep", "p.yaml", "--output", "out"], in: folder.path)
    #expect(result.status == 1 && result.output.isEmpty)
    let sentence = try #require(result.sentence, "\(result.errors)")
    #expect(sentence.contains(part), "\(sentence)")
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/out"))
  }

  @Test func `a directory is no profile`() throws {
    let folder = try Folder()
    let result = try Program.run(["sweep", folder.path, "--output", folder.path + "/out"])
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("is a directory") == true)
  }

  @Test(arguments: ["/proc/results", "/dev/null", "/dev/null/results"])
  func `an output folder that cannot be written is refused first`(output: String) throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", "model: seed\nn_c: 4\nn_g: 4\n")
    let result = try Program.run(["sweep", profile, "--output", output])
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("cannot") == true, "\(result.errors)")
  }

  @Test func `a file that cannot be written is refused before measuring`() throws {
    let result = try Program.run(
      "measure --model seed --n-c 4 --n-g 4 --backend shape --json /nowhere/x".split(separator: " ")
        .map(String.init))
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("cannot write /nowhere/x") == true)
  }
}
