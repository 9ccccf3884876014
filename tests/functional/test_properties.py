"""What holds for every per-pixel loss, and what tells them apart."""

from __future__ import annotations

import inspect
import math

import pytest
import torch

from anl_seg import functional as F
from tests.references import direct_losses

C = 5


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, C, 6, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (2, 6, 7), generator=generator)
    return logits, labels


def with_ignored(labels, share=0.3):
    generator = torch.Generator().manual_seed(1)
    drop = torch.rand(labels.shape, generator=generator) < share
    return torch.where(drop, 255, labels), ~drop


def gradient(function, logits, labels):
    logits = logits.clone().requires_grad_()
    (grad,) = torch.autograd.grad(function(logits, labels).sum(), logits)
    return grad


def test_equals_the_direct_form(loss_function, batch):
    logits, labels = batch
    direct = getattr(direct_losses, loss_function.__name__)
    torch.testing.assert_close(loss_function(logits, labels), direct(logits, labels))
    torch.testing.assert_close(
        gradient(loss_function, logits, labels), gradient(direct, logits, labels)
    )


def test_gradcheck(loss_function, batch):
    name = loss_function.__name__
    if "focal" in name:
        # The factor (1 - p)^gamma is held constant, so the gradient is not that of the value.
        loss_function = _frozen_focal(name)
    logits, labels = batch[0][:1, :, :2, :2].clone().requires_grad_(), batch[1][:1, :2, :2].clone()
    labels[0, 0, 0] = 255
    assert torch.autograd.gradcheck(lambda z: loss_function(z, labels), (logits,))


def _frozen_focal(name):
    """The loss at gamma = 0, where no factor is held constant and the value's gradient is exact."""
    return lambda z, y: getattr(F, name)(z, y, gamma=0.0)


def test_ignored_pixels_change_nothing(loss_function, batch):
    logits, labels = batch
    labels, kept = with_ignored(labels)
    wild = torch.where(kept.unsqueeze(1), logits, 1e4 * logits)
    loss = loss_function(wild, labels)
    assert (loss[~kept] == 0).all()
    alone = loss_function(logits.movedim(1, -1)[kept], labels[kept])  # (P, C) and (P,)
    torch.testing.assert_close(loss[kept], alone)
    grad = gradient(loss_function, wild, labels).movedim(1, -1)
    assert (grad[~kept] == 0).all()
    torch.testing.assert_close(
        grad[kept], gradient(loss_function, logits.movedim(1, -1)[kept], labels[kept])
    )


def test_permuting_classes_permutes_gradients(loss_function, batch):
    logits, labels = batch
    order = torch.tensor([3, 0, 4, 1, 2])
    inverse = torch.argsort(order)
    torch.testing.assert_close(
        loss_function(logits[:, order], inverse[labels]), loss_function(logits, labels)
    )
    torch.testing.assert_close(
        gradient(loss_function, logits[:, order], inverse[labels]),
        gradient(loss_function, logits, labels)[:, order],
    )


