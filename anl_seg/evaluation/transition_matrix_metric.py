"""Estimating, from a model's predictions on noisy masks, which noise these masks carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, get_dist_info, is_main_process
from mmengine.evaluator import BaseMetric

from anl_seg._checks import check_rate
from anl_seg._files import write_json_atomically
from anl_seg._suggest import unknown_name
from anl_seg.models.probabilities import class_probabilities
from anl_seg.noise.estimate_transition_matrix import (
    DEFAULT_QUANTILE,
    DEFAULT_TOP_SHARE,
    AnchorPoints,
    TransitionCounts,
    TransitionEstimate,
    simple_noises,
)
from anl_seg.registry import METRICS

METHODS = ("anchor", "anchor_labels", "clean")


def check_output_file(path: str | Path) -> Path:
    """``path`` as a Path, if a matrix can be written there.

    Raises:
        ValueError: it does not end in ``.json``, or is a folder.
        FileNotFoundError: its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".json" or path.is_dir():
        raise ValueError(f"the matrix is written to a .json file, got {str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} into")
    return path


@METRICS.register_module()
class EstimateTransitionMatrix(BaseMetric):
    """The transition matrix T[true, noisy] of a data set whose masks are noisy.

    Methods, see :mod:`anl_seg.noise.estimate_transition_matrix` for what each assumes:

    - ``'anchor_labels'``: the noisy labels (``gt_sem_seg``) counted at the most confident pixels of each
      class (:meth:`AnchorPoints.label_estimate`).
    - ``'anchor'``: the model's probabilities at a quantile of the confidence
      (:meth:`AnchorPoints.estimate`). Labels are needed only to leave ignored pixels out.
    - ``'clean'``: clean masks (``gt_sem_seg_clean``) counted against noisy ones; the predictions are
      not looked at.

    The model must have been trained on masks with this noise and, for ``'anchor'``, by cross entropy.
    Where every sample carries its clean mask, it is counted with the other methods too, and ``max_error``
    says how good they are.

    Values, under the prefix ``transition``; NaN where there is none:

    - ``flip_rate``: mean of 1 - T[k, k] over known classes, each counting alike; also the
      best-fitting symmetric rate. A share, not percent.
    - ``symmetric_residual``, ``pair_residual``: largest difference of an entry from the best-fitting
      symmetric and pair noise; ``pair_rate``: that of the latter.
    - ``unknown_classes``: how many classes have no row.
    - ``max_error``: largest difference of an entry from the counted matrix; only with clean masks.

    After an evaluation the attributes ``estimate`` (a :class:`TransitionEstimate`), ``anchors`` (the
    :class:`AnchorPoints`; None with ``'clean'``) and ``counts`` (a :class:`TransitionCounts`; None without
    clean masks) hold the whole result, on every rank.

    Args:
        method (str): One of the three above. Default: ``'anchor_labels'``.
        quantile (float): Of ``'anchor'``, in [0, 1]. Default: 0.7.
        top_share (float): Of ``'anchor_labels'``, in (0, 1]. Default: 0.5.
        output_file (str, optional): A ``.json`` file to write the matrix to, in the form that
            ``TransitionMatrixNoise(matrix=...)`` reads; unknown rows as the identity's.
        ignore_index (int): Label of pixels that count nowhere. Default: 255.
        **kwargs: ``prefix`` and ``collect_device`` of mmengine's ``BaseMetric``.

    Raises:
        ValueError: For a wrong argument, and while evaluating if a mask that the method needs is
            missing or has not the prediction's size.
    """

    default_prefix = "transition"

    def __init__(
        self,
        method: str = "anchor_labels",
        quantile: float = DEFAULT_QUANTILE,
        top_share: float = DEFAULT_TOP_SHARE,
        output_file: str | None = None,
        ignore_index: int = 255,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if method not in METHODS:
            raise ValueError(unknown_name("method", method, METHODS))
        self.method = method
        self.quantile = check_rate("quantile", quantile)
        self.top_share = check_rate("top_share", top_share)
        if self.top_share == 0:
            raise ValueError("top_share must lie in (0, 1], got 0")
        self.output_file = None if output_file is None else check_output_file(output_file)
        self.ignore_index = ignore_index
        self.estimate: TransitionEstimate | None = None
        self.anchors: AnchorPoints | None = None
        self.counts: TransitionCounts | None = None
        self._start()

    def _start(self) -> None:
        """Forget what was counted."""
        self._counting: tuple[AnchorPoints, TransitionCounts] | None = None
        self._seen = np.zeros(2, dtype=np.int64)  # images, of these with a clean mask
        self._last: tuple | None = None

    def process(self, data_batch: Any, data_samples: list[dict]) -> None:
        """Take the predictions for a batch.

        One image is always held back: on some ranks the last one is a repetition that the sampler
        adds to make the ranks' shares equal, and :meth:`evaluate` drops it.
        """
        for sample in data_samples:
            current = self._masks_of(sample)
            self._add(self._last)
            self._last = current

    def _masks_of(self, sample: dict) -> tuple:
        """Probabilities, noisy and clean mask of a sample; what is not there or not needed is None."""
        masks = {}
        for key in ("gt_sem_seg", "gt_sem_seg_clean"):
            data = sample[key]["data"] if key in sample else None
            masks[key] = None if data is None else data.squeeze(0).cpu().numpy()
        noisy, clean = masks["gt_sem_seg"], masks["gt_sem_seg_clean"]
        if noisy is None and self.method != "anchor":
            raise ValueError(
                f"method {self.method!r} needs the noisy mask `gt_sem_seg` of each sample"
            )
        if clean is None and self.method == "clean":
            raise ValueError(
                "method 'clean' needs the clean mask beside the noisy one, but a sample has no "
                "`gt_sem_seg_clean`: set keep_clean=True in CorruptMask and end the pipeline in "
                "anl_seg.PackNoisySegInputs"
            )
        probabilities = None
        if self.method != "clean":
            logits = sample["seg_logits"]["data"]
            classes = len(self.dataset_meta["classes"])
            probabilities = class_probabilities(logits, classes).cpu().numpy()
            if noisy is not None and noisy.shape != probabilities.shape[1:]:
                raise ValueError(
                    f"EstimateTransitionMatrix: the prediction of an image is {probabilities.shape[1:]}, "
                    f"its mask {noisy.shape}. In the pipeline resize before loading the annotations, or "
                    "put anl_seg.ResizedAsOriginal before the packing, and do not crop or pad"
                )
        return probabilities, noisy, clean

    def _add(self, masks: tuple | None) -> None:
        if masks is None:
            return
        probabilities, noisy, clean = masks
        anchors, counts = self._counters()
        self._seen[0] += 1
        if probabilities is not None:
            anchors.add(probabilities, noisy)
        if noisy is not None and clean is not None:
            self._seen[1] += 1
            counts.add(clean, noisy)

    def _counters(self) -> tuple[AnchorPoints, TransitionCounts]:
        """What counts the images; made once the classes are known."""
        if self._counting is None:
            classes = len(self.dataset_meta["classes"])
            # The method 'clean' has no use for the bins.
            bins = {"bins": 1} if self.method == "clean" else {}
            self._counting = (
                AnchorPoints(classes, ignore_index=self.ignore_index, **bins),
                TransitionCounts(classes, ignore_index=self.ignore_index),
            )
        return self._counting

    def evaluate(self, size: int) -> dict[str, float]:
        """Sum over the ranks, estimate, and write the file.

        mmengine's own way, collecting one result per image, would need memory that grows with the
        images.

        Args:
            size: number of images of the whole data set.
        """
        rank, world_size = get_dist_info()
        if self._seen[0] < len(range(rank, size, world_size)):
            self._add(self._last)
        anchors, counts = self._counters()
        for array in [*anchors.arrays(), *counts.arrays(), self._seen]:
            all_reduce(torch.from_numpy(array), op="sum")
        images, with_clean = self._seen.tolist()
        self.anchors = None if self.method == "clean" else anchors
        self.counts = counts if images == with_clean > 0 else None
        metrics = self.compute_metrics([])
        self._start()
        if self.output_file is not None and self.estimate is not None and is_main_process():
            write_json_atomically(self.output_file, self.estimate.filled())
        return {f"{self.prefix}/{key}" if self.prefix else key: v for key, v in metrics.items()}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The values, from what all ranks have counted; ``results`` is not used."""
        anchors, counts = self._counters()
        if self.method == "clean":
            estimate = counts.estimate()
        elif self.method == "anchor":
            estimate = anchors.estimate(self.quantile)
        else:
            estimate = anchors.label_estimate(self.top_share)
        self.estimate = estimate
        fits = {noise.name: noise for noise in simple_noises(estimate.matrix)}
        nan = float("nan")
        metrics = {
            "flip_rate": estimate.flip_rate,
            "symmetric_residual": fits["symmetric"].max_difference if fits else nan,
            "pair_rate": fits["pair"].rate if "pair" in fits else nan,
            "pair_residual": fits["pair"].max_difference if "pair" in fits else nan,
            "unknown_classes": float(len(estimate.unknown)),
        }
        if self.counts is not None and self.method != "clean":
            error = np.abs(estimate.matrix - self.counts.estimate().matrix)
            known = error[~np.isnan(error)]
            metrics["max_error"] = float(known.max()) if known.size else nan
        return metrics
