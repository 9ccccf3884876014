"""Negative learning with complementary labels (Kim et al., ICCV 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import Allowed, one_of, per_pixel
from anl_seg.functional._pixels import Pixels

#: Lower clamp of 1 - p in the authors' code: it bounds the loss by 11.52, and a pixel that is surer
#: than that of its complementary label passes no gradient.
COMPLEMENT_CLAMP = 1e-5
STAGES = ("nl", "sel_nl", "sel_pl")


_LABELS = Allowed(
    "be a whole number of 1 or more, or 'all'",
    lambda value: (
        value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)
    ),
)
_STAGE = one_of(STAGES)
_THRESHOLD = Allowed("lie in [0, 1)", lambda value: 0.0 <= value < 1.0)


def selected(px: Pixels, stage: str, gamma: float) -> Tensor:
    """True at the pixels that :func:`negative_learning` trains on in a stage, (N, *)."""
    return px.valid if stage == "nl" else _selected(px, px.log_probs(), stage, gamma)


def _selected(px: Pixels, log_p: Tensor, stage: str, gamma: float) -> Tensor:
    least = 1.0 / px.num_classes if stage == "sel_nl" else gamma
    # Written so that a NaN counts as selected, and passes.
    return px.valid & ~(px.of_label(log_p.detach()).exp() <= least)


def _negative(
    px: Pixels, log_p: Tensor, complementary: int | str, generator: torch.Generator | None
) -> Tensor:
    if complementary == "all":
        # -expm1(log p) keeps the digits of 1 - p where p is near 1.
        terms = torch.expm1(log_p).neg().clamp(min=COMPLEMENT_CLAMP).log()
        return -px.without_label(terms).sum(dim=1) / (px.num_classes - 1)
    label = px.labels.unsqueeze(1)
    # Symbolic sizes, as under `torch.compile`, are refused beside a generator, were it None.
    options: dict[str, Any] = {"device": label.device}
    if generator is not None:
        options["generator"] = generator
    # 1 to C - 1 steps from the label: every other class alike, never the label itself.
    steps = torch.randint(
        1,
        px.num_classes,
        (label.shape[0], int(complementary), *label.shape[2:]),
        **options,
    )
    drawn = log_p.gather(1, (label + steps) % px.num_classes)
    return -torch.expm1(drawn).neg().clamp(min=COMPLEMENT_CLAMP).log().mean(dim=1)


@per_pixel(stage=_STAGE, complementary=_LABELS, gamma=_THRESHOLD)
def negative_learning(
    px: Pixels,
    *,
    stage: str = "nl",
    complementary: int | str = 1,
    gamma: float = 0.5,
    generator: torch.Generator | None = None,
) -> Tensor:
    """``-log max(1 - p_k, 1e-5)`` per pixel, k a random class other than the label.

    "This pixel is not class k" is true far more often than "it is class y" when labels are noisy.
    The three stages of the paper:

    * ``nl``: all valid pixels.
    * ``sel_nl``: those with p_y > 1 / C.
    * ``sel_pl``: those with p_y > ``gamma``, by cross entropy (positive learning).

    The other pixels get 0. The authors' code selects by predictions averaged over the last ten
    epochs; here it is by p_y of this batch, constant in the gradient, as no memory of every pixel is
    kept. Their weight by inverse class frequency is the module's ``class_weight``. In [0, 11.52]; with
    ``sel_pl`` in [0, -log gamma].

    Args:
        stage: ``nl``, ``sel_nl`` or ``sel_pl``.
        complementary: number of complementary labels per pixel, drawn with replacement and averaged
            (the authors' code adds them: 1 for CIFAR-10, 110 for CIFAR-100), or ``all``: the mean
            over all C - 1, which is the expectation, without a draw. Ignored pixels are drawn for too.
        gamma: threshold of ``sel_pl``, in [0, 1).
        generator: source of the draws, on the device of the labels; None is torch's own.
    """
    log_p = px.log_probs()
    positive = stage == "sel_pl"
    loss = -px.of_label(log_p) if positive else _negative(px, log_p, complementary, generator)
    return loss if stage == "nl" else torch.where(_selected(px, log_p, stage, gamma), loss, 0.0)
