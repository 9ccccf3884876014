"""Losses divided by their sum over all labels, and flipped before that (Ma et al. 2020, Ye et al. 2023)."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from anl_seg.functional import normalized_loss, normalized_negative_loss
from anl_seg.functional._pixels import Pixels
from anl_seg.functional.class_forms import CLASS_FORMS, POINTWISE, ClassForm
from anl_seg.models.losses._build import build_part
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


def form_of(loss: type[PixelLoss], pointwise: bool = False) -> Any:
    """The form of a loss for every class, which takes its parameters; None where there is none."""
    name = None if "pixel_loss" in loss.replaced else getattr(loss.function, "__name__", None)
    return (POINTWISE if pointwise else CLASS_FORMS).get(name or "")


def build_base(cfg: dict | PixelLoss | None, pointwise: bool) -> tuple[PixelLoss, ClassForm]:
    """Build the base of a construction, and its form for every class.

    Args:
        cfg: config with ``type`` (scope ``anl_seg`` may be left out), or a loss; None = cross entropy.
        pointwise: whether the loss of class k must depend on p_k alone.

    Raises:
        ValueError: a loss without such a form (those that have one are listed), or with a
            ``loss_weight``, a reduction or class weights of its own.
    """
    base = build_part({"type": "CELoss"} if cfg is None else cfg, "base")
    form = form_of(type(base), pointwise)
    if form is None:
        losses = (c for c in MODELS.module_dict.values() if issubclass(c, PixelLoss))
        known = sorted(cls.__name__ for cls in losses if form_of(cls, pointwise))
        kind = "in which class k depends on p_k alone" if pointwise else "per class"
        raise ValueError(
            f"base: {type(base).__name__} has no form {kind}; those that have one: {', '.join(known)}."
        )
    if base.loss_weight != 1.0:
        raise ValueError(
            f"base: loss_weight={base.loss_weight} would cancel in the normalization; "
            "give it to the whole loss."
        )
    return base, partial(form, **base.parameters_in_use())


@MODELS.register_module()
class NormalizedLoss(PixelLoss):
    """L_y / sum_k L_k, L_k the base loss with label k; symmetric whatever the base.

    ``base=dict(type='CELoss')`` is NCE, ``dict(type='FocalLoss', gamma=0.5)`` NFL.

    Args:
        base: config of a loss with a per-class form; any other is an error that lists those. None =
            cross entropy.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_normalized"
    function = normalized_loss

    def __init__(self, base: dict | PixelLoss | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base, self._form = build_base(base, pointwise=False)

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """See :meth:`PixelLoss.arguments`."""
        return {**super().arguments(px, weight), "base": self._form}


@MODELS.register_module()
class NormalizedNegativeLoss(PixelLoss):
    """1 - (A - L_y) / sum_k (A - L_k), L_k the base loss with label k, A its value at min_prob.

    ``base=dict(type='CELoss')`` is NNCE, ``dict(type='FocalLoss', gamma=0.5)`` NNFL. Beside
    :class:`NormalizedLoss` in :class:`ActiveNegativeLoss` it gives the ANL of that base, which for
    these two is ANL-CE and ANL-FL.

    Args:
        base: config of a loss in which class k depends on p_k alone; any other is an error that
            lists those. None = cross entropy.
        min_prob: the flip point, in (0, 1) and below 1 / C.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_normalized_negative"
    function = normalized_negative_loss

    def __init__(
        self, base: dict | PixelLoss | None = None, min_prob: float = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_parameters(min_prob=min_prob)
        self.base, self._form = build_base(base, pointwise=True)

    def arguments(self, px: Pixels, weight: Tensor | None) -> dict[str, Any]:
        """See :meth:`PixelLoss.arguments`."""
        return {**super().arguments(px, weight), "base": self._form}
