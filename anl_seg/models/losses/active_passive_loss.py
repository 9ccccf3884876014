"""Active passive loss (Ma et al., ICML 2020) and the combinations of the literature."""

from __future__ import annotations

from typing import Any

from anl_seg.models.losses._build import build_part
from anl_seg.models.losses.active_passive_presets import preset_parts
from anl_seg.models.losses.combined_loss import CombinedLoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS


@MODELS.register_module()
class ActivePassiveLoss(CombinedLoss):
    """alpha active + beta passive; by default NCE + RCE.

    A combination of the literature by its name, with the weights that its authors used on a data set::

        dict(type='anl_seg.ActivePassiveLoss', preset='NCE+RCE', setting='cifar10')

    or on the command line ``--loss ActivePassiveLoss:preset=NCE+RCE,setting=cifar10``. ``alpha`` and
    ``beta`` given beside it take the place of the published ones.

    Args:
        active: config of a loss that asks p_y to grow; None = NCE.
        passive: config of a loss that asks the other classes to shrink; None = RCE.
        alpha: weight of the active loss; None = that of the setting, or 1.
        beta: weight of the passive loss; None = that of the setting, or 1.
        preset: ``NCE+RCE``, ``NCE+MAE``, ``NFL+RCE``, ``NFL+MAE``, ``NGCE+RCE``, ``NGCE+MAE``, ``NCE+AGCE``,
            ``NCE+AUE`` or ``NCE+AEL``, in place of ``active`` and ``passive``.
        setting: ``mnist``, ``cifar10``, ``cifar100`` or ``webvision``, where published for the preset; None =
            weights 1 and the parts' own defaults. See docs/losses.md.
        kwargs: arguments of :class:`PixelLoss`; a preset's default ``loss_name`` is that of its parts,
            for example ``loss_nce_rce``.

    Raises:
        ValueError: unknown preset or setting, parts beside a preset, or a setting without a preset.
    """

    default_name = "loss_apl"
    sum_of = (("alpha", "active"), ("beta", "passive"))
    parameter_names = ("preset", "setting", "alpha", "beta")

    def __init__(
        self,
        active: dict | PixelLoss | None = None,
        passive: dict | PixelLoss | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        preset: str | None = None,
        setting: str | None = None,
        **kwargs: Any,
    ) -> None:
        parts: dict[str, Any] = {
            "active": {"type": "NCELoss"} if active is None else active,
            "passive": {"type": "RCELoss"} if passive is None else passive,
            "alpha": 1.0,
            "beta": 1.0,
        }
        if preset is not None:
            if active is not None or passive is not None:
                raise ValueError(f"give either preset={preset!r} or active and passive, not both.")
            parts = preset_parts(preset, setting)
            if kwargs.get("loss_name") is None:
                kwargs["loss_name"] = f"loss_{preset.lower().replace('+', '_')}"
        elif setting is not None:
            raise ValueError(f"setting={setting!r} needs a preset, for example preset='NCE+RCE'.")
        super().__init__(**kwargs)
        self.preset, self.setting = preset, setting
        self.active = build_part(parts["active"], "active")
        self.passive = build_part(parts["passive"], "passive")
        self.alpha = float(parts["alpha"] if alpha is None else alpha)
        self.beta = float(parts["beta"] if beta is None else beta)
