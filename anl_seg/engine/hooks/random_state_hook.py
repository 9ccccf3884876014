"""A resumed training that computes the same as one that was not interrupted."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, Runner

from anl_seg.engine._accumulated import restore_gradients, waiting_gradients
from anl_seg.engine._conditions import changed_conditions, conditions
from anl_seg.registry import HOOKS

#: In a checkpoint.
KEY = "anl_seg_random_state"
GRADIENTS_KEY = "anl_seg_accumulated_gradients"
CONDITIONS_KEY = "anl_seg_conditions"


def _state() -> dict[str, Any]:
    """Of torch, numpy and Python; tensors and plain values, which every loader of checkpoints reads."""
    of_numpy = np.random.get_state(legacy=True)
    assert isinstance(of_numpy, tuple)
    name, keys, *rest = of_numpy
    state = {
        "cpu": torch.get_rng_state(),
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), *rest],
        "python": random.getstate(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore_torch(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


def _restore_others(state: dict[str, Any]) -> None:
    """Numpy's and Python's, if the checkpoint is not from before they were kept."""
    if "numpy" in state:
        name, keys, *rest = state["numpy"]
        np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    if "python" in state:
        random.setstate(state["python"])


class _BeforeNextBatch:
    """Stands before the batches of a resumed loop: does something once those of before are skipped."""

    def __init__(self, loop: Any, action: Callable[[], None]) -> None:
        self._loop, self._batches, self._action = loop, loop.dataloader_iterator, action
        # mmengine 0.10.7 fetches what it skips; the onedl family calls `skip_iter`.
        self._left = 0 if hasattr(self._batches, "skip_iter") else loop.iter

    def skip_iter(self, count: int) -> None:
        self._batches.skip_iter(count)

    def __next__(self) -> Any:
        if self._left:
            self._left -= 1
        else:
            self._loop.dataloader_iterator = self._batches
            self._action()
        return next(self._batches)


def _workers_start_anew(runner: Runner) -> bool:
    """Whether workers of the data loader draw other numbers after a resume than they would have."""
    loader, loop = runner.train_dataloader, runner.train_loop
    if not loader.num_workers:
        return False
    if isinstance(loop, EpochBasedTrainLoop):
        return loader.persistent_workers
    return hasattr(loop.dataloader_iterator, "skip_iter")


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Keeps random states, and gradients that wait for their update, in checkpoints; the states also away
    from validation.

    mmengine resumes weights, optimizer and the order of the data, not the random numbers that dropout,
    transforms and some losses draw. With this hook the first iteration after a resume finds the states of
    torch (CPU and current device), numpy and Python as the last one before the checkpoint left them. A
    validation draws too (a data loader takes a seed when it is started) and is not repeated on resume, so the
    states are put back after it. With gradient accumulation a checkpoint between two updates holds the
    gradients so far, which mmengine forgets; not in a distributed run, where each rank has its own.

    In a distributed run all ranks get the states of rank 0, as they have the same seed
    (``diff_rank_seed=False``, mmengine's default). Transforms in workers (``num_workers`` > 0) draw from
    states of the workers, which no checkpoint holds: mmengine 0.10.7 loads again what it skips, so they are
    as they were; the onedl family starts them anew where training goes on, and so do both by epochs with
    ``persistent_workers``. A warning says so when such a training is resumed, and another one names what is
    no longer as it was: batch size, workers, number of samples, ranks, accumulated iterations.
    """

    # Before other hooks draw.
    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._resumed: dict[str, Any] | None = None
        self._gradients: dict[str, torch.Tensor] = {}
        self._conditions: dict[str, int] = {}
        self._before_validation: dict[str, Any] | None = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the states, and gradients that wait, into the checkpoint."""
        checkpoint[KEY] = _state()
        checkpoint[CONDITIONS_KEY] = conditions(runner)
        if gradients := waiting_gradients(runner):
            checkpoint[GRADIENTS_KEY] = gradients

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep those of the checkpoint for the first iteration."""
        self._resumed = checkpoint.get(KEY)
        self._gradients = checkpoint.get(GRADIENTS_KEY, {})
        self._conditions = checkpoint.get(CONDITIONS_KEY, {})

    def before_train_epoch(self, runner: Runner) -> None:
        """After a resume, see to it that the states are there when the first batch is loaded."""
        # Weights loaded without resuming start at iteration 0, with the run's own seed.
        if self._resumed is None or runner.iter == 0:
            return
        if told := changed_conditions(conditions(runner), self._conditions):
            print_log(told, logger="current", level=logging.WARNING)
        if _workers_start_anew(runner):
            print_log(
                "The random transforms of this resumed training draw other numbers than those of one that "
                "was not interrupted, as the workers of the data loader start anew: with num_workers=0 "
                "they draw the same.",
                logger="current",
                level=logging.WARNING,
            )
        state, loop = self._resumed, runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop):
            # Before the data loader is started: it takes a seed.
            _restore_torch(state)
            _restore_others(state)
            self._resumed = None
        elif hasattr(loop, "dataloader_iterator"):
            loop.dataloader_iterator = _BeforeNextBatch(loop, lambda: _restore_others(state))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """After a resume by iterations, go on once the batches of before have been skipped."""
        if runner.iter > 0:
            if self._resumed is not None:
                _restore_torch(self._resumed)
            if self._gradients:
                restore_gradients(runner, self._gradients)
                print_log(
                    "The gradients accumulated before the checkpoint were in it: none is lost.",
                    logger="current",
                    level=logging.INFO,
                )
        self._resumed, self._gradients = None, {}

    def before_val(self, runner: Runner) -> None:
        """Keep the states."""
        self._before_validation = _state()

    def after_val(self, runner: Runner) -> None:
        """Put them back."""
        if self._before_validation is not None:
            _restore_torch(self._before_validation)
            _restore_others(self._before_validation)
            self._before_validation = None
