#compdef ballast-probe
# Written by 'ballast-probe completions', which replaces it.
# Made by shtab 1.13.0.
#    fpath=(~/.local/share/zsh_completion $fpath)


_shtab_ballast_probe_commands() {
  local _commands=(
    completions:'Prints a shell'"'"'s completion of commands, options and their values:'
    fit:'Records training steps of a transformers model at a few lengths, finds from'
    record:'Runs training steps of a transformers model on shapes alone and records'
    run:'Runs the forward pass of a transformers model and lists what it keeps for'
  )
  _describe 'ballast-probe commands' _commands
}

_shtab_ballast_probe_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "(- : *)--version[show program\'s version number and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_ballast_probe_defaults_added=0

_shtab_ballast_probe_completions_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--install[write the script where the shell looks for it]"
  "--overwrite[with --install, replace a file that ballast-probe did not write]"
  ":bash, zsh, fish (default with --install\: that of \$SHELL):(bash zsh fish)"
)

# guard to ensure default positional specs are added only once per session
_shtab_ballast_probe_completions_defaults_added=0

_shtab_ballast_probe_fit_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--model[a name such as qwen3-8b (ballast models lists them), org\/name in the Hugging Face cache, a config.json, or a directory that holds one]:MODEL:_ballast_probe_model_deepseek_v3_53"
  "--model-type[a model type of transformers, with its default configuration]:TYPE:"
  "*--set[a value of the configuration\; may be given more than once]:NAME=VALUE:"
  "--n-g[generated tokens, which carry loss (default 512)]:N:"
  "--batch[sequences at a time (default 1)]:N:"
  "--steps[steps of the optimizer (default 2)]:N:"
  "--accumulate[forward and backward passes before each of those (default 1)]:N:"
  "--attention[sdpa, eager, cudnn, flash, efficient, math (default sdpa)]:WORD:(sdpa eager cudnn flash efficient math)"
  "--autocast[none, bf16, fp16 (default none)]:WORD:(none bf16 fp16)"
  "--recompute[none, layer, layer-reentrant (default none)]:WORD:(none layer layer-reentrant)"
  "--optimizer[adamw, adamw-loop, adamw-fused, sgd, none (default adamw)]:WORD:(adamw adamw-loop adamw-fused sgd none)"
  "--base[plain, 4bit (default plain)]:WORD:(plain 4bit)"
  "--logits[all, answer, chunked (default all)]:WORD:(all answer chunked)"
  "--dtype[of the weights\: float32, bfloat16, float16 (default\: the configuration\'s, or else float32)]:WORD:(float32 bfloat16 float16)"
  "--gpu[a100-40gb, a100-80gb, h100, h200, b200, l40s, l4, rtx-4090, rtx-5090, cpu, or a JSON file with an entry of your own (default h100)]:GPU:_ballast_probe_gpu_a100_40gb_10"
  "--clip[the norm to which gradients are clipped, or 0 for no clipping (default 1.0)]:NORM:"
  "--lora[an adapter of PEFT\'s on a frozen base, such as r\=16,alpha\=32,targets\=all-linear]:WORDS:"
  "--trainable[parameters in whose name it is found are trained (default\: all)]:REGEX:"
  "--layers[the first N decoder layers]:N:"
  "--dropout[probability of every dropout (default 0)]:P:"
  "--ranks[processes that train together, each on such a GPU with a batch of its own\; one of them is recorded (default 1)]:D:"
  "--parallel[fsdp2\: fully_shard on each layer, with --autocast as its policy\; ddp\: DistributedDataParallel (default with --ranks\: fsdp2)]:WORD:(fsdp2 ddp)"
  "--n-c[prefix tokens of each sequence, which carry no loss\; with it the largest batch is found, of completions or texts, and without it the longest prefix]:N:"
  "--memory[what the step has to fit, such as 80GiB\; several are separated by commas (default\: the GPU\'s, which is a little less than it is sold as)]:SIZE:"
  "--also[record the step with each of these changes too, and say what they let fit\: checkpointing, lora, qlora, answer-logits, chunked-loss, fused-optimizer, sgd, or all]:LIST:_values -s , value checkpointing lora qlora answer-logits chunked-loss fused-optimizer sgd all"
  "--output[write recording.json.gz into this folder, and that of each change into one of its name in there]:DIR:_files -/"
  "--overwrite[replace recordings that are there]"
  "--format[how the answer is printed\: table, json (default table)]:WORD:(table json)"
)

