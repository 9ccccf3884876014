"""Ending a training whose loss is no longer a finite number, in words."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from anl_seg.registry import HOOKS


@HOOKS.register_module()
class StopOnDivergenceHook(Hook):
    """Raises an error as soon as the total loss has been NaN or infinite.

    mmengine trains on with NaN weights until the last iteration, and the run then looks like a finished
    one with a bad score. With this hook it ends as a failed one, and the error says the iteration. The
    loss is looked at on its device at every iteration and read every ``interval`` iterations, before a
    validation, before a checkpoint is written and after training, so the GPU is not waited for more
    often than that and no checkpoint holds weights from after the divergence.

    Args:
        interval (int): Read after so many iterations. Default: 10.
        patience (int): So many iterations in a row must have a loss that is not finite. More than 1
            allows for mixed precision, which skips the update of such an iteration. Default: 1.

    Raises:
        ValueError: If ``interval`` or ``patience`` is no integer >= 1.
        FloatingPointError: In training: ``diverged: loss is nan at iteration 12`` (the first of them,
            counted from 1).
    """

    # Before CheckpointHook and LoggerHook.
    priority = "ABOVE_NORMAL"

    def __init__(self, interval: int = 10, patience: int = 1) -> None:
        for name, value in (("interval", interval), ("patience", patience)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        self.interval = interval
        self.patience = patience
        self._state: torch.Tensor | None = None

    def before_train(self, runner: Runner) -> None:
        """Forget an earlier training."""
        self._state = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the loss of this iteration."""
        loss = (outputs or {}).get("loss")
        if loss is None:
            return
        loss = torch.as_tensor(loss).detach().double().mean()
        if self._state is None:
            # Loss that is not finite in a row, iteration and loss of the first divergence.
            self._state = torch.zeros(3, dtype=torch.float64, device=loss.device)
        row, first, value = self._state
        row = torch.where(torch.isfinite(loss), torch.zeros_like(row), row + 1)
        found = (first == 0) & (row >= self.patience)
        iteration = torch.full_like(first, runner.iter + 2 - self.patience)
        self._state = torch.stack(
            [row, torch.where(found, iteration, first), torch.where(found, loss, value)]
        )
        if (runner.iter + 1) % self.interval == 0:
            self._check(across_ranks=True)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep weights of after a divergence out of checkpoints; runs on rank 0 only."""
        self._check(across_ranks=False)

    def before_val(self, runner: Runner) -> None:
        """No validation of weights of after a divergence."""
        self._check(across_ranks=True)

    def after_train(self, runner: Runner) -> None:
        """The last iterations."""
        self._check(across_ranks=True)

    def _check(self, across_ranks: bool) -> None:
        if self._state is None:
            return
        first = self._state[1].clone()
        if across_ranks:
            # Ranks see their own losses; all must end together, or the others wait for the one.
            all_reduce(first, op="max")
        if first > 0:
            value = self._state[2].item()
            told = "on another rank not finite" if self._state[1] == 0 else value
            raise FloatingPointError(f"diverged: loss is {told} at iteration {int(first)}")
