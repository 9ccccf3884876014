from __future__ import annotations

from functools import partial

import pytest

from anl_seg.functional.label_smoothing_cross_entropy import label_smoothing_cross_entropy
from anl_seg.models.losses import LabelSmoothingCELoss
from tests.models.loss_contract import (  # noqa: F401  (the contract, run on this loss)
    Build,
    batch,
    test_all_ignored_batch_is_zero_and_attached,
    test_in_mmsegs_heads_with_and_without_ohem,
    test_points_and_binary_heads,
    test_precision_inside_and_outside_of_autocast,
    test_reductions_equal_the_function,
    test_weights_enter_numerator_and_denominator,
)

PARAMS = [dict(smoothing=0.3), dict(smoothing=-0.3, min_prob=1e-3)]


@pytest.fixture(params=PARAMS, ids=["positive", "negative"])
def params(request):
    return request.param


@pytest.fixture
def build(params):
    return Build("LabelSmoothingCELoss", params)


@pytest.fixture
def pixels(params):
    return partial(label_smoothing_cross_entropy, **params)


def test_wrong_parameters_are_named():
    with pytest.raises(ValueError, match="smoothing must be a finite number below 1"):
        LabelSmoothingCELoss(smoothing=1)
    with pytest.raises(ValueError, match=r"min_prob must lie in \(0, 1\); got 0"):
        LabelSmoothingCELoss(min_prob=0)
