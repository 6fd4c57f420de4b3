import Measurement
import Profiles
import Retention
import Spelling
import Tensors
import TestSupport
import Testing
import Transformer

private let start = "model: seed\nn_g: 4\n"

@Suite struct ProfileTests {
  @Test func `a profile with one value an axis is one point with the defaults`() throws {
    let profile = try Profile(text: start + "n_c: 7", file: "a/b.yaml", threads: 3)
    #expect(profile.name == "b")
    #expect(profile.points.count == 1)
    let point = try #require(profile.points.first).point
    #expect(point.modelName == "seed" && point.model.dModel == 64)
    #expect(point.nC == 7 && point.nG == 4 && point.batch == 1 && point.threads == 3)
    #expect(point.mode == .fullGraph && point.attention == .fused && point.backend == .cpu)
    #expect(point.lossRows == .nextToken && point.head == .lossRows && point.recompute == .none)
  }

  @Test func `n_c is the outermost loop and mode an inner one`() throws {
    let profile = try Profile(
      text: start + "mode: [full-graph, detached-prefix]\nseed: [1, 2]\nn_c: [1, 2]",
      file: "p.yaml")
    #expect(profile.points.map(\.point.nC) == [1, 1, 1, 1, 2, 2, 2, 2])
    #expect(profile.points.map(\.point.seed) == [1, 1, 2, 2, 1, 1, 2, 2])
    #expect(profile.points.map(\.point.mode).prefix(2) == [.fullGraph, .detachedPrefix()])
  }

  @Test func `keep_prefix multiplies detached-prefix points alone`() throws {
    let profile = try Profile(
      text: start + "n_c: 8\nmode: [full-graph, detached-prefix]\nkeep_prefix: [0, 2, 4]\n"
        + "chunk: [4, 8]",
      file: "p.yaml")
    let full = profile.points.filter { $0.point.mode == .fullGraph }
    #expect(full.count == 1 && profile.points.count == 7)
    #expect(full.allSatisfy { $0.point.mode.keepPrefix == 0 && $0.point.chunk == 4 })
  }

