"""Whether a model's confidence is the share of pixels it gets right."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from anl_seg._checks import check_integer
from anl_seg.models.probabilities import class_probabilities
from anl_seg.registry import METRICS

#: Probabilities that differ by less are equal to float32 rounding.
_TIE = 1e-4


@METRICS.register_module()
class CalibrationErrorMetric(BaseMetric):
    """Expected calibration error over the pixels of the whole set.

    A pixel's confidence is the probability of the class predicted for it (``pred_sem_seg``), from
    ``seg_logits`` (:func:`anl_seg.evaluation.class_probabilities`). Confidences fall into ``bins``
    intervals (i / bins, (i + 1) / bins]. Of each bin b with n_b of n pixels, acc(b) is the share that
    is predicted rightly and conf(b) the mean confidence. In percent, not rounded:

    - ``ECE``: sum over b of n_b / n |acc(b) - conf(b)|; Naeini et al., AAAI 2015; Guo et al., ICML 2017;
    - ``overconfidence``: mean confidence minus share predicted rightly; below 0 for a model that is right
      more often than it says.

    Both are NaN if no pixel counts. Heads whose scores are no logits of a softmax (mask
    classification, a sigmoid per class) have no such probabilities: do not use it there.

    Args:
        bins (int): Number of intervals. Default: 15.
        ignore_index (int): Label of pixels that count nowhere. Default: 255.
        **kwargs: ``prefix`` and ``collect_device`` of mmengine's ``BaseMetric``.

    Raises:
        ValueError: If ``bins`` is no integer >= 1; while evaluating if a sample has no
            ``seg_logits``, these are no logits of the dataset's classes or not those that the prediction
            was made of, or sizes differ.
    """

    def __init__(self, bins: int = 15, ignore_index: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bins = check_integer("bins", bins, low=1)
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: list[dict]) -> None:
        """Add up the bins of each image: pixels, of these predicted rightly, sum of confidences."""
        edges = np.arange(1, self.bins) / self.bins
        classes = len(self.dataset_meta["classes"])
        for sample in data_samples:
            if "seg_logits" not in sample:
                raise ValueError(
                    "the calibration error needs `seg_logits` in every sample the model returns"
                )
            pred = sample["pred_sem_seg"]["data"].long().cpu()
            label = sample["gt_sem_seg"]["data"].cpu()
            probabilities = class_probabilities(sample["seg_logits"]["data"], classes).cpu()
            if not pred.shape[1:] == label.shape[1:] == probabilities.shape[1:]:
                raise ValueError(
                    "prediction, mask and logits of one image differ in size: "
                    f"{tuple(pred.shape[1:])}, {tuple(label.shape[1:])}, {tuple(probabilities.shape[1:])}"
                )
            valid = label != self.ignore_index
            confidence = probabilities.gather(0, pred)
            _check_own(confidence, probabilities, sample)
            own = confidence[valid].numpy().astype(np.float64)
            right = (pred == label)[valid].numpy().astype(np.float64)
            index = np.searchsorted(edges, own, side="left")
            self.results.append(
                np.stack(
                    [
                        np.bincount(index, weights=weights, minlength=self.bins)
                        for weights in (np.ones_like(right), right, own)
                    ]
                )
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Both values from the bins of all images.

        Args:
            results (list): (3, bins) sums of each image.
        """
        pixels, right, confidence = np.sum(results, axis=0) if results else np.zeros((3, 1))
        total = pixels.sum()
        if not total:
            return {"ECE": float("nan"), "overconfidence": float("nan")}
        return {
            "ECE": float(np.abs(right - confidence).sum() / total) * 100,
            "overconfidence": float((confidence.sum() - right.sum()) / total) * 100,
        }


def _check_own(confidence: torch.Tensor, probabilities: torch.Tensor, sample: dict) -> None:
    """Refuse logits of which the prediction is not the largest.

    Args:
        confidence: (1, H, W), the probability of the predicted class.
        probabilities: (C, H, W).
        sample: what they are of; a head of one channel predicts by a threshold, not by the largest.
    """
    if len(sample["seg_logits"]["data"]) == 1:
        return
    below = probabilities.amax(dim=0) - confidence[0] > _TIE
    if below.any():
        raise ValueError(
            f"the prediction of {sample.get('img_path', 'an image')} is not the largest of its seg_logits at "
            f"{int(below.sum())} pixels, so they are not what it was made of. mmseg's SegTTAModel leaves the "
            "logits of the last view there: give tta_model=dict(type='anl_seg.SegTTAModel'), as "
            "tools/test.py --tta does."
        )
