"""Megatron-LM's functional tests of a GPT, as far as its own log of memory.

megatron-core makes the model, the buffers and the optimizer, and runs forward, backward and the
optimizer's step. The loop around it is Megatron-LM's (megatron/training/training.py), of which
megatron-core has nothing: here is what of it allocates on the GPU, in its order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LAYERS, WIDTH, HEADS, LENGTH, SEQUENCES = 12, 512, 8, 1024, 4
VOCABULARY = 50304  # GPT-2's 50,257, up to a multiple of 128
MASK_OF = ("tokens", "labels", "loss_mask", "attention_mask", "position_ids")


@dataclass(frozen=True)
class Run:
    """A functional test: what its model_config.yaml says beside the sizes above.

    Attributes:
        dtype: Of weights and activations; gradients of bfloat16 are added up in float32.
        tensor_parallel: How many ranks share one copy of the model.
        is_sharded: Whether the optimizer's states are divided over the copies, with the exchange
            of gradients and of weights while others are computed.
        skipped: Steps at the start whose gradients overflow: float16 finds its scale.
    """

    dtype: torch.dtype
    tensor_parallel: int = 1
    is_sharded: bool = True
    skipped: int = 0

    @property
    def is_bfloat16(self) -> bool:
        return self.dtype is torch.bfloat16


def trained(run: Run, steps: int) -> dict[str, Any]:
    """Sets a run up and trains it for some steps.

    Returns:
        What is alive when Megatron logs memory after the last one.
    """
    from megatron.core import parallel_state, tensor_parallel

    torch.use_deterministic_algorithms(True)  # --deterministic-mode
    parallel_state.initialize_model_parallel(run.tensor_parallel, 1)
    tensor_parallel.model_parallel_cuda_manual_seed(1234)
    # `pretrain` has its start on the GPU for as long as it trains.
    alive: dict[str, Any] = {"start": torch.tensor([0.0], dtype=torch.double, device="cuda")}
    model, optimizer = set_up(run)
    alive |= {"model": model, "optimizer": optimizer, "totals": {}}
    one = optimizer.chained_optimizers[0] if hasattr(optimizer, "chained_optimizers") else optimizer
    checked = one._unscale_main_grads_and_check_for_nan
    batches = data()
    for step in range(steps):
        overflows = step < run.skipped
        one._unscale_main_grads_and_check_for_nan = lambda: checked() and False or overflows
        alive["losses"] = train_step(run, model, optimizer, batches, alive["totals"])
    return alive


def set_up(run: Run) -> tuple[Any, Any]:
    """The model on the GPU in its buffers, and its optimizer (`setup_model_and_optimizer`)."""
    from megatron.core import tensor_parallel
    from megatron.core.distributed import (
        DistributedDataParallel, DistributedDataParallelConfig, finalize_model_grads,
    )
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.optimizer import OptimizerConfig, get_megatron_optimizer
    from megatron.core.transformer import TransformerConfig
    from megatron.core.transformer.module import Float16Module

    kinds = {"bf16": run.is_bfloat16, "fp16": not run.is_bfloat16, "params_dtype": run.dtype}
    configuration = TransformerConfig(
        num_layers=LAYERS, hidden_size=WIDTH, num_attention_heads=HEADS,
        tensor_model_parallel_size=run.tensor_parallel, pipeline_dtype=run.dtype,
        apply_query_key_layer_scaling=True, attention_softmax_in_fp32=True,
        masked_softmax_fusion=True, bias_activation_fusion=True, bias_dropout_fusion=True,
        gradient_accumulation_fusion=False, deterministic_mode=True,
        deallocate_pipeline_outputs=True, **kinds)
    model: Any = GPTModel(
        config=configuration, transformer_layer_spec=get_gpt_layer_local_spec(),
        vocab_size=VOCABULARY, max_sequence_length=LENGTH, parallel_output=True,
        share_embeddings_and_output_weights=True, position_embedding_type="learned_absolute")
    for parameter in model.parameters():
        tensor_parallel.set_defaults_if_not_set_tensor_model_parallel_attributes(parameter)
    model.cuda(torch.cuda.current_device())
    model = DistributedDataParallel(
        configuration,
        DistributedDataParallelConfig(
            grad_reduce_in_fp32=run.is_bfloat16, check_for_nan_in_grad=run.is_bfloat16,
            use_distributed_optimizer=run.is_sharded, overlap_grad_reduce=run.is_sharded,
            overlap_param_gather=run.is_sharded,
            bucket_size=40_000_000 if run.is_sharded else None),
        Float16Module(configuration, model))
    scale = {} if run.is_bfloat16 else {
        "initial_loss_scale": 2.0**32, "min_loss_scale": 1.0, "loss_scale_window": 1000,
        "hysteresis": 2}
    optimizer = get_megatron_optimizer(OptimizerConfig(
        optimizer="adam", lr=1.5e-4, min_lr=1e-5, weight_decay=1e-2, clip_grad=1.0,
        use_distributed_optimizer=run.is_sharded, overlap_param_gather=run.is_sharded,
        log_num_zeros_in_grad=True, **kinds, **scale), [model])
    if run.is_sharded:
        configuration.no_sync_func = model.no_sync
        model.disable_forward_pre_hook(param_sync=False)  # until a step has been taken
    configuration.grad_scale_func = optimizer.scale_loss
    configuration.finalize_model_grads_func = finalize_model_grads
    return model, optimizer


def train_step(run: Run, model: Any, optimizer: Any, batches: Iterator[dict[str, Tensor]],
               totals: dict[str, Tensor]) -> dict[str, Tensor]:
    """A step, and what is added up for the log (`train_step`, `training_log`)."""
    from megatron.core import parallel_state
    from megatron.core.pipeline_parallel import get_forward_backward_func

    model.zero_grad_buffer()
    optimizer.zero_grad()
    reports = get_forward_backward_func()(
        forward_step_func=forward_step, data_iterator=batches, model=[model], num_microbatches=1,
        seq_length=LENGTH, micro_batch_size=SEQUENCES, decoder_seq_length=LENGTH,
        forward_only=False)
    has_stepped, *_ = optimizer.step()
    losses = {}
    for key in reports[0]:
        value = torch.vstack([report[key].view(-1) for report in reports]).sum(dim=0)
        torch.distributed.all_reduce(
            value, group=parallel_state.get_data_parallel_group(with_context_parallel=True))
        losses[key] = value[0] / value[1]
    if has_stepped:
        if run.is_sharded and not model.remove_forward_pre_hook_handles:
            model.enable_forward_pre_hook()
        for key, loss in losses.items():
            totals[key] = totals.get(key, torch.tensor([0.0], device="cuda")) + loss
    return losses


def data() -> Iterator[dict[str, Tensor]]:
    """Batches on the host, with the mask that the GPT data set makes."""
    while True:
        numbers = torch.zeros(SEQUENCES, LENGTH, dtype=torch.int64)
        yield dict(zip(MASK_OF, (
            numbers, numbers, torch.ones(SEQUENCES, LENGTH),
            torch.ones(SEQUENCES, 1, LENGTH, LENGTH, dtype=torch.bool), numbers)))


def forward_step(batches: Iterator[dict[str, Tensor]], model: Any) -> tuple[Tensor, Any]:
    """Forward of one batch, and how its loss is made of what that gives (`pretrain_gpt.py`)."""
    batch = next(batches)
    tokens, labels, loss_mask, attention_mask, positions = (
        batch[name].cuda(non_blocking=True) for name in MASK_OF)
    output = model(tokens, positions, attention_mask, labels=labels, loss_mask=loss_mask)
    return output, functools.partial(loss_of, loss_mask)


def loss_of(loss_mask: Tensor, output: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    losses = output.view(-1).float()
    mask = loss_mask.view(-1).float()
    loss = torch.sum(losses * mask)
    count = mask.sum().clone().detach().to(torch.int)
    return loss, count, {"lm loss": torch.cat([loss.clone().detach().view(1), count.view(1)])}
