import Foundation
import TestSupport
import Testing

/// `ballast check --results`: budgets of what was measured before, here or by another program.
@Suite struct CheckResultsTests {
  private static let profile = """
    model: seed
    n_c: [3, 4]
    n_g: 4
    backend: shape
    mode: [full-graph, detached-prefix]
    attention: [materialized, fused]
    repeat: 2
    budgets:
      - {figure: retained, within: 0%}
      - {figure: allocated, at_least: baseline, at_most: baseline}
      - {figure: per_prefix_token, n_c: 4, at_most: baseline}
      - {figure: peak, at_most: baseline + 1%, mode: detached-prefix}
      - {figure: retained, relative_to: full-graph, mode: detached-prefix, at_most: 0.9}
    """

  @Test func `a sweep's folder is judged as its profile is`() throws {
    let folder = try Folder()
    let path = try folder.add("p.yaml", Self.profile)
    #expect(try Program.run(["check", path, "--update"]).status == 0)
    let results = "\(folder.path)/results"
    #expect(try Program.run(["sweep", path, "--output", results]).status == 0)
    let measured = try Program.run(["check", path])
    for place in [results, "\(results)/points.csv"] {
      let read = try Program.run(["check", path, "--results", place, "--strict"])
      #expect(read.status == 0 && read.errors.isEmpty, "\(read.errors)")
      #expect(read.output == measured.output)
    }
    // A baseline that a folder gives lacks only what was alive at the peak.
    #expect(try Program.run(["check", path, "--results", results, "--update"]).status == 0)
    #expect(try Program.run(["check", path]).output == measured.output)
  }

  /// What another program writes of a model and a type that Ballast does not know.
  private static let rows = """
    schema,model,dtype,mode,backend,n_c,n_g,status,error,retained_bytes,head,attention,recipe
    1,gemma,float16,full-graph,pytorch,7,4,ok,,1000,all-rows,fused,transformers-sdpa
    1,gemma,float16,full-graph,pytorch,8,4,ok,,1100,all-rows,fused,transformers-sdpa
    1,gemma,float16,detached-prefix,pytorch,8,4,ok,,600,all-rows,fused,transformers-sdpa
    1,gemma,float16,full-graph,pytorch,9,4,failed,no room,,all-rows,fused,transformers-sdpa
    1,gemma,float16,full-graph,pytorch,-9223372036854775808,4,ok,,7,all-rows,fused,x

    """

  @Test func `a model that only another program knows is judged`() throws {
    let folder = try Folder()
    _ = try folder.add("points.csv", Self.rows)
    let ratio = "mode: detached-prefix, relative_to: full-graph"
    for (budget, status, part) in [
      ("figure: retained, dtype: float16, n_c: [7, 8], at_most: 1100", 0, "at most 1100 B"),
      ("figure: retained, dtype: float16, n_c: [7, 8], at_most: 1099", 2, "full-graph n_c=8"),
      ("figure: retained, n_c: 7, at_least: 1001", 2, "at least 1001 B"),
      ("figure: per_prefix_token, n_c: [7, 8], mode: full-graph, at_most: 100", 0, "100 B"),
      ("figure: per_prefix_token, n_c: [7, 8], mode: full-graph, at_least: 101", 2, "100 B"),
      ("figure: retained, \(ratio), at_most: 0.55", 0, "0.545"),
      ("figure: retained, \(ratio), at_most: 0.54", 2, "0.545"),
      ("figure: retained, backend: pytorch, at_most: 1GiB", 1, "failed"),
      ("figure: peak, n_c: 8, at_most: 1GiB", 1, "not judged"),
      ("figure: per_prefix_token, n_c: \(Int.min), at_most: 1", 1, "not judged"),
    ] {
      let path = try folder.add("b.yaml", "budgets:\n  - {\(budget)}\n")
      let result = try Program.run(["check", path, "--results", folder.path])
      #expect(result.status == Int32(status), "\(budget): \(result.errors)")
      #expect(result.output.contains(part), "\(budget): \(result.output)")
    }
  }