# guard to ensure default positional specs are added only once per session
_shtab_ballast_probe_fit_defaults_added=0

_shtab_ballast_probe_record_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--model[a name such as qwen3-8b (ballast models lists them), org\/name in the Hugging Face cache, a config.json, or a directory that holds one]:MODEL:_ballast_probe_model_deepseek_v3_53"
  "--model-type[a model type of transformers, with its default configuration]:TYPE:"
  "*--set[a value of the configuration\; may be given more than once]:NAME=VALUE:"
  "--n-c[prefix tokens, which carry no loss]:N:"
  "--n-g[generated tokens, which carry loss]:N:"
  "--batch[sequences at a time (default 1)]:N:"
  "--steps[steps of the optimizer (default 2)]:N:"
  "--accumulate[forward and backward passes before each of those (default 1)]:N:"
  "--attention[sdpa, eager, cudnn, flash, efficient, math (default sdpa)]:WORD:(sdpa eager cudnn flash efficient math)"
  "--autocast[none, bf16, fp16 (default none)]:WORD:(none bf16 fp16)"
  "--recompute[none, layer, layer-reentrant (default none)]:WORD:(none layer layer-reentrant)"
  "--optimizer[adamw, adamw-loop, adamw-fused, sgd, none (default adamw)]:WORD:(adamw adamw-loop adamw-fused sgd none)"
  "--base[plain, 4bit (default plain)]:WORD:(plain 4bit)"
  "--logits[all, answer, chunked (default all)]:WORD:(all answer chunked)"
  "--dtype[of the weights\: float32, bfloat16, float16 (default\: the configuration\'s, or else float32)]:WORD:(float32 bfloat16 float16)"
  "--gpu[a100-40gb, a100-80gb, h100, h200, b200, l40s, l4, rtx-4090, rtx-5090, cpu, or a JSON file with an entry of your own (default h100)]:GPU:_ballast_probe_gpu_a100_40gb_10"
  "--clip[the norm to which gradients are clipped, or 0 for no clipping (default 1.0)]:NORM:"
  "--lora[an adapter of PEFT\'s on a frozen base, such as r\=16,alpha\=32,targets\=all-linear]:WORDS:"
  "--trainable[parameters in whose name it is found are trained (default\: all)]:REGEX:"
  "--layers[the first N decoder layers]:N:"
  "--dropout[probability of every dropout (default 0)]:P:"
  "--ranks[processes that train together, each on such a GPU with a batch of its own\; one of them is recorded (default 1)]:D:"
  "--parallel[fsdp2\: fully_shard on each layer, with --autocast as its policy\; ddp\: DistributedDataParallel (default with --ranks\: fsdp2)]:WORD:(fsdp2 ddp)"
  "--output[write recording.json.gz into this folder]:DIR:_files -/"
  "--overwrite[replace a recording that is there]"
  "--format[how the answer is printed\: table, json (default table)]:WORD:(table json)"
)

# guard to ensure default positional specs are added only once per session
_shtab_ballast_probe_record_defaults_added=0

