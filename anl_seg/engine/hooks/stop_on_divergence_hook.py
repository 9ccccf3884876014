"""Ending a training whose loss or weights are no longer finite numbers, in words."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from anl_seg._checks import check_integer
from anl_seg.engine._finite import fixed_tensors, not_finite, optim_wrappers, trained_tensors
from anl_seg.functional._precision import full_precision
from anl_seg.registry import HOOKS

#: Losses in a row that may be not finite where a loss scaler skips their updates: it halves its scale at
#: each, and ten are a factor of 1024.
_SKIPPED_IN_A_ROW = 10


class DivergenceError(FloatingPointError):
    """A training whose loss or weights are no longer finite."""


def _skips_overflow(runner: Runner) -> bool:
    """Whether updates by gradients that are not finite are skipped (mixed precision)."""
    scalers = [getattr(wrapper, "loss_scaler", None) for wrapper in optim_wrappers(runner)]
    return any(scaler is not None and scaler.is_enabled() for scaler in scalers)


def _checkpoint_due(runner: Runner) -> bool:
    """Whether CheckpointHook will write after this iteration."""
    hooks = [h for h in runner.hooks if isinstance(h, CheckpointHook) and not h.by_epoch]
    return any(
        hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
        or (hook.save_last and hook.is_last_train_iter(runner))
        for hook in hooks
    )


@HOOKS.register_module()
class StopOnDivergenceHook(Hook):
    """Raises an error as soon as the total loss, or what is trained, has been NaN or infinite.

    mmengine trains on with NaN weights until the last iteration, and the run then looks like a finished
    one with a bad score. With this hook it ends as a failed one, and the error says the iteration. The
    loss is looked at on its device at every iteration and read every ``interval`` iterations, before a
    validation, before a checkpoint is written and after training, so the GPU is not waited for more
    often than that.

    A finite loss can have a gradient that is not. So before a validation and a checkpoint, after an epoch
    and after training the weights, the state of the optimizer, running averages of the weights and the
    buffers of the model (running statistics of batch normalization) are looked at too. A checkpoint that
    holds NaN or inf is not written, and no older one is removed for it. Buffers (but for running statistics)
    and frozen weights that are not finite when training starts may stay so: some are meant to be.
    ``tools/train.py`` registers this hook with a patience of 10 where a config has none.

    Args:
        interval (int): Read after so many iterations. Default: 10.
        patience (int, optional): So many iterations in a row must have a loss that is not finite. Default:
            None: 1; or 10 with a loss scaler (mixed precision), which skips the update of such an
            iteration.

    Raises:
        ValueError: If ``interval`` or ``patience`` is no integer >= 1.
        DivergenceError: In training, a FloatingPointError: ``diverged: loss is nan at iteration 12`` (the
            first of them, counted from 1), or ``diverged: decode_head.conv_seg.weight is nan at iteration
            12`` (the one after which it was looked at).
    """

    # Before CheckpointHook and LoggerHook.
    priority = "ABOVE_NORMAL"

    def __init__(self, interval: int = 10, patience: int | None = None) -> None:
        self.interval = check_integer("interval", interval, low=1)
        self.patience = None if patience is None else check_integer("patience", patience, low=1)
        self._in_a_row = patience or 1
        self._state: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
        self._allowed: set[str] = set()
        self._seen = False

    def before_train(self, runner: Runner) -> None:
        """Forget an earlier training; look at what this one starts with."""
        self._state = None
        self._in_a_row = self.patience or (_SKIPPED_IN_A_ROW if _skips_overflow(runner) else 1)
        self._allowed = set(not_finite(fixed_tensors(runner)))
        self._seen = False
        # All ranks start with the same.
        self._check_weights(runner, runner.iter, across_ranks=False)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """The weights are about to change."""
        self._seen = False

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the loss of this iteration, and where a checkpoint is due at what it would hold."""
        loss = (outputs or {}).get("loss")
        if loss is not None:
            self._look_at(loss, runner.iter)
        due = _checkpoint_due(runner)
        if due or (runner.iter + 1) % self.interval == 0:
            self._check_loss(across_ranks=True)
        if due:
            self._check_weights(runner, runner.iter + 1, across_ranks=True)

    def _look_at(self, loss: Any, iteration: int) -> None:
        loss = full_precision(torch.as_tensor(loss).detach()).mean()
        if self._state is None:
            # Losses that are not finite in a row; iteration (0: none) and loss of the first divergence.
            none = torch.zeros((), dtype=torch.int64, device=loss.device)
            self._state = (none, none, torch.zeros_like(loss))
        row, first, value = self._state
        row = torch.where(torch.isfinite(loss), torch.zeros_like(row), row + 1)
        found = (first == 0) & (row >= self._in_a_row)
        start = torch.full_like(first, iteration + 2 - self._in_a_row)
        self._state = (row, torch.where(found, start, first), torch.where(found, loss, value))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Nothing of after a divergence goes into any checkpoint; runs on rank 0 only."""
        self._check_loss(across_ranks=False)
        self._check_weights(runner, checkpoint["meta"]["iter"], across_ranks=False)

    def after_train_epoch(self, runner: Runner) -> None:
        """What a checkpoint by epochs would hold."""
        self._check_both(runner)

    def before_val(self, runner: Runner) -> None:
        """No validation of weights of after a divergence."""
        self._check_both(runner)

    def after_train(self, runner: Runner) -> None:
        """The last iterations."""
        self._check_both(runner)

    def _check_both(self, runner: Runner) -> None:
        self._check_loss(across_ranks=True)
        self._check_weights(runner, runner.iter, across_ranks=True)

    def _check_weights(self, runner: Runner, iteration: int, across_ranks: bool) -> None:
        """Look at everything that a checkpoint holds, once after each iteration."""
        if self._seen:
            return
        found = not_finite(trained_tensors(runner))
        fixed = not_finite(fixed_tensors(runner))
        found.update((name, value) for name, value in fixed.items() if name not in self._allowed)
        anywhere = torch.tensor(float(bool(found)))
        if across_ranks:
            # Buffers are each rank's own; all must end together.
            all_reduce(anywhere, op="max")
        if anywhere > 0:
            name, value = next(
                iter(found.items()), ("a weight or buffer of another rank", "not finite")
            )
            raise DivergenceError(f"diverged: {name} is {value} at iteration {iteration}")
        self._seen = True

    def _check_loss(self, across_ranks: bool) -> None:
        if self._state is None:
            return
        first = self._state[1].clone()
        if across_ranks:
            # Ranks see their own losses; all must end together, or the others wait for the one.
            all_reduce(first, op="max")
        if first > 0:
            value = self._state[2].item()
            told = "on another rank not finite" if self._state[1] == 0 else value
            raise DivergenceError(f"diverged: loss is {told} at iteration {int(first)}")
