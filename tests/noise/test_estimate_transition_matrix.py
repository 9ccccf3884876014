"""Transition matrices from counts and from anchor points, against slow oracles and known noise."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anl_seg.noise import (
    NoiseStatistics,
    TransitionMatrixNoise,
    dilate_noise,
    load_transition_matrix,
    pair_noise,
    transition_matrix_noise,
)
from anl_seg.noise.estimate_transition_matrix import (
    AnchorPoints,
    TransitionCounts,
    TransitionEstimate,
    simple_noises,
    transition_matrix_from_counts,
)

T = np.array(
    [
        [0.80, 0.15, 0.05, 0.00],
        [0.10, 0.70, 0.00, 0.20],
        [0.00, 0.30, 0.60, 0.10],
        [0.25, 0.00, 0.00, 0.75],
    ]
)
masks = arrays(np.uint8, (2, 5, 6), elements=st.sampled_from([0, 1, 2, 255]))


# --- counts ---


def test_rows_are_true_and_columns_noisy():
    estimate = transition_matrix_from_counts([[6, 2], [0, 5]])
    assert estimate.matrix.tolist() == [[0.75, 0.25], [0, 1]]
    assert estimate.pixels.tolist() == [8, 5]
    error = math.sqrt(0.75 * 0.25 / 8)
    assert estimate.standard_errors == pytest.approx(np.array([[error, error], [0, 0]]))
    assert estimate.flip_rate == pytest.approx(0.125)
    assert estimate.unknown == []


def test_a_class_never_seen_is_nan_and_the_saved_matrix_keeps_it(tmp_path):
    estimate = transition_matrix_from_counts(np.array([[3, 1, 0], [0, 0, 0], [1, 1, 1]]))
    assert np.isnan(estimate.matrix[1]).all()
    assert np.isnan(estimate.standard_errors[1]).all()
    assert estimate.unknown == [1]
    assert estimate.flip_rate == pytest.approx((0.25 + 2 / 3) / 2)
    filled = estimate.filled()
    assert filled[1].tolist() == [0, 1, 0]
    assert np.array_equal(filled[[0, 2]], estimate.matrix[[0, 2]])
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(filled.tolist()))
    assert np.array_equal(TransitionMatrixNoise(str(path)).matrix, filled)
    content = estimate.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["matrix"][1] == [None, None, None]


def test_nothing_seen():
    estimate = TransitionCounts(3).estimate()
    assert estimate.unknown == [0, 1, 2]
    assert math.isnan(estimate.flip_rate)
    assert estimate.to_dict()["flip_rate"] is None
    assert np.array_equal(load_transition_matrix(estimate.filled()), np.eye(3))
    assert simple_noises(estimate.matrix) == []
    assert all(math.isnan(v) for v in TransitionCounts(3).clumping())


@pytest.mark.parametrize(
    ("confusion", "text"),
    [
        ([[1, 2, 3], [4, 5, 6]], r"\(C, C\)"),
        ([[1]], r"\(C, C\)"),
        ([[1, -2], [0, 1]], "at least 0"),
        ([[1, math.nan], [0, 1]], "at least 0"),
        ([["a", "b"], ["c", "d"]], "at least 0"),
    ],
)
def test_wrong_counts(confusion, text):
    with pytest.raises(ValueError, match=text):
        transition_matrix_from_counts(confusion)


def neighbours(clean, noisy):
    """Of pairs (wrong pixel, neighbor of its true class): how many, how many with the latter wrong,
    and the same over all pixels by class."""
    pairs = wrong_pairs = 0
    by_class = np.zeros((3, 2))
    height, width = clean.shape
    for y in range(height):
        for x in range(width):
            for v, u in ((y, x + 1), (y, x - 1), (y + 1, x), (y - 1, x)):
                if not (0 <= v < height and 0 <= u < width):
                    continue
                if 255 in (clean[y, x], clean[v, u], noisy[y, x], noisy[v, u]):
                    continue
                if clean[y, x] != clean[v, u]:
                    continue
                here, there = clean[y, x] != noisy[y, x], clean[v, u] != noisy[v, u]
                by_class[clean[y, x]] += (1, here)
                pairs += here
                wrong_pairs += here and there
    return pairs, wrong_pairs, by_class


@settings(max_examples=60, deadline=None)
@given(pair=masks, dtype=st.sampled_from([np.uint8, np.uint16, np.int64]))
def test_counts_equal_a_loop_over_pixels(pair, dtype):
    clean, noisy = pair.astype(dtype)
    clean.setflags(write=False)
    noisy.setflags(write=False)
    counts = TransitionCounts(3)
    counts.add(clean, noisy)
    confusion = np.zeros((3, 3), dtype=int)
    for c, n in zip(clean.flat, noisy.flat):
        if 255 not in (c, n):
            confusion[c, n] += 1
    assert np.array_equal(counts.confusion, confusion)
    assert counts.ignored_once == ((clean == 255) != (noisy == 255)).sum()
    pairs, wrong_pairs, by_class = neighbours(clean, noisy)
    observed, independent = counts.clumping()
    if pairs == 0:
        assert math.isnan(observed)
        assert math.isnan(independent)
    else:
        assert observed == pytest.approx(wrong_pairs / pairs)
        rate = by_class[:, 1] / np.maximum(by_class[:, 0], 1)
        expected = (rate * by_class[:, 1]).sum() / by_class[:, 1].sum()
        assert independent == pytest.approx(expected)


def test_matrix_equals_that_of_noise_statistics():
    rng = np.random.RandomState(0)
    clean, noisy = rng.randint(0, 4, (2, 30, 30))
    counts = TransitionCounts(4)
    counts.add(clean, noisy)
    statistics = NoiseStatistics(counts.confusion)
    expected = transition_matrix_from_counts(statistics.confusion).matrix
    assert np.array_equal(counts.estimate().matrix, expected)


@pytest.mark.parametrize("ignore_index", [-1, 255, 1000])
def test_other_ignore_index_and_odd_shapes(ignore_index):
    counts = TransitionCounts(2, ignore_index)
    for shape in ((0, 3), (1, 1), (1, 7), (7, 1)):
        clean = np.zeros(shape, dtype=np.int64)
        noisy = np.ones(shape, dtype=np.int64)
        clean[:, 2:] = ignore_index
        counts.add(clean, noisy)
    assert counts.confusion.tolist() == [[0, 1 + 2 + 7], [0, 0]]
    assert counts.ignored_once == 5


def test_wrong_masks():
    counts = TransitionCounts(2)
    mask = np.zeros((2, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"clean mask is \(2, 3\), noisy mask is \(3, 2\)"):
        counts.add(mask, mask.T)
    with pytest.raises(ValueError, match="labels 2"):
        counts.add(mask, mask + 2)
    with pytest.raises(ValueError, match="num_classes"):
        TransitionCounts(1)
    assert counts.confusion.sum() == 0


def test_recovers_a_known_matrix_within_the_sampling_error(make_rng):
    counts = TransitionCounts(4)
    clean = np.repeat(np.repeat(make_rng(1).permutation(64).reshape(8, 8) % 4, 8, 0), 8, 1)
    for number in range(40):
        noisy = transition_matrix_noise(clean, make_rng(number), matrix=T, num_classes=4)
        counts.add(clean, noisy)
    estimate = counts.estimate()
    z = np.abs(estimate.matrix - T) / np.where(T > 0, estimate.standard_errors, 1)
    assert z[T > 0].max() < 4
    assert np.abs(estimate.matrix - T)[T == 0].max() == 0
    assert estimate.standard_errors.max() < 0.004
    assert abs(counts.clumping().correlation) < 0.01


def test_standard_errors_count_images_where_wrong_pixels_hang_together():
    """Whole images are wrong, three in ten: the spread over studies is what the error should say."""
    rng = np.random.RandomState(0)
    clean = np.zeros((8, 8), dtype=np.uint8)
    rates, errors = [], []
    for _ in range(200):
        counts = TransitionCounts(2)
        for wrong in rng.rand(50) < 0.3:
            counts.add(clean, clean + np.uint8(wrong))
        estimate = counts.estimate()
        rates.append(estimate.matrix[0, 1])
        errors.append(estimate.standard_errors[0, 1])
    assert np.mean(errors) == pytest.approx(np.std(rates), rel=0.15)
    binomial = transition_matrix_from_counts(counts.confusion).standard_errors[0, 1]
    assert np.mean(errors) > 6 * binomial


def test_standard_errors_equal_the_formula_over_images():
    rng = np.random.RandomState(1)
    counts, per_image = TransitionCounts(3), []
    for _ in range(7):
        clean = rng.randint(0, 3, (9, 9))
        noisy = np.where(rng.rand(9, 9) < rng.rand(), (clean + 1) % 3, clean)
        counts.add(clean, noisy)
        confusion = np.zeros((3, 3))
        np.add.at(confusion, (clean, noisy), 1)
        per_image.append(confusion)
    n = np.array(per_image)
    rows = n.sum(axis=2, keepdims=True)
    estimate = counts.estimate()
    spread = ((n - estimate.matrix * rows) ** 2).sum(axis=0) * 7 / 6
    by_image = np.sqrt(spread) / rows.sum(axis=0)
    binomial = transition_matrix_from_counts(n.sum(axis=0)).standard_errors
    assert (by_image > binomial).any()
    assert estimate.standard_errors == pytest.approx(np.maximum(by_image, binomial))


def test_wrong_outlines_hang_together(disc, make_rng):
    counts = TransitionCounts(3)
    counts.add(disc, dilate_noise(disc, make_rng(), beta=0.5, num_classes=3))
    assert counts.clumping().correlation > 0.8


def test_parts_sum_to_the_whole():
    rng = np.random.RandomState(0)
    parts, whole = [TransitionCounts(3), TransitionCounts(3)], TransitionCounts(3)
    for i in range(6):
        clean, noisy = rng.randint(0, 3, (2, 8, 9))
        noisy[0, 0] = 255
        parts[i % 2].add(clean, noisy)
        whole.add(clean, noisy)
    for a, b in zip(parts[0].arrays(), parts[1].arrays()):
        a += b
    assert np.array_equal(parts[0].estimate().standard_errors, whole.estimate().standard_errors)
    assert parts[0].clumping() == whole.clumping()
    assert parts[0].ignored_once == whole.ignored_once == 6


# --- anchor points ---


def known_posterior(rng, pixels=4000, unsure=0.4, blur=0.0):
    """Probabilities (C, 1, pixels), noisy labels and true classes of a predictor that is right.

    Of an unsure share of the pixels it cannot tell two classes apart; the others are anchor points.
    ``blur`` is the spread of an error added to its logits.
    """
    c = len(T)
    true = rng.randint(0, c, pixels)
    doubt = np.where(rng.rand(pixels) < unsure, rng.rand(pixels) * 0.5, 0.002)
    posterior = np.zeros((pixels, c))
    other = (true + rng.randint(1, c, pixels)) % c
    # The truth is drawn from the predictor's own belief, so that it is right on average.
    first = rng.rand(pixels) >= doubt
    posterior[np.arange(pixels), true] = np.where(first, 1 - doubt, doubt)
    posterior[np.arange(pixels), other] = np.where(first, doubt, 1 - doubt)
    probabilities = posterior @ T
    if blur:
        logits = np.log(np.maximum(probabilities, 1e-3)) + blur * rng.standard_normal((pixels, c))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.rand(pixels)[:, None] > np.cumsum(T[true], axis=1)[:, :-1]).sum(axis=1)
    return probabilities.T[:, None], labels[None], true[None]


def anchors_of(images, **kwargs):
    anchors = AnchorPoints(len(T), **kwargs)
    for probabilities, labels, _ in images:
        anchors.add(probabilities, labels)
    return anchors


@pytest.fixture(scope="module")
def sure():
    rng = np.random.RandomState(0)
    return [known_posterior(rng) for _ in range(10)]


@pytest.mark.parametrize("quantile", [0.6, 0.7, 0.97, 1.0])
def test_a_right_predictor_gives_the_matrix(sure, quantile):
    estimate = anchors_of(sure).estimate(quantile)
    assert np.abs(estimate.matrix - T).max() < 0.005
    assert np.isnan(estimate.standard_errors).all()
    assert np.abs(estimate.filled().sum(axis=1) - 1).max() < 1e-12
    load_transition_matrix(estimate.filled())


def test_a_low_quantile_takes_pixels_that_are_no_anchor_points(sure):
    assert np.abs(anchors_of(sure).estimate(0.05).matrix - T).max() > 0.1


def test_labels_at_anchor_points_give_the_matrix(sure):
    estimate = anchors_of(sure).label_estimate()
    assert np.abs(estimate.matrix - T)[T == 0].max() < 0.005
    z = np.abs(estimate.matrix - T) / (estimate.standard_errors + 0.001)
    assert z.max() < 4
    assert (estimate.pixels > 3000).all()
    load_transition_matrix(estimate.filled())


def test_a_predictor_with_errors_flatters_itself_where_it_is_most_confident():
    """Why the default quantile is not the paper's, and labels are counted."""
    rng = np.random.RandomState(0)
    anchors = anchors_of([known_posterior(rng, blur=0.5) for _ in range(10)])
    kept = {q: np.diagonal(anchors.estimate(q).matrix - T) for q in (0.7, 0.97)}
    assert (kept[0.97] > 0.05).all()
    assert (np.abs(kept[0.7]) < kept[0.97]).all()
    of_labels = np.abs(anchors.label_estimate().matrix - T).max()
    assert of_labels < 0.05 < np.abs(anchors.estimate(0.97).matrix - T).max()


