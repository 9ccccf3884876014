"""The contract of a loss in mmseg, once for all losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.losses.utils import get_class_weight
from torch import Tensor, nn

from anl_seg.functional._labels import label_to_ignore, valid_mask
from anl_seg.functional._pixels import check_logits
from anl_seg.functional._precision import compute_dtype, full_precision, without_autocast
from anl_seg.functional.clip_logits import check_logit_clip, clip_logits
from anl_seg.functional.mass_balance import check_mass_balance
from anl_seg.kernels import fused_pixel_loss, use_fused
from anl_seg.kernels.dispatch import check_choice
from anl_seg.kernels.mass_balance import mass_balance
from anl_seg.kernels.terms import Term
from anl_seg.models.losses._class_values import ClassValues
from anl_seg.models.losses._reduce import check_reduction, reduce_pixel_loss


def load_class_values(values: Sequence[float] | str | None) -> list[float] | None:
    """A number per class from a list, or from a file as mmseg's ``class_weight`` (.npy, .json, ...)."""
    values = get_class_weight(values)
    return None if values is None else [float(v) for v in values]


def speaks_for(loss: nn.Module, method: str, other: str) -> bool:
    """Whether ``method`` of a loss still describes its ``other``: not where somebody replaced only that."""
    if other in vars(loss):
        return False
    for cls in type(loss).__mro__:
        if method in vars(cls):
            return True
        if other in vars(cls):
            return False
    return False


