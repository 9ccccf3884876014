"""The contract of a loss in mmseg, once for all losses."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from mmseg.models.losses.utils import get_class_weight
from torch import Tensor, nn

from anl_seg.functional._per_pixel import PixelFunction, one_of
from anl_seg.functional._pixels import Pixels, check_logits
from anl_seg.functional._precision import compute_dtype, full_precision, without_autocast
from anl_seg.functional.clip_logits import check_logit_clip, clip_logits
from anl_seg.functional.mass_balance import check_mass_balance
from anl_seg.kernels.dispatch import VARIABLE, check_choice, use_fused
from anl_seg.kernels.fused import fused_loss_of
from anl_seg.kernels.mass_balance import mass_balance_of
from anl_seg.kernels.terms import Term
from anl_seg.kernels.upsampled import upsampled_pixel_loss
from anl_seg.kernels.upsampled_mass_balance import upsampled_mass_balance
from anl_seg.models.losses._class_values import ClassValues

_OURS = "anl_seg.models.losses."
_REDUCTION = one_of(("none", "mean", "sum"))


def load_class_values(values: Sequence[float] | str | None) -> list[float] | None:
    """A number per class from a list, or from a file as mmseg's ``class_weight`` (.npy, .json, ...)."""
    values = get_class_weight(values)
    return None if values is None else [float(v) for v in values]