def test_a_predictor_that_knows_the_labels_by_heart_makes_the_noise_too_small():
    """A limit that the documentation names."""
    rng = np.random.RandomState(0)
    anchors = AnchorPoints(len(T))
    for _ in range(5):
        probabilities, labels, _ = known_posterior(rng)
        learnt = np.eye(len(T))[labels[0]].T[:, None]
        anchors.add(0.7 * probabilities + 0.3 * learnt, labels)
    assert (np.diagonal(anchors.estimate(0.7).matrix - T) > 0.05).all()
    assert (np.diagonal(anchors.label_estimate().matrix - T) > 0.05).all()


def by_sorting(images, low, high):
    """Mean probabilities and counted labels between two quantiles of the confidence, per class. A pixel
    across which a quantile falls counts in part."""
    probabilities = np.concatenate([p[:, 0] for p, _, _ in images], axis=1)
    labels = np.concatenate([n[0] for _, n, _ in images])
    predicted = probabilities.argmax(axis=0)
    means, counts = [], []
    for k in range(len(probabilities)):
        mine = np.flatnonzero(predicted == k)
        order = mine[np.argsort(probabilities[k, mine])]
        rank, n = np.arange(len(mine)), len(mine)
        weights = np.minimum(rank + 1, high * n) - np.maximum(rank, low * n)
        weights = np.maximum(weights, 0) / ((high - low) * n)
        means.append(probabilities[:, order] @ weights)
        counts.append(np.bincount(labels[order], weights=weights, minlength=len(probabilities)))
    return np.array(means), np.array(counts)


