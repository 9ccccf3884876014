from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from anl_seg.functional.noise_robust_dice import noise_robust_dice
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
    test_one_channel_is_a_binary_head,
    test_options_are_keywords_and_documented,
    test_permuting_classes_permutes_gradients,
)


@pytest.fixture(params=[1.5, 2.0])
def loss_function(request):
    loss = partial(noise_robust_dice, gamma=request.param)
    loss.__name__ = f"noise_robust_dice_{request.param}"
    return loss


def direct(probs, label, gamma, epsilon=1e-5, w=None, class_weight=None):
    """The loss of one region: probabilities and one-hot labels (P, C), weights (P,)."""
    w = torch.ones(len(probs)).to(probs) if w is None else w
    class_weight = torch.ones(probs.shape[1]).to(probs) if class_weight is None else class_weight
    total = present = 0.0
    for c in range(probs.shape[1]):
        if (w * label[:, c]).sum() == 0:
            continue
        error = (w * (probs[:, c] - label[:, c]).abs() ** gamma).sum()
        size = (w * (probs[:, c] ** 2 + label[:, c] ** 2)).sum()
        total = total + class_weight[c] * error / (size + epsilon)
        present = present + class_weight[c]
    return total / present


def flat(logits, labels):
    probs = torch.softmax(logits, dim=1).movedim(1, -1).reshape(-1, C)
    return probs, torch.nn.functional.one_hot(labels.flatten(), C).to(logits)


@pytest.mark.parametrize("gamma", [1.0, 1.5, 2.0])
def test_mean_of_the_shares_equals_the_direct_form(batch, gamma):  # noqa: F811
    logits, labels = batch
    labels = torch.where(labels == 3, 1, labels)  # class 3 has no label

    def ours(z, y):
        return noise_robust_dice(z, y, gamma=gamma).mean()

    def slow(z, y):
        return direct(*flat(z, y), gamma)

    torch.testing.assert_close(ours(logits, labels), slow(logits, labels))
    torch.testing.assert_close(gradient(ours, logits, labels), gradient(slow, logits, labels))


def test_per_image_is_the_mean_of_the_images(batch):  # noqa: F811
    logits, labels = batch
    expected = sum(direct(*flat(z[None], y[None]), 1.5) for z, y in zip(logits, labels)) / 2
    loss = noise_robust_dice(logits, labels, per_image=True)
    torch.testing.assert_close(loss.mean(), expected)
    labels = labels.clone()
    labels[0] = 255
    alone = direct(*flat(logits[1:], labels[1:]), 1.5)
    loss = noise_robust_dice(logits, labels, per_image=True)
    torch.testing.assert_close(loss.sum() / (labels != 255).sum(), alone)


def test_weights_are_part_of_the_formula(batch):  # noqa: F811
    logits, labels = batch
    generator = torch.Generator().manual_seed(0)
    w = torch.rand(labels.shape, generator=generator, dtype=torch.float64)
    class_weight = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    loss = noise_robust_dice(logits, labels, weight=w, class_weight=class_weight)
    expected = direct(*flat(logits, labels), 1.5, w=w.flatten(), class_weight=class_weight)
    torch.testing.assert_close((w * loss).sum() / w.sum(), expected)
    zero = torch.where(labels == 2, 0.0, w)
    ignored = torch.where(labels == 2, 255, labels)
    a = noise_robust_dice(logits, labels, weight=zero)
    b = noise_robust_dice(logits, ignored, weight=torch.where(labels == 2, math.nan, w))
    torch.testing.assert_close(a[labels != 2], b[labels != 2])


def test_foreground_alone_is_the_papers_binary_form():
    logits = torch.randn(2, 1, 4, 5, dtype=torch.float64)
    labels = torch.randint(0, 2, (2, 4, 5))
    p, g = torch.sigmoid(logits[:, 0]), labels.double()
    expected = ((p - g).abs() ** 1.5).sum() / ((p**2).sum() + (g**2).sum() + 1e-5)
    loss = noise_robust_dice(logits, labels, class_weight=torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(loss.mean(), expected)


def test_a_class_without_a_label_is_not_called_for(batch):  # noqa: F811
    logits, labels = batch
    labels = torch.where(labels == 3, 1, labels)
    logits = torch.zeros_like(logits)
    grad = gradient(noise_robust_dice, logits, labels)
    assert (grad[:, 3] >= 0).all()  # a step against the gradient lowers its logit


def test_perfect_is_zero_and_all_wrong_is_near_one(batch):  # noqa: F811
    labels = batch[1]
    label = torch.nn.functional.one_hot(labels, C).movedim(-1, 1).double()
    torch.testing.assert_close(noise_robust_dice(100 * label, labels).mean().item(), 0.0)
    binary = labels % 2
    wrong = 100 * torch.nn.functional.one_hot(1 - binary, 2).movedim(-1, 1).double()
    assert noise_robust_dice(wrong, binary).mean().item() == pytest.approx(1.0, abs=1e-4)


def test_nan_logits_pass_through(batch):  # noqa: F811
    logits, labels = batch[0].clone(), batch[1].clone()
    logits[0, 2, 3, 3] = math.nan
    assert noise_robust_dice(logits, labels).mean().isnan()
    labels[0, 3, 3] = 255
    assert noise_robust_dice(logits, labels).isfinite().all()


def test_an_empty_batch_is_empty():
    assert noise_robust_dice(torch.zeros(0, 3, 4), torch.zeros(0, 4).long()).shape == (0, 4)


def test_wrong_parameters_are_named(batch):  # noqa: F811
    for params, text in [
        (dict(gamma=0.9), r"gamma must lie in \[1, 2\]; got 0.9"),
        (dict(gamma=2.1), r"gamma must lie in \[1, 2\]; got 2.1"),
        (dict(epsilon=0.0), "epsilon must be positive; got 0.0"),
        (dict(class_weight=torch.ones(3)), r"class_weight must have 5 entries.*got shape \(3,\)"),
    ]:
        with pytest.raises(ValueError, match=text):
            noise_robust_dice(*batch, **params)