def test_all_ignored_is_zero_and_attached(loss_function, batch):
    logits, labels = batch
    labels = torch.full_like(labels, 255)
    logits = logits.clone().requires_grad_()
    loss = loss_function(logits, labels)
    loss.sum().backward()
    assert (loss == 0).all()
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes(loss_function, batch, dtype):
    logits, labels = batch
    logits = logits.to(dtype)
    loss = loss_function(logits, labels)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    # Half precision is computed in float32, so it is exact for the logits as they are.
    torch.testing.assert_close(
        loss.double(), loss_function(logits.double(), labels), rtol=1e-4, atol=1e-5
    )
    grad = gradient(loss_function, logits, labels)
    assert grad.dtype == dtype
    torch.testing.assert_close(
        grad.double(),
        gradient(loss_function, logits.double(), labels),
        **(dict(rtol=2e-2, atol=1e-3) if dtype.itemsize == 2 else dict(rtol=1e-4, atol=1e-5)),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_stay_finite(loss_function, dtype):
    extremes = torch.tensor([-1e4, 0.0, 1e4], dtype=dtype)
    logits = torch.cartesian_prod(extremes, extremes, extremes, extremes)  # (81, 4)
    for label in range(4):
        labels = torch.full((len(logits),), label)
        assert loss_function(logits, labels).isfinite().all()
        assert gradient(loss_function, logits, labels).isfinite().all()


def test_one_channel_is_a_binary_head(loss_function, batch):
    logits, labels = batch[0][:, :1], batch[1] % 2
    two = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(loss_function(logits, labels), loss_function(two, labels))
    torch.testing.assert_close(
        gradient(loss_function, logits, labels), gradient(loss_function, two, labels)[:, 1:]
    )


@pytest.mark.parametrize("shape", [(3,), (3, 11), (2, 3, 5), (2, 3, 4, 5)])
def test_any_number_of_spatial_dimensions(loss_function, shape):
    logits = torch.randn(shape[0], C, *shape[1:], dtype=torch.float64)
    labels = torch.randint(0, C, shape)
    flat = loss_function(logits.movedim(1, -1).reshape(-1, C), labels.reshape(-1))
    torch.testing.assert_close(loss_function(logits, labels).reshape(-1), flat)


def test_nan_logits_pass_through(loss_function, batch):
    logits, labels = batch[0].clone(), batch[1].clone()
    logits[0, 2, 3, 3] = math.nan
    loss = loss_function(logits, labels)
    assert loss[0, 3, 3].isnan()
    assert loss.isnan().sum() == 1


def test_inputs_are_left_intact(loss_function, batch):
    logits, labels = batch[0].float(), with_ignored(batch[1])[0]
    before = logits.clone(), labels.clone()
    gradient(loss_function, logits, labels)
    assert torch.equal(logits, before[0])
    assert torch.equal(labels, before[1])


@pytest.mark.parametrize("label", [-1, C, 254, 10_000])
def test_label_out_of_range_is_named(loss_function, batch, label):
    logits, labels = batch
    labels = labels.clone()
    labels[0, 0, :2] = label
    with pytest.raises(ValueError, match=rf"2 label.*found {label}; allowed are 0 to 4.*255"):
        loss_function(logits, labels)
    assert loss_function(logits, labels, ignore_index=label)[0, 0, :2].eq(0).all()


def test_bad_shapes_and_types_are_named(loss_function, batch):
    logits, labels = batch
    with pytest.raises(ValueError, match=r"labels must have shape \(2, 6, 7\).*got \(2, 6\)"):
        loss_function(logits, labels[..., 0])
    with pytest.raises(ValueError, match=r"logits must have shape \(N, C, \*\).*got \(3,\)"):
        loss_function(torch.zeros(3), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TypeError, match=r"labels must be integers; got torch.float64"):
        loss_function(logits, labels.double())
    with pytest.raises(
        TypeError, match=r"logits must be of a floating-point dtype; got torch.int64"
    ):
        loss_function(logits.long(), labels)


def test_options_are_keywords_and_documented(loss_function):
    kinds = {p.kind for p in list(inspect.signature(loss_function).parameters.values())[2:]}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert "ignore_index" in inspect.signature(loss_function).parameters


# --- symmetry and limits ---------------------------------------------------------------------

SUMS = {
    "mean_absolute_error": C - 1,
    "normalized_cross_entropy": 1,
    "normalized_focal_loss": 1,
    "normalized_negative_cross_entropy": C - 1,
    "normalized_negative_focal_loss": C - 1,
    "active_negative_cross_entropy": 5 + 5 * (C - 1),
    "active_negative_focal_loss": 5 + 5 * (C - 1),
}


def sum_over_labels(function, logits):
    shape = (logits.shape[0], *logits.shape[2:])
    return sum(function(logits, torch.full(shape, k)) for k in range(logits.shape[1]))


@pytest.mark.parametrize("name", SUMS)
def test_symmetry(name, batch):
    total = sum_over_labels(getattr(F, name), 5 * batch[0])
    torch.testing.assert_close(total, torch.full_like(total, SUMS[name]))


def test_reverse_cross_entropy_is_symmetric_where_no_clamp_is_active(batch):
    total = sum_over_labels(F.reverse_cross_entropy, 0.1 * batch[0])
    torch.testing.assert_close(total, torch.full_like(total, -math.log(1e-4) * (C - 1)))


@pytest.mark.parametrize("name", ["cross_entropy", "focal_loss", "generalized_cross_entropy"])
def test_the_baselines_are_not_symmetric(name, batch):
    total = sum_over_labels(getattr(F, name), batch[0])
    assert total.max() - total.min() > 0.1


LIMITS = [
    ("focal_loss", dict(gamma=0.0), "cross_entropy", {}),
    ("normalized_focal_loss", dict(gamma=0.0), "normalized_cross_entropy", {}),
    ("normalized_negative_focal_loss", dict(gamma=0.0), "normalized_negative_cross_entropy", {}),
    ("generalized_cross_entropy", dict(q=1.0), "mean_absolute_error", {}),
    ("generalized_cross_entropy", dict(q=1e-6), "cross_entropy", {}),
    ("symmetric_cross_entropy", dict(alpha=1.0, beta=0.0), "cross_entropy", {}),
    ("symmetric_cross_entropy", dict(alpha=0.0, beta=1.0), "reverse_cross_entropy", {}),
    ("active_negative_cross_entropy", dict(alpha=1.0, beta=0.0), "normalized_cross_entropy", {}),
    (
        "active_negative_focal_loss",
        dict(alpha=0.0, beta=1.0),
        "normalized_negative_focal_loss",
        {},
    ),
]


@pytest.mark.parametrize(("name", "params", "limit", "limit_params"), LIMITS)
def test_limits(name, params, limit, limit_params, batch):
    one = getattr(F, name)(*batch, **params)
    other = getattr(F, limit)(*batch, **limit_params)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_two_classes_of_nnce_below_the_flip_pass_no_gradient():
    logits = torch.tensor([[0.0, 40.0]], dtype=torch.float64, requires_grad=True)
    F.normalized_negative_cross_entropy(logits, torch.tensor([0])).sum().backward()
    # p_0 = e^-40 lies below 1e-7, and log p_1 is flat at 0: nothing is left to pull on.
    assert logits.grad.abs().max() < 1e-12


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda z, y: F.generalized_cross_entropy(z, y, q=0.0), r"q must lie in \(0, 1\]; got 0.0"),
        (lambda z, y: F.generalized_cross_entropy(z, y, q=1.5), r"q must lie in \(0, 1\]; got 1.5"),
        (lambda z, y: F.focal_loss(z, y, gamma=-1.0), "gamma must be 0 or more; got -1.0"),
        (
            lambda z, y: F.normalized_negative_cross_entropy(z, y, min_prob=0.0),
            r"min_prob must lie in \(0, 1\); got 0.0",
        ),
        (
            lambda z, y: F.normalized_negative_focal_loss(z, y, min_prob=1.0),
            r"min_prob must lie in \(0, 1\); got 1.0",
        ),
        (
            lambda z, y: F.normalized_negative_cross_entropy(z, y, min_prob=0.3),
            "min_prob must be below 1 / num_classes = 0.2; got 0.3",
        ),
    ],
)
def test_parameters_out_of_range_are_named(call, text, batch):
    with pytest.raises(ValueError, match=text):
        call(*batch)
