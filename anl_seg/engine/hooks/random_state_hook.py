"""A resumed training that draws the same random numbers as one that was not interrupted."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from anl_seg.registry import HOOKS

#: In a checkpoint.
KEY = "anl_seg_random_state"


def _state() -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore(state: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Keeps torch's random state in checkpoints and away from validation.

    mmengine resumes weights, optimizer and the order of the data, not the random numbers that dropout and
    some losses draw. With this hook the first iteration after a resume finds torch's state as the
    last one before the checkpoint left it. A validation draws too (a data loader takes a seed when it is
    started) and is not repeated on resume, so the state is put back after it.

    Torch's state on the CPU and on the current device. Numpy's and Python's, from which transforms in the
    main process draw (``num_workers=0``), follow from the batches that mmengine skips when it resumes by
    iterations; by epochs it skips none, and they differ. In a distributed run all ranks get the state of
    rank 0, as they have the same seed (``diff_rank_seed=False``, mmengine's default).
    """

    # Before other hooks draw.
    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._resumed: dict[str, torch.Tensor] | None = None
        self._before_validation: dict[str, torch.Tensor] | None = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the state into the checkpoint."""
        checkpoint[KEY] = _state()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the state of the checkpoint for the first iteration."""
        self._resumed = checkpoint.get(KEY)

    def before_train_epoch(self, runner: Runner) -> None:
        """After a resume by epochs, go on before the data loader is started: it takes a seed."""
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._go_on(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """After a resume by iterations, go on once the batches of before have been skipped."""
        self._go_on(runner)

    def _go_on(self, runner: Runner) -> None:
        # Weights loaded without resuming start at iteration 0, with the run's own seed.
        if self._resumed is not None and runner.iter > 0:
            _restore(self._resumed)
        self._resumed = None

    def before_val(self, runner: Runner) -> None:
        """Keep the state."""
        self._before_validation = _state()

    def after_val(self, runner: Runner) -> None:
        """Put it back."""
        if self._before_validation is not None:
            _restore(self._before_validation)
            self._before_validation = None
