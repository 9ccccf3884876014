"""The per-pixel losses under test, by function name (so `pytest -k NAME` runs all tests of one)."""

from __future__ import annotations

import pytest

from anl_seg import functional

NAMES = [
    "active_negative_cross_entropy",
    "active_negative_focal_loss",
    "asymmetric_exponential_loss",
    "asymmetric_generalized_cross_entropy",
    "asymmetric_norm_loss",
    "asymmetric_unhinged_loss",
    "bootstrap_loss",
    "cross_entropy",
    "focal_loss",
    "generalized_cross_entropy",
    "generalized_jensen_shannon",
    "label_smoothing_cross_entropy",
    "mean_absolute_error",
    "normalized_cross_entropy",
    "normalized_focal_loss",
    "normalized_generalized_cross_entropy",
    "normalized_negative_cross_entropy",
    "normalized_negative_focal_loss",
    "normalized_reverse_cross_entropy",
    "reverse_cross_entropy",
    "symmetric_cross_entropy",
]


@pytest.fixture(params=NAMES)
def loss_function(request):
    return getattr(functional, request.param)
