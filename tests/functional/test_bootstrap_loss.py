from __future__ import annotations

from functools import partial

import pytest
import torch

from anl_seg.functional import cross_entropy
from anl_seg.functional.bootstrap_loss import bootstrap_loss
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


@pytest.fixture(params=["soft", "hard"])
def loss_function(request):
    loss = partial(bootstrap_loss, beta=0.6, mode=request.param)
    loss.__name__ = f"bootstrap_loss_{request.param}"
    return loss


def direct(logits, target, beta, mode):
    """Target vectors written out, as in the paper; only the arg max is a constant."""
    probs = torch.softmax(logits, dim=1)
    label = torch.nn.functional.one_hot(target, C).movedim(-1, 1).to(logits)
    top = torch.nn.functional.one_hot(probs.argmax(dim=1), C).movedim(-1, 1).to(logits)
    own = probs if mode == "soft" else top
    return -((beta * label + (1 - beta) * own) * torch.log(probs)).sum(dim=1)


@pytest.mark.parametrize("mode", ["soft", "hard"])
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.95, 1.0])
def test_equals_the_direct_form(batch, beta, mode):  # noqa: F811
    ours = partial(bootstrap_loss, beta=beta, mode=mode)
    slow = partial(direct, beta=beta, mode=mode)
    torch.testing.assert_close(ours(*batch), slow(*batch))
    torch.testing.assert_close(gradient(ours, *batch), gradient(slow, *batch))


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_beta_one_is_cross_entropy(batch, mode):  # noqa: F811
    torch.testing.assert_close(bootstrap_loss(*batch, beta=1.0, mode=mode), cross_entropy(*batch))


def test_soft_own_part_is_the_entropy_with_its_whole_gradient(batch):  # noqa: F811
    def entropy(z, y):
        return torch.distributions.Categorical(logits=z.movedim(1, -1)).entropy()

    own = partial(bootstrap_loss, beta=0.0)
    torch.testing.assert_close(own(*batch), entropy(*batch))
    torch.testing.assert_close(gradient(own, *batch), gradient(entropy, *batch))


def test_wrong_parameters_are_named(batch):  # noqa: F811
    with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\]; got 1.5"):
        bootstrap_loss(*batch, beta=1.5)
    with pytest.raises(ValueError, match="mode must be one of soft, hard; got 'medium'"):
        bootstrap_loss(*batch, mode="medium")
