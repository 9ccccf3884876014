"""Per-class forms, and the constructions on top of them."""

from __future__ import annotations

import inspect
import math
from functools import partial

import pytest
import torch

from anl_seg import functional as F
from anl_seg.functional import class_forms

C = 5
PARAMS = {
    "focal_loss": dict(gamma=1.5),
    "generalized_cross_entropy": dict(q=0.4),
    "asymmetric_generalized_cross_entropy": dict(a=0.6, q=0.6),
    "asymmetric_unhinged_loss": dict(a=5.5, q=3.0),
    "asymmetric_exponential_loss": dict(a=2.5),
    "symmetric_cross_entropy": dict(alpha=0.3, beta=2.0),
    "asymmetric_norm_loss": dict(a=2.0, p=0.7),
}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(2, C, 6, 7, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, C, (2, 6, 7), generator=generator)


def gradient(function, logits):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(function(logits).sum(), logits)[0]


def bound(name):
    return partial(class_forms.CLASS_FORMS[name], **PARAMS.get(name, {}))


@pytest.mark.parametrize("name", class_forms.CLASS_FORMS)
def test_a_form_equals_its_loss_for_every_label(name, batch):
    logits, labels = batch
    for k in range(C):
        label = torch.full_like(labels, k)
        loss = partial(getattr(F, name), target=label, **PARAMS.get(name, {}))
        of_class = lambda z, k=k: bound(name)(z.log_softmax(dim=1))[:, k]  # noqa: E731
        torch.testing.assert_close(of_class(logits), loss(logits))
        torch.testing.assert_close(gradient(of_class, logits), gradient(loss, logits))


@pytest.mark.parametrize("name", class_forms.CLASS_FORMS)
def test_a_form_has_the_parameters_of_its_loss(name):
    of_form = list(inspect.signature(class_forms.CLASS_FORMS[name]).parameters.values())[1:]
    of_loss = inspect.signature(getattr(F, name)).parameters
    assert [p.name for p in of_form] == [*of_loss][2:-1]
    assert all(p.default == of_loss[p.name].default for p in of_form)


@pytest.mark.parametrize("name", class_forms.POINTWISE)
def test_a_pointwise_form_needs_no_other_class_and_falls(name):
    log_p = torch.linspace(-16, 0, 50, dtype=torch.float64)
    alone = bound(name)(log_p)
    torch.testing.assert_close(bound(name)(log_p[:, None])[:, 0], alone)
    assert (alone.diff() <= 0).all()


def sum_over_labels(loss, logits):
    shape = (logits.shape[0], *logits.shape[2:])
    return sum(loss(logits, torch.full(shape, k)) for k in range(C))


@pytest.mark.parametrize("name", class_forms.CLASS_FORMS)
def test_the_normalised_loss_is_symmetric(name, batch):
    total = sum_over_labels(partial(F.normalized_loss, base=bound(name)), batch[0])
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("name", class_forms.POINTWISE)
def test_the_normalised_negative_loss_is_symmetric(name, batch):
    loss = partial(F.normalized_negative_loss, base=bound(name), min_prob=1e-3)
    total = sum_over_labels(loss, batch[0])
    torch.testing.assert_close(total, torch.full_like(total, C - 1))
    values = loss(*batch)
    assert (values >= 0).all()
    assert (values <= 1).all()


#: construction with its base, and the loss of the literature that it is
SPECIAL = [
    (F.normalized_loss, "cross_entropy", {}, {}, F.normalized_cross_entropy),
    (F.normalized_loss, "focal_loss", dict(gamma=1.5), {}, F.normalized_focal_loss),
    (
        F.normalized_loss,
        "generalized_cross_entropy",
        dict(q=0.4),
        {},
        F.normalized_generalized_cross_entropy,
    ),
    (F.normalized_loss, "reverse_cross_entropy", {}, {}, F.normalized_reverse_cross_entropy),
    (
        F.normalized_negative_loss,
        "cross_entropy",
        {},
        dict(min_prob=1e-3),
        F.normalized_negative_cross_entropy,
    ),
    (
        F.normalized_negative_loss,
        "focal_loss",
        dict(gamma=1.5),
        dict(min_prob=1e-3),
        F.normalized_negative_focal_loss,
    ),
]


@pytest.mark.parametrize(("construction", "base", "params", "own", "special"), SPECIAL)
def test_the_losses_of_the_literature_fall_out(construction, base, params, own, special, batch):
    logits, labels = batch
    built = partial(construction, base=partial(class_forms.CLASS_FORMS[base], **params), **own)
    torch.testing.assert_close(built(*batch), special(*batch, **params, **own))
    torch.testing.assert_close(
        gradient(partial(built, target=labels), logits),
        gradient(partial(special, target=labels, **params, **own), logits),
    )


@pytest.mark.parametrize("name", class_forms.POINTWISE)
def test_the_negative_construction_step_by_step(name, batch):
    """Complementary labels, vertical flip, normalization: as the paper builds it, in loops."""
    logits, labels = batch[0][0, :, 0].T, batch[1][0, 0]
    min_prob, loss = 1e-3, partial(getattr(F, name), **PARAMS.get(name, {}))
    probs = logits.softmax(dim=1).clamp(min=min_prob)
    rest = lambda p: torch.stack([p, 1 - p]).log()[None]  # noqa: E731, two classes with p first

    def at(p):
        return loss(rest(p), torch.tensor([0])).item()

    top = at(torch.tensor(min_prob, dtype=torch.float64))
    for row, label, value in zip(
        probs,
        labels,
        F.normalized_negative_loss(logits, labels, base=bound(name), min_prob=min_prob),
    ):
        flipped = [top - at(p) for p in row]
        complementary = sum(f for k, f in enumerate(flipped) if k != label)
        assert value.item() == pytest.approx(complementary / math.fsum(flipped), rel=1e-9)


def test_extreme_logits_stay_finite():
    extremes = torch.tensor([-1e4, 0.0, 1e4])
    logits = torch.cartesian_prod(extremes, extremes, extremes, extremes)
    labels = torch.zeros(len(logits), dtype=torch.long)
    for name in class_forms.CLASS_FORMS:
        constructions = [partial(F.normalized_loss, base=bound(name))]
        if name in class_forms.POINTWISE:
            constructions.append(partial(F.normalized_negative_loss, base=bound(name)))
        for loss in constructions:
            assert loss(logits, labels).isfinite().all(), name
            assert gradient(partial(loss, target=labels), logits).isfinite().all(), name


def test_min_prob_is_checked(batch):
    with pytest.raises(
        ValueError, match=r"min_prob must be below 1 / num_classes = 0\.2; got 0\.3"
    ):
        F.normalized_negative_loss(*batch, base=class_forms.cross_entropy, min_prob=0.3)