  /// Of a model that is not built here no point can be made up, but its values can be looked for.
  @Test(arguments: [("[7, 8]", 0), ("[7, 8, 16]", 1), ("16", 1)])
  func `values of a model that only another program knows must be there`(
    nC: String, status: Int32
  ) throws {
    let folder = try Folder()
    let points = try folder.add("points.csv", Self.rows)
    let path = try folder.add(
      "b.yaml",
      "model: gemma\nn_c: \(nC)\nbudgets:\n  - {figure: retained, at_most: 1100}\n")
    let result = try Program.run(["check", path, "--results", points])
    #expect(result.status == status, "\(result.errors)")
    if status == 1 { #expect(result.errors.contains("16"), "\(result.errors)") }
  }

  @Test func `wrong input is one sentence`() throws {
    let folder = try Folder()
    let points = try folder.add("points.csv", Self.rows)
    let path = try folder.add("b.yaml", "budgets:\n  - {figure: retained, at_most: 1}\n")
    func sentence(_ status: Int32, _ arguments: [String]) throws -> String {
      let result = try Program.run(["check"] + arguments)
      #expect(result.status == status && result.output.isEmpty, "\(arguments)")
      return try #require(result.sentence)
    }
    #expect(try sentence(1, [path, "--results", "\(folder.path)/x"]).contains("no such file"))
    #expect(try sentence(64, [path, "--results", ""]).contains("is given an empty text"))
    #expect(try sentence(1, [path, "--results", path]).contains("the columns of a points.csv"))
    #expect(
      try sentence(64, [path, "--results", points, "--backend", "shape"]).contains("runs nothing"))
    #expect(
      try sentence(64, [path, "--results", points, "--memory", "1GiB"]).contains("runs nothing"))
    #expect(try sentence(1, [path]).contains("has no model"))
    for (budget, part) in [
      ("figure: retained, at_most: 1, dtype: float61", "about none of the points of"),
      ("figure: retained, at_most: 1, relative_to: replayed-prefix", "has no point in replayed"),
      ("figure: retained, at_most: 1, relative_to: full-graph, mode: full-graph", "with itself"),
      ("figure: retained, within: 0%", "write it with 'ballast check"),
    ] {
      let path = try folder.add("c.yaml", "budgets:\n  - {\(budget)}\n")
      #expect(try sentence(1, [path, "--results", points]).contains(part), "\(budget)")
    }
  }

  /// A budget of the peak names what is there at the peak, one of retained bytes what backward needs.
  @Test func `a recorded step that holds too much names the tensors of that moment`() throws {
    let folder = try Folder()
    let sample = RecordedSample(
      tensors: [
        .init(2000, "parameter"), .init(3000, "activation", isKept: true, layer: 0),
        .init(7000, "temporary"), .init(1000, "gradient"),
      ],
      events: [0, 1, 2, -3, 3, -2, -4], phases: [("model", 0), ("forward", 1), ("backward", 4)],
      boundary: 4)
    try folder.add("recording.json", sample.text())
    for (figure, names, other) in [
      ("peak_allocated", ["temporary", "parameter", "q_proj"], "gradient"),
      ("retained", ["q_proj"], "temporary"),
    ] {
      let profile = try folder.add(
        "p.yaml",
        "model: tiny\nn_c: 64\ndtype: bfloat16\nbudgets:\n  - {figure: \(figure), at_most: 1KiB}\n")
      let result = try Program.run(
        ["check", profile, "--results", "\(folder.path)/recording.json"])
      #expect(result.status == 2, "\(result.errors)")
      for name in names { #expect(result.output.contains(name), "\(figure): \(result.output)") }
      #expect(!result.output.contains(other), "\(figure): \(result.output)")
    }
  }
}
