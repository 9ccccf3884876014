"""Active negative loss (Ye et al., NeurIPS 2023 and arXiv 2412.02373) and its two presets."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import MMLogger, print_log
from torch import Tensor

from anl_seg._suggest import unknown_name
from anl_seg.functional import (
    active_negative_loss,
    cross_entropy,
    entropy_regularization,
    noise_robust_dice,
)
from anl_seg.functional._labels import valid_mask
from anl_seg.functional._pixels import check_min_prob
from anl_seg.kernels.terms import CrossEntropy, Term, joined, scaled
from anl_seg.models.losses._build import build_part
from anl_seg.models.losses._class_values import ClassValues
from anl_seg.models.losses._reduce import reduce_pixel_loss
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
RECOMMENDED = {
    "alpha_beta": (5.0, 5.0),
    "relative_min_prob": 0.4,
    "mass_balance": 1.0,
    "dice_weight": 5.0,
}
#: Clamp of the probabilities in the entropy term, as in the authors' code.
ENTROPY_CLAMP = 1e-7
#: Loggers (one for each training of mmengine's) that were told of a Dice without effect.
_TOLD: set[str] = set()


def _check_prior(prior: list[float]) -> list[float]:
    if not all(math.isfinite(p) and p > 0 for p in prior) or abs(sum(prior) - 1.0) > 1e-3:
        raise ValueError(
            f"class_prior must be positive numbers that sum to 1; got {prior} (sum {sum(prior):.6g})."
        )
    return [p / sum(prior) for p in prior]


@MODELS.register_module()
class ActiveNegativeLoss(PixelLoss):
    """alpha active + beta negative + entropy_weight times the entropy regularisation.

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
        entropy_weight: lambda of the entropy regularisation, 0 or more; 2 and 0.01 in the paper.
        class_prior: what the mean prediction is drawn to: None = uniform, or one positive number per
            class with sum 1, or a file as mmseg's ``class_weight``.
        sync_entropy: take the mean prediction over all ranks.
        min_prob: flip point of the default negative loss, in (0, 1) and below 1 / C. The entropy term's clamp
            is the same, but never above 1e-7.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_anl"
    parameter_names = ("alpha", "beta", "ce_share", "dice_weight", "entropy_weight")
    #: Whether a training has begun with a share of cross entropy, which may be 0 by now.
    _has_faded = False

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
        if not 0.0 <= ce_share <= 1.0:
            raise ValueError(f"ce_share must lie in [0, 1]; got {ce_share}.")
        for name, value in {"dice_weight": dice_weight, "entropy_weight": entropy_weight}.items():
            if not 0.0 <= value < math.inf:
                raise ValueError(f"{name} must be 0 or more, and finite; got {value}.")
        check_min_prob(min_prob)
        self.active = build_part({"type": "NCELoss"} if active is None else active, "active")
        self.negative = build_part(
            {"type": "NNCELoss", "min_prob": min_prob} if negative is None else negative, "negative"
        )
        self.alpha = float(alpha)
        self.beta = float(beta)
        self.ce_share = float(ce_share)
        self.dice_weight = float(dice_weight)
        self.entropy_weight = float(entropy_weight)
        self.sync_entropy = sync_entropy
        # A flip point in the reach of the prediction would cut rare classes out of the entropy term.
        self.entropy_clamp = min(float(min_prob), ENTROPY_CLAMP)
        prior = load_class_values(class_prior)
        self.class_prior = None if prior is None else ClassValues(_check_prior(prior))

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.active_negative_loss`."""
        rest = 1.0 - self.ce_share
        loss = active_negative_loss(
            logits,
            target,
            active=self.active.pixel_loss,
            negative=self.negative.pixel_loss,
            alpha=rest * self.alpha * self.active.loss_weight,
            beta=rest * self.beta * self.negative.loss_weight,
            ignore_index=ignore_index,
        )
        if self.ce_share:
            loss = loss + self.ce_share * cross_entropy(logits, target, ignore_index=ignore_index)
        return loss

    def kernel_terms(self) -> tuple[Term, ...] | None:
        """See :meth:`PixelLoss.kernel_terms`."""
        rest = 1.0 - self.ce_share
        terms = joined(
            scaled(self.active.kernel_terms(), rest * self.alpha * self.active.loss_weight),
            scaled(self.negative.kernel_terms(), rest * self.beta * self.negative.loss_weight),
        )
        return joined(terms, (CrossEntropy(self.ce_share),)) if self.ce_share else terms

    def mass_min(self) -> float | None:
        """The clamp of the entropy term, where there is one."""
        return self.entropy_clamp if self.entropy_weight else None

    def batch_loss(
        self, logits: Tensor, target: Tensor, ignore_index: int, mass: Tensor | None = None
    ) -> Tensor | None:
        """The weighted entropy term and Dice: see :func:`anl_seg.functional.entropy_regularization` and
        :func:`anl_seg.functional.noise_robust_dice`."""
        self._tell_of_inert_dice(logits)
        parts = []
        if self.entropy_weight:
            entropy = entropy_regularization(
                logits,
                target,
                class_prior=None if self.class_prior is None else self.class_prior.like(logits),
                min_prob=self.entropy_clamp,
                sync=self.sync_entropy,
                ignore_index=ignore_index,
                mass=mass,
            )
            parts.append(self.entropy_weight * entropy)
        if self.batch_loss_needs_logits():
            shares = noise_robust_dice(logits, target, ignore_index=ignore_index)
            valid = valid_mask(target, max(logits.shape[1], 2), ignore_index).to(shares.dtype)
            dice = reduce_pixel_loss(shares, valid, "mean")
            parts.append(self.ce_share * self.dice_weight * dice)
        return sum(parts) if parts else None

    def _tell_of_inert_dice(self, logits: Tensor) -> None:
        """Say once in a training that Dice is without effect, as nothing lets ``ce_share`` fade."""
        if torch.compiler.is_compiling() or not (self.training and logits.requires_grad):
            return
        self._has_faded = self._has_faded or self.ce_share > 0.0
        if not self.dice_weight or self._has_faded or "ce_share" in self.scheduled:
            return
        run = MMLogger.get_current_instance().instance_name
        if run not in _TOLD:
            _TOLD.add(run)
            print_log(
                f"{type(self).__name__}: dice_weight={self.dice_weight:g} has no effect, as ce_share is 0 "
                "and nothing schedules it, and no cross entropy starts the classes. Add what is "
                "recommended: tools/train.py --anl-schedule, or _base_/anl_schedule.py; in a loop of your "
                "own let ce_share fall from 1 to 0. Set dice_weight=0 if this is meant.",
                logger="current",
                level=logging.WARNING,
            )

    def batch_loss_needs_logits(self) -> bool:
        """See :meth:`PixelLoss.batch_loss_needs_logits`: Dice does."""
        return self.ce_share * self.dice_weight > 0.0


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
        weights = RECOMMENDED["alpha_beta"] if setting is None else PUBLISHED[setting]
        if setting is None and min_prob is None and relative_min_prob is None:
            relative_min_prob = RECOMMENDED["relative_min_prob"]
        if mass_balance is None:
            mass_balance = RECOMMENDED["mass_balance"] if setting is None else 0.0
        if dice_weight is None:
            dice_weight = RECOMMENDED["dice_weight"] if setting is None else 0.0
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
