import Foundation
import TestSupport
import Testing

/// What is typed wrong, twice, or for standard output.
@Suite struct ArgumentTests {
  private static let point = "--model seed --n-c 4 --n-g 4 --backend shape"

  private func run(_ line: String, in folder: String? = nil) throws -> Program.Result {
    try Program.run(line.split(separator: " ").map(String.init), in: folder)
  }

  // MARK: Commands

  static let commands: [(String, String)] = [
    (
      "frobnicate --model seed",
      "there is no command 'frobnicate'; the commands are measure, flow, plan, sweep,"
    ),
    (
      "measur --n-c 4", "there is no command 'measur'; did you mean measure? (see 'ballast --help')"
    ),
    ("Check p.yaml", "did you mean check?"), ("compair a b", "did you mean compare?"),
    ("help frobnicate", "there is no command 'frobnicate'; the commands are measure, flow, plan,"),
    ("help measur", "there is no command 'measur'; did you mean measure? (see 'ballast --help')"),
    ("help plan sweep", "help is about one command; 'sweep' is one too many"),
  ]

  @Test(arguments: commands)
  func `an unknown command is named, and the one that was meant`(line: String, part: String) throws
  {
    let result = try run(line)
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
    #expect(result.sentence?.contains("worker") == false)
  }

  @Test(arguments: ["help", "help help", "help plan", "help --help", "--help plan"])
  func `help about what there is is data`(line: String) throws {
    let result = try run(line)
    #expect(result.status == 0 && result.errors.isEmpty && result.output.contains("USAGE"))
  }

  @Test(arguments: [
    ("op,op", "names \"op\" more than once"), ("layer,op,layer", "names \"layer\" more than once"),
    ("op,,layer", "has an empty name"), ("op,", "has an empty name"), ("opp", "unknown by \"opp\""),
  ])
  func `a list of totals names each once`(list: String, part: String) throws {
    let result = try run("measure \(Self.point) --by \(list)")
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
  }