def test_bins_equal_sorting_all_pixels():
    rng = np.random.RandomState(3)
    images = [known_posterior(rng, pixels=300, unsure=1.0, blur=0.3) for _ in range(5)]
    anchors = anchors_of(images, bins=100_000)
    means, _ = by_sorting(images, 0.775, 0.825)
    assert np.abs(anchors.estimate(0.8).matrix - means).max() < 1e-4
    _, counts = by_sorting(images, 0.6, 1.0)
    assert np.abs(anchors.label_estimate(0.4).matrix - counts).max() < 1e-4
    # Coarse bins, as by default, are off by about their width.
    assert np.abs(anchors_of(images).estimate(0.8).matrix - means).max() < 0.01


def test_parts_sum_to_the_whole_and_memory_stays(sure):
    whole, parts = anchors_of(sure), [anchors_of(sure[:3]), anchors_of(sure[3:])]
    for a, b in zip(parts[0].arrays(), parts[1].arrays()):
        a += b
    assert parts[0].estimate().matrix == pytest.approx(whole.estimate().matrix, abs=1e-12)
    assert np.array_equal(parts[0].label_estimate().matrix, whole.label_estimate().matrix)
    sizes = [sum(a.nbytes for a in held.arrays()) for held in (AnchorPoints(len(T)), whole)]
    assert sizes[0] == sizes[1] < 500 * 4 * 4 * 16 * 1.2
    assert not [v for v in vars(whole).values() if isinstance(v, (list, dict))]


