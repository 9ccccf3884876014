"""Saying before training that the training masks teach nothing."""

from __future__ import annotations

from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from anl_seg._random_state import random_state_kept
from anl_seg.datasets._built import leaves, until_corruption, warn_of_labels
from anl_seg.engine._finite import unwrapped
from anl_seg.engine.hooks.noise_statistics_hook import NoiseStatisticsHook
from anl_seg.registry import HOOKS


@HOOKS.register_module()
class LabelCheckHook(Hook):
    """Looks at some masks of every training dataset and warns where they hold no two classes.

    Masks of 0 and 255 are an example: 255 is ignored, so that nothing is left to learn but class 0. Up to
    50 evenly spaced masks are loaded, as the annotation loader gives them. Datasets whose noise
    ``NoiseStatisticsHook`` measures are left to it. The random state of the run is left as found.
    ``tools/train.py`` registers this hook.
    """

    def before_train(self, runner: Runner) -> None:
        """Look at the masks."""
        if not is_main_process():
            return
        measured = any(isinstance(hook, NoiseStatisticsHook) for hook in runner.hooks)
        num_classes, ignore_index = _of_head(runner.model)
        with random_state_kept():
            for dataset in leaves(runner.train_dataloader.dataset):
                if not (measured and until_corruption(dataset)):
                    warn_of_labels(dataset, num_classes, ignore_index)


def _of_head(model: Any) -> tuple[int | None, int]:
    """(number of classes, ignored label) of a model's decode head; None and 255 where it has none."""
    head: Any = getattr(unwrapped(model), "decode_head", None)
    if hasattr(head, "__len__") and len(head):  # of a cascade, the last
        head = head[-1]
    return getattr(head, "num_classes", None), getattr(head, "ignore_index", 255)
