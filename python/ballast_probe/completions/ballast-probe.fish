# Written by 'ballast-probe completions', which replaces it.
# Made by shtab 1.13.0.
# Parse current commandline:
# - _shtab_ballast_probe_cmdpath=(sub)command path seen so far
# - _shtab_ballast_probe_npos=number of positional arguments given after it
# - options are skipped based on _shtab_ballast_probe_opts_with_value & _shtab_ballast_probe_commands lists
function _shtab_ballast_probe_scan
  set -g _shtab_ballast_probe_cmdpath ''
  set -g _shtab_ballast_probe_npos 0
  set -l tokens (commandline -opc)
  set -e tokens[1]
  set -l expect_value 0
  for t in $tokens
    if test $expect_value -eq 1
      set expect_value 0
      continue
    end
    switch "$t"
      case '--*=*'
        continue
      case '-*'
        if contains -- $t $_shtab_ballast_probe_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_ballast_probe_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_ballast_probe_cmdpath"
            set candidate "$_shtab_ballast_probe_cmdpath $t"
          end
          if contains -- $candidate $_shtab_ballast_probe_commands
            set -g _shtab_ballast_probe_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_ballast_probe_npos (math $_shtab_ballast_probe_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_ballast_probe_using
  _shtab_ballast_probe_scan
  test "$_shtab_ballast_probe_cmdpath" = "$argv"
end

set -g _shtab_ballast_probe_commands run record fit completions
set -g _shtab_ballast_probe_opts_with_value --accumulate --also --attention --autocast --base --batch --clip --device --dropout --dtype --format --gpu --keep-prefix --layers --logits --lora --memory --mode --model --model-type --n-c --n-g --optimizer --output --parallel --ranks --recompute --seed --set --steps --trainable

complete -c ballast-probe -e
complete -c ballast-probe -f

complete -c ballast-probe -n _shtab_ballast_probe_using -s h -l help -d 'show this help message and exit'
complete -c ballast-probe -n _shtab_ballast_probe_using -l version -d 'show program'"'"'s version number and exit'
complete -c ballast-probe -n '_shtab_ballast_probe_using; and test $_shtab_ballast_probe_npos -eq 0' -a run -d 'Runs the forward pass of a transformers model and lists what it keeps for'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -s h -l help -d 'show this help message and exit'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l model -xka "(printf '%s\\n' deepseek-v3 gemma-2-27b gemma-2-2b gemma-2-9b gemma-3-12b gemma-3-1b gemma-3-27b gemma-3-4b gpt-oss-120b gpt-oss-20b gpt2 gpt3-175b llama-2-13b llama-2-70b llama-2-7b llama-3-70b llama-3-8b llama-3.1-405b llama-3.1-70b llama-3.1-8b llama-3.2-1b llama-3.2-3b llama-3.3-70b mistral-7b mistral-7b-v0.1 mistral-nemo-12b mixtral-8x7b olmo-2-13b olmo-2-7b phi-3-mini-4k phi-4 qwen2.5-0.5b qwen2.5-1.5b qwen2.5-14b qwen2.5-32b qwen2.5-3b qwen2.5-72b qwen2.5-7b qwen3-0.6b qwen3-1.7b qwen3-14b qwen3-235b-a22b qwen3-30b-a3b qwen3-32b qwen3-4b qwen3-8b r1-distill-llama-70b r1-distill-llama-8b smollm2-1.7b smollm2-135m smollm2-360m smollm3-3b tinyllama-1.1b) (__fish_complete_path (commandline -ct))" -d 'a name such as qwen3-8b (ballast models lists them), org/name in the Hugging Face cache, a config.json, or a directory that holds one'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l model-type -x -d 'a model type of transformers, with its default configuration'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l set -x -d 'a value of the configuration; may be given more than once'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l n-c -x -d 'prefix tokens, which carry no loss'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l n-g -x -d 'generated tokens, which carry loss'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l batch -x -d 'sequences at a time (default 1)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l mode -xka "(__fish_append , full-graph detached-prefix)" -d 'full-graph, detached-prefix (default: full-graph)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l attention -xka "(__fish_append , eager sdpa)" -d 'eager, sdpa (default: sdpa)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l dtype -xka "(__fish_append , float32 bfloat16 float16)" -d 'float32, bfloat16, float16 (default: the configuration'"'"'s, or else float32)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l recompute -xka "(__fish_append , none layer)" -d 'none, layer (default: none)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l logits -xka "(__fish_append , all answer chunked)" -d 'all, answer, chunked (default: all)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l keep-prefix -x -d 'last prefix rows that detached-prefix leaves in the graph'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l trainable -x -d 'parameters in whose name it is found are trained (default: all)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l lora -x -d 'an adapter of PEFT'"'"'s on a frozen base, such as r=16,alpha=32,targets=q_proj+v_proj'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l layers -x -d 'the first N decoder layers'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l dropout -x -d 'probability of every dropout, or config for the configuration'"'"'s own (default 0)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l seed -x -d 'of weights and tokens (default 0)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l device -xka "fake meta cpu cuda" -d 'fake, meta, cpu, cuda (default: fake: shapes alone, as on a CPU)'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l output -xka "(__fish_complete_directories)" -d 'write points.csv, ledger.csv and sweep.json'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l overwrite -d 'replace results that are there'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l tensors -d 'print what each point keeps, summed over layers'
complete -c ballast-probe -n '_shtab_ballast_probe_using run' -l format -xka "table json" -d 'how the answer is printed: table, json (default table)'
complete -c ballast-probe -n '_shtab_ballast_probe_using; and test $_shtab_ballast_probe_npos -eq 0' -a record -d 'Runs training steps of a transformers model on shapes alone and records'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -s h -l help -d 'show this help message and exit'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l model -xka "(printf '%s\\n' deepseek-v3 gemma-2-27b gemma-2-2b gemma-2-9b gemma-3-12b gemma-3-1b gemma-3-27b gemma-3-4b gpt-oss-120b gpt-oss-20b gpt2 gpt3-175b llama-2-13b llama-2-70b llama-2-7b llama-3-70b llama-3-8b llama-3.1-405b llama-3.1-70b llama-3.1-8b llama-3.2-1b llama-3.2-3b llama-3.3-70b mistral-7b mistral-7b-v0.1 mistral-nemo-12b mixtral-8x7b olmo-2-13b olmo-2-7b phi-3-mini-4k phi-4 qwen2.5-0.5b qwen2.5-1.5b qwen2.5-14b qwen2.5-32b qwen2.5-3b qwen2.5-72b qwen2.5-7b qwen3-0.6b qwen3-1.7b qwen3-14b qwen3-235b-a22b qwen3-30b-a3b qwen3-32b qwen3-4b qwen3-8b r1-distill-llama-70b r1-distill-llama-8b smollm2-1.7b smollm2-135m smollm2-360m smollm3-3b tinyllama-1.1b) (__fish_complete_path (commandline -ct))" -d 'a name such as qwen3-8b (ballast models lists them), org/name in the Hugging Face cache, a config.json, or a directory that holds one'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l model-type -x -d 'a model type of transformers, with its default configuration'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l set -x -d 'a value of the configuration; may be given more than once'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l n-c -x -d 'prefix tokens, which carry no loss'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l n-g -x -d 'generated tokens, which carry loss'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l batch -x -d 'sequences at a time (default 1)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l steps -x -d 'steps of the optimizer (default 2)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l accumulate -x -d 'forward and backward passes before each of those (default 1)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l attention -xka "sdpa eager cudnn flash efficient math" -d 'sdpa, eager, cudnn, flash, efficient, math (default sdpa)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l autocast -xka "none bf16 fp16" -d 'none, bf16, fp16 (default none)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l recompute -xka "none layer layer-reentrant" -d 'none, layer, layer-reentrant (default none)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l optimizer -xka "adamw adamw-loop adamw-fused sgd none" -d 'adamw, adamw-loop, adamw-fused, sgd, none (default adamw)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l base -xka "plain 4bit" -d 'plain, 4bit (default plain)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l logits -xka "all answer chunked" -d 'all, answer, chunked (default all)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l dtype -xka "float32 bfloat16 float16" -d 'of the weights: float32, bfloat16, float16 (default: the configuration'"'"'s, or else float32)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l gpu -xka "(printf '%s\\n' a100-40gb a100-80gb h100 h200 b200 l40s l4 rtx-4090 rtx-5090 cpu) (__fish_complete_path (commandline -ct))" -d 'a100-40gb, a100-80gb, h100, h200, b200, l40s, l4, rtx-4090, rtx-5090, cpu, or a JSON file with an entry of your own (default h100)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l clip -x -d 'the norm to which gradients are clipped, or 0 for no clipping (default 1.0)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l lora -x -d 'an adapter of PEFT'"'"'s on a frozen base, such as r=16,alpha=32,targets=all-linear'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l trainable -x -d 'parameters in whose name it is found are trained (default: all)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l layers -x -d 'the first N decoder layers'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l dropout -x -d 'probability of every dropout (default 0)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l ranks -x -d 'processes that train together, each on such a GPU with a batch of its own; one of them is recorded (default 1)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l parallel -xka "fsdp2 ddp" -d 'fsdp2: fully_shard on each layer, with --autocast as its policy; ddp: DistributedDataParallel (default with --ranks: fsdp2)'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l output -xka "(__fish_complete_directories)" -d 'write recording.json.gz into this folder'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l overwrite -d 'replace a recording that is there'
complete -c ballast-probe -n '_shtab_ballast_probe_using record' -l format -xka "table json" -d 'how the answer is printed: table, json (default table)'
complete -c ballast-probe -n '_shtab_ballast_probe_using; and test $_shtab_ballast_probe_npos -eq 0' -a fit -d 'Records training steps of a transformers model at a few lengths, finds from'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -s h -l help -d 'show this help message and exit'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l model -xka "(printf '%s\\n' deepseek-v3 gemma-2-27b gemma-2-2b gemma-2-9b gemma-3-12b gemma-3-1b gemma-3-27b gemma-3-4b gpt-oss-120b gpt-oss-20b gpt2 gpt3-175b llama-2-13b llama-2-70b llama-2-7b llama-3-70b llama-3-8b llama-3.1-405b llama-3.1-70b llama-3.1-8b llama-3.2-1b llama-3.2-3b llama-3.3-70b mistral-7b mistral-7b-v0.1 mistral-nemo-12b mixtral-8x7b olmo-2-13b olmo-2-7b phi-3-mini-4k phi-4 qwen2.5-0.5b qwen2.5-1.5b qwen2.5-14b qwen2.5-32b qwen2.5-3b qwen2.5-72b qwen2.5-7b qwen3-0.6b qwen3-1.7b qwen3-14b qwen3-235b-a22b qwen3-30b-a3b qwen3-32b qwen3-4b qwen3-8b r1-distill-llama-70b r1-distill-llama-8b smollm2-1.7b smollm2-135m smollm2-360m smollm3-3b tinyllama-1.1b) (__fish_complete_path (commandline -ct))" -d 'a name such as qwen3-8b (ballast models lists them), org/name in the Hugging Face cache, a config.json, or a directory that holds one'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l model-type -x -d 'a model type of transformers, with its default configuration'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l set -x -d 'a value of the configuration; may be given more than once'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l n-g -x -d 'generated tokens, which carry loss (default 512)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l batch -x -d 'sequences at a time (default 1)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l steps -x -d 'steps of the optimizer (default 2)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l accumulate -x -d 'forward and backward passes before each of those (default 1)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l attention -xka "sdpa eager cudnn flash efficient math" -d 'sdpa, eager, cudnn, flash, efficient, math (default sdpa)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l autocast -xka "none bf16 fp16" -d 'none, bf16, fp16 (default none)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l recompute -xka "none layer layer-reentrant" -d 'none, layer, layer-reentrant (default none)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l optimizer -xka "adamw adamw-loop adamw-fused sgd none" -d 'adamw, adamw-loop, adamw-fused, sgd, none (default adamw)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l base -xka "plain 4bit" -d 'plain, 4bit (default plain)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l logits -xka "all answer chunked" -d 'all, answer, chunked (default all)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l dtype -xka "float32 bfloat16 float16" -d 'of the weights: float32, bfloat16, float16 (default: the configuration'"'"'s, or else float32)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l gpu -xka "(printf '%s\\n' a100-40gb a100-80gb h100 h200 b200 l40s l4 rtx-4090 rtx-5090 cpu) (__fish_complete_path (commandline -ct))" -d 'a100-40gb, a100-80gb, h100, h200, b200, l40s, l4, rtx-4090, rtx-5090, cpu, or a JSON file with an entry of your own (default h100)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l clip -x -d 'the norm to which gradients are clipped, or 0 for no clipping (default 1.0)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l lora -x -d 'an adapter of PEFT'"'"'s on a frozen base, such as r=16,alpha=32,targets=all-linear'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l trainable -x -d 'parameters in whose name it is found are trained (default: all)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l layers -x -d 'the first N decoder layers'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l dropout -x -d 'probability of every dropout (default 0)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l ranks -x -d 'processes that train together, each on such a GPU with a batch of its own; one of them is recorded (default 1)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l parallel -xka "fsdp2 ddp" -d 'fsdp2: fully_shard on each layer, with --autocast as its policy; ddp: DistributedDataParallel (default with --ranks: fsdp2)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l n-c -x -d 'prefix tokens of each sequence, which carry no loss; with it the largest batch is found, of completions or texts, and without it the longest prefix'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l memory -x -d 'what the step has to fit, such as 80GiB; several are separated by commas (default: the GPU'"'"'s, which is a little less than it is sold as)'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l also -xka "(__fish_append , checkpointing lora qlora answer-logits chunked-loss fused-optimizer sgd all)" -d 'record the step with each of these changes too, and say what they let fit: checkpointing, lora, qlora, answer-logits, chunked-loss, fused-optimizer, sgd, or all'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l output -xka "(__fish_complete_directories)" -d 'write recording.json.gz into this folder, and that of each change into one of its name in there'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l overwrite -d 'replace recordings that are there'
complete -c ballast-probe -n '_shtab_ballast_probe_using fit' -l format -xka "table json" -d 'how the answer is printed: table, json (default table)'
complete -c ballast-probe -n '_shtab_ballast_probe_using; and test $_shtab_ballast_probe_npos -eq 0' -a completions -d 'Prints a shell'"'"'s completion of commands, options and their values:'
complete -c ballast-probe -n '_shtab_ballast_probe_using completions' -s h -l help -d 'show this help message and exit'
complete -c ballast-probe -n '_shtab_ballast_probe_using completions' -l install -d 'write the script where the shell looks for it'
complete -c ballast-probe -n '_shtab_ballast_probe_using completions' -l overwrite -d 'with --install, replace a file that ballast-probe did not write'
complete -c ballast-probe -n '_shtab_ballast_probe_using completions; and test $_shtab_ballast_probe_npos -eq 0' -ka "bash zsh fish" -d 'bash, zsh, fish (default with --install: that of $SHELL)'
