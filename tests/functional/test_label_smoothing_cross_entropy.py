from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch

from anl_seg.functional import cross_entropy
from anl_seg.functional.backward_correction import backward_correction, invert_transition_matrix
from anl_seg.functional.label_smoothing_cross_entropy import label_smoothing_cross_entropy
from tests.functional.test_properties import (  # noqa: F401  (the contract, run on this loss)
    C,
    batch,
    gradient,
    test_all_ignored_is_zero_and_attached,
    test_any_number_of_spatial_dimensions,
    test_bad_shapes_and_types_are_named,
    test_dtypes,
    test_extreme_logits_stay_finite,
    test_gradcheck,
    test_ignored_pixels_change_nothing,
    test_inputs_are_left_intact,
    test_label_out_of_range_is_named,
    test_nan_logits_pass_through,
    test_one_channel_is_a_binary_head,
    test_options_are_keywords_and_documented,
    test_permuting_classes_permutes_gradients,
)


@pytest.fixture(params=[0.2, -0.4])
def loss_function(request):
    loss = partial(label_smoothing_cross_entropy, smoothing=request.param)
    loss.__name__ = f"label_smoothing_cross_entropy_{request.param}"
    return loss


def direct(logits, target, smoothing):
    """The smoothed label vector written out."""
    probs = torch.softmax(logits, dim=1)
    if smoothing < 0:
        probs = probs.clamp(min=1e-7)
    label = torch.nn.functional.one_hot(target, C).movedim(-1, 1).to(logits)
    return -(((1 - smoothing) * label + smoothing / C) * torch.log(probs)).sum(dim=1)


@pytest.mark.parametrize("scale", [1.0, 6.0])  # 6: some probabilities lie below the clamp
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9, -0.5, -3.0])
def test_equals_the_direct_form(batch, smoothing, scale):  # noqa: F811
    logits, labels = scale * batch[0], batch[1]
    ours = partial(label_smoothing_cross_entropy, smoothing=smoothing)
    slow = partial(direct, smoothing=smoothing)
    torch.testing.assert_close(ours(logits, labels), slow(logits, labels))
    torch.testing.assert_close(gradient(ours, logits, labels), gradient(slow, logits, labels))


def test_zero_is_cross_entropy_and_positive_is_torchs_own(batch):  # noqa: F811
    logits, labels = 30 * batch[0], batch[1]
    torch.testing.assert_close(
        label_smoothing_cross_entropy(logits, labels, smoothing=0.0), cross_entropy(logits, labels)
    )
    expected = torch.nn.functional.cross_entropy(
        logits, labels, label_smoothing=0.3, reduction="none"
    )
    torch.testing.assert_close(
        label_smoothing_cross_entropy(logits, labels, smoothing=0.3), expected
    )


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.6])
def test_negative_is_backward_correction_of_symmetric_noise(batch, rate):  # noqa: F811
    matrix = np.full((C, C), rate / (C - 1))
    np.fill_diagonal(matrix, 1 - rate)
    inverse = torch.from_numpy(invert_transition_matrix(matrix))
    c = rate * C / (C - 1)
    torch.testing.assert_close(
        label_smoothing_cross_entropy(*batch, smoothing=-c / (1 - c)),
        backward_correction(*batch, inverse=inverse),
    )


def test_negative_smoothing_is_bounded_below():
    logits = torch.tensor([[1e4, 0.0, -1e4]], dtype=torch.float64)
    loss = label_smoothing_cross_entropy(logits, torch.tensor([0]), smoothing=-0.6)
    assert loss.item() == pytest.approx(0.6 * 2 / 3 * math.log(1e-7))


@pytest.mark.parametrize("smoothing", [1.0, 2.0, math.inf, -math.inf, math.nan])
def test_wrong_smoothing_is_named(batch, smoothing):  # noqa: F811
    with pytest.raises(ValueError, match=f"smoothing must be a finite number.*got {smoothing}"):
        label_smoothing_cross_entropy(*batch, smoothing=smoothing)
