import Retention
import Tensors
import TestSupport
import Testing
import Transformer
import Values

/// What is written on an axis and what a point holds are one value.
@Suite struct WrittenAxisTests {
  @Test(arguments: PointAxis.all.map(\.name))
  func `every choice and every default is read back as it is written`(name: String) throws {
    let axis = PointAxis.named(name)
    for value in axis.choices + [axis.standard] {
      #expect(try axis.read(WrittenText(value.text)) == value)
    }
    #expect(
      axis.choices.map(\.text) == { if case .words(let words) = axis.kind { words } else { [] } }())
  }

  /// An adapter as somebody wrote it, and as it is written everywhere.
  @Test(arguments: [
    ("r=16,alpha=32,targets=q_proj+v_proj", "r=16,alpha=32,targets=q_proj+v_proj"),
    ("targets=all-linear", "r=8,alpha=8,targets=all-linear"),
    ("targets=k_proj, alpha=0.5,r=3", "r=3,alpha=0.5,targets=k_proj"),
    (
      "dropout=5e-2,rslora=true,targets=o_proj,r=4",
      "r=4,alpha=8,targets=o_proj,rslora=true,dropout=0.05"
    ),
    ("rslora=false,dropout=0,targets=o_proj", "r=8,alpha=8,targets=o_proj"),
  ])
  func `one adapter has one text`(text: String, canonical: String) throws {
    let lora = try LoRA(text, for: "lora")
    #expect(lora.written == canonical)
    #expect(try LoRA(canonical, for: "lora") == lora)
  }

  @Test func `lengths have one text, and are refused by their part`() throws {
    #expect(try Lengths("128+16, 64+8", for: "lengths").written == "128+16,64+8")
    for text in ["", "3", "3+", "+3", "3+2,", "3+2+1", "a+b", "3+0", "-1+2", "268435457+1"] {
      #expect(throws: ValueError.self) { try Lengths(text, for: "lengths") }
    }
    let error = #expect(throws: ValueError.self) { try Lengths("4+4,5", for: "lengths") }
    #expect(error?.fault as? Lengths.Fault == .noPair("5"))
    let many = Array(repeating: "1+1", count: Lengths.most + 1).joined(separator: ",")
    let tooMany = #expect(throws: ValueError.self) { try Lengths(many, for: "lengths") }
    #expect(tooMany?.fault as? Lengths.Fault == .tooMany(Lengths.most + 1))
  }

  @Test func `a point's adapter and counts follow what it is given`() throws {
    let model = DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 11)
    var point = Point(modelName: "m", model: model, nC: 4, nG: 4)
    point.lora = written("r=2,targets=q_proj")
    #expect(point.model.adapter == point.lora?.configuration && point.model.adapter?.dtype == nil)
    point.recipe = .transformersSDPA
    #expect(point.model.adapter?.dtype == .float32)
    point.lora = nil
    #expect(point.model == model)
    point.lengths = written("3+2,7+1,0+9")
    #expect((point.nC, point.nG, point.batch, point.suffixes) == (7, 9, 3, 1))
    point.sharing = .prefix
    #expect((point.batch, point.suffixes) == (1, 3))
  }

  @Test func `an error names the axes to change`() throws {
    let model = DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 11)
    func axes(_ change: (inout Point) -> Void) -> [String] {
      var point = Point(modelName: "m", model: model, nC: 4, nG: 4)
      change(&point)
      do throws(PointError) { try point.validate() } catch { return error.axes }
      return []
    }
    #expect(axes { _ in }.isEmpty)
    #expect(axes { $0.batch = 0 } == ["batch"])
    #expect(axes { $0.dropout = 0.5 } == ["dropout"])
    #expect(axes { ($0.mode, $0.head) = (.prunedGraph, .allRows) } == ["head", "mode"])
    #expect(
      axes { ($0.recipe, $0.backend) = (.transformersEager, .shape) } == ["recipe", "attention"])
    #expect(axes { $0.lora = written("targets=c_attn") } == ["adapter", "lora"])
    #expect(axes { $0.packing = .padded } == ["layout"])
  }
}
