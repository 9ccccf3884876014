"""Metrics, registered in ``METRICS`` under the scope ``anl_seg``, and pure evaluation functions."""

from __future__ import annotations

from anl_seg.evaluation.estimate_transition_matrix import EstimateTransitionMatrix
from anl_seg.evaluation.loss_diagnostics import loss_diagnostics
from anl_seg.evaluation.memorization import memorization_counts
from anl_seg.evaluation.per_class_iou_metric import PerClassIoUMetric

__all__ = [
    "EstimateTransitionMatrix",
    "PerClassIoUMetric",
    "loss_diagnostics",
    "memorization_counts",
]