def test_ignored_pixels_do_not_count(sure):
    probabilities, labels, _ = sure[0]
    kept = labels.copy()
    kept[0, ::2] = 255
    with_ignored, without = AnchorPoints(4), AnchorPoints(4)
    with_ignored.add(probabilities, kept)
    without.add(probabilities[:, :, 1::2], labels[:, 1::2])
    assert np.array_equal(with_ignored.estimate().matrix, without.estimate().matrix)
    nothing = AnchorPoints(4)
    nothing.add(probabilities, np.full_like(labels, 255))
    assert nothing.estimate().unknown == nothing.label_estimate().unknown == [0, 1, 2, 3]


def test_a_class_never_predicted_is_unknown(sure):
    anchors = AnchorPoints(4)
    for probabilities, labels, _ in sure:
        left = probabilities.copy()
        left[3] = 0
        anchors.add(left / left.sum(axis=0), labels)
    for estimate in (anchors.estimate(), anchors.label_estimate()):
        assert estimate.unknown == [3]
        assert estimate.filled()[3].tolist() == [0, 0, 0, 1]
        assert estimate.pixels[3] == 0


@pytest.mark.parametrize("quantile", [0.0, 0.5, 1.0])
def test_one_pixel_is_enough(quantile):
    anchors = AnchorPoints(2)
    anchors.add(np.array([0.9, 0.1], dtype=np.float32)[:, None, None], np.array([[1]]))
    estimate = anchors.estimate(quantile)
    assert estimate.matrix[0] == pytest.approx([0.9, 0.1])
    assert estimate.pixels.tolist() == [1, 0]
    assert anchors.label_estimate().matrix[0].tolist() == [0, 1]


