import ArgumentParser
import Files
import HTMLReport
import Measurement
import Results

/// `ballast report`: a result as one HTML file.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Write a result as one HTML file that opens without network.",
    discussion: """
      The page says first what the result comes to, in a sentence and a picture; then who gets \
      gradient from where, how bytes grow, what they cost the gradient, what is retained as a \
      tree, and every saved tensor and point, to sort and to search.

      EXAMPLES
        ballast report results/modes
            results/modes/report.html
        ballast report results/now --against results/before --output change.html
            what appeared, went and grew, to the tensor
        ballast flow --model seed --n-c 4 --n-g 4 --csv results/seed/flow.csv
        ballast report results/seed
            with the table of gradients that the prefix reaches
      """)

  @Argument(
    help: ArgumentHelp(
      "A folder that 'ballast sweep' or ballast-probe wrote, or the file of a recording.",
      valueName: "folder"),
    completion: .file(extensions: ["gz", "json"]))
  var folder: String
  @Option(
    help: ArgumentHelp("An earlier result to put beside it.", valueName: "folder"),
    completion: .directory)
  var against: String?
  @Option(
    help: ArgumentHelp(
      "Where to write it, or - for standard output (default: report.html in the folder, or "
        + "beside the file).",
      valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var output: String?

  func run() throws {
    let place = output ?? Self.page(of: folder)
    try FileLists.hold(
      read: ResultFolder.inputs(in: folder, as: "the folder")
        + (against.map { ResultFolder.inputs(in: $0, as: "--against") } ?? []),
      apartFrom: place == "-" ? [] : [NamedFile("--output", place)])
    let result = try ReportFolder(folder)
    let earlier = try against.map { (path) throws(FileError) in try ReportFolder(path) }
    // Whoever names a place may mean what a link leads to; the folder may be somebody else's.
    let file =
      switch output {
      case "-": nil as PendingFile?
      case let output?: try PendingFile(output)
      case nil: try PendingFile(own: place)
      }
    let html = ReportPage.html(of: result, against: earlier, version: BallastVersion.current)
    // After everything that can fail, so that a failure stays one sentence.
    defer {
      for (path, folder) in [(against ?? "", earlier), (self.folder, result)] {
        for stray in folder?.strays ?? [] { Output.note("\(path): \(stray)") }
      }
    }
    guard let file else { return try Output.write(html) }
    try file.commit(html)
    Output.note("\(place): \(html.utf8.count / 1000) kB; open it in a browser")
  }

  /// Where the page of a result goes: into its folder, or beside a recording's file.
  private static func page(of result: String) -> String {
    let name = "report.html"
    guard Paths.exists(result), !Paths.isDirectory(result) else { return Paths.join(result, name) }
    return (result.lastIndex(of: "/").map { String(result[...$0]) } ?? "") + name
  }
}
