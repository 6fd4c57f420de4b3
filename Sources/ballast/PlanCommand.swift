import ArgumentParser
import CUDAAllocator
import Foundation
import Measurement
import Planning
import PyTorchSteps
import Recordings
import Reporting
import Retention
import Spelling
import Tensors
import Values

/// `ballast plan`: what every way of running a step takes, from shapes alone.
struct PlanCommand: ParsableCommand {
  /// How the plan is printed.
  enum Format: String, AxisWord {
    case table, json, csv
  }

  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Say what each way of running a step takes, or how long a prefix each lets fit.",
    discussion: """
      Unless they are given, n_g is 512, the optimizer adamw and the backend shape, and every \
      value of mode, recompute, attention and head is gone through, whatever their defaults below.

      Nothing is computed: a step runs on shapes alone, of any model, in milliseconds. The \
      table shows what nothing else beats in bytes, work and exactness (•), and what to take (▶); \
      work that differs by less than 5 % does not count.

      It ends with status 2 if --memory is given and nothing that was asked for fits, and with 0 \
      if anything does. With --recording and --lengths it ends with 2 if any sample does not fit.

      EXAMPLES
        ballast plan --model llama-3.1-8b --memory 80GiB
            how long a prompt fits, in which mode
        ballast plan --model llama-3.1-405b --n-c 1048576 --all
            what a million tokens take in every combination
        ballast plan --model llama-3.1-8b --memory 80GiB --trainable q_proj --optimizer adamw
            what freezing the rest saves
        ballast plan --model llama-3.1-70b --memory 80GiB --shard-parameters 64
            the share of one of 64 devices
        ballast plan --model qwen2.5-7b --memory 24GiB,48GiB,80GiB --format csv > plan.csv
            a table of the longest prefix over memory
        ballast plan --model one-layer --memory 2GiB --backend cpu --optimizer none
            what ballast measure --memory 2GiB lets through on this machine
        ballast plan --recording recording.json.gz --n-g 1024 --memory 24GiB,80GiB
            the longest prompt of a step of PyTorch's that ballast-probe fit has recorded
        ballast plan --recording recording.json.gz --lengths samples.csv
            which samples of a data set fit, from a file with a line n_c,n_g for each
      """)

  @Option(
    help: "\(ModelHelp.sources) holding one.",
    completion: .words(ModelSource.names, orFiles: ["json"]))
  var model: String?
  @OptionGroup(title: "Step") var axes: AxisOptions
  @Option(
    parsing: .unconditional,
    help: """
      What a step may take, such as 80GiB; several, separated by commas, are answered side by side.
      """)
  var memory: String?
  @Option(
    help: """
      What is held against the memory, separated by commas: \
      \(MemoryAccount.Part.words.joined(separator: ", ")) (default: \
      parameters,gradients,optimizer,activations; with --backend cpu all, as measure counts them).
      """,
    completion: .list(of: MemoryAccount.Part.words))
  var count: String?
  @Option(
    help: """
      Type of the gradients of parameters: \(DType.words.joined(separator: ", ")) (default: the \
      parameters' own).
      """,
    completion: .list(DType.words))
  var gradientDtype: String?
  @Option(
    help: """
      With --recipe, how PyTorch's optimizer goes over the parameters: \
      \(OptimizerStep.words.joined(separator: ", ")) (default: foreach, PyTorch's on a GPU; \
      on a CPU it is for-loop).
      """,
    completion: .list(OptimizerStep.words))
  var optimizerStep: String?
  @Option(
    parsing: .unconditional,
    help: """
      Devices that share parameters, gradients and optimizer state, as FSDP and ZeRO do; computed, \
      not run.
      """)
  var shardParameters: Int?
  @Option(
    parsing: .unconditional,
    help: """
      ZeRO's stage: 1 shares the optimizer state, 2 the gradients too, 3 the parameters too \
      (default: 3).
      """,
    completion: .list(["1", "2", "3"]))
  var shardStage: Int?
  @Option(
    parsing: .unconditional,
    help: """
      Devices that compute each layer together, by heads, by the MLP's inner width and by the \
      vocabulary, as Megatron does; computed, not run.
      """)
  var tensorParallel: Int?
  @Flag(help: "With --tensor-parallel, divide the tokens of everything else too.")
  var sequenceParallel = false
  @Flag(help: "Print retained and peak bytes as formulas in n_c too, part by part of the model.")
  var laws = false
  @Option(
    help: ArgumentHelp(
      "Write these formulas to a CSV file, or to standard output with -.", valueName: "file.csv"),
    completion: .file(extensions: ["csv"]))
  var lawsCsv: String?
  @Option(
    help: "How the plan is printed: \(Format.words.joined(separator: ", ")) (default: table).",
    completion: .list(Format.words))
  var format: String?
  @Option(
    help: ArgumentHelp(
      """
      With --recording, how PyTorch's allocator is set, as in PYTORCH_CUDA_ALLOC_CONF: \
      expandable_segments:True and others.
      """, valueName: "name:value,…"))
  var set: String?
  @Flag(help: "List every combination, also those that others beat.")
  var all = false
  @OptionGroup(title: "A recorded step") var recording: RecordingOptions

  func run() throws {
    if let opened = try recording.opened(
      besides: modelOptions, takesSeveral: true, isForStream: axes.text(of: "recipe") != nil)
    {
      return try plan(opened)
    }
    guard set == nil else { throw UsageError("--set goes with --recording") }
    let request: PlanRequest
    let gpu: GPU?
    let format: Format
    let isTooLarge: Bool
    let isPyTorchs: Bool
    do {
      format = try Format.given(self.format, for: "format") ?? .table
      guard !laws || format != .csv else {
        throw UsageError("--laws goes with --format table or json; for CSV there is --laws-csv")
      }
      guard !sequenceParallel || !laws && lawsCsv == nil else {
        throw UsageError(
          "laws go without --sequence-parallel: shares of tokens are rounded up, no polynomial")
      }
      gpu = try recording.gpu.map(GPU.given)
      request = try self.request(on: gpu)
      let progress = ProgressLine(total: 0, done: 0)
      let start = ContinuousClock.now
      let planner = Planner(
        engine: .cpu, threads: ProcessInfo.processInfo.activeProcessorCount,
        pytorchOn: gpu?.stepDevice ?? .cuda(prefersCuDNN: false)
      ) { stage, done, count in
        guard ContinuousClock.now - start > .milliseconds(500) else { return }
        progress.show("planning: \(stage.rawValue), \(done) of \(count)")
      }
      defer { progress.clear() }
      let outputs = try Outputs(
        [("--laws-csv", lawsCsv)], format: self.format,
        from: ModelInputs.files(model: model, adapter: axes.text(of: "adapter")))
      let plan = try planner.plan(request)
      let found = laws || lawsCsv != nil ? try planner.laws(of: plan, listsAll: all) : []
      progress.clear()
      try outputs.write("--laws-csv", CSV.document(found.flatMap(\.records)))
      if outputs.printsRow {
        let text = text(of: plan, laws ? found : [], as: format)
        try format == .table ? Output.show(text) : Output.write(text)
      }
      isTooLarge = plan.isTooLarge
      isPyTorchs = plan.isPyTorchs
    } catch let error as PlanError {
      guard error.isTooLarge else { throw Failure(error.description) }
      Output.note(error.description)
      throw ExitCode(Status.budgetExceeded)
    }
    let recipe = request.point.point.recipe
    if recipe != .ballast {
      Output.note(
        "recipe \(recipe.rawValue): retained bytes are those of \(Recipe.versions); "
          + (isPyTorchs
            ? "all together is what a GPU's allocator has handed out when it has most, but for "
              + "what kernels take inside"
              + (gpu == nil ? " and cuBLAS's workspace, 16.25 MiB, on Hopper 64 MiB" : "")
            : "peaks follow its ops, without PyTorch's temporaries and caching allocator"))
    }
    if let gpu {
      Output.note(
        "of the memory of \(gpu.title) CUDA itself takes \(Units.bytes(gpu.contextBytes)), which "
          + "are taken off; what the allocator has cached in pieces too small is not counted")
    }
    for note in request.point.notes { Output.note(note) }
    if isTooLarge { throw ExitCode(Status.budgetExceeded) }
  }

  private func text(
    of plan: Plan, _ laws: [CombinationLaws], as format: Format
  ) -> String {
    switch format {
    case .table:
      let formulas = laws.map { "\n" + $0.text }.joined()
      return plan.text(listsAll: all)
        + (laws.isEmpty ? "" : "\nIn bytes, of activations:\n" + formulas)
    case .json: return plan.json(with: laws)
    case .csv: return CSV.document(plan.records)
    }
  }

  private func request(on gpu: GPU?) throws -> PlanRequest {
    guard let model else { throw UsageError("--model must be given") }
    var point = PointRequest(model: try ModelSource.resolve(model))
    point.threads = ProcessInfo.processInfo.activeProcessorCount
    point.settings["backend"] = AxisValue(BackendKind.shape)
    point.settings["optimizer"] = AxisValue(Optimizer.adamw)
    point.settings = try axes.settings(beside: point.settings)
    try point.settings.requireLengthsAlone()
    if point.settings["lengths"] == nil, point.settings["n_g"] == nil {
      point.settings["n_g"] = AxisValue(512)
    }
    guard point.point.hasLaw || (!laws && lawsCsv == nil) else {
      throw UsageError("--laws go by n_c, of which lengths have several; with sharing prefix one")
    }
    let hasAdapter = point.point.lora != nil || !point.point.adapter.isEmpty
    guard !hasAdapter || tensorParallel == nil else {
      throw UsageError("--tensor-parallel does not know how devices divide an adapter")
    }
    let recipe = point.point.recipe
    guard gpu == nil || recipe != .ballast else {
      throw UsageError("--gpu is about PyTorch's step; it goes with --recipe or --recording")
    }
    var request = PlanRequest(point, try question(point, on: gpu))
    request.account = try account(of: point.point)
    let step = try OptimizerStep.given(optimizerStep, for: "optimizer-step")
    guard recipe != .ballast || step == nil else {
      throw UsageError("--optimizer-step is of PyTorch's optimizers; it goes with --recipe")
    }
    if recipe != .ballast { request.account.optimizerStep = step ?? .foreach }
    return request
  }

  /// What is asked: of a length what it takes, of memories how long a prefix fits.
  private func question(
    _ point: PointRequest, on gpu: GPU?
  ) throws -> PlanRequest.Question {
    let memories = try memories(leftBy: gpu)
    guard ["n_c", "lengths"].contains(where: { point.settings[$0] != nil }) else {
      guard !memories.isEmpty else {
        throw UsageError(
          "give --n-c to see what a prefix takes, or --memory to see how long a prefix fits")
      }
      return .longestPrefix(memories: Set(memories).sorted())
    }
    guard memories.count <= 1 else {
      throw UsageError("with --n-c or --lengths there is one --memory at the most")
    }
    return .cost(nC: point.point.nC, memory: memories.first)
  }

  /// What CUDA leaves of a GPU's memory, or of that which was given.
  private func memories(leftBy gpu: GPU?) throws -> [Int] {
    let given = try memories()
    guard let gpu else { return given }
    guard let most = gpu.memoryBytes ?? given.last else {
      throw UsageError("give --memory: the entry of \(gpu.name) says none")
    }
    return try (given.isEmpty ? [most] : given).map { memory in
      guard memory > gpu.contextBytes else {
        throw UsageError(
          "of \(Units.bytes(memory)) CUDA itself takes \(Units.bytes(gpu.contextBytes)) on "
            + "\(gpu.name); nothing is left")
      }
      return memory - gpu.contextBytes
    }
  }

  func memories() throws -> [Int] {
    guard let memory else { return [] }
    return try memory.split(separator: ",", omittingEmptySubsequences: false).map {
      try ByteSize(String($0), for: "memory").bytes
    }
  }

  private func account(of point: Point) throws -> MemoryAccount {
    var account = MemoryAccount()
    if point.backend == .cpu {
      account.device = .thisMachine
      let others = [
        ("--count", count != nil), ("--gradient-dtype", gradientDtype != nil),
        ("--shard-parameters", shardParameters != nil), ("--shard-stage", shardStage != nil),
        ("--tensor-parallel", tensorParallel != nil), ("--sequence-parallel", sequenceParallel),
      ]
      if let other = others.first(where: { $0.1 }) {
        throw UsageError(
          "\(other.0) goes with --backend shape; with cpu a plan counts what measure does")
      }
      return account
    }
    if let count {
      account.parts = try Set(
        count.split(separator: ",", omittingEmptySubsequences: false).map {
          try MemoryAccount.Part(String($0), for: "count")
        })
    }
    account.gradientDType = try DType.given(gradientDtype, for: "gradient-dtype")
    account.sharding = try sharding()
    if let tensorParallel {
      guard (1...1 << 16).contains(tensorParallel) else {
        throw UsageError("--tensor-parallel must be 1 to \(1 << 16), not \(tensorParallel)")
      }
      account.tensorParallelism.devices = tensorParallel
    } else if sequenceParallel {
      throw UsageError("--sequence-parallel goes with --tensor-parallel")
    }
    account.tensorParallelism.dividesSequence = sequenceParallel
    return account
  }

  private func sharding() throws -> ParameterSharding {
    var sharding = ParameterSharding()
    if let shardParameters {
      guard (1...1 << 20).contains(shardParameters) else {
        throw UsageError("--shard-parameters must be 1 to \(1 << 20), not \(shardParameters)")
      }
      sharding.devices = shardParameters
    }
    if let shardStage {
      guard (1...3).contains(shardStage) else {
        throw UsageError("--shard-stage must be 1, 2 or 3, not \(shardStage)")
      }
      guard shardParameters != nil else {
        throw UsageError("--shard-stage goes with --shard-parameters")
      }
      sharding.stage = shardStage
    }
    return sharding
  }
}
