"""Weighted sums of losses, and what may stand beside them: a warm start, the entropy of the batch."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import torch
from mmengine.logging import MMLogger, print_log
from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional.entropy_regularization import entropy_of
from anl_seg.functional.noise_robust_dice import noise_robust_dice
from anl_seg.kernels.terms import Term
from anl_seg.models.losses._class_values import ClassValues
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.models.losses.simple_losses import CELoss

#: Loggers (one for each training of mmengine's) that were told of a Dice without effect.
_TOLD: set[str] = set()
#: What starts classes.
_CROSS_ENTROPY = CELoss()


def check_not_negative(**values: float) -> None:
    """Raise ValueError unless all are finite and 0 or more."""
    for name, value in values.items():
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name} must be 0 or more, and finite; got {value}.")


class CombinedLoss(PixelLoss):
    """Base of the losses that are a weighted sum of others, pixel by pixel.

    A subclass names its parts in ``sum_of``. With ``ce_share`` s the sum is (1 - s) times that, and beside it
    is s times what starts classes: cross entropy + ``dice_weight`` noise-robust Dice. The
    entropy term and Dice are of the whole batch.

    Args:
        kwargs: arguments of :class:`PixelLoss`.
    """

    #: Names of the attributes that hold each part's weight and the part.
    sum_of: ClassVar[tuple[tuple[str, str], ...]] = ()
    ce_share = 0.0
    dice_weight = 0.0
    entropy_weight = 0.0
    entropy_clamp = 1e-7
    sync_entropy = False
    class_prior: ClassValues | None = None
    #: Whether a training has begun with a share of cross entropy, which may be 0 by now.
    _has_faded = False

    def set_warm_start(self, ce_share: float, dice_weight: float) -> None:
        """Keep the share of cross entropy and the weight of Dice beside it, checked."""
        if not 0.0 <= ce_share <= 1.0:
            raise ValueError(f"ce_share must lie in [0, 1]; got {ce_share}.")
        check_not_negative(dice_weight=dice_weight)
        self.ce_share, self.dice_weight = float(ce_share), float(dice_weight)

    def weighted_parts(self, factor: float = 1.0) -> Iterator[tuple[float, PixelLoss]]:
        """See :meth:`PixelLoss.weighted_parts`; those of the parts in their place."""
        rest = factor * (1.0 - self.ce_share)
        for weight, name in self.sum_of:
            part = getattr(self, name)
            yield from part.weighted_parts(rest * getattr(self, weight) * part.loss_weight)
        if self.ce_share:
            yield factor * self.ce_share, _CROSS_ENTROPY

    def formula(self, px: Pixels, weight: Tensor | None = None) -> Tensor:
        """See :meth:`PixelLoss.formula`."""
        first, *others = (factor * p.per_pixel(px, weight) for factor, p in self.weighted_parts())
        return sum(others, first)

    def kernel_terms(self) -> tuple[Term, ...] | None:
        """See :meth:`PixelLoss.kernel_terms`."""
        if not self._may_fuse():
            return None
        terms: list[Term] = []
        for factor, part in self.weighted_parts():
            own = part.kernel_terms()
            if own is None:
                return None
            terms += [replace(term, weight=factor * term.weight) for term in own]
        return tuple(terms)

    def _may_fuse(self) -> bool:
        return not self._is_replaced("pixel_loss")

    def mass_min(self) -> float | None:
        """The clamp of the entropy term, where there is one."""
        return self.entropy_clamp if self.entropy_weight else None

    def batch_term(self, px: Pixels, mass: Tensor | None) -> Tensor | None:
        """The weighted entropy term and Dice: see :func:`anl_seg.functional.entropy_regularization` and
        :func:`anl_seg.functional.noise_robust_dice`."""
        self._tell_of_inert_dice(px.given)
        result = None
        if self.entropy_weight:
            mass = px.mass(self.entropy_clamp) if mass is None else mass
            prior = None if self.class_prior is None else self.class_prior.like(px.given)
            result = self.entropy_weight * entropy_of(
                mass, px.num_classes, prior, self.entropy_clamp, self.sync_entropy
            )
        if self.batch_term_needs_logits():
            dice = noise_robust_dice.of(px).sum() / px.count()
            dice = self.ce_share * self.dice_weight * dice
            result = dice if result is None else result + dice
        return result

    def batch_term_needs_logits(self) -> bool:
        """See :meth:`PixelLoss.batch_term_needs_logits`: Dice does."""
        return self.ce_share * self.dice_weight > 0.0

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