def test_without_labels_only_the_probabilities_can_be_used(sure):
    anchors = AnchorPoints(4)
    for probabilities, _, _ in sure:
        anchors.add(probabilities)
    assert np.array_equal(anchors.estimate().matrix, anchors_of(sure).estimate().matrix)
    with pytest.raises(ValueError, match="40000 pixels came without noisy labels"):
        anchors.label_estimate()


def test_certain_predictions_and_half_precision():
    anchors = AnchorPoints(3)
    anchors.add(np.eye(3, dtype=np.float16)[:, None], np.array([[0, 1, 1]]))
    assert np.array_equal(anchors.estimate().matrix, np.eye(3))
    assert anchors.label_estimate().matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_wrong_input(sure):
    probabilities, labels, _ = sure[0]
    anchors = AnchorPoints(4)
    for wrong in (probabilities * 2, probabilities * math.nan, -probabilities):
        with pytest.raises(ValueError, match="sum to 1"):
            anchors.add(wrong)
    with pytest.raises(ValueError, match=r"shape \(4, H, W\), got \(3, 1, 4000\)"):
        anchors.add(probabilities[:3])
    with pytest.raises(ValueError, match=r"4000 pixels of probabilities, labels \(1, 3999\)"):
        anchors.add(probabilities, labels[:, 1:])
    with pytest.raises(ValueError, match="labels 9"):
        anchors.add(probabilities, np.full_like(labels, 9))
    assert all(not a.any() for a in anchors.arrays())
    for quantile in (-0.1, 1.1, "0.5"):
        with pytest.raises(ValueError, match="quantile"):
            anchors.estimate(quantile)
    for share in (0, 1.5):
        with pytest.raises(ValueError, match="top_share"):
            anchors.label_estimate(share)
    with pytest.raises(ValueError, match="bins"):
        AnchorPoints(4, bins=0)


