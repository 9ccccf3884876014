"""Writing down, while training, what the losses do to each class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from anl_seg._checks import check_integer
from anl_seg._files import json_lines, replace_atomically
from anl_seg._random_state import random_state_kept
from anl_seg.engine._finite import unwrapped
from anl_seg.engine.hooks.loss_schedule_hook import loss_modules
from anl_seg.evaluation.loss_diagnostics import loss_diagnostics
from anl_seg.registry import HOOKS

FILE_NAME = "loss_diagnostics.jsonl"


def _clean_labels(data_batch: Any, like: Tensor) -> Tensor | None:
    """The clean masks of a batch where the samples carry them in the labels' size, else None."""
    samples = data_batch.get("data_samples") if isinstance(data_batch, Mapping) else None
    if not samples or not all("gt_sem_seg_clean" in sample for sample in samples):
        return None
    masks = [sample.gt_sem_seg_clean.data for sample in samples]
    if any(mask.shape[-2:] != like.shape[-2:] for mask in masks) or len(masks) != len(like):
        return None  # padded later, or two views
    return torch.cat([mask.reshape(1, *mask.shape[-2:]) for mask in masks]).to(like)


@HOOKS.register_module()
class LossDiagnosticsHook(Hook):
    """Every so often, one line per loss on its gradient, probabilities and logits by class.

    The losses of anl_seg in the model are watched; at an iteration on the grid the logits and labels of
    their last call are put through :func:`anl_seg.evaluation.loss_diagnostics`, whose numbers, with
    ``step`` and ``loss`` (its path in the model), are a line of ``loss_diagnostics.jsonl`` in the work
    dir. Pixels are grouped by their clean label where the samples carry it (``by`` is ``clean``;
    ``--keep-clean``, ``--measure-memorization``), otherwise by the label that the loss sees (``noisy``).
    Costs one more call of each loss at these iterations and nothing at others. Rank 0 writes, of its own
    batch. On resume, lines after the checkpoint's iteration are dropped.

    A loss that is never called with its logits (``FusedUpsampleHook`` serves its head, OHEM) has no line.

    Args:
        interval (int): Iterations between two lines. Default: 50.
        ignore_index (int): Label of pixels that count nowhere. Default: 255.

    Raises:
        ValueError: For a bad ``interval``; before training if the model has no loss of anl_seg.
    """

    def __init__(self, interval: int = 50, ignore_index: int = 255) -> None:
        self.interval = check_integer("interval", interval, low=1)
        self.ignore_index = ignore_index
        self._calls: dict[str, tuple[nn.Module, Tensor, Tensor]] = {}
        self._handles: list[Any] = []

    def before_train(self, runner: Runner) -> None:
        """Find the losses and drop the lines that come after the iteration training starts from."""
        model = unwrapped(runner.model)
        self._losses = loss_modules(model)
        if not self._losses:
            raise ValueError("LossDiagnosticsHook: the model has no loss of anl_seg")
        path = self._path(runner)
        if is_main_process() and path.is_file():
            kept = [line for line in json_lines(path) if line["step"] <= runner.iter]
            text = "".join(json.dumps(line) + "\n" for line in kept)
            replace_atomically(path, text.encode("utf-8"))

    @staticmethod
    def _path(runner: Runner) -> Path:
        return Path(runner.work_dir) / FILE_NAME

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Watch the losses if this iteration is on the grid."""
        if not self.every_n_train_iters(runner, self.interval) or not is_main_process():
            return
        for path, loss in self._losses.items():

            def keep(module: nn.Module, args: tuple, path: str = path) -> None:
                if len(args) >= 2:
                    self._calls[path] = (module, args[0].detach(), args[1])

            self._handles.append(loss.register_forward_pre_hook(keep))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a line for each loss that was called."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        calls, self._calls = self._calls, {}
        for path, (loss, logits, labels) in calls.items():
            clean = _clean_labels(data_batch, labels)
            with torch.enable_grad(), random_state_kept():
                record = loss_diagnostics(
                    loss, logits, labels, groups=clean, ignore_index=self.ignore_index
                )
            by = "noisy" if clean is None else "clean"
            line = {"step": runner.iter + 1, "loss": path, "by": by, **record}
            with open(self._path(runner), "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
