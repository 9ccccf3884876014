"""Logits of plus and minus infinity, as half precision gives them: every form has the limit."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from anl_seg import functional
from anl_seg.functional import class_forms
from anl_seg.kernels import fused_pixel_loss
from anl_seg.kernels.mass_balance import mass_balance
from anl_seg.kernels.upsampled import upsampled_pixel_loss
from anl_seg.kernels.upsampled_mass_balance import upsampled_mass_balance
from anl_seg.models.losses import ANLCELoss
from tests.kernels.forms import ALL_TERMS, OF_MARGIN, assert_same, form, forms
from tests.kernels.test_fused_pixel_loss import PAIRS, value_and_grad

INF = math.inf
#: Pixels of two and of three classes; with all -inf, or several +inf, the limit of equal ones.
TWO = [(-INF, 1), (1, -INF), (INF, 0), (0, INF), (INF, -INF), (-INF, INF), (INF, INF), (-INF, -INF)]
THREE = [
    *((-INF, 1.0, 0.5), (1.0, -INF, 0.5), (-INF, -INF, 1.0), (1.0, -INF, -INF), (INF, 0.0, 1.0)),
    *((0.0, INF, 1.0), (INF, INF, 0.0), (0.0, INF, INF), (-INF, -INF, -INF)),
]
#: Without a limit of the normalized losses, which depends on which infinity is the larger one.
BOTH_SIGNS = [(0.0, INF, -INF), (INF, -INF, -INF), (-INF, 0.0, INF)]
#: Not in PAIRS: functional forms alone.
OTHERS = {
    "bootstrap_loss": functional.bootstrap_loss,
    "normalized_loss": partial(functional.normalized_loss, base=class_forms.cross_entropy),
    "normalized_generalized_cross_entropy": functional.normalized_generalized_cross_entropy,
    "label_smoothing_cross_entropy": functional.label_smoothing_cross_entropy,
}


def pixels(rows, dtype=torch.float32):
    """(1, C, P), each pixel once with each label, and the labels (1, P)."""
    logits = torch.tensor(rows, dtype=dtype).T.unsqueeze(0)
    classes = logits.shape[1]
    labels = torch.arange(max(classes, 2)).repeat_interleave(len(rows)).unsqueeze(0)
    return logits.repeat(1, 1, max(classes, 2)), labels


def far(logits):
    """What the infinite logits are the limit of."""
    return logits.double().clamp(-1e12, 1e12)


def limit(function, logits, target):
    """Value and gradient, from logits that are only very large."""
    value, grad = value_and_grad(function, far(logits), target, torch.ones(target.shape))
    return torch.where(value > 1e10, INF, value), grad


CASES = {"one": [(-INF,), (INF,)], "two": TWO, "three": THREE}


@pytest.mark.parametrize("name", [*PAIRS, *OTHERS])
@pytest.mark.parametrize("case", CASES)
def test_the_functional_form_has_the_limit(case, name):
    function = OTHERS[name] if name in OTHERS else PAIRS[name][1]
    logits, target = pixels(CASES[case])
    for dtype in (torch.float32, torch.float16, torch.float64):
        found = value_and_grad(function, logits.to(dtype), target, torch.ones(target.shape))
        assert not any(tensor.isnan().any() for tensor in found)
        assert_same(found, limit(function, logits, target), 2e-3)


@forms
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("case", [*CASES, "both_signs"])
def test_the_fused_form_is_the_functional_one(case, name, in_c):
    term, function = PAIRS[name]
    logits, target = pixels(CASES.get(case, BOTH_SIGNS))
    for dtype in (torch.float32, torch.float16, torch.float64):
        ones, there = torch.ones(target.shape), logits.to(dtype)
        expected = value_and_grad(function, there, target, ones)
        with form(in_c):
            found = value_and_grad(
                lambda z, y: fused_pixel_loss(z, y, [term])[0], there, target, ones
            )
        assert_same(found, expected, 1e-5)


@forms
def test_sums_of_terms_masses_and_weights(in_c):
    for rows in CASES.values():
        logits, target = pixels(rows)
        with form(in_c):
            for parts in (OF_MARGIN, ALL_TERMS[2:]):
                loss, mass = fused_pixel_loss(logits, target, parts, mass_min=0.05)
                assert loss.isfinite().all()
                assert torch.equal(loss, fused_pixel_loss(logits, target, parts)[0])
                wanted = fused_pixel_loss(far(logits), target, parts, mass_min=0.05)
                assert_same((loss, mass), wanted, 1e-5)
            weights = mass_balance(logits, target, 0.5)
        assert_same([weights], [functional.mass_balance(far(logits), target, 0.5)], 1e-5)
        assert_same(
            [functional.mass_balance(logits.double(), target, 0.5)], [weights.double()], 1e-5
        )


@forms
def test_the_examples_of_the_report(in_c):
    """Two classes with -inf at the label: MAE and NNCE are 1, and pull at nothing."""
    logits, target = torch.tensor([[[-INF], [0.3]]]), torch.zeros(1, 1, dtype=torch.int64)
    with form(in_c):
        for name in ("mean_absolute_error", "normalized_negative_cross_entropy"):
            run = partial(lambda term, z, y: fused_pixel_loss(z, y, [term])[0], PAIRS[name][0])
            value, grad = value_and_grad(run, logits, target, torch.ones(1, 1))
            assert value.item() == 1.0
            assert not grad.any()


@forms
def test_nan_is_no_limit(in_c):
    for rows in ([(math.nan, -INF)], [(INF, math.nan)], [(INF, math.nan, 0.0)]):
        logits, target = pixels(rows)
        with form(in_c):
            assert fused_pixel_loss(logits, target, OF_MARGIN)[0].isnan().all()
        assert functional.cross_entropy(logits, target).isnan().all()


def test_resized_infinite_logits_stay_where_interpolation_has_them():
    for value in (INF, -INF, math.nan):
        logits = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
        logits[0, 1, 2, 2] = value
        target = torch.ones(2, 23, 17, dtype=torch.int64)
        large = F.interpolate(logits, (23, 17), mode="bilinear")
        target[torch.isnan(large).any(1)] = 255  # infinity times a weight of 0
        leaf = logits.clone().requires_grad_()
        found = upsampled_pixel_loss(leaf, target, None, OF_MARGIN)
        found.total.backward()
        expected = fused_pixel_loss(large, target, OF_MARGIN)[0].sum()
        assert_same([found.total], [expected], 1e-5)
        assert leaf.grad[1].isfinite().all()
        assert found.correct == ((large.argmax(1) == target) & (target != 255)).sum()
        weights = upsampled_mass_balance(logits, target)
        assert_same([weights], [functional.mass_balance(large, target)], 1e-5)


@pytest.mark.parametrize("kernels", ["fused", "reference"])
def test_an_overflow_of_half_precision_costs_no_batch(kernels):
    """One pixel of a batch whose logits overflow: the mean stays a number, its gradient too."""
    for classes in (2, 4):
        wide = torch.randn(2, classes, 4, 4, generator=torch.Generator().manual_seed(0))
        for value in (1e6, -1e6):
            wide[0, 0, 0, 0] = value
            logits = wide.half().requires_grad_()
            target = torch.ones(2, 4, 4, dtype=torch.int64)
            options = {"mass_balance": 0.5, "logit_clip": None if value > 0 else 5.0}
            loss = ANLCELoss(kernels=kernels, entropy_weight=1.0, **options)(logits, target)
            loss.backward()
            assert logits.isinf().sum() == 1
            assert loss.isfinite()
            assert logits.grad.isfinite().all()


def test_clipped_logits_keep_their_direction():
    for rows in TWO[:4], THREE[:7]:
        logits = pixels(rows)[0]
        wanted = functional.clip_logits(far(logits), 3.0)
        assert_same([functional.clip_logits(logits, 3.0)], [wanted], 1e-5)
