import ArgumentParser
import Files
import Measurement
import Profiles
import Spelling
import Sweep

/// `ballast merge`: the shards of a sweep as one result.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Join the shards of a sweep into one folder, as one run would have written it.",
    usage: "ballast merge <dir> ... --output <dir> [<options>]",
    discussion: """
      EXAMPLES
        for i in 1 2 3; do
          ballast sweep modes.yaml --shard $i/3 --output shards/$i
        done
        ballast merge shards/1 shards/2 shards/3 --output results/modes
        ballast merge shards/1 shards/3 --output results/modes --allow-gaps
        ballast sweep modes.yaml --output results/modes --resume
            measure what was left out

      The shards are read and left as they are, and the files that the profile names are read \
      again. Rows stand in the profile's order, laws are held against all points. Shards of \
      different profiles, or of one that was changed meanwhile, are never merged.
      """)

  @Argument(
    help: ArgumentHelp("The folders of the shards.", valueName: "dir"),
    completion: .directory)
  var shards: [String]
  @Option(
    help: ArgumentHelp("The folder for the merged results.", valueName: "dir"),
    completion: .directory)
  var output: String
  @Flag(help: "Replace results that the folder holds.")
  var overwrite = false
  @Flag(help: "Merge although points are missing; --resume of the sweep can measure them then.")
  var allowGaps = false
  @Flag(help: "Take points that two folders hold from the one that is named first.")
  var allowDuplicates = false
  @Flag(help: "Merge rows of different versions of the program.")
  var allowVersions = false
  @OptionGroup var table: TableOptions

  func run() throws {
    let format = try table.given()
    let merge = try ShardMerge(
      shards,
      allowing: ShardMerge.Allowances(
        gaps: allowGaps, duplicates: allowDuplicates, versions: allowVersions))
    try FileLists.hold(
      read: shards.map { NamedFile("the shard \($0)", $0) } + merge.profile.inputs,
      apartFrom: ResultsStore.outputs(in: output, as: "--output"))
    let complaint = try merge.write(to: output, replacing: overwrite, engine: .cpu)
    if let gaps = merge.gaps { Output.note(gaps) }
    switch format {
    case .table: try Output.show(merge.table)
    case .json: try Output.write(merge.json.text + "\n")
    }
    if let complaint { throw Failure(complaint) }
  }
}