class PixelLoss(nn.Module):
    """Base of the losses: a subclass gives ``pixel_loss``; this class weights, reduces and names it.

    The mean is the sum over valid pixels of weight times loss, divided by the sum over valid pixels
    of weight; a pixel's weight is ``class_weight[label]`` times the ``weight`` of the call, times that
    of ``mass_balance``. A pixel is valid when its label is not ``ignore_index``. A batch without valid
    pixels gives 0, attached to the graph. (mmseg's own losses divide by all pixels, ignored ones
    included.)

    Args:
        reduction: ``mean``, ``sum`` or ``none``.
        class_weight: a weight per class: a list, or a file as in mmseg; None = 1 for each.
        loss_weight: factor of the result.
        loss_name: name in the log; must contain ``loss``, or mmengine leaves it out of the total.
        use_sigmoid: accepted because mmseg's base configs carry it. True is right only for a
            one-channel head, where softmax of [0, z] is the sigmoid; with more channels it is an
            error at the first call.
        avg_non_ignore: accepted because mmseg's base configs carry it; only True is what we do.
        logit_clip: largest norm of a pixel's logits less their mean; larger ones are scaled down before the
            loss sees them (:func:`anl_seg.functional.clip_logits`). None: left as they are.
        mass_balance: exponent in [0, 1] of the weighting of pixels by the mass of the classes predicted
            there (:func:`anl_seg.functional.mass_balance`): 1 gives every class the same share, 0 (no
            weighting) is the default. It raises the share of rare classes in
            the gradient, and keeps a symmetric loss symmetric.
        kernels: ``auto`` takes the fused form of the loss where there is one, ``reference`` the functional
            form, ``fused`` the fused form or an error. ``ANL_SEG_KERNELS`` in the environment overrides it.
    """

    default_name = "loss_pixel"
    #: Hyper-parameters of the subclass, shown by ``print(model)``.
    parameter_names: tuple[str, ...] = ()
    #: Parameters that a hook sets while training.
    scheduled: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        reduction: str = "mean",
        class_weight: Sequence[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str | None = None,
        use_sigmoid: bool = False,
        avg_non_ignore: bool = True,
        logit_clip: float | None = None,
        mass_balance: float = 0.0,
        kernels: str = "auto",
    ) -> None:
        super().__init__()
        self.reduction = check_reduction(reduction)
        loss_name = self.default_name if loss_name is None else loss_name
        if "loss" not in loss_name:
            raise ValueError(
                f"loss_name must contain 'loss' to count in the total; got {loss_name!r}."
            )
        if not math.isfinite(loss_weight):
            raise ValueError(f"loss_weight must be a finite number; got {loss_weight}.")
        if not avg_non_ignore:
            raise ValueError(
                "avg_non_ignore=False (a mean over all pixels, ignored ones included) is not "
                "supported: anl_seg losses always average over the valid pixels."
            )
        check_logit_clip(logit_clip)
        self.logit_clip = logit_clip
        check_mass_balance(mass_balance)
        self.mass_balance = float(mass_balance)
        self.kernels = check_choice(kernels, "kernels")
        if self.kernels == "fused" and not self._has_kernel():
            raise ValueError(f"kernels='fused': {type(self).__name__} has no fused form.")
        self.loss_weight = float(loss_weight)
        self.use_sigmoid = use_sigmoid
        self._loss_name = loss_name
        weights = load_class_values(class_weight)
        if weights is not None and not all(math.isfinite(w) and w >= 0 for w in weights):
            raise ValueError(f"class_weight must be finite and 0 or more; got {weights}.")
        # Not in the state dict: checkpoints stay exchangeable with those of mmseg's own losses.
        self.class_weight = None if weights is None else ClassValues(weights)

    @property
    def loss_name(self) -> str:
        """Name in the log."""
        return self._loss_name

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """Loss of each pixel, (N, C, *) and (N, *) -> (N, *), 0 where ignored."""
        raise NotImplementedError

    def kernel_terms(self) -> tuple[Term, ...] | None:
        """``pixel_loss`` as a sum of the fused kernels' terms; None where it is not one."""
        return None

    def mass_min(self) -> float | None:
        """Clamp of the probabilities whose sum over the pixels ``batch_loss`` needs; None = no need."""
        return None

    def batch_loss(
        self, logits: Tensor, target: Tensor, ignore_index: int, mass: Tensor | None = None
    ) -> Tensor | None:
        """A scalar term of the whole batch that is added to the mean; None where there is none.

        Args:
            mass: (C,), sum over valid pixels of the probabilities, clamped as :meth:`mass_min` says, where a
                fused kernel has computed it.
        """
        return None

    def batch_loss_needs_logits(self) -> bool:
        """Whether ``batch_loss`` now has a term that the mass does not suffice for."""
        return False

    def _has_kernel(self) -> bool:
        """Whether the loss may have a fused form."""
        named = type(self).kernel_terms is not PixelLoss.kernel_terms
        return named and speaks_for(self, "kernel_terms", "pixel_loss")

    def _per_pixel(
        self, logits: Tensor, target: Tensor, ignore_index: int, mass_min: float | None
    ) -> tuple[Tensor, Tensor | None]:
        """Loss of each pixel, and the mass where a fused kernel has computed it."""
        if self._has_kernel() and use_fused(logits, self.kernels):
            terms = self.kernel_terms()
            if terms is not None:
                return fused_pixel_loss(
                    logits, target, terms, ignore_index=ignore_index, mass_min=mass_min
                )
        return self.pixel_loss(full_precision(logits), target, ignore_index), None

    @without_autocast
    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = 255,
        **kwargs: Any,
    ) -> Tensor:
        """Loss of a batch.

        Args:
            seg_logits: (N, C, *), any real: (N, C, H, W) of a head, (N, C, P) of points.
            seg_label: (N, *), integers in [0, C) or ``ignore_index``.
            weight: (N, *) weight of each pixel, 0 or more; None = 1.
            avg_factor: denominator in place of the sum of weights, with reduction ``mean``.
            reduction_override: reduction for this call.
            ignore_index: label of pixels that do not count; None: all count.
            kwargs: further keywords of mmseg's heads; without effect.

        Returns:
            A scalar, or (N, *) for ``none``: float32, or float64 for float64 logits.

        Raises:
            ValueError: labels out of range or on another device, shapes or weights that do not fit.
        """
        reduction = check_reduction(reduction_override or self.reduction)
        check_logits(seg_logits)
        ignore_index = label_to_ignore(ignore_index)
        if self.use_sigmoid and seg_logits.shape[1] != 1:
            raise ValueError(
                "use_sigmoid=True needs a head with one output channel; "
                f"the logits have {seg_logits.shape[1]}. Set use_sigmoid=False."
            )
        seg_logits = self._clipped(seg_logits)
        mass_min = None if reduction == "none" else self.mass_min()
        loss, mass = self._per_pixel(seg_logits, seg_label, ignore_index, mass_min)
        pixel_weight = self._pixel_weight(seg_logits, seg_label, weight, ignore_index)
        pixel_weight = self._balanced(pixel_weight, seg_logits, seg_label, ignore_index)
        reduced = reduce_pixel_loss(loss, pixel_weight, reduction, avg_factor)
        extra = None
        if reduction != "none":
            extra = self.batch_loss(full_precision(seg_logits), seg_label, ignore_index, mass)
        if extra is not None:
            # `sum` is `mean` times the sum of weights, with the batch term too.
            reduced = reduced + extra * (pixel_weight.sum() if reduction == "sum" else 1.0)
        return self.loss_weight * reduced

    def _clipped(self, logits: Tensor) -> Tensor:
        """The logits as the loss sees them."""
        return logits if self.logit_clip is None else clip_logits(logits, self.logit_clip)

    def _pixel_weight(
        self, logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
    ) -> Tensor:
        """(N, *) weight of each pixel, 0 at those that do not count."""
        num_classes = max(logits.shape[1], 2)
        valid = valid_mask(target, num_classes, ignore_index)
        result = valid.to(compute_dtype(logits.dtype))
        if self.class_weight is not None:
            if len(self.class_weight) != num_classes:
                raise ValueError(
                    f"class_weight has {len(self.class_weight)} entries, "
                    f"but the model has {num_classes} classes."
                )
            result = result * self.class_weight.like(logits)[torch.where(valid, target, 0).long()]
        if weight is not None:
            if weight.shape != target.shape:
                raise ValueError(
                    f"weight must have the shape of the labels, {tuple(target.shape)}; "
                    f"got {tuple(weight.shape)}."
                )
            # `where`, so that a NaN weight at an ignored pixel stays there.
            result = torch.where(valid, result * weight.to(result.dtype), 0.0)
        return result

    def _balanced(
        self, weight: Tensor, logits: Tensor, target: Tensor, ignore_index: int
    ) -> Tensor:
        """``weight`` times that of ``mass_balance``."""
        if not self.mass_balance:
            return weight
        return weight * mass_balance(
            logits, target, self.mass_balance, ignore_index, kernels=self.kernels
        )

    def extra_repr(self) -> str:
        """The parameters, for ``print(model)``."""
        names = (*self.parameter_names, "reduction", "loss_weight", "loss_name")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
