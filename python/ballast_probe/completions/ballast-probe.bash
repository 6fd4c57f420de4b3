# Written by 'ballast-probe completions', which replaces it.
# Made by shtab 1.13.0.
_shtab_ballast_probe_subparsers=(run record fit completions)

_shtab_ballast_probe_run_option_strings=(-h --help --model --model-type --set --n-c --n-g --batch --mode --attention --dtype --recompute --logits --keep-prefix --trainable --lora --layers --dropout --seed --device --output --overwrite --tensors --format)
_shtab_ballast_probe_record_option_strings=(-h --help --model --model-type --set --n-c --n-g --batch --steps --accumulate --attention --autocast --recompute --optimizer --base --logits --dtype --gpu --clip --lora --trainable --layers --dropout --ranks --parallel --output --overwrite --format)
_shtab_ballast_probe_fit_option_strings=(-h --help --model --model-type --set --n-g --batch --steps --accumulate --attention --autocast --recompute --optimizer --base --logits --dtype --gpu --clip --lora --trainable --layers --dropout --ranks --parallel --n-c --memory --also --output --overwrite --format)
_shtab_ballast_probe_completions_option_strings=(-h --help --install --overwrite)
_shtab_ballast_probe_option_strings=(-h --help --version)

_shtab_ballast_probe_run___model_COMPGEN=_ballast_probe_model_deepseek_v3_53
_shtab_ballast_probe_run___mode_COMPGEN=_ballast_probe_mode_full_graph_2
_shtab_ballast_probe_run___attention_COMPGEN=_ballast_probe_attention_eager_2
_shtab_ballast_probe_run___dtype_COMPGEN=_ballast_probe_dtype_float32_3
_shtab_ballast_probe_run___recompute_COMPGEN=_ballast_probe_recompute_none_2
_shtab_ballast_probe_run___logits_COMPGEN=_ballast_probe_logits_all_3
_shtab_ballast_probe_run___device_COMPGEN=_ballast_probe_device_fake_4
_shtab_ballast_probe_run___output_COMPGEN=_shtab_compgen_dirs
_shtab_ballast_probe_run___format_COMPGEN=_ballast_probe_format_table_2
_shtab_ballast_probe_record___model_COMPGEN=_ballast_probe_model_deepseek_v3_53
_shtab_ballast_probe_record___attention_COMPGEN=_ballast_probe_attention_sdpa_6
_shtab_ballast_probe_record___autocast_COMPGEN=_ballast_probe_autocast_none_3
_shtab_ballast_probe_record___recompute_COMPGEN=_ballast_probe_recompute_none_3
_shtab_ballast_probe_record___optimizer_COMPGEN=_ballast_probe_optimizer_adamw_5
_shtab_ballast_probe_record___base_COMPGEN=_ballast_probe_base_plain_2
_shtab_ballast_probe_record___logits_COMPGEN=_ballast_probe_logits_all_3
_shtab_ballast_probe_record___dtype_COMPGEN=_ballast_probe_dtype_float32_3
_shtab_ballast_probe_record___gpu_COMPGEN=_ballast_probe_gpu_a100_40gb_10
_shtab_ballast_probe_record___parallel_COMPGEN=_ballast_probe_parallel_fsdp2_2
_shtab_ballast_probe_record___output_COMPGEN=_shtab_compgen_dirs
_shtab_ballast_probe_record___format_COMPGEN=_ballast_probe_format_table_2
_shtab_ballast_probe_fit___model_COMPGEN=_ballast_probe_model_deepseek_v3_53
_shtab_ballast_probe_fit___attention_COMPGEN=_ballast_probe_attention_sdpa_6
_shtab_ballast_probe_fit___autocast_COMPGEN=_ballast_probe_autocast_none_3
_shtab_ballast_probe_fit___recompute_COMPGEN=_ballast_probe_recompute_none_3
_shtab_ballast_probe_fit___optimizer_COMPGEN=_ballast_probe_optimizer_adamw_5
_shtab_ballast_probe_fit___base_COMPGEN=_ballast_probe_base_plain_2
_shtab_ballast_probe_fit___logits_COMPGEN=_ballast_probe_logits_all_3
_shtab_ballast_probe_fit___dtype_COMPGEN=_ballast_probe_dtype_float32_3
_shtab_ballast_probe_fit___gpu_COMPGEN=_ballast_probe_gpu_a100_40gb_10
_shtab_ballast_probe_fit___parallel_COMPGEN=_ballast_probe_parallel_fsdp2_2
_shtab_ballast_probe_fit___also_COMPGEN=_ballast_probe_also_checkpointing_8
_shtab_ballast_probe_fit___output_COMPGEN=_shtab_compgen_dirs
_shtab_ballast_probe_fit___format_COMPGEN=_ballast_probe_format_table_2
_shtab_ballast_probe_completions_pos_0_COMPGEN=_ballast_probe_shell_bash_3