# --- simple noises ---


def symmetric(rate, c):
    return np.where(np.eye(c, dtype=bool), 1 - rate, rate / (c - 1))


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_finds_the_rate_of_symmetric_noise(rate):
    best, other = simple_noises(symmetric(rate, 5))
    assert best.rate == pytest.approx(rate)
    assert best.max_difference < 1e-12
    assert best.name == "symmetric" or rate == 0
    assert other.max_difference > 0.1 or rate == 0


def test_finds_pair_noise(make_rng, stripes):
    counts = TransitionCounts(5)
    counts.add(stripes, pair_noise(stripes, make_rng(), rate=0.3, num_classes=5))
    best = simple_noises(counts.estimate().matrix)[0]
    assert best.name == "pair"
    assert best.rate == pytest.approx(0.3, abs=0.01)
    assert best.max_difference < 0.02


def test_rates_fit_best_of_all_and_unknown_rows_count_nowhere():
    matrix = np.vstack([T, np.full(4, np.nan)])
    matrix = np.hstack([matrix, np.zeros((5, 1))])
    matrix[4] = np.nan
    rates = np.linspace(0, 1, 2001)
    shifted = np.roll(np.eye(5), 1, axis=1)
    oracle = {
        "symmetric": lambda r: symmetric(r, 5),
        "pair": lambda r: (1 - r) * np.eye(5) + r * shifted,
    }
    found = simple_noises(matrix)
    assert [noise.name for noise in found] == ["symmetric", "pair"]
    assert found[0].rms <= found[1].rms
    for noise in found:
        squares = [np.nansum((matrix - oracle[noise.name](r)) ** 2) for r in rates]
        assert noise.rate == pytest.approx(rates[np.argmin(squares)], abs=5e-4)
        differences = matrix - oracle[noise.name](noise.rate)
        assert noise.differences == pytest.approx(differences, nan_ok=True)
        assert abs(differences[noise.largest]) == noise.max_difference
        assert noise.rms == pytest.approx(np.sqrt(np.nanmean(differences**2)))


def test_two_classes_have_no_other_pair_noise():
    (only,) = simple_noises(np.array([[0.9, 0.1], [0.3, 0.7]]))
    assert only.name == "symmetric"
    assert only.rate == pytest.approx(0.2)
    assert only.max_difference == pytest.approx(0.1)


def test_an_estimate_is_not_changed_by_what_is_counted_later():
    counts = TransitionCounts(2)
    counts.add(np.array([[0, 1]]), np.array([[0, 1]]))
    estimate = counts.estimate()
    assert isinstance(estimate, TransitionEstimate)
    before = estimate.matrix.copy()
    counts.add(np.array([[0, 1]]), np.array([[1, 1]]))
    assert np.array_equal(estimate.matrix, before)
