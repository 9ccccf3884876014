"""Negative learning with complementary labels (Kim et al., ICCV 2019)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional.negative_learning import negative_learning, selected
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class NLNLLoss(PixelLoss):
    """Negative learning, -log(1 - p_k) for a random class k other than the label.

    The mean is over the selected pixels, as in the authors' code: a pixel that the stage leaves out
    has weight 0. ``loss.stage`` and ``loss.gamma`` may be set while training (a schedule runs ``nl``,
    then ``sel_nl``, then ``sel_pl``); a wrong value is an error at once. The stage is not in the
    state dict: a resumed run must set it again.

    Args:
        stage: ``nl`` (all pixels), ``sel_nl`` (p_y > 1 / C) or ``sel_pl`` (cross entropy where
            p_y > gamma).
        complementary: number of random complementary labels per pixel, averaged, or ``all``. They
            are drawn from torch's global generator, which mmengine seeds.
        gamma: threshold of ``sel_pl``, in [0, 1).
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_nlnl"
    function = negative_learning

    def __init__(
        self,
        stage: str = "nl",
        complementary: int | str = 1,
        gamma: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_parameters(stage=stage, complementary=complementary, gamma=gamma)

    @property
    def stage(self) -> str:
        """The stage of training: ``nl``, ``sel_nl`` or ``sel_pl``."""
        return self._stage

    @stage.setter
    def stage(self, stage: str) -> None:
        negative_learning.check(stage=stage)
        self._stage = stage

    @property
    def gamma(self) -> float:
        """Threshold of ``sel_pl``."""
        return self._gamma

    @gamma.setter
    def gamma(self, gamma: float) -> None:
        negative_learning.check(gamma=gamma)
        self._gamma = float(gamma)

    def _pixel_weight(self, px: Pixels, weight: Tensor | None) -> Tensor:
        """(N, *) weight of each pixel, 0 at those that do not count or are not selected."""
        result = super()._pixel_weight(px, weight)
        return result if self.stage == "nl" else result * selected(px, self.stage, self.gamma)
