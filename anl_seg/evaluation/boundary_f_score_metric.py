"""How well predicted outlines follow the labeled ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from anl_seg._checks import check_background, check_background_in_range, check_number
from anl_seg._suggest import unknown_name
from anl_seg.evaluation.boundary_f_score import boundary_f_scores
from anl_seg.evaluation.class_names import key_names, mean_percent
from anl_seg.registry import METRICS

UNITS = ("diagonal", "pixels")


@METRICS.register_module()
class BoundaryFScoreMetric(BaseMetric):
    """Boundary F-score of each class, and its mean.

    Defined for one image and class by :func:`anl_seg.evaluation.boundary_f_scores` (Csurka et al.
    2013). The score of a class is the mean over the images in which the prediction or the label has
    a boundary of it; Csurka et al. take means over the classes of each image first. In percent with two
    digits:

    - ``BF.<class>``: of a class; NaN if no image has a boundary of it. In the key a ``/`` of the class
      name becomes ``-``;
    - ``mBF``: mean over the classes that have a value; ``mBF.fg``: the same without the background.

    Args:
        tolerance (float): Distance within which two boundary pixels match. Default: 0.0075, the share
            of the diagonal in Csurka et al.; Perazzi et al. 2016 take 0.008.
        unit (str): ``'diagonal'``: ``tolerance`` is a share, in (0, 1), of the diagonal of each image,
            and the distance it gives is rounded up to whole pixels, as Perazzi et al. do.
            ``'pixels'``: it is a number of pixels, >= 0. Default: ``'diagonal'``.
        background (int, optional): Class that ``mBF.fg`` leaves out. None: no such mean. Default: 0.
        ignore_index (int): Label of pixels that count nowhere. Default: 255.
        **kwargs: ``prefix`` and ``collect_device`` of mmengine's ``BaseMetric``.

    Raises:
        ValueError: For a wrong argument, and while evaluating if two class names give one key, a
            mask has another size than its prediction, or a label is no class.
    """

    def __init__(
        self,
        tolerance: float = 0.0075,
        unit: str = "diagonal",
        background: int | None = 0,
        ignore_index: int = 255,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if unit not in UNITS:
            raise ValueError(unknown_name("unit", unit, UNITS))
        tolerance = check_number("tolerance", tolerance)
        if unit == "diagonal" and not 0 < tolerance < 1:
            raise ValueError(
                f"tolerance must be a share of the diagonal in (0, 1), got {tolerance!r}; "
                "for pixels give unit='pixels'"
            )
        self.tolerance = tolerance
        self.unit = unit
        self.background = check_background(background)
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: list[dict]) -> None:
        """Score the images of a batch."""
        for sample in data_samples:
            pred = sample["pred_sem_seg"]["data"].squeeze(0).cpu().numpy().astype(np.int64)
            label = sample["gt_sem_seg"]["data"].squeeze(0).cpu().numpy()
            if pred.shape != label.shape:
                raise ValueError(
                    f"the prediction is {pred.shape}, its mask {label.shape}: in the pipeline resize "
                    "before loading the annotations, and do not crop or pad"
                )
            classes = len(self.dataset_meta["classes"])
            given = label[label != self.ignore_index]
            if given.size and not 0 <= given.min() <= given.max() < classes:
                raise ValueError(
                    f"labels must lie in [0, {classes}) or be {self.ignore_index}, got "
                    f"{given.min()} to {given.max()}"
                )
            scores = boundary_f_scores(
                pred, label, classes, self._pixels(label.shape), self.ignore_index
            )
            self.results.append(scores)

    def _pixels(self, shape: tuple[int, ...]) -> float:
        """The tolerance in pixels for an image (H, W)."""
        if self.unit == "pixels":
            return self.tolerance
        return math.ceil(self.tolerance * math.hypot(*shape))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Means over the images, then over classes.

        Args:
            results (list): (C,) F-scores of each image, NaN where it says nothing on a class.
        """
        names = key_names(self.dataset_meta["classes"])
        check_background_in_range(self.background, len(names))
        table = np.array(results, dtype=np.float64).reshape(-1, len(names))
        counted = (~np.isnan(table)).sum(axis=0)
        means = np.full(len(names), np.nan)
        np.divide(np.nansum(table, axis=0), counted, out=means, where=counted > 0)
        metrics = {f"BF.{name}": mean_percent(means[k : k + 1]) for k, name in enumerate(names)}
        metrics["mBF"] = mean_percent(means)
        if self.background is not None:
            metrics["mBF.fg"] = mean_percent(np.delete(means, self.background))
        return metrics
