from __future__ import annotations

from functools import partial

import pytest

from anl_seg.functional.bootstrap_loss import bootstrap_loss
from anl_seg.models.losses import BootstrapLoss
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

PARAMS = [dict(beta=0.7, mode="soft"), dict(beta=0.7, mode="hard")]


@pytest.fixture(params=PARAMS, ids=["soft", "hard"])
def params(request):
    return request.param


@pytest.fixture
def build(params):
    return Build("BootstrapLoss", params)


@pytest.fixture
def pixels(params):
    return partial(bootstrap_loss, **params)


def test_wrong_parameters_are_named():
    with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\]; got -1"):
        BootstrapLoss(beta=-1)
    with pytest.raises(ValueError, match="mode must be one of soft, hard; got 'x'"):
        BootstrapLoss(mode="x")
