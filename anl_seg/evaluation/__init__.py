"""Metrics, registered in ``METRICS`` under the scope ``anl_seg``, and pure evaluation functions."""

from __future__ import annotations

from anl_seg.evaluation.boundary_distance import boundary_distance_bins
from anl_seg.evaluation.boundary_f_score import boundary_f_scores
from anl_seg.evaluation.boundary_f_score_metric import BoundaryFScoreMetric
from anl_seg.evaluation.calibration_error_metric import CalibrationErrorMetric
from anl_seg.evaluation.loss_diagnostics import loss_diagnostics
from anl_seg.evaluation.memorization import (
    memorization_counts,
    memorization_shares,
    memorization_table,
)
from anl_seg.evaluation.noisy_iou_metric import NoisyIoUMetric
from anl_seg.evaluation.per_class_iou_metric import PerClassIoUMetric
from anl_seg.evaluation.transition_matrix_metric import EstimateTransitionMatrix
from anl_seg.models.probabilities import class_probabilities

__all__ = [
    "BoundaryFScoreMetric",
    "CalibrationErrorMetric",
    "EstimateTransitionMatrix",
    "NoisyIoUMetric",
    "PerClassIoUMetric",
    "boundary_distance_bins",
    "boundary_f_scores",
    "class_probabilities",
    "loss_diagnostics",
    "memorization_counts",
    "memorization_shares",
    "memorization_table",
]
