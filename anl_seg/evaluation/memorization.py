"""Whether a model repeats the wrong labels it was trained on (pure PyTorch)."""

from __future__ import annotations

from collections.abc import Mapping

import torch

MEMORIZATION_KEYS = ("wrong", "memorized", "corrected", "other", "right", "right_correct")


def memorization_shares(counts: Mapping[str, int]) -> dict[str, float | None]:
    """Counts as shares; a share of no pixels is None.

    Args:
        counts: as :func:`memorization_counts` returns them.

    Returns:
        dict: ``memorized_share``, ``corrected_share`` and ``other_share`` of the wrongly labeled
        pixels, and ``right_correct_share`` of the rightly labeled ones.
    """
    wrong, right = counts["wrong"], counts["right"]
    shares = {
        f"{key}_share": counts[key] / wrong if wrong else None
        for key in ("memorized", "corrected", "other")
    }
    shares["right_correct_share"] = counts["right_correct"] / right if right else None
    return shares


def _outcomes(
    pred: torch.Tensor, noisy: torch.Tensor, clean: torch.Tensor, ignore_index: int
) -> tuple[torch.Tensor, ...]:
    """A mask of pixels for each of ``MEMORIZATION_KEYS``."""
    if not pred.shape == noisy.shape == clean.shape:
        raise ValueError(
            "pred, noisy and clean must have one shape, got "
            f"{tuple(pred.shape)}, {tuple(noisy.shape)} and {tuple(clean.shape)}"
        )
    valid = (noisy != ignore_index) & (clean != ignore_index)
    wrong = valid & (noisy != clean)
    right = valid & (noisy == clean)
    memorized = wrong & (pred == noisy)
    corrected = wrong & (pred == clean)
    other = wrong & ~memorized & ~corrected
    return wrong, memorized, corrected, other, right, right & (pred == clean)


def memorization_counts(
    pred: torch.Tensor, noisy: torch.Tensor, clean: torch.Tensor, ignore_index: int = 255
) -> dict[str, int]:
    """Count pixels by what the model made of a wrong label.

    Only pixels that neither mask ignores count. Among the wrongly labeled ones (noisy != clean)
    the prediction repeats the noisy label (memorized), gives the clean one (corrected), or
    neither (other). Liu et al., "Early-Learning Regularization", NeurIPS 2020, follow the same
    shares over training; here they are per pixel.

    Args:
        pred: Predicted classes, integers, any shape.
        noisy: The labels trained on, same shape, integers or ``ignore_index``.
        clean: The true labels, same shape, integers or ``ignore_index``.
        ignore_index: The label of pixels without a class.

    Returns:
        dict: ``wrong`` = ``memorized`` + ``corrected`` + ``other``; ``right`` (noisy == clean) and
        of these ``right_correct`` (pred == clean). Numbers of pixels.

    Raises:
        ValueError: If the three shapes differ.
    """
    masks = _outcomes(pred, noisy, clean, ignore_index)
    # One stack, so that a GPU is waited for once.
    counts = torch.stack([mask.sum() for mask in masks]).tolist()
    return dict(zip(MEMORIZATION_KEYS, counts))


def memorization_table(
    pred: torch.Tensor,
    noisy: torch.Tensor,
    clean: torch.Tensor,
    groups: torch.Tensor,
    num_groups: int,
    ignore_index: int = 255,
) -> torch.Tensor:
    """The counts of :func:`memorization_counts` for each group of pixels.

    Args:
        pred, noisy, clean, ignore_index: As there.
        groups: The group of each pixel, same shape, integers in [0, num_groups); of pixels that
            either mask ignores it may be anything.
        num_groups: G.

    Returns:
        (G, 6) int64 in the order of ``MEMORIZATION_KEYS``, on the device of ``pred``.

    Raises:
        ValueError: If shapes differ, or the group of a counted pixel is out of range.
    """
    masks = _outcomes(pred, noisy, clean, ignore_index)
    if groups.shape != pred.shape:
        raise ValueError(
            f"groups must have the shape {tuple(pred.shape)}, got {tuple(groups.shape)}"
        )
    counted = groups[masks[0] | masks[4]]
    if counted.numel() and not 0 <= int(counted.min()) <= int(counted.max()) < num_groups:
        raise ValueError(
            f"groups must lie in [0, {num_groups}), got {int(counted.min())} to {int(counted.max())}"
        )
    columns = [torch.bincount(groups[mask].long(), minlength=num_groups) for mask in masks]
    return torch.stack(columns, dim=1)