class PixelLoss(nn.Module):
    """Base of the losses: a subclass names its function and terms; this class weights, reduces and names it.

    A loss of one's own gives ``pixel_loss`` instead (and is not fused)::

        class MyLoss(PixelLoss):
            def pixel_loss(self, logits, target, ignore_index):
                return ...  # (N, *), 0 where ignored

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
    #: The loss in :mod:`anl_seg.functional`, whose parameters are attributes of the module.
    function: ClassVar[PixelFunction | None] = None
    #: Gives the same loss as terms of the fused kernels, from the same parameters; None: it is not fused.
    terms: ClassVar[Callable[..., Term | tuple[Term, ...]] | None] = None
    #: Hyper-parameters, shown by ``print(model)`` and open to schedules.
    parameter_names: tuple[str, ...] = ()
    #: Parameters that a hook sets while training.
    scheduled: frozenset[str] = frozenset()
    replaced: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "function" in vars(cls) and "terms" not in vars(cls):
            cls.terms = None  # another loss than that of the base's terms
        #: Methods of somebody's own in place of ours.
        cls.replaced = frozenset(
            name
            for name in ("pixel_loss", "batch_loss", "forward")
            if not getattr(cls, name).__module__.startswith(_OURS)
        )

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
        _REDUCTION.check("reduction", reduction)
        self.reduction = reduction
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
        if self.kernels == "fused" and not self._may_fuse():
            raise ValueError(f"kernels='fused': {type(self).__name__} has no fused form.")
        self.loss_weight = float(loss_weight)
        self.use_sigmoid = use_sigmoid
        self._loss_name = loss_name
        weights = load_class_values(class_weight)
        if weights is not None and not all(math.isfinite(w) and w >= 0 for w in weights):
            raise ValueError(f"class_weight must be finite and 0 or more; got {weights}.")
        # Not in the state dict: checkpoints stay exchangeable with those of mmseg's own losses.
        self.class_weight = None if weights is None else ClassValues(weights)

    def set_parameters(self, **parameters: Any) -> None:
        """Keep the parameters of ``function``, checked by it; numbers as floats where its default is one."""
        function = type(self).function
        assert function is not None
        function.check(**parameters)
        known = inspect.signature(function).parameters
        self.parameter_names = (*self.parameter_names, *parameters)
        for name, value in parameters.items():
            number = isinstance(known[name].default, float) and not isinstance(value, Sequence)
            setattr(self, name, float(value) if number else value)

    @property
    def loss_name(self) -> str:
        """Name in the log."""
        return self._loss_name

    # What the loss is.

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """Loss of each pixel, (N, C, *) and (N, *) -> (N, *), 0 where ignored."""
        return self.formula(Pixels(logits, target, ignore_index))

    def batch_loss(
        self, logits: Tensor, target: Tensor, ignore_index: int, mass: Tensor | None = None
    ) -> Tensor | None:
        """A scalar term of the whole batch that is added to the mean; None where there is none.

        Args:
            mass: (C,), sum over valid pixels of the probabilities, clamped as :meth:`mass_min` says, where a
                fused kernel has computed it.
        """
        return self.batch_term(Pixels(logits, target, ignore_index), mass)

    def formula(self, px: Pixels, weight: Tensor | None = None) -> Tensor:
        """``pixel_loss`` of a batch that is checked already, by ``function``."""
        function = type(self).function
        if function is None:
            raise NotImplementedError(f"{type(self).__name__} has neither function nor pixel_loss.")
        return function.of(px, **self.arguments(px, weight))

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """What ``function`` is called with beside a batch whose pixels have a ``weight``."""
        return self.parameters_in_use()

    def kernel_terms(self) -> tuple[Term, ...] | None:
        """The loss as a sum of the fused kernels' terms; None where it is not one."""
        make = type(self).terms
        if make is None or self._is_replaced("pixel_loss"):
            return None
        terms = make(**self.parameters_in_use())
        return terms if isinstance(terms, tuple) else (terms,)

    def parameters_in_use(self) -> dict[str, Any]:
        """The hyper-parameters by name."""
        return {name: getattr(self, name) for name in self.parameter_names}

    def weighted_parts(self, factor: float = 1.0) -> Iterator[tuple[float, PixelLoss]]:
        """The losses that this one is the weighted sum of, times ``factor``; itself if of none."""
        yield factor, self

    def mass_min(self) -> float | None:
        """Clamp of the probabilities whose sum over the pixels the batch term needs; None = no need."""
        return None

    def batch_term(self, px: Pixels, mass: Tensor | None) -> Tensor | None:
        """``batch_loss`` of a batch that is checked already."""
        return None

    def any_batch_term(self, px: Pixels, mass: Tensor | None) -> Tensor | None:
        """The term of the batch, also of a subclass with a ``batch_loss`` of its own."""
        if self._is_replaced("batch_loss"):
            return self.batch_loss(full_precision(px.given), px.target, px.ignore_index, mass)
        return self.batch_term(px, mass)

    def batch_term_needs_logits(self) -> bool:
        """Whether the batch has a term now that the mass does not suffice for."""
        return False

    def _is_replaced(self, name: str) -> bool:
        """Whether somebody's subclass, or the instance, has a method of its own in place of ours."""
        return name in self.replaced or name in vars(self)

    def _may_fuse(self) -> bool:
        """Whether the loss may have a fused form."""
        return type(self).terms is not None and not self._is_replaced("pixel_loss")

    # What is done with it.

    def per_pixel(self, px: Pixels, weight: Tensor | None) -> Tensor:
        """Loss of each pixel (N, *), by the functional form; ``weight`` (N, *) is that of the pixels."""
        if self._is_replaced("pixel_loss"):
            return self.pixel_loss(full_precision(px.given), px.target, px.ignore_index)
        return self.formula(px, weight)

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
        reduction = reduction_override or self.reduction
        if reduction is not self.reduction:
            _REDUCTION.check("reduction", reduction)
        check_logits(seg_logits)
        if self.use_sigmoid and seg_logits.shape[1] != 1:
            raise ValueError(
                "use_sigmoid=True needs a head with one output channel; "
                f"the logits have {seg_logits.shape[1]}. Set use_sigmoid=False."
            )
        logits, may_fuse = self._clipped(seg_logits), self._may_fuse()
        fused = (may_fuse or self.mass_balance > 0.0) and use_fused(logits, self.kernels)
        px = Pixels(logits, seg_label, ignore_index)
        pixel_weight = self._pixel_weight(px, weight)
        if self.mass_balance:
            pixel_weight = pixel_weight * mass_balance_of(px, self.mass_balance, fused)
        terms = self.kernel_terms() if may_fuse and fused else None
        if terms is None:
            loss, mass = self.per_pixel(px, pixel_weight), None
        else:
            mass_min = None if reduction == "none" else self.mass_min()
            loss, mass = fused_loss_of(px, terms, mass_min)
        weighted = loss * pixel_weight
        if reduction == "none":
            return self.loss_weight * weighted
        return self._reduced(weighted.sum(), px, pixel_weight, mass, reduction, avg_factor)

    @without_autocast
    def from_small_logits(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        *,
        align_corners: bool = False,
        ignore_index: int | None = 255,
    ) -> tuple[Tensor, Tensor]:
        """What :meth:`forward` gives for the logits bilinearly resized to the labels, without resizing them.

        Only where :meth:`small_logits_obstacle` names none and :meth:`takes_small_logits` says so.

        Args:
            seg_logits: (N, C, h, w), any real.
            seg_label: (N, H, W), integers in [0, C) or ``ignore_index``.
            align_corners: as in ``F.interpolate``.
            ignore_index: label of pixels that do not count; None: all count.

        Returns:
            The loss, a scalar, and the number of pixels whose label has the largest logit.
        """
        terms = self.kernel_terms()
        assert terms is not None
        px = Pixels(seg_logits, seg_label, ignore_index, (len(seg_logits), "H", "W"))
        options: dict[str, Any] = dict(align_corners=align_corners, ignore_index=px.ignore_index)
        weight = self._pixel_weight(px, None)
        if self.mass_balance:
            weight = weight * upsampled_mass_balance(
                seg_logits, seg_label, self.mass_balance, **options
            )
        total, correct, mass = upsampled_pixel_loss(
            seg_logits, seg_label, weight, terms, mass_min=self.mass_min(), **options
        )
        return self._reduced(total, px, weight, mass, self.reduction), correct

    def small_logits_obstacle(self) -> str | None:
        """Why the loss can never be computed by :meth:`from_small_logits`; None if it can."""
        name = type(self).__name__
        if self._is_replaced("forward"):
            return f"{name} weights or reduces its pixels in its own way"
        if self.kernel_terms() is None:
            return f"{name} has no fused form"
        if self._is_replaced("batch_loss"):
            return f"{name} has a term of the whole batch that needs the resized logits"
        if (os.environ.get(VARIABLE) or self.kernels) == "reference":
            return f"the functional form of {name} is asked for (kernels or {VARIABLE})"
        if self.logit_clip is not None:
            return f"{name} clips the resized logits (logit_clip)"
        if self.reduction == "none":
            return f"{name} has reduction='none'"
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks:
            return f"{name} has hooks that want to see the resized logits"
        return None

    def takes_small_logits(self, seg_logits: Tensor) -> bool:
        """Whether :meth:`from_small_logits` serves a call; :meth:`forward` says what is wrong with some."""
        wrong_head = self.use_sigmoid and seg_logits.shape[1] != 1
        return not wrong_head and not self.batch_term_needs_logits()

    def _reduced(
        self,
        total: Tensor,
        px: Pixels,
        weight: Tensor,
        mass: Tensor | None,
        reduction: str,
        avg_factor: float | Tensor | None = None,
    ) -> Tensor:
        """The mean or sum of a batch from the weighted sum over its pixels, with the term of the batch."""
        of_weights = weight.sum()
        if reduction == "sum":
            if avg_factor is not None:
                raise ValueError("avg_factor goes with reduction='mean'; got reduction='sum'.")
            value = total
        else:
            if avg_factor is None:
                divisor = of_weights
            elif isinstance(avg_factor, Tensor):
                divisor = avg_factor.to(total)
            else:
                divisor = total.new_full((), float(avg_factor))
            # No valid pixel, or all weights 0: the numerator is 0 too, and so is the mean.
            value = total / torch.where(divisor > 0, divisor, 1.0)
        extra = self.any_batch_term(px, mass)
        if extra is not None:
            # `sum` is `mean` times the sum of weights, with the batch term too.
            value = value + extra * (of_weights if reduction == "sum" else 1.0)
        return self.loss_weight * value

    def _clipped(self, logits: Tensor) -> Tensor:
        """The logits as the loss sees them."""
        return logits if self.logit_clip is None else clip_logits(logits, self.logit_clip)

    def _pixel_weight(self, px: Pixels, weight: Tensor | None) -> Tensor:
        """(N, *) weight of each pixel, 0 at those that do not count."""
        result = px.valid.to(compute_dtype(px.given.dtype))
        if self.class_weight is not None:
            if len(self.class_weight) != px.num_classes:
                raise ValueError(
                    f"class_weight has {len(self.class_weight)} entries, "
                    f"but the model has {px.num_classes} classes."
                )
            result = result * self.class_weight.like(px.given)[px.labels]
        if weight is not None:
            if weight.shape != px.target.shape:
                raise ValueError(
                    f"weight must have the shape of the labels, {tuple(px.target.shape)}; "
                    f"got {tuple(weight.shape)}."
                )
            # `where`, so that a NaN weight at an ignored pixel stays there.
            result = torch.where(px.valid, result * weight.to(result.dtype), 0.0)
        return result

    def extra_repr(self) -> str:
        """The parameters, for ``print(model)``."""
        names = (*self.parameter_names, "reduction", "loss_weight", "loss_name")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
