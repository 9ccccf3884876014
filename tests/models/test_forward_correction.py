from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from anl_seg.functional import cross_entropy
from anl_seg.functional.forward_correction import forward_correction
from anl_seg.models.losses.forward_correction import ForwardCorrectionLoss
from anl_seg.noise.estimate_transition_matrix import TransitionCounts
from tests.models.loss_contract import (  # noqa: F401  (the contract, run on this loss)
    Build,
    C,
    batch,
    test_all_ignored_batch_is_zero_and_attached,
    test_in_mmsegs_heads_with_and_without_ohem,
    test_points_and_binary_heads,
    test_precision_inside_and_outside_of_autocast,
    test_reductions_equal_the_function,
    test_weights_enter_numerator_and_denominator,
)


def matrix_of(num_classes):
    matrix = np.random.default_rng(0).random((num_classes,) * 2) + 2 * np.eye(num_classes)
    return matrix / matrix.sum(1, keepdims=True)


@pytest.fixture
def build():
    return Build("ForwardCorrectionLoss", lambda c: {"matrix": matrix_of(c).tolist()})


@pytest.fixture
def pixels():
    return lambda z, y: forward_correction(z, y, matrix=torch.tensor(matrix_of(C)))


def test_identity_is_cross_entropy(batch):  # noqa: F811
    loss = ForwardCorrectionLoss(np.eye(C).tolist(), reduction="none")
    torch.testing.assert_close(loss(*batch), cross_entropy(*batch))


def test_matrix_comes_from_files(batch, tmp_path):  # noqa: F811
    matrix = matrix_of(C)
    expected = ForwardCorrectionLoss(matrix.tolist())(*batch)
    np.save(tmp_path / "t.npy", matrix)
    (tmp_path / "t.json").write_text(json.dumps(matrix.tolist()))
    for name in ("t.npy", "t.json"):
        torch.testing.assert_close(ForwardCorrectionLoss(str(tmp_path / name))(*batch), expected)


def test_matrix_of_an_estimate_is_taken(batch, tmp_path):  # noqa: F811
    # What tools/estimate_transition_matrix.py --save writes: classes never seen keep themselves.
    counts = TransitionCounts(C, 255)
    counts.add(np.array([[0, 0, 0, 1]]), np.array([[0, 0, 1, 1]]))
    path = tmp_path / "estimate.json"
    path.write_text(json.dumps(counts.estimate().filled().tolist()))
    assert ForwardCorrectionLoss(str(path))(*batch).isfinite()


def test_wrong_matrices_are_named(batch):  # noqa: F811
    with pytest.raises(ValueError, match=r"row 0 of transition matrix must sum to 1, got 0\.9"):
        ForwardCorrectionLoss([[0.5, 0.4], [0.5, 0.5]])
    with pytest.raises(FileNotFoundError, match=r"no transition matrix at 'none\.json'"):
        ForwardCorrectionLoss("none.json")
    with pytest.raises(ValueError, match=r"matrix must have shape \(4, 4\).*got \(3, 3\)"):
        ForwardCorrectionLoss(np.eye(3).tolist())(*batch)


def test_state_dict_stays_empty(build):
    assert not build(C).state_dict()
