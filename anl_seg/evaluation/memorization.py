"""Whether a model repeats the wrong labels it was trained on (pure PyTorch)."""

from __future__ import annotations

import torch

MEMORIZATION_KEYS = ("wrong", "memorized", "corrected", "other", "right", "right_correct")


def memorization_counts(
    pred: torch.Tensor, noisy: torch.Tensor, clean: torch.Tensor, ignore_index: int = 255
) -> dict[str, int]:
    """Count pixels by what the model made of a wrong label.

    Only pixels that neither mask ignores count. Among the wrongly labelled ones (noisy != clean)
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
    masks = (wrong, memorized, corrected, other, right, right & (pred == clean))
    # One stack, so that a GPU is waited for once.
    counts = torch.stack([mask.sum() for mask in masks]).tolist()
    return dict(zip(MEMORIZATION_KEYS, counts))
