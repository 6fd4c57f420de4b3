import Foundation
import TestSupport
import Testing

/// What stands in CI as a gate does not let through what it could not judge.
@Suite struct GateTests {
  // MARK: compare

  private static let header = "mode,n_c,status,retained_bytes,peak_bytes\n"
  private static let before =
    header + "full-graph,4,ok,100,200\nfull-graph,8,ok,300,400\ndetached-prefix,8,ok,50,60\n"

  /// The results after, the status with `--fail-on-increase 0`, and what is said.
  static let compared: [(String, Int32, String)] = [
    (before, 0, ""),
    (before + "full-graph,16,ok,900,900\n", 0, ""),
    (header + "full-graph,4,ok,99,200\nfull-graph,8,ok,300,1\ndetached-prefix,8,ok,0,0\n", 0, ""),
    (
      header + "full-graph,4,ok,100,200\nfull-graph,8,ok,300,400\n", 2,
      "n_c=8 is in A and not in B"
    ),
    (header + "full-graph,8,ok,300,400\n", 2, "and 1 more such"),
    (
      before.replacing("50,60", with: "50,"), 2,
      "peak of detached-prefix n_c=8 is in A and empty in B"
    ),
    (
      before.replacing("300,400", with: ",400"), 2,
      "retained of full-graph n_c=8 is in A and empty in B"
    ),
    (
      before.replacing("8,ok,50,60", with: "8,failed,,"), 2,
      "was measured before and is failed now"
    ),
    (before.replacing("50,60", with: "50,61"), 2, "peak of detached-prefix n_c=8 grew"),
  ]

  @Test(arguments: compared)
  func `a comparison fails on what grew, and on what is there no more`(
    after: String, status: Int32, part: String
  ) throws {
    let folder = try Folder()
    let (a, b) = (try folder.add("a.csv", Self.before), try folder.add("b.csv", after))
    let plain = try Program.run(["compare", a, b])
    #expect(plain.status == 0 && plain.errors.isEmpty)
    let gate = try Program.run(["compare", a, b, "--fail-on-increase", "0"])
    #expect(gate.status == status && gate.output == plain.output, "\(gate.errors)")
    #expect(part.isEmpty ? gate.errors.isEmpty : gate.sentence?.contains(part) == true)
  }

  @Test func `a comparison says which figures it held against nothing`() throws {
    let folder = try Folder()
    let a = try folder.add("a.csv", Self.before.replacing("50,60", with: ",60"))
    let b = try folder.add("b.csv", Self.before)
    let gate = try Program.run(["compare", a, b, "--fail-on-increase", "0"])
    #expect(gate.status == 0)
    let sentence = "retained of detached-prefix n_c=8 is empty in A, and B's was held against"
    #expect(gate.sentence?.contains(sentence) == true, "\(gate.errors)")
  }

  @Test func `a comparison of no bytes at all is a failure`() throws {
    let folder = try Folder()
    let empty = try folder.add("a.csv", Self.header + "full-graph,4,ok,,\nfull-graph,8,failed,,\n")
    #expect(try Program.run(["compare", empty, empty]).status == 0)
    let gate = try Program.run(["compare", empty, empty, "--fail-on-increase", "0"])
    #expect(gate.status == 1 && gate.sentence?.contains("no point has bytes in both") == true)
  }

  // MARK: check

  @Test(arguments: ["table", "junit", "json", "github"])
  func `a check in which nothing was judged is a failure`(format: String) throws {
    let folder = try Folder()
    let text = "model: seed\nn_c: 4\nn_g: 4\nmode: detached-prefix\nbudgets:\n"
    let error = "  - {figure: gradient_error, at_most: 0.5}\n"
    let path = try folder.add("p.yaml", text + error)
    let arguments = ["check", path, "--backend", "shape", "--format", format]
    let nothing = try Program.run(arguments)
    #expect(nothing.status == 1 && !nothing.output.isEmpty)
    #expect(nothing.sentence?.contains("nothing could be judged: gradient_error") == true)
    // With a figure beside it that was, it passes and says so.
    _ = try folder.add("p.yaml", text + error + "  - {figure: retained, at_most: 1GiB}\n")
    let some = try Program.run(arguments)
    #expect(some.status == 0 && some.sentence?.contains("1 of 2 figures not judged") == true)
  }

  private static let rows = """
    model,layers,d_model,heads,kv_heads,d_head,d_ff,vocab,mode,n_c,n_g,status,retained_bytes
    /models/Other,2,64,4,4,16,172,256,full-graph,4,4,ok,10
    seed,1,64,4,4,16,172,256,full-graph,4,4,ok,20
    strange,,,,,,,,full-graph,4,4,ok,30

    """

