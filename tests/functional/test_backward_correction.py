from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from anl_seg.functional import cross_entropy
from anl_seg.functional.backward_correction import backward_correction, invert_transition_matrix
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
    matrix = np.full((num_classes,) * 2, rate / (num_classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def inverse_of(matrix):
    return torch.from_numpy(invert_transition_matrix(matrix))


def random_matrix(seed=0):
    matrix = np.random.default_rng(seed).random((C, C)) + 3 * np.eye(C)
    return matrix / matrix.sum(1, keepdims=True)


@pytest.fixture
def loss_function():
    def backward_correction_symmetric(logits, target, **kwargs):
        # The same matrix under any order of the classes, in the size that the logits ask for.
        size = max(logits.shape[1] if logits.dim() > 1 else 0, 2)
        return backward_correction(logits, target, inverse=inverse_of(symmetric(size)), **kwargs)

    return backward_correction_symmetric


def direct(logits, target, matrix, min_prob=1e-7):
    """The column of per-class losses solved against T, pixel by pixel."""
    losses = -torch.log(torch.softmax(logits, dim=1).clamp(min=min_prob))
    columns = losses.movedim(1, -1).reshape(-1, len(matrix))
    matrix = torch.tensor(matrix)
    solved = [torch.linalg.solve(matrix, column)[y] for column, y in zip(columns, target.flatten())]
    return torch.stack(solved).reshape(target.shape)


@pytest.mark.parametrize("scale", [1.0, 6.0])  # 6: some probabilities lie below the clamp
def test_equals_the_direct_form(batch, scale):  # noqa: F811
    matrix = random_matrix()
    logits, labels = scale * batch[0], batch[1]

    def loss(z, y):
        return backward_correction(z, y, inverse=inverse_of(matrix))

    torch.testing.assert_close(loss(logits, labels), direct(logits, labels, matrix))
    torch.testing.assert_close(
        gradient(loss, logits, labels),
        gradient(lambda z, y: direct(z, y, matrix), logits, labels),
    )


@pytest.mark.parametrize("min_prob", [0.0, 1e-7])
def test_identity_is_cross_entropy(batch, min_prob):  # noqa: F811
    def loss(z, y):
        return backward_correction(z, y, inverse=torch.eye(C), min_prob=min_prob)

    torch.testing.assert_close(loss(*batch), cross_entropy(*batch))
    torch.testing.assert_close(gradient(loss, *batch), gradient(cross_entropy, *batch))
    far = loss(1e4 * batch[0], batch[1])
    clean = cross_entropy(1e4 * batch[0], batch[1])
    torch.testing.assert_close(far, clean.clamp(max=-math.log(min_prob)) if min_prob else clean)


@pytest.mark.parametrize("seed", range(3))
def test_expectation_over_the_noise_is_clean_cross_entropy(batch, seed):  # noqa: F811
    logits, clean = batch
    matrix = random_matrix(seed)
    inverse = inverse_of(matrix)

    def expected(z, y):
        rows = torch.tensor(matrix)[y]
        losses = [
            backward_correction(z, torch.full_like(y, k), inverse=inverse, min_prob=0.0)
            for k in range(C)
        ]
        return sum(rows[..., k] * losses[k] for k in range(C))

    torch.testing.assert_close(expected(logits, clean), cross_entropy(logits, clean))
    torch.testing.assert_close(
        gradient(expected, logits, clean), gradient(cross_entropy, logits, clean)
    )


def test_mean_over_drawn_noise_is_near_clean_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    matrix = random_matrix()
    logits = torch.randn(1, C, generator=generator, dtype=torch.float64).repeat(100_000, 1)
    clean = torch.randint(0, C, (100_000,), generator=generator)
    noisy = torch.multinomial(torch.tensor(matrix)[clean], 1, generator=generator).squeeze(1)
    loss = backward_correction(logits, noisy, inverse=inverse_of(matrix))
    error = loss.std() / math.sqrt(len(loss))
    assert (loss.mean() - cross_entropy(logits, clean).mean()).abs() < 4 * error
    assert (cross_entropy(logits, noisy).mean() - cross_entropy(logits, clean).mean()) > 4 * error


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.5, 0.5], [0.5, 0.5]],
        [[0.5, 0.5], [0.5 + 1e-8, 0.5 - 1e-8]],
        np.full((3, 3), 1 / 3),
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]],
    ],
)
def test_singular_matrix_is_named(matrix):
    with pytest.raises(ValueError, match=r"cannot be inverted.*forward correction"):
        invert_transition_matrix(np.array(matrix))


def test_wrong_parameters_are_named(batch):  # noqa: F811
    with pytest.raises(ValueError, match=r"inverse must have shape \(5, 5\).*got \(4, 4\)"):
        backward_correction(*batch, inverse=torch.eye(4))
    with pytest.raises(ValueError, match=r"min_prob must lie in \[0, 1\).*got 1.0"):
        backward_correction(*batch, inverse=torch.eye(C), min_prob=1.0)
