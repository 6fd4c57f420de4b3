import ArgumentParser
import Measurement

/// The root command.
struct Ballast: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ballast",
    abstract: "Measures what a prefix without loss costs a training step, in bytes.",
    discussion: """
      EXAMPLES
        ballast measure --model seed --n-c 4 --n-g 4
            run one training step and show what it keeps
        ballast flow --model seed --n-c 4 --n-g 4
            show which weight gets gradient from which rows
        ballast plan --model llama-3.1-8b --memory 80GiB
            how long a prompt fits, and in which way of running the step
        ballast sweep one-layer.yaml --output results/one-layer
            run all points of a profile into CSV files
        ballast check seed.yaml
            hold a profile's budgets against what its points keep

      EXIT STATUS
        0 done; 1 it failed, with one sentence on standard error; 2 a budget was
        exceeded; 64 wrong usage.
      """,
    version: BallastVersion.text,
    subcommands: [
      Measure.self, FlowCommand.self, PlanCommand.self, SweepCommand.self, MergeCommand.self,
      Check.self, Compare.self, ReportCommand.self, AllocatorCommand.self, ModelsCommand.self,
      SchemaCommand.self, CompletionsCommand.self, WorkerProgram.self,
    ])
}
