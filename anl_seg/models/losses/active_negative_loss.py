"""Active negative loss (Ye et al., NeurIPS 2023 and arXiv 2412.02373) and its two presets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from anl_seg.functional import active_negative_loss, entropy_regularization
from anl_seg.functional._pixels import check_min_prob
from anl_seg.kernels.terms import Term, joined, scaled
from anl_seg.models.losses._build import build_part
from anl_seg.models.losses.pixel_loss import PixelLoss, load_class_values
from anl_seg.registry import MODELS

#: Clamp of the probabilities in the entropy term, as in the authors' code.
ENTROPY_CLAMP = 1e-7


def _check_prior(prior: list[float]) -> list[float]:
    if not all(math.isfinite(p) and p > 0 for p in prior) or abs(sum(prior) - 1.0) > 1e-3:
        raise ValueError(
            f"class_prior must be positive numbers that sum to 1; got {prior} (sum {sum(prior):.6g})."
        )
    return [p / sum(prior) for p in prior]


@MODELS.register_module()
class ActiveNegativeLoss(PixelLoss):
    """alpha active + beta negative + entropy_weight times the entropy regularisation.

    The L1 term of the paper is over the parameters: use ``anl_seg.L1OptimWrapper``.

    The entropy term is of the whole batch: it is added to the mean, and to the sum times the sum of
    weights; with reduction ``none`` (OHEM's call) there is no place for it and it is left out.

    Args:
        active: config of the active loss; None = NCE.
        negative: config of the negative loss; None = NNCE.
        alpha: weight of the active loss.
        beta: weight of the negative loss.
        entropy_weight: lambda of the entropy regularisation, 0 or more; 2 and 0.01 in the paper.
        class_prior: what the mean prediction is drawn to: None = uniform, or one positive number per
            class with sum 1, or a file as mmseg's ``class_weight``.
        sync_entropy: take the mean prediction over all ranks.
        min_prob: flip point of the default negative loss, in (0, 1) and below 1 / C. The entropy term's clamp
            is the same, but never above 1e-7.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_anl"
    parameter_names = ("alpha", "beta", "entropy_weight")

    def __init__(
        self,
        active: dict | PixelLoss | None = None,
        negative: dict | PixelLoss | None = None,
        alpha: float = 5.0,
        beta: float = 5.0,
        entropy_weight: float = 0.0,
        class_prior: Sequence[float] | str | None = None,
        sync_entropy: bool = False,
        min_prob: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not entropy_weight >= 0.0:
            raise ValueError(f"entropy_weight must be 0 or more; got {entropy_weight}.")
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
        self.register_buffer(
            "class_prior",
            None if prior is None else torch.tensor(_check_prior(prior), dtype=torch.float64),
            persistent=False,
        )

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`anl_seg.functional.active_negative_loss`."""
        return active_negative_loss(
            logits,
            target,
            active=self.active.pixel_loss,
            negative=self.negative.pixel_loss,
            alpha=self.alpha * self.active.loss_weight,
            beta=self.beta * self.negative.loss_weight,
            ignore_index=ignore_index,
        )

    def kernel_terms(self) -> tuple[Term, ...] | None:
        """See :meth:`PixelLoss.kernel_terms`."""
        return joined(
            scaled(self.active.kernel_terms(), self.alpha * self.active.loss_weight),
            scaled(self.negative.kernel_terms(), self.beta * self.negative.loss_weight),
        )

    def mass_min(self) -> float | None:
        """The clamp of the entropy term, where there is one."""
        return self.entropy_clamp if self.entropy_weight else None

    def batch_loss(
        self, logits: Tensor, target: Tensor, ignore_index: int, mass: Tensor | None = None
    ) -> Tensor | None:
        """The weighted entropy term; see :func:`anl_seg.functional.entropy_regularization`."""
        if self.entropy_weight == 0.0:
            return None
        return self.entropy_weight * entropy_regularization(
            logits,
            target,
            class_prior=self.class_prior,
            min_prob=self.entropy_clamp,
            sync=self.sync_entropy,
            ignore_index=ignore_index,
            mass=mass,
        )


@MODELS.register_module()
class ANLCELoss(ActiveNegativeLoss):
    """ANL-CE: alpha NCE + beta NNCE. The paper's settings: (5, 5), (10, 1) or (20, 1).

    Args:
        alpha: weight of NCE.
        beta: weight of NNCE.
        min_prob: the flip point of NNCE, in (0, 1) and below 1 / C. The paper's 1e-7 loses small classes:
            see docs/choosing_parameters.md.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``.
        kwargs: ``entropy_weight``, ``class_prior`` and ``sync_entropy`` of
            :class:`ActiveNegativeLoss`, and arguments of :class:`PixelLoss`.
    """

    default_name = "loss_anl_ce"

    def __init__(
        self,
        alpha: float = 5.0,
        beta: float = 5.0,
        min_prob: float = 1e-7,
        relative_min_prob: float | None = None,
        **kwargs: Any,
    ) -> None:
        flip = {"min_prob": min_prob, "relative_min_prob": relative_min_prob}
        super().__init__(
            active={"type": "NCELoss"},
            negative={"type": "NNCELoss", **flip},
            alpha=alpha,
            beta=beta,
            min_prob=min_prob,
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
