"""memorization_counts against a loop over pixels."""

from __future__ import annotations

import pytest
import torch

from anl_seg.evaluation import memorization_counts, memorization_shares, memorization_table


def counts_by_loop(pred, noisy, clean, ignore_index):
    counts = dict.fromkeys(
        ("wrong", "memorized", "corrected", "other", "right", "right_correct"), 0
    )
    for p, n, c in zip(pred.flatten().tolist(), noisy.flatten().tolist(), clean.flatten().tolist()):
        if ignore_index in (n, c):
            continue
        if n == c:
            counts["right"] += 1
            counts["right_correct"] += p == c
        else:
            counts["wrong"] += 1
            counts["memorized" if p == n else "corrected" if p == c else "other"] += 1
    return counts


@pytest.mark.parametrize("ignore_index", [255, 3])
@pytest.mark.parametrize("shape", [(1, 19, 17), (2, 15, 14), (500,)])
def test_equals_a_loop_over_pixels(shape, ignore_index):
    generator = torch.Generator().manual_seed(0)
    pred, noisy, clean = (torch.randint(0, 4, shape, generator=generator) for _ in range(3))
    noisy[torch.rand(shape, generator=generator) < 0.1] = ignore_index
    clean[torch.rand(shape, generator=generator) < 0.1] = ignore_index
    kept = [mask.clone() for mask in (pred, noisy, clean)]
    counts = memorization_counts(pred, noisy, clean, ignore_index)
    assert counts == counts_by_loop(pred, noisy, clean, ignore_index)
    assert min(counts.values()) > 0
    assert all(torch.equal(a, b) for a, b in zip(kept, (pred, noisy, clean)))


def test_masks_of_bytes_and_predictions_of_int64():
    pred = torch.tensor([[0, 1, 2, 1]])
    noisy = torch.tensor([[0, 1, 1, 255]], dtype=torch.uint8)
    clean = torch.tensor([[0, 0, 0, 1]], dtype=torch.uint8)
    counts = memorization_counts(pred, noisy, clean)
    expected = {"wrong": 2, "memorized": 1, "corrected": 0, "other": 1}
    assert counts == {**expected, "right": 1, "right_correct": 1}


def test_nothing_valid_counts_nothing():
    ignored = torch.full((2, 2), 255)
    assert set(memorization_counts(torch.zeros(2, 2), ignored, ignored).values()) == {0}


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(1, 2, 2\), \(2, 2\) and \(2, 2\)"):
        memorization_counts(torch.zeros(1, 2, 2), torch.zeros(2, 2), torch.zeros(2, 2))


@pytest.mark.parametrize("ignore_index", [255, 3])
def test_table_equals_counting_each_group(ignore_index):
    generator = torch.Generator().manual_seed(1)
    pred, noisy, clean = (torch.randint(0, 4, (1, 19, 17), generator=generator) for _ in range(3))
    groups = torch.randint(0, 5, (1, 19, 17), generator=generator)
    groups[groups == 2] = 4
    noisy[torch.rand(noisy.shape, generator=generator) < 0.1] = ignore_index
    groups[noisy == ignore_index] = 99
    table = memorization_table(pred, noisy, clean, groups, 5, ignore_index)
    assert table.shape == (5, 6)
    for group, row in enumerate(table.tolist()):
        kept = groups == group
        expected = counts_by_loop(pred[kept], noisy[kept], clean[kept], ignore_index)
        assert row == list(expected.values())
        assert (sum(row) == 0) == (group == 2)
    assert table.sum(dim=0).tolist() == list(
        memorization_counts(pred, noisy, clean, ignore_index).values()
    )


def test_groups_out_of_range_and_of_another_shape():
    masks = [torch.tensor([[0, 1]]), torch.tensor([[1, 1]]), torch.tensor([[0, 1]])]
    with pytest.raises(ValueError, match=r"groups must lie in \[0, 2\), got 0 to 2"):
        memorization_table(*masks, torch.tensor([[0, 2]]), 2)
    with pytest.raises(ValueError, match=r"shape \(1, 2\), got \(2,\)"):
        memorization_table(*masks, torch.tensor([0, 1]), 2)


def test_shares():
    counts = {"wrong": 8, "memorized": 4, "corrected": 3, "other": 1, "right": 0}
    assert memorization_shares({**counts, "right_correct": 0}) == {
        "memorized_share": 0.5,
        "corrected_share": 0.375,
        "other_share": 0.125,
        "right_correct_share": None,
    }
