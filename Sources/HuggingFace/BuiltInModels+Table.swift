// Written by scripts/embed-models from profiles/models; change that instead.

extension BuiltInModels {
  /// Every model that has a name, in the order of the table.
  package static let all: [BuiltInModel] = [
    BuiltInModel(
      name: "gpt2",
      publicName: "openai-community/gpt2",
      family: "gpt2", layers: 12, dModel: 768,
      parameters: 124_439_808, contextLength: 1024),
    BuiltInModel(
      name: "gpt3-175b",
      publicName: nil,
      family: "gpt2", layers: 96, dModel: 12288,
      parameters: 174_604_259_328, contextLength: 2048),
    BuiltInModel(
      name: "llama-2-7b",
      publicName: "meta-llama/Llama-2-7b-hf",
      family: "llama", layers: 32, dModel: 4096,
      parameters: 6_738_415_616, contextLength: 4096),
    BuiltInModel(
      name: "llama-2-13b",
      publicName: "meta-llama/Llama-2-13b-hf",
      family: "llama", layers: 40, dModel: 5120,
      parameters: 13_015_864_320, contextLength: 4096),
    BuiltInModel(
      name: "llama-2-70b",
      publicName: "meta-llama/Llama-2-70b-hf",
      family: "llama", layers: 80, dModel: 8192,
      parameters: 68_976_648_192, contextLength: 4096),
    BuiltInModel(
      name: "llama-3-8b",
      publicName: "meta-llama/Meta-Llama-3-8B",
      family: "llama", layers: 32, dModel: 4096,
      parameters: 8_030_261_248, contextLength: 8192),
    BuiltInModel(
      name: "llama-3-70b",
      publicName: "meta-llama/Meta-Llama-3-70B",
      family: "llama", layers: 80, dModel: 8192,
      parameters: 70_553_706_496, contextLength: 8192),
    BuiltInModel(
      name: "llama-3.1-8b",
      publicName: "meta-llama/Llama-3.1-8B",
      family: "llama", layers: 32, dModel: 4096,
      parameters: 8_030_261_248, contextLength: 131072),
    BuiltInModel(
      name: "llama-3.1-70b",
      publicName: "meta-llama/Llama-3.1-70B",
      family: "llama", layers: 80, dModel: 8192,
      parameters: 70_553_706_496, contextLength: 131072),
    BuiltInModel(
      name: "llama-3.1-405b",
      publicName: "meta-llama/Llama-3.1-405B",
      family: "llama", layers: 126, dModel: 16384,
      parameters: 405_853_388_800, contextLength: 131072),
    BuiltInModel(
      name: "llama-3.2-1b",
      publicName: "meta-llama/Llama-3.2-1B",
      family: "llama", layers: 16, dModel: 2048,
      parameters: 1_235_814_400, contextLength: 131072),
    BuiltInModel(
      name: "llama-3.2-3b",
      publicName: "meta-llama/Llama-3.2-3B",
      family: "llama", layers: 28, dModel: 3072,
      parameters: 3_212_749_824, contextLength: 131072),
    BuiltInModel(
      name: "llama-3.3-70b",
      publicName: "meta-llama/Llama-3.3-70B-Instruct",
      family: "llama", layers: 80, dModel: 8192,
      parameters: 70_553_706_496, contextLength: 131072),
    BuiltInModel(
      name: "tinyllama-1.1b",
      publicName: "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
      family: "llama", layers: 22, dModel: 2048,
      parameters: 1_100_048_384, contextLength: 2048),
    BuiltInModel(
      name: "smollm2-135m",
      publicName: "HuggingFaceTB/SmolLM2-135M",
      family: "llama", layers: 30, dModel: 576,
      parameters: 134_515_008, contextLength: 8192),
    BuiltInModel(
      name: "smollm2-360m",
      publicName: "HuggingFaceTB/SmolLM2-360M",
      family: "llama", layers: 32, dModel: 960,
      parameters: 361_821_120, contextLength: 8192),
    BuiltInModel(
      name: "smollm2-1.7b",
      publicName: "HuggingFaceTB/SmolLM2-1.7B",
      family: "llama", layers: 24, dModel: 2048,
      parameters: 1_711_376_384, contextLength: 8192),
    BuiltInModel(
      name: "r1-distill-llama-8b",
      publicName: "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
      family: "llama", layers: 32, dModel: 4096,
      parameters: 8_030_261_248, contextLength: 131072),
    BuiltInModel(
      name: "r1-distill-llama-70b",
      publicName: "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
      family: "llama", layers: 80, dModel: 8192,
      parameters: 70_553_706_496, contextLength: 131072),
    BuiltInModel(
      name: "mistral-7b-v0.1",
      publicName: "mistralai/Mistral-7B-v0.1",
      family: "mistral", layers: 32, dModel: 4096,
      parameters: 7_241_732_096, contextLength: 32768),
    BuiltInModel(
      name: "mistral-7b",
      publicName: "mistralai/Mistral-7B-v0.3",
      family: "mistral", layers: 32, dModel: 4096,
      parameters: 7_248_023_552, contextLength: 32768),
    BuiltInModel(
      name: "mistral-nemo-12b",
      publicName: "mistralai/Mistral-Nemo-Base-2407",
      family: "mistral", layers: 40, dModel: 5120,
      parameters: 12_247_782_400, contextLength: 128000),
    BuiltInModel(
      name: "qwen2.5-0.5b",
      publicName: "Qwen/Qwen2.5-0.5B",
      family: "qwen2", layers: 24, dModel: 896,
      parameters: 494_032_768, contextLength: 32768),
    BuiltInModel(
      name: "qwen2.5-1.5b",
      publicName: "Qwen/Qwen2.5-1.5B",
      family: "qwen2", layers: 28, dModel: 1536,
      parameters: 1_543_714_304, contextLength: 131072),
    BuiltInModel(
      name: "qwen2.5-3b",
      publicName: "Qwen/Qwen2.5-3B",
      family: "qwen2", layers: 36, dModel: 2048,
      parameters: 3_085_938_688, contextLength: 32768),
    BuiltInModel(
      name: "qwen2.5-7b",
      publicName: "Qwen/Qwen2.5-7B",
      family: "qwen2", layers: 28, dModel: 3584,
      parameters: 7_615_616_512, contextLength: 131072),
    BuiltInModel(
      name: "qwen2.5-14b",
      publicName: "Qwen/Qwen2.5-14B",
      family: "qwen2", layers: 48, dModel: 5120,
      parameters: 14_770_033_664, contextLength: 131072),
    BuiltInModel(
      name: "qwen2.5-32b",
      publicName: "Qwen/Qwen2.5-32B",
      family: "qwen2", layers: 64, dModel: 5120,
      parameters: 32_763_876_352, contextLength: 131072),
    BuiltInModel(
      name: "qwen2.5-72b",
      publicName: "Qwen/Qwen2.5-72B",
      family: "qwen2", layers: 80, dModel: 8192,
      parameters: 72_706_203_648, contextLength: 131072),
    BuiltInModel(
      name: "qwen3-0.6b",
      publicName: "Qwen/Qwen3-0.6B",
      family: "qwen3", layers: 28, dModel: 1024,
      parameters: 596_049_920, contextLength: 40960),
    BuiltInModel(
      name: "qwen3-1.7b",
      publicName: "Qwen/Qwen3-1.7B",
      family: "qwen3", layers: 28, dModel: 2048,
      parameters: 1_720_574_976, contextLength: 40960),
    BuiltInModel(
      name: "qwen3-4b",
      publicName: "Qwen/Qwen3-4B",
      family: "qwen3", layers: 36, dModel: 2560,
      parameters: 4_022_468_096, contextLength: 40960),
    BuiltInModel(
      name: "qwen3-8b",
      publicName: "Qwen/Qwen3-8B",
      family: "qwen3", layers: 36, dModel: 4096,
      parameters: 8_190_735_360, contextLength: 40960),
    BuiltInModel(
      name: "qwen3-14b",
      publicName: "Qwen/Qwen3-14B",
      family: "qwen3", layers: 40, dModel: 5120,
      parameters: 14_768_307_200, contextLength: 40960),
    BuiltInModel(
      name: "qwen3-32b",
      publicName: "Qwen/Qwen3-32B",
      family: "qwen3", layers: 64, dModel: 5120,
      parameters: 32_762_123_264, contextLength: 40960),
    BuiltInModel(
      name: "qwen3-30b-a3b",
      publicName: "Qwen/Qwen3-30B-A3B",
      family: "qwen3_moe", layers: 48, dModel: 2048,
      parameters: 30_532_122_624, contextLength: 40960),
    BuiltInModel(
      name: "qwen3-235b-a22b",
      publicName: "Qwen/Qwen3-235B-A22B",
      family: "qwen3_moe", layers: 94, dModel: 4096,
      parameters: 235_093_634_560, contextLength: 40960),
    BuiltInModel(
      name: "mixtral-8x7b",
      publicName: "mistralai/Mixtral-8x7B-v0.1",
      family: "mixtral", layers: 32, dModel: 4096,
      parameters: 46_702_792_704, contextLength: 32768),
    BuiltInModel(
      name: "deepseek-v3",
      publicName: "deepseek-ai/DeepSeek-V3",
      family: "deepseek_v3", layers: 61, dModel: 7168,
      parameters: 671_026_404_352, contextLength: 163840),
    BuiltInModel(
      name: "gpt-oss-20b",
      publicName: "openai/gpt-oss-20b",
      family: "gpt_oss", layers: 24, dModel: 2880,
      parameters: 20_914_757_184, contextLength: 131072),
    BuiltInModel(
      name: "gpt-oss-120b",
      publicName: "openai/gpt-oss-120b",
      family: "gpt_oss", layers: 36, dModel: 2880,
      parameters: 116_829_156_672, contextLength: 131072),
    BuiltInModel(
      name: "gemma-2-2b",
      publicName: "google/gemma-2-2b",
      family: "gemma2", layers: 26, dModel: 2304,
      parameters: 2_614_341_888, contextLength: 8192),
    BuiltInModel(
      name: "gemma-2-9b",
      publicName: "google/gemma-2-9b",
      family: "gemma2", layers: 42, dModel: 3584,
      parameters: 9_241_705_984, contextLength: 8192),
    BuiltInModel(
      name: "gemma-2-27b",
      publicName: "google/gemma-2-27b",
      family: "gemma2", layers: 46, dModel: 4608,
      parameters: 27_227_128_320, contextLength: 8192),
    BuiltInModel(
      name: "gemma-3-1b",
      publicName: "google/gemma-3-1b-pt",
      family: "gemma3_text", layers: 26, dModel: 1152,
      parameters: 999_885_952, contextLength: 32768),
    BuiltInModel(
      name: "gemma-3-4b",
      publicName: "google/gemma-3-4b-pt",
      family: "gemma3_text", layers: 34, dModel: 2560,
      parameters: 3_880_263_168, contextLength: 131072),
    BuiltInModel(
      name: "gemma-3-12b",
      publicName: "google/gemma-3-12b-pt",
      family: "gemma3_text", layers: 48, dModel: 3840,
      parameters: 11_766_034_176, contextLength: 131072),
    BuiltInModel(
      name: "gemma-3-27b",
      publicName: "google/gemma-3-27b-pt",
      family: "gemma3_text", layers: 62, dModel: 5376,
      parameters: 27_009_346_304, contextLength: 131072),
    BuiltInModel(
      name: "phi-3-mini-4k",
      publicName: "microsoft/Phi-3-mini-4k-instruct",
      family: "phi3", layers: 32, dModel: 3072,
      parameters: 3_821_079_552, contextLength: 4096),
    BuiltInModel(
      name: "phi-4",
      publicName: "microsoft/phi-4",
      family: "phi3", layers: 40, dModel: 5120,
      parameters: 14_659_507_200, contextLength: 16384),
    BuiltInModel(
      name: "olmo-2-7b",
      publicName: "allenai/OLMo-2-1124-7B",
      family: "olmo2", layers: 32, dModel: 4096,
      parameters: 7_298_617_344, contextLength: 4096),
    BuiltInModel(
      name: "olmo-2-13b",
      publicName: "allenai/OLMo-2-1124-13B",
      family: "olmo2", layers: 40, dModel: 5120,
      parameters: 13_716_198_400, contextLength: 4096),
    BuiltInModel(
      name: "smollm3-3b",
      publicName: "HuggingFaceTB/SmolLM3-3B",
      family: "smollm3", layers: 36, dModel: 2048,
      parameters: 3_075_098_624, contextLength: 65536),
  ]
}
