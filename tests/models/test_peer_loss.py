from __future__ import annotations

from functools import partial

import pytest
import torch

from anl_seg.functional.peer_loss import peer_loss
from anl_seg.models.losses.peer_loss import PeerLoss
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

PARAMS = dict(alpha=0.6, pairing="expected", min_prob=1e-3)


@pytest.fixture
def build():
    return Build("PeerLoss", PARAMS)


@pytest.fixture
def pixels():
    return partial(peer_loss, **PARAMS)


def test_random_pairs_follow_torchs_seed(batch):  # noqa: F811
    loss = PeerLoss()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = loss(*batch), loss(*batch)
        torch.manual_seed(0)
        assert loss(*batch) == first
    assert first != second


def test_wrong_parameters_are_named():
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        PeerLoss(alpha=-0.1)
    with pytest.raises(ValueError, match="pairing must be one of"):
        PeerLoss(pairing="x")
    with pytest.raises(ValueError, match="min_prob must lie in"):
        PeerLoss(min_prob=1)