  /// The model of a profile, the status of a budget of 20 bytes, and what is said.
  static let models: [(String, Int32, String)] = [
    ("model: seed", 0, "2 points of other models than \"seed\" left out"),
    ("model: seed\nlayers: 2", 0, "2 points of other models"),
    ("model: seed\nlayers: 3", 1, "holds no point of \"seed\" that"),
    ("model: seed\nlayers: 3", 1, "the nearest has layers 1, not 3"),
    ("model: strange", 2, "1 of 1 budget exceeded"),
    ("model: [strange, seed]", 2, "1 point of another model than \"strange\" and \"seed\""),
    ("model: ./here/Strange", 2, "1 of 1 budget exceeded"),
    ("model: [seed, strange]", 2, "1 of 1 budget exceeded"),
    ("model: qwen3-8b", 1, "it is of \"/models/Other\", \"seed\" and \"strange\""),
    ("model: elsewhere", 1, "holds no point of \"elsewhere\""),
    (
      "model: {name: x, layers: 1, d_model: 64, heads: 4, d_ff: 172, vocab: 256}", 0,
      "2 points of other"
    ),
    ("description: of any model", 2, "1 of 1 budget exceeded"),
  ]

  @Test(arguments: models)
  func `results of another model than the profile's are not judged`(
    model: String, status: Int32, part: String
  ) throws {
    let folder = try Folder()
    let points = try folder.add("points.csv", Self.rows)
    let path = try folder.add(
      "b.yaml", "\(model)\nbudgets:\n  - {figure: retained, at_most: 20}\n")
    let result = try Program.run(["check", path, "--results", points])
    #expect(result.status == status, "\(model): \(result.errors)")
    #expect(result.errors.contains(part), "\(model): \(result.errors)")
    if status == 1 { #expect(result.output.isEmpty) }
  }

  /// What a profile gives beside the model of `values`, the status, and what is said.
  static let values: [(String, Int32, String)] = [
    ("n_c: [4, 8]", 0, ""), ("n_c: 4", 0, "2 points are left out, which"),
    ("n_c: {from: 4, to: 8, step: 4}", 0, ""),
    ("n_c: [4, 8, 16]", 1, "lacks 2 points that"),
    ("n_c: [4, 8, 16, 32]", 1, "lacks 4 points that"),
    ("n_c: [4, 8]\nlayers: [1, 2]", 1, "lacks 4 points that"),
    ("n_c: [4, 8]\nlayers: 1", 0, ""),
    ("n_c: 400", 1, "the nearest has n_c \"4\", not 400"),
    ("n_c: [4, 8]\ndtype: bfloat16", 1, "the nearest has dtype \"float32\", not bfloat16"),
    ("n_c: [4, 8]\nseed: 7", 1, "has seed \"0\", not 7"),
    ("n_c: [4, 8]\nbatch: [2, 3]", 1, "has batch \"1\", not 2 or 3"),
    ("n_c: [4, 8]\nlora: \"r=2,targets=q_proj\"", 1, "has lora"),
    // Where and on how many threads a step ran changes no byte.
    ("n_c: [4, 8]\nbackend: cpu\nthreads: 7", 0, ""),
    // A setting of a mode says nothing of other modes.
    ("n_c: [4, 8]\nchunk: 3", 1, "lacks 2 points that"),
  ]

  @Test(arguments: values)
  func `results of other steps than the profile's are not judged`(
    given: String, status: Int32, part: String
  ) throws {
    let folder = try Folder()
    func profile(_ given: String) -> String {
      "model: seed\n\(given)\nn_g: 4\nmode: [full-graph, detached-prefix]\n"
        + "timings: false\nbudgets: [{figure: retained, at_most: 1GiB}]\n"
    }
    let swept = try folder.add("swept.yaml", profile("n_c: [4, 8]\nbackend: shape"))
    let results = "\(folder.path)/results"
    #expect(try Program.run(["sweep", swept, "--output", results]).status == 0)
    let path = try folder.add("b.yaml", profile(given))
    let result = try Program.run(["check", path, "--results", results])
    #expect(result.status == status, "\(given): \(result.errors)")
    let errors = result.errors
    #expect(part.isEmpty ? errors.isEmpty : errors.contains(part), "\(errors)")
    if status == 1 {
      let update = try Program.run(["check", path, "--results", results, "--update"])
      #expect(update.status == 1 && update.sentence?.contains(part) == true, "\(update.errors)")
    }
  }

  // MARK: Empty texts

  /// Every option of the command line that takes a value, beside a whole command.
  static let empties: [String] =
    [
      "lora", "trainable", "adapter", "lengths", "weights", "tokens", "model", "mode", "dtype",
      "n-c", "dropout", "memory", "json", "ledger", "gradients", "timeline", "by", "format",
    ].map { "measure --\($0)" }
    + ["lora", "adapter", "memory", "count", "laws-csv"].map { "plan --\($0)" }
    + [
      "flow --csv", "sweep p.yaml --output", "sweep p.yaml --output o --shard",
      "merge a b --output", "check p.yaml --results", "check p.yaml --backend",
      "compare a b --ignore", "report r --output", "report r --against",
    ]

  @Test(arguments: empties)
  func `an option with an empty text is refused, as of a variable that is not set`(
    command: String
  ) throws {
    let folder = try Folder()
    var words = command.split(separator: " ").map(String.init)
    let option = words.removeLast()
    for given in [[option, ""], ["\(option)="]] {
      let isStep = ["measure", "plan", "flow"].contains(words[0])
      let rest = isStep ? ["--layers", "1", "--n-g", "3"] : []
      let result = try Program.run(words + given + rest, in: folder.path)
      #expect(result.status == 64 && result.output.isEmpty, "\(command): \(result.errors)")
      #expect(
        result.sentence?.contains("\(option) is given an empty text") == true, "\(result.errors)")
      #expect(result.sentence?.contains("see 'ballast \(words[0]) --help'") == true)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  // MARK: Figures

  @Test(arguments: ["abc", "-5", "99999999999999999999", "1.5", "NaN", "0x10", "1e400"])
  func `a report and a comparison refuse the same bytes`(cell: String) throws {
    let folder = try Folder()
    let text = "mode,n_c,n_g,status,retained_bytes\nfull-graph,4,4,ok,\(cell)\n"
    _ = try folder.add("points.csv", text)
    for arguments in [["report", folder.path], ["compare", folder.path, folder.path]] {
      let result = try Program.run(arguments)
      #expect(result.status == 1 && result.output.isEmpty)
      #expect(
        result.sentence?.contains(
          "line 2 has \"\(cell)\" in retained_bytes, which is no whole number from 0 to") == true,
        "\(result.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/report.html"))
  }

  @Test(arguments: [
    ("points.csv", "forward_seconds", "-1"), ("points.csv", "gradient_relative_error", "x"),
    ("points.csv", "peak_bytes", "many"), ("points.csv", "n_c", "nan"),
    ("points.csv", "batch", "-5"), ("points.csv", "loss", "abc"),
    ("ledger.csv", "requested_bytes", "-5"), ("ledger.csv", "prefix_bytes", "1.5"),
    ("laws.csv", "linear_bytes", "1.5"), ("laws.csv", "quadratic_bytes", "99999999999999999999"),
    ("flow.csv", "prefix_norm", "-1"),
    ("gradients.csv", "relative_error", "off"),
  ])
  func `a report refuses a figure that is none in any of its files`(
    file: String, column: String, cell: String
  ) throws {
    let folder = try Folder()
    let tables: [String: [(String, String)]] = [
      "points.csv": [
        ("mode", "full-graph"), ("n_c", "4"), ("n_g", "4"), ("batch", "1"), ("status", "ok"),
        ("loss", "nan"), ("retained_bytes", "+7"), ("peak_bytes", "8.0"), ("forward_seconds", "1"),
        ("gradient_relative_error", "0.1"),
      ],
      "ledger.csv": [
        ("mode", "full-graph"), ("n_c", "4"), ("order", "0"), ("op", "o"), ("tensor", "t"),
        ("shape", "1"), ("requested_bytes", "7"), ("prefix_bytes", "7"),
      ],
      "laws.csv": [
        ("mode", "full-graph"), ("constant_bytes", "-3"), ("linear_bytes", "1"),
        ("quadratic_bytes", "0"),
      ],
      "gradients.csv": [
        ("mode", "full-graph"), ("n_c", "4"), ("parameter", "p"), ("weight", "W"), ("layer", "0"),
        ("relative_error", "0.1"), ("reference_norm", "2"),
      ],
      "flow.csv": [
        ("layer", "0"), ("weight", "W"), ("prefix_norm", "1"), ("generated_norm", "1"),
        ("total_norm", "2"),
      ],
    ]
    func write(_ change: Bool) throws {
      for (name, cells) in tables {
        let values = cells.map { change && name == file && $0.0 == column ? cell : $0.1 }
        _ = try folder.add(
          name,
          cells.map(\.0).joined(separator: ",") + "\n" + values.joined(separator: ",") + "\n")
      }
    }
    try write(false)
    let good = try Program.run(["report", folder.path, "--output", "-"])
    #expect(good.status == 0, "\(good.errors)")
    #expect(good.output.contains(#""retained_bytes":{"c":7}"#))
    try write(true)
    let bad = try Program.run(["report", folder.path, "--output", "-"])
    #expect(bad.status == 1 && bad.output.isEmpty)
    #expect(bad.sentence?.contains("\(file): line 2 has \"\(cell)\" in \(column)") == true)
  }
}