_shtab_ballast_probe_pos_0_choices=(run record fit completions)

_shtab_ballast_probe_run__h_nargs=0
_shtab_ballast_probe_run___help_nargs=0
_shtab_ballast_probe_run___overwrite_nargs=0
_shtab_ballast_probe_run___tensors_nargs=0
_shtab_ballast_probe_record__h_nargs=0
_shtab_ballast_probe_record___help_nargs=0
_shtab_ballast_probe_record___overwrite_nargs=0
_shtab_ballast_probe_fit__h_nargs=0
_shtab_ballast_probe_fit___help_nargs=0
_shtab_ballast_probe_fit___overwrite_nargs=0
_shtab_ballast_probe_completions__h_nargs=0
_shtab_ballast_probe_completions___help_nargs=0
_shtab_ballast_probe_completions___install_nargs=0
_shtab_ballast_probe_completions___overwrite_nargs=0
_shtab_ballast_probe_pos_0_nargs=A...
_shtab_ballast_probe__h_nargs=0
_shtab_ballast_probe___help_nargs=0
_shtab_ballast_probe___version_nargs=0


# Custom Preamble
_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_model_deepseek_v3_53() {
  _ballast_probe_words "deepseek-v3 gemma-2-27b gemma-2-2b gemma-2-9b gemma-3-12b gemma-3-1b gemma-3-27b gemma-3-4b gpt-oss-120b gpt-oss-20b gpt2 gpt3-175b llama-2-13b llama-2-70b llama-2-7b llama-3-70b llama-3-8b llama-3.1-405b llama-3.1-70b llama-3.1-8b llama-3.2-1b llama-3.2-3b llama-3.3-70b mistral-7b mistral-7b-v0.1 mistral-nemo-12b mixtral-8x7b olmo-2-13b olmo-2-7b phi-3-mini-4k phi-4 qwen2.5-0.5b qwen2.5-1.5b qwen2.5-14b qwen2.5-32b qwen2.5-3b qwen2.5-72b qwen2.5-7b qwen3-0.6b qwen3-1.7b qwen3-14b qwen3-235b-a22b qwen3-30b-a3b qwen3-32b qwen3-4b qwen3-8b r1-distill-llama-70b r1-distill-llama-8b smollm2-1.7b smollm2-135m smollm2-360m smollm3-3b tinyllama-1.1b" "$1"
  compgen -f -- "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_mode_full_graph_2() {
  _ballast_probe_words "full-graph detached-prefix" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_attention_eager_2() {
  _ballast_probe_words "eager sdpa" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_dtype_float32_3() {
  _ballast_probe_words "float32 bfloat16 float16" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_recompute_none_2() {
  _ballast_probe_words "none layer" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_logits_all_3() {
  _ballast_probe_words "all answer chunked" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_device_fake_4() {
  _ballast_probe_words "fake meta cpu cuda" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_format_table_2() {
  _ballast_probe_words "table json" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_attention_sdpa_6() {
  _ballast_probe_words "sdpa eager cudnn flash efficient math" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_autocast_none_3() {
  _ballast_probe_words "none bf16 fp16" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_recompute_none_3() {
  _ballast_probe_words "none layer layer-reentrant" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_optimizer_adamw_5() {
  _ballast_probe_words "adamw adamw-loop adamw-fused sgd none" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_base_plain_2() {
  _ballast_probe_words "plain 4bit" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_gpu_a100_40gb_10() {
  _ballast_probe_words "a100-40gb a100-80gb h100 h200 b200 l40s l4 rtx-4090 rtx-5090 cpu" "$1"
  compgen -f -- "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_parallel_fsdp2_2() {
  _ballast_probe_words "fsdp2 ddp" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_also_checkpointing_8() {
  _ballast_probe_words "checkpointing lora qlora answer-logits chunked-loss fused-optimizer sgd all" "$1"
}

_ballast_probe_words() {
  local start=""
  [[ $2 == *,* ]] && start="${2%,*},"
  compgen -P "$start" -W "$1" -- "${2##*,}"
}
_ballast_probe_shell_bash_3() {
  _ballast_probe_words "bash zsh fish" "$1"
}

# End Custom Preamble

# $1=COMP_WORDS[1]
_shtab_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_set_new_action() {
  current_action="${prefix}_$(_shtab_replace_nonword $1)"

  local current_action_compgen_var=${current_action}_COMPGEN
  current_action_compgen="${!current_action_compgen_var-}"

  local current_action_choices_var="${current_action}_choices[@]"
  current_action_choices="${!current_action_choices_var-}"

  local current_action_nargs_var="${current_action}_nargs"
  if [ -n "${!current_action_nargs_var-}" ]; then
    current_action_nargs="${!current_action_nargs_var}"
  else
    current_action_nargs=1
  fi

  current_action_args_start_index=$(( $word_index + 1 - $pos_only ))

  current_action_is_positional=$2
}

# Notes:
# `COMPREPLY`: what will be rendered after completion is triggered
# `completing_word`: currently typed word to generate completions for
# `${!var}`: evaluates the content of `var` and expand its content as a variable
#     hello="world"
#     x="hello"
#     ${!x} -> ${hello} -> "world"
_shtab_ballast_probe() {
  local completing_word="${COMP_WORDS[COMP_CWORD]}"
  local previous_word="${COMP_WORDS[COMP_CWORD-1]}"
  local completed_positional_actions
  local current_action
  local current_action_args_start_index
  local current_action_choices
  local current_action_compgen
  local current_action_is_positional
  local current_action_nargs
  local current_option_strings
  local sub_parsers
  COMPREPLY=()

  local prefix=_shtab_ballast_probe
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_replace_nonword $this_word)"
        _set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _set_new_action "pos_$completed_positional_actions" true
      fi
    else
      pos_only=1 # "--" delimiter encountered
    fi

    let "word_index+=1"
  done

  # Generate the completions

  COMPREPLY=()
  if [[ $pos_only = 0 && "$completing_word" == -* &&
        ( -z "$current_action_compgen" || "$current_action_is_positional" = true ) ]]; then
    # optional argument started: use option strings
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_option_strings[*]}" -- "$completing_word")
  elif [[ "$previous_word" =~ ^[0-9\&]*[\<\>]\>?$ ]]; then
    # handle redirection operators
    compopt -o filenames 2>/dev/null || : # bash>=4
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$completing_word")
  else
    # use choices & compgen
    local action_compgen_word="$completing_word"
    # handle tab-completing in the middle of a line (#248 <- #116)
    [[ -n "$current_action_compgen" && "$completing_word" == -* ]] && action_compgen_word=""
    [ -n "$current_action_compgen" ] && {
      [[ "$current_action_compgen" =~ _(file|dir|glob|FILE|DIR|GLOB)|File|Dir|Glob ]] &&
        compopt -o filenames 2>/dev/null || : # bash>=4
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        "$current_action_compgen" "$action_compgen_word")
    }
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_action_choices[*]}" -- "$completing_word")
  fi

  if [[ ${#COMPREPLY[@]} = 0 ]]; then
    # native fallback matches are not necessarily filenames (e.g. variables)
    compopt +o filenames 2>/dev/null || : # bash>=4
  fi

  return 0
}

complete -o bashdefault -F _shtab_ballast_probe ballast-probe
