"""mmseg's IoUMetric with every class, and the foreground mean, among the logged values."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric

from anl_seg._checks import check_background, check_background_in_range
from anl_seg.evaluation.class_names import key_names, mean_percent
from anl_seg.registry import METRICS

# Of what IoUMetric computes per class, what is also returned per class.
_PER_CLASS = {"mIoU": "IoU", "mDice": "Dice"}


@METRICS.register_module()
class PerClassIoUMetric(IoUMetric):
    """:class:`mmseg.evaluation.IoUMetric` that returns the per-class values it only prints.

    Added to the parent's dict, in percent with two digits, for each of ``mIoU`` and ``mDice``
    that is asked for: ``IoU.<class>`` / ``Dice.<class>``, and the mean over all classes but the
    background, ``mIoU.fg`` / ``mDice.fg``. All are computed from the pixels of the whole set, not
    per image. In the key a ``/`` of the class name becomes ``-``; spaces stay.

    A class that occurs in no prediction and in no label has no value: its key holds NaN (as
    every validation must write every key, or loggers would repeat the last one) and means leave
    it out, as the parent's do. With ``nan_to_num`` it has that value everywhere, means included.
    mmengine smooths logged keys containing ``loss`` or ``time`` over ten validations; a class
    with such a name needs a ``mean_pattern`` of one's own in ``log_processor``.

    Args:
        background (int, optional): Index of the class that ``mIoU.fg`` and ``mDice.fg`` leave
            out. None: no such means. Default: 0.
        **kwargs: Those of :class:`mmseg.evaluation.IoUMetric`.

    Raises:
        ValueError: If ``background`` is no class index, or if two class names give one key.
    """

    def __init__(self, *args: Any, background: int | None = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.background = check_background(background)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The parent's metrics and the per-class ones.

        Args:
            results (list): One tuple per image of four (C,) tensors: intersection, union,
                predicted and labeled pixels of each class.

        Returns:
            dict: Name to percent; empty with ``format_only``.
        """
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        names = key_names(self.dataset_meta["classes"])
        check_background_in_range(self.background, len(names))
        areas = [sum(area) for area in zip(*results)]
        # `metrics` of IoUMetric: str or list of str.
        values = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
        asked = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        for key in (_PER_CLASS[name] for name in asked if name in _PER_CLASS):
            for index, name in enumerate(names):
                metrics[f"{key}.{name}"] = mean_percent(values[key][index : index + 1])
            if self.background is not None:
                metrics[f"m{key}.fg"] = mean_percent(np.delete(values[key], self.background))
        return metrics