  @Test func `kv_gradients multiplies replayed-prefix points alone`() throws {
    let profile = try Profile(
      text: start + "n_c: 8\nmode: [full-graph, detached-prefix, replayed-prefix]\n"
        + "kv_gradients: [float32, activations]",
      file: "p.yaml")
    #expect(profile.points.count == 4)
    #expect(
      profile.points.suffix(2).map(\.point.mode) == [
        .replayedPrefix(), .replayedPrefix(gradients: .activations),
      ])
  }

  @Test func `with head chunked, chunk multiplies every mode's points`() throws {
    let profile = try Profile(
      text: start + "n_c: 8\nmode: [full-graph, detached-prefix]\nchunk: [4, 8]\n"
        + "head: [loss-rows, chunked]",
      file: "p.yaml")
    #expect(profile.points.count { $0.point.head == .chunked } == 4)
    #expect(profile.points.count == 7)
  }

  @Test func `repeat numbers the repetitions of a point from 1`() throws {
    let profile = try Profile(text: start + "n_c: [1, 2]\nrepeat: 2", file: "p.yaml")
    #expect(profile.points.map(\.repetition) == [1, 2, 1, 2])
    #expect(profile.points.map(\.point.nC) == [1, 1, 2, 2])
  }

  @Test func `a range has both of its ends`() throws {
    let profile = try Profile(
      text: start + "n_c: {from: 0, to: 10, step: 5}", file: "p.yaml")
    #expect(profile.points.map(\.point.nC) == [0, 5, 10])
  }

  @Test func `a model of one's own has its sizes, and layers multiply it`() throws {
    let profile = try Profile(
      text: """
        profile: mine
        description: "a # text: with *stars* and 'quotes'"
        memory: 2GiB
        model: {name: tiny, d_model: 32, heads: 4, kv_heads: 2, d_ff: 48, vocab: 11,
                norm_epsilon: 1e-6, tie_embeddings: true}
        layers: [1, 3]
        n_c: 1
        n_g: 1
        """.replacing("*stars*", with: "stars"), file: "p.yaml")
    #expect(profile.name == "mine" && profile.memory == 2 << 30)
    #expect(profile.points.map(\.point.model.layers) == [1, 3])
    let model = try #require(profile.points.first).point.model
    #expect(model.dHead == 8 && model.kvHeads == 2 && model.tiedEmbeddings)
    #expect(model.normEpsilon == 1e-6)
  }

  @Test(arguments: ["# it's a *comment*\n", "# \"R&D\" &more\n"])
  func `stars and ampersands in comments are no aliases`(comment: String) throws {
    #expect(try Profile(text: comment + start + "n_c: 1", file: "p.yaml").points.count == 1)
  }

  @Test func `the shipped profiles are valid`() throws {
    for (name, count) in [("seed", 2), ("one-layer", 18)] {
      let profile = try Profile(path: "\(Repository.path)/profiles/\(name).yaml")
      #expect(profile.name == name && profile.points.count == count)
    }
  }

  /// A bad profile, the line that is named, and what the sentence says.
  struct Bad: CustomTestStringConvertible, Sendable {
    let text: String
    let line: Int?
    let parts: [String]

    init(_ text: String, _ line: Int?, _ parts: String...) {
      self.text = text
      self.line = line
      self.parts = parts
    }

    var testDescription: String { String(text.suffix(40)) }
  }

  static let bad: [Bad] = [
    Bad("", nil, "is empty"),
    Bad("# only a comment\n", nil, "is empty"),
    Bad("hello", 1, "mapping of keys to values"),
    Bad("- 1\n", 1, "mapping of keys to values"),
    Bad("n_c: 1\nn_g: 1\n", nil, "has no model"),
    Bad("model: seed\nn_g: 1\n", nil, "has no n_c"),
    Bad(start + "n_cc: 1", 3, "unknown key \"n_cc\"; did you mean \"n_c\"?"),
    Bad(start + "n-c: 1", 3, "unknown key \"n-c\"; did you mean \"n_c\"?"),
    Bad(start + "\n# x\nxyzzy: 1", 5, "unknown key \"xyzzy\"; the keys of a profile are profile,"),
    Bad(start + "n_c: 1\nn_c: 2", 3, "key \"n_c\" is given more than once"),
    Bad(start + "n_c: 1.5", 3, "n_c must be a whole number, not 1.5"),
    Bad(start + "n_c: 1e3", 3, "n_c must be a whole number, not 1e3"),
    Bad(start + "n_c: true", 3, "n_c must be a whole number, not true"),
    Bad(start + "n_c: .nan", 3, "n_c must be a whole number, not .nan"),
    Bad(start + "n_c: 0x10", 3, "n_c must be a whole number, not 0x10"),
    Bad(start + "n_c: \"4\"", 3, "n_c must be a whole number, not the text \"4\""),
    Bad(start + "n_c: 99999999999999999999", 3, "does not fit 64 bits"),
    Bad(start + "n_c:", 3, "n_c has no value"),
    Bad(start + "n_c: ~", 3, "n_c has no value"),
    Bad(start + "n_c: []", 3, "n_c has no values"),
    Bad(start + "n_c: [[1]]", 3, "n_c must be a whole number, not a list"),
    Bad(start + "n_c: [1,\n  2,\n  -3]", 5, "n_c must be 0 to", "not -3"),
    Bad(start + "n_c: {from: 4, to: 1, step: 1}", 3, "starts at 4, after its end 1"),
    Bad(start + "n_c: {from: 4, to: 10}", 3, "has no step"),
    Bad(start + "n_c: {from: 4, to: 10, step: 0}", 3, "step of n_c must be 1"),
    Bad(start + "n_c: {from: 0, to: 9, stp: 3}", 3, "did you mean \"step\"?"),
    Bad(start + "n_c: {from: 0, to: 200000, step: 1}", 3, "more than 100000 values"),
    Bad(
      start + "n_c: {from: 0, to: 60000, step: 1}\nseed: [1, 2]", nil,
      "describes more than 100000 points"),
    Bad(
      start + "n_c: 1\nmode: detached", 4, "did you mean \"detached-prefix\", one of full-graph,"),
    Bad(start + "n_c: 1\nmode: {a: 1}", 4, "mode must be one of", "not a mapping"),
    Bad(start + "n_c: 1\nrecompute: layers", 4, "unknown recompute \"layers\"", "elementwise"),
    Bad(start + "n_c: 1\nattention: flash", 4, "unknown attention \"flash\"", "materialized"),
    Bad(start + "n_c: 1\nrepeat: 0", 4, "repeat must be 1 to 1000, not 0"),
    Bad(start + "n_c: 1\nbatch: 0", 4, "batch must be 1"),
    Bad(start + "n_c: 1\nseed: -1", 4, "seed must be 0 or more, not -1"),
    Bad(start + "n_c: 1\nthreads: 4096", 4, "threads must be 1 to 1024"),
    Bad(start + "n_c: 1\ndropout: lots", 4, "dropout must be a number, not lots"),
    Bad(start + "n_c: 1\ndropout: .inf", 4, "dropout must be a number, not .inf"),
    Bad(start + "n_c: 1\nmemory: 12 GB", 4, "memory \"12 GB\" is not a size"),
    Bad(start + "n_c: 1\nmemory: 99999999999GiB", 4, "does not fit 64 bits"),
    Bad(start + "n_c: 1\nlayers: 9223372036854775807", 4, "layers must be 1 to 4096"),
    Bad("model: seed\nn_g: 1\nn_c: 0", 3, "no row carries loss"),
    Bad("model: sede\nn_g: 1\nn_c: 0", 1, "unknown model \"sede\", and", "did you mean \"seed\""),
    Bad("model: {heads: 4}\nn_g: 1\nn_c: 0", 1, "the model has no layers, no d_model"),
    Bad("model:\n  d_modle: 4\nn_g: 1\nn_c: 0", 2, "did you mean \"d_model\"?"),
    Bad(
      "model:\n  d_model: 65\n  heads: 4\n  layers: 1\n  d_ff: 8\n  vocab: 9\nn_g: 1\nn_c: 1", 2,
      "d_model 65 is not divisible by heads 4"),
    Bad(
      "model:\n  d_model: 64\n  heads: 4\n  kv_heads: 3\n  layers: 1\n  d_ff: 8\n  vocab: 9\n"
        + "n_g: 1\nn_c: 1", 3, "heads 4 is not divisible by kv_heads 3"),
    Bad(start + "n_c: [1, 2", 4, "is not valid YAML"),
    Bad(start + "\tn_c: 1", 3, "tab"),
    Bad(start + "n_c: 1\n---\nn_c: 2", 5, "second YAML document"),
    Bad(start + "n_c: 1\n? [a]\n: b", 4, "must be a word"),
    Bad(start + "n_c: &a 1", 3, "anchors and aliases"),
    Bad(start + "n_c: *a", 3, "anchors and aliases"),
    Bad("x: \" #\"\ny: &a [1]", 2, "anchors and aliases"),
    Bad(start + "<<: {n_c: 4}", 3, "unknown key \"<<\""),
    Bad(start + "n_c: \u{1}", nil, "control characters"),
    Bad(start.replacing("\n", with: "\r\n") + "n_cc: 4", 3, "did you mean \"n_c\"?"),
    Bad(String(repeating: "[", count: 100_000), 1, "nests more than 1000 deep"),
    Bad(String(repeating: "{", count: 100_000), 1, "nests more than 1000 deep"),
    Bad(String(repeating: "- ", count: 50_000), 1, "nests more than 1000 deep"),
    Bad(String(repeating: "? ", count: 50_000), 1, "nests more than 1000 deep"),
  ]

  @Test(arguments: bad)
  func `a bad profile is refused with file, line and what to change`(bad: Bad) throws {
    let clock = ContinuousClock()
    var found: ProfileError?
    let time = clock.measure {
      do throws(ProfileError) {
        _ = try Profile(text: bad.text, file: "x.yaml")
      } catch {
        found = error
      }
    }
    let error = try #require(found)
    #expect(error.line == bad.line, "\(error)")
    for part in bad.parts { #expect(error.sentence.contains(part), "\(error)") }
    #expect(error.description.hasPrefix(bad.line.map { "x.yaml:\($0): " } ?? "x.yaml: "))
    #expect(!error.description.contains("\n") && error.description.utf8.count < 500)
    #expect(time < .seconds(5))
  }
}
