"""Active negative loss (Ye et al., NeurIPS 2023 and arXiv 2412.02373) and its two presets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from anl_seg._suggest import unknown_name
from anl_seg.functional._pixels import check_min_prob
from anl_seg.models.losses._build import build_part
from anl_seg.models.losses._class_values import ClassValues
from anl_seg.models.losses.combined_loss import CombinedLoss, check_not_negative
from anl_seg.models.losses.pixel_loss import PixelLoss, load_class_values
from anl_seg.registry import MODELS

#: (alpha, beta) of ANL-CE in the paper, by data set, and its flip point.
PUBLISHED = {
    "mnist": (1.0, 1.0),
    "cifar10": (5.0, 5.0),
    "cifar100": (10.0, 1.0),
    "webvision": (20.0, 1.0),
}
PUBLISHED_MIN_PROB = 1e-7
#: What ``ANLCELoss()`` is: see docs/choosing_parameters.md for the measurements.
RECOMMENDED_ALPHA_BETA = (5.0, 5.0)
RECOMMENDED_FLIP_POINT = 0.4
RECOMMENDED_MASS_BALANCE = 1.0
RECOMMENDED_DICE_WEIGHT = 5.0
#: Clamp of the probabilities in the entropy term, as in the authors' code.
ENTROPY_CLAMP = 1e-7


def _check_prior(prior: list[float]) -> list[float]:
    if not all(math.isfinite(p) and p > 0 for p in prior) or abs(sum(prior) - 1.0) > 1e-3:
        raise ValueError(
            f"class_prior must be positive numbers that sum to 1; got {prior} (sum {sum(prior):.6g})."
        )
    return [p / sum(prior) for p in prior]


@MODELS.register_module()
class ActiveNegativeLoss(CombinedLoss):
    """alpha active + beta negative + entropy_weight times the entropy regularization.

    With ``ce_share`` s, alpha active + beta negative is (1 - s) times that, and beside it is s times what
    starts classes: cross entropy + dice_weight noise-robust Dice. ``LossScheduleHook`` lets it fade.

    The L1 term of the paper is over the parameters: use ``anl_seg.L1OptimWrapper``.

    The entropy term and Dice are of the whole batch: they are added to the mean, and to the sum times the
    sum of weights, and take no weights of pixels; with reduction ``none`` (OHEM's call) there is no place
    for them and they are left out.

    Args:
        active: config of the active loss; None = NCE.
        negative: config of the negative loss; None = NNCE.
        alpha: weight of the active loss.
        beta: weight of the negative loss.
        ce_share: share of cross entropy, in [0, 1].
        dice_weight: weight of :class:`NoiseRobustDiceLoss` beside the cross entropy, 0 or more; without
            effect at ``ce_share`` 0.
        entropy_weight: lambda of the entropy regularization, 0 or more; 2 and 0.01 in the paper.
        class_prior: what the mean prediction is drawn to: None = uniform, or one positive number per
            class with sum 1, or a file as mmseg's ``class_weight``.
        sync_entropy: take the mean prediction over all ranks.
        min_prob: flip point of the default negative loss, in (0, 1) and below 1 / C. The entropy term's clamp
            is the same, but never above 1e-7.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_anl"
    parameter_names = ("alpha", "beta", "ce_share", "dice_weight", "entropy_weight")
    sum_of = (("alpha", "active"), ("beta", "negative"))

    def __init__(
        self,
        active: dict | PixelLoss | None = None,
        negative: dict | PixelLoss | None = None,
        alpha: float = 5.0,
        beta: float = 5.0,
        ce_share: float = 0.0,
        dice_weight: float = 0.0,
        entropy_weight: float = 0.0,
        class_prior: Sequence[float] | str | None = None,
        sync_entropy: bool = False,
        min_prob: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_warm_start(ce_share, dice_weight)
        check_not_negative(entropy_weight=entropy_weight)
        check_min_prob(min_prob)
        self.active = build_part({"type": "NCELoss"} if active is None else active, "active")
        self.negative = build_part(
            {"type": "NNCELoss", "min_prob": min_prob} if negative is None else negative, "negative"
        )
        self.alpha = float(alpha)
        self.beta = float(beta)
        self.entropy_weight = float(entropy_weight)
        self.sync_entropy = sync_entropy
        # A flip point in the reach of the prediction would cut rare classes out of the entropy term.
        self.entropy_clamp = min(float(min_prob), ENTROPY_CLAMP)
        prior = load_class_values(class_prior)
        self.class_prior = None if prior is None else ClassValues(_check_prior(prior))


@MODELS.register_module()
class ANLCELoss(ActiveNegativeLoss):
    """ANL-CE: alpha NCE + beta NNCE.

    Without arguments it is what we recommend for segmentation: (5, 5), the flip point at 0.4 / C,
    balanced by predicted mass (docs/choosing_parameters.md has what each is worth). Let it follow on
    cross entropy and Dice that fade: ``_base_`` config ``configs/_base_/anl_schedule.py``. ``setting`` takes
    the paper's parameters instead, which come from balanced image classification and lose small classes.
    What is given beside it wins.

    Args:
        alpha: weight of NCE.
        beta: weight of NNCE.
        min_prob: the flip point of NNCE, in (0, 1) and below 1 / C; the paper's is 1e-7.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``.
        mass_balance: see :class:`PixelLoss`.
        dice_weight: see :class:`ActiveNegativeLoss`.
        setting: ``mnist``, ``cifar10``, ``cifar100`` or ``webvision``: the paper's alpha and beta there, its
            flip point, no balancing and no Dice. None: ours.
        kwargs: ``ce_share``, ``entropy_weight``, ``class_prior`` and ``sync_entropy`` of
            :class:`ActiveNegativeLoss`, and arguments of :class:`PixelLoss`.
    """

    default_name = "loss_anl_ce"

    def __init__(
        self,
        alpha: float | None = None,
        beta: float | None = None,
        min_prob: float | None = None,
        relative_min_prob: float | None = None,
        mass_balance: float | None = None,
        dice_weight: float | None = None,
        setting: str | None = None,
        **kwargs: Any,
    ) -> None:
        if setting is not None and setting not in PUBLISHED:
            raise ValueError(unknown_name("setting", setting, PUBLISHED))
        weights = RECOMMENDED_ALPHA_BETA if setting is None else PUBLISHED[setting]
        if setting is None and min_prob is None and relative_min_prob is None:
            relative_min_prob = RECOMMENDED_FLIP_POINT
        if mass_balance is None:
            mass_balance = RECOMMENDED_MASS_BALANCE if setting is None else 0.0
        if dice_weight is None:
            dice_weight = RECOMMENDED_DICE_WEIGHT if setting is None else 0.0
        min_prob = PUBLISHED_MIN_PROB if min_prob is None else min_prob
        super().__init__(
            active={"type": "NCELoss"},
            negative={
                "type": "NNCELoss",
                "min_prob": min_prob,
                "relative_min_prob": relative_min_prob,
            },
            alpha=weights[0] if alpha is None else alpha,
            beta=weights[1] if beta is None else beta,
            min_prob=min_prob,
            mass_balance=mass_balance,
            dice_weight=dice_weight,
            **kwargs,
        )


@MODELS.register_module()
class ANLFLLoss(ActiveNegativeLoss):
    """ANL-FL: alpha NFL + beta NNFL with the same gamma.

    Args:
        alpha: weight of NFL.
        beta: weight of NNFL.
        gamma: focusing exponent of both, 0 or more.
        min_prob: the flip point of NNFL, in (0, 1) and below 1 / C.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``.
        kwargs: ``entropy_weight``, ``class_prior`` and ``sync_entropy`` of
            :class:`ActiveNegativeLoss`, and arguments of :class:`PixelLoss`.
    """

    default_name = "loss_anl_fl"

    def __init__(
        self,
        alpha: float = 5.0,
        beta: float = 5.0,
        gamma: float = 0.5,
        min_prob: float = 1e-7,
        relative_min_prob: float | None = None,
        **kwargs: Any,
    ) -> None:
        flip = {"min_prob": min_prob, "relative_min_prob": relative_min_prob}
        super().__init__(
            active={"type": "NFLLoss", "gamma": gamma},
            negative={"type": "NNFLLoss", "gamma": gamma, **flip},
            alpha=alpha,
            beta=beta,
            min_prob=min_prob,
            **kwargs,
        )