_shtab_ballast_probe_run_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--model[a name such as qwen3-8b (ballast models lists them), org\/name in the Hugging Face cache, a config.json, or a directory that holds one]:MODEL:_ballast_probe_model_deepseek_v3_53"
  "--model-type[a model type of transformers, with its default configuration]:TYPE:"
  "*--set[a value of the configuration\; may be given more than once]:NAME=VALUE:"
  "*--n-c[prefix tokens, which carry no loss]:LIST:"
  "*--n-g[generated tokens, which carry loss]:LIST:"
  "*--batch[sequences at a time (default 1)]:LIST:"
  "*--mode[full-graph, detached-prefix (default\: full-graph)]:LIST:_values -s , value full-graph detached-prefix"
  "*--attention[eager, sdpa (default\: sdpa)]:LIST:_values -s , value eager sdpa"
  "*--dtype[float32, bfloat16, float16 (default\: the configuration\'s, or else float32)]:LIST:_values -s , value float32 bfloat16 float16"
  "*--recompute[none, layer (default\: none)]:LIST:_values -s , value none layer"
  "*--logits[all, answer, chunked (default\: all)]:LIST:_values -s , value all answer chunked"
  "--keep-prefix[last prefix rows that detached-prefix leaves in the graph]:W:"
  "--trainable[parameters in whose name it is found are trained (default\: all)]:REGEX:"
  "--lora[an adapter of PEFT\'s on a frozen base, such as r\=16,alpha\=32,targets\=q_proj\+v_proj]:WORDS:"
  "--layers[the first N decoder layers]:N:"
  "--dropout[probability of every dropout, or config for the configuration\'s own (default 0)]:P:"
  "--seed[of weights and tokens (default 0)]:seed:"
  "--device[fake, meta, cpu, cuda (default\: fake\: shapes alone, as on a CPU)]:DEVICE:(fake meta cpu cuda)"
  "--output[write points.csv, ledger.csv and sweep.json]:DIR:_files -/"
  "--overwrite[replace results that are there]"
  "--tensors[print what each point keeps, summed over layers]"
  "--format[how the answer is printed\: table, json (default table)]:WORD:(table json)"
)

# guard to ensure default positional specs are added only once per session
_shtab_ballast_probe_run_defaults_added=0


_shtab_ballast_probe() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->ballast-probe'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_ballast_probe_defaults_added )); then
    if (( ${_shtab_ballast_probe_options[(I)${(q)one_or_more}*]} +          ${_shtab_ballast_probe_options[(I)${(q)remainder}*]} +          ${_shtab_ballast_probe_options[(I)${(q)default}]} == 0 )); then
      _shtab_ballast_probe_options+=(': :_shtab_ballast_probe_commands' '*::: :->ballast-probe')
    fi
    _shtab_ballast_probe_defaults_added=1
  fi
  _arguments -C -s $_shtab_ballast_probe_options

  case $state in
    ballast-probe)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_ballast_probe-$line[1]:"
      case $line[1] in
        completions) _arguments -C -s $_shtab_ballast_probe_completions_options ;;
        fit) _arguments -C -s $_shtab_ballast_probe_fit_options ;;
        record) _arguments -C -s $_shtab_ballast_probe_record_options ;;
        run) _arguments -C -s $_shtab_ballast_probe_run_options ;;
      esac
  esac
}

# Custom Preamble
_ballast_probe_model_deepseek_v3_53() {
  _alternative 'words:value:(deepseek-v3 gemma-2-27b gemma-2-2b gemma-2-9b gemma-3-12b gemma-3-1b gemma-3-27b gemma-3-4b gpt-oss-120b gpt-oss-20b gpt2 gpt3-175b llama-2-13b llama-2-70b llama-2-7b llama-3-70b llama-3-8b llama-3.1-405b llama-3.1-70b llama-3.1-8b llama-3.2-1b llama-3.2-3b llama-3.3-70b mistral-7b mistral-7b-v0.1 mistral-nemo-12b mixtral-8x7b olmo-2-13b olmo-2-7b phi-3-mini-4k phi-4 qwen2.5-0.5b qwen2.5-1.5b qwen2.5-14b qwen2.5-32b qwen2.5-3b qwen2.5-72b qwen2.5-7b qwen3-0.6b qwen3-1.7b qwen3-14b qwen3-235b-a22b qwen3-30b-a3b qwen3-32b qwen3-4b qwen3-8b r1-distill-llama-70b r1-distill-llama-8b smollm2-1.7b smollm2-135m smollm2-360m smollm3-3b tinyllama-1.1b)' 'files:file:_files'
}

_ballast_probe_gpu_a100_40gb_10() {
  _alternative 'words:value:(a100-40gb a100-80gb h100 h200 b200 l40s l4 rtx-4090 rtx-5090 cpu)' 'files:file:_files'
}

# End Custom Preamble


typeset -A opt_args

if [[ $zsh_eval_context[-1] == eval ]]; then
  # eval/source/. command, register function for later
  compdef _shtab_ballast_probe -N ballast-probe
else
  # autoload from fpath, call function directly
  _shtab_ballast_probe "$@"
fi
