from __future__ import annotations

from functools import partial

import pytest
import torch

from anl_seg.functional import cross_entropy
from anl_seg.functional.forward_correction import LOG_ZERO, forward_correction
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
    test_permuting_classes_permutes_gradients,
)


def symmetric(num_classes, rate=0.3):
    matrix = torch.full((num_classes,) * 2, rate / (num_classes - 1), dtype=torch.float64)
    return matrix.fill_diagonal_(1 - rate)


@pytest.fixture
def loss_function():
    def forward_correction_symmetric(logits, target, **kwargs):
        # The same matrix under any order of the classes, in the size that the logits ask for.
        matrix = symmetric(max(logits.shape[1] if logits.dim() > 1 else 0, 2))
        return forward_correction(logits, target, matrix=matrix, **kwargs)

    return forward_correction_symmetric


def direct(logits, target, matrix):
    """Pixel by pixel, on the probabilities themselves."""
    probs = torch.softmax(logits, dim=1).movedim(1, -1)
    losses = [
        -torch.log(sum(matrix[k, y] * p[k] for k in range(len(matrix))))
        for p, y in zip(probs.reshape(-1, len(matrix)), target.flatten().tolist())
    ]
    return torch.stack(losses).reshape(target.shape)


def random_matrix(seed=0):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(C, C, generator=generator, dtype=torch.float64) + torch.eye(C) * C
    return matrix / matrix.sum(1, keepdim=True)


def test_equals_the_direct_form(batch):  # noqa: F811
    matrix = random_matrix()
    matrix[2] = torch.tensor([0.0, 0.0, 0.4, 0.0, 0.6])

    def loss(z, y):
        return forward_correction(z, y, matrix=matrix)

    torch.testing.assert_close(loss(*batch), direct(*batch, matrix))
    torch.testing.assert_close(
        gradient(loss, *batch), gradient(lambda z, y: direct(z, y, matrix), *batch)
    )


def test_identity_is_cross_entropy(batch):  # noqa: F811
    identity = partial(forward_correction, matrix=torch.eye(C))
    for logits in (batch[0], 1e3 * batch[0]):
        torch.testing.assert_close(identity(logits, batch[1]), cross_entropy(logits, batch[1]))
        torch.testing.assert_close(
            gradient(identity, logits, batch[1]), gradient(cross_entropy, logits, batch[1])
        )


def test_minimiser_is_the_clean_posterior():
    # One image position whose clean posterior is known: the expected loss over the noisy labels has
    # gradient zero there.
    matrix = random_matrix(1)
    clean = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05], dtype=torch.float64)
    logits = clean.log().view(1, C).repeat(C, 1).requires_grad_()
    loss = forward_correction(logits, torch.arange(C), matrix=matrix)
    (grad,) = torch.autograd.grad((clean @ matrix @ loss), logits)
    torch.testing.assert_close(grad.sum(0), torch.zeros(C, dtype=torch.float64))


def test_a_label_that_cannot_occur_is_finite_and_without_gradient():
    matrix = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    logits = torch.randn(1, 2, 6, requires_grad=True)
    loss = forward_correction(logits, torch.ones(1, 6, dtype=torch.long), matrix=matrix)
    loss.sum().backward()
    torch.testing.assert_close(loss, torch.full((1, 6), -LOG_ZERO))
    assert logits.grad.abs().max() < 1e-2


def test_matrix_of_another_size_is_named(batch):  # noqa: F811
    with pytest.raises(ValueError, match=r"matrix must have shape \(5, 5\).*got \(4, 4\)"):
        forward_correction(*batch, matrix=symmetric(4))