  @Test(arguments: ["0", "1", "-5", "26", "39"])
  func `help has its options however narrow COLUMNS says the terminal is`(columns: String) throws {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: Program.path)
    shell.arguments = ["measure", "--help"]
    shell.environment = ["COLUMNS": columns]
    let output = Pipe()
    shell.standardOutput = output
    try shell.run()
    let text = String(
      decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 0)
    #expect(text.contains("Prefix tokens, which carry no loss.") && text.contains("--gradients"))
  }

  @Test func `measure and plan know the recipes`() throws {
    let help = try run("measure --help").output
    #expect(help.contains("transformers-eager") && help.contains("transformers-sdpa"))
    let laws = try run("plan --model gpt2 --n-c 8 --recipe transformers-sdpa --laws")
    #expect(laws.status == 0 && laws.errors.contains("transformers-sdpa"))
    #expect(["norms", "attention", "mlp", "head"].allSatisfy(laws.output.contains))
    let plan = try run("plan --model gpt2 --memory 8GiB --recipe transformers-sdpa --format csv")
    let rows = plan.output.split(separator: "\n").dropFirst()
    #expect(plan.status == 0 && rows.count == 3, "full-graph with and without layer; detached")
    #expect(rows.allSatisfy { $0.contains("all-rows") && $0.contains("fused") })
  }

  // MARK: Options

  static let repeated: [(String, String)] = [
    ("measure \(point) --n-c 8", "--n-c"), ("measure \(point) --n-c=4", "--n-c"),
    ("flow --mode x --mode x", "--mode"), ("sweep p.yaml --output a --output=b", "--output"),
    ("check p.yaml --format json --format json", "--format"),
    ("compare a b --fail-on-increase 1 --fail-on-increase 2", "--fail-on-increase"),
  ]

  @Test(arguments: repeated)
  func `an option given twice is refused by name`(line: String, option: String) throws {
    let result = try run(line)
    #expect(result.status == 64 && result.output.isEmpty)
    let start = "ballast: \(option) is given more than once; give it once; see 'ballast "
    #expect(result.sentence?.hasPrefix(start) == true, "\(result.errors)")
  }

  @Test func `lists, flags and what stands after two dashes may repeat`() throws {
    let lists = try run("compare a b --ignore threads --ignore seed")
    #expect(lists.sentence?.contains("a: there is no such file") == true)
    #expect(try run("sweep none.yaml --output o --overwrite --overwrite").status == 1)
    let after = try run("compare --fail-on-increase 1 -- --fail-on-increase --fail-on-increase")
    #expect(after.sentence?.contains("--fail-on-increase: there is no such file") == true)
    #expect(try run("measure --n-c 4 --n-c 8 --help").status == 0)
  }

  static let values: [(String, String)] = [
    ("--mode detach", "did you mean \"detached-prefix\""),
    ("--dtype bf16", "did you mean \"bfloat16\""), ("--dtype half", "did you mean \"float16\""),
    ("--dtype fp32", "did you mean \"float32\""), ("--dtype float", "did you mean \"float32\""),
    ("--attention eager", "did you mean \"materialized\""),
    ("--recompute checkpointing", "did you mean \"layer\""),
    ("--mode detached-prefix --keep-prefix -1", "--keep-prefix must be 0 to 268435456, not -1"),
    ("--d-model=0", "--d-model must be 1 to 1048576, not 0"),
    ("--seed -1", "--seed must be 0 or more, not -1"),
    ("--dropout nan", "--dropout must be a number, not nan"),
    ("--memory 0", "memory must be more than 0 bytes"),
  ]

  @Test(arguments: values)
  func `a wrong value names its option, and the word that was meant`(
    option: String, part: String
  ) throws {
    let result = try run("measure \(Self.point) \(option)")
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
  }

  @Test func `a path whose folder is there is a path, not a name on the Hub`() throws {
    let folder = try Folder()
    try FileManager.default.createDirectory(
      atPath: folder.path + "/models", withIntermediateDirectories: false)
    let result = try run("measure --model models/none --n-c 4 --n-g 4", in: folder.path)
    #expect(result.status == 1)
    #expect(result.sentence?.contains("models/none: cannot be opened: No such file") == true)
  }

  @Test func `a pattern that backtracks without end ends at once`() throws {
    let start = ContinuousClock.now
    let result = try run("measure \(Self.point) --trainable (.+)+Z")
    #expect(result.status == 1 && ContinuousClock.now - start < .seconds(20))
    #expect(result.sentence?.contains("is found in no parameter's name") == true)
    let looking = try run("measure \(Self.point) --trainable (?!lm_head)")
    #expect(looking.status == 64 && looking.sentence?.contains("lookaround") == true)
  }

  // MARK: Standard output

  @Test func `an output to a dash is standard output, alone`() throws {
    let folder = try Folder()
    let json = try run("measure \(Self.point) --json - --ledger l.csv", in: folder.path)
    #expect(json.status == 0 && json.errors.isEmpty)
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    #expect(object?["n_c"] as? Int == 4)
    let ledger = try run("measure \(Self.point) --ledger=-", in: folder.path)
    #expect(
      ledger.output == (try String(contentsOfFile: folder.path + "/l.csv", encoding: .utf8)))
    let flow = "flow --model seed --n-c 4 --n-g 4 --threads 1"
    #expect(try run("\(flow) --csv -").output == run("\(flow) --format csv").output)
    #expect(
      try run("\(flow) --positions -").output.hasPrefix("layer,weight,position,norm,parameter\n"))
    let named = try run("measure \(Self.point) --json ./-", in: folder.path)
    #expect(named.status == 0 && named.output.contains("retained"))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(names.sorted() == ["-", "l.csv"])
  }

  static let dashes: [(String, String)] = [
    ("measure \(point) --json - --ledger -", "--ledger and --json would both write to standard"),
    ("measure \(point) --json - --format csv", "--json and --format would both write to standard"),
    ("flow --model seed --n-c 4 --n-g 4 --csv - --positions -", "--csv and --positions would both"),
    ("measure --model seed --n-c 4 --n-g 4 --gradients -", "--gradients needs a file"),
    ("measure \(point) --snapshot -", "--snapshot needs a file"),
    ("measure \(point) --timeline - --stacks -", "would both write to standard"),
    ("measure \(point) --timeline a --speedscope a", "name the same file"),
    ("measure \(point) --by nope", "unknown by \"nope\""),
    ("measure \(point) --by op --format csv", "--by adds to what is printed"),
  ]

  @Test(arguments: dashes)
  func `two texts on standard output are refused`(line: String, part: String) throws {
    let folder = try Folder()
    let result = try run(line, in: folder.path)
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  // MARK: Notes

  @Test(arguments: ["measure", "flow"])
  func `notes come after everything that can fail`(command: String) throws {
    let folder = try Folder()
    let tokens = try folder.add("t.json", "{\"tokens\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}")
    let line = "\(command) --model seed --n-c 4 --n-g 4 --tokens \(tokens)"
    let good = try run(line)
    #expect(good.status == 0 && good.sentence?.contains("not used") == true, "\(good.errors)")
    for (options, status) in [
      ("--memory 1KiB", 1), ("--trainable zzz", 1), ("--format xml", 64), ("--batch 0", 64),
    ] as [(String, Int32)] {
      let result = try run("\(line) \(options)")
      #expect(result.status == status && result.output.isEmpty)
      #expect(result.sentence?.contains("not used") == false, "\(result.errors)")
    }
  }
}
