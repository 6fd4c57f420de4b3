import Measurement
import ArgumentParser
import Sweep

/// `ballast worker`: what a sweep starts to run its points in.
struct WorkerProgram: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Run the points of a sweep, which starts this itself.",
    shouldDisplay: false)

  func run() throws { try Worker.serve(engine: .cpu) }
}
