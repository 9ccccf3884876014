"""The study of all losses: none is forgotten."""

from __future__ import annotations

from pathlib import Path

from anl_seg.models import losses
from anl_seg.models.losses.active_passive_presets import PRESETS
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.study import load_study


def test_every_loss_is_in_the_study():
    study = load_study(Path(__file__).parents[2] / "studies" / "jsrt_losses.py")
    used = repr(study.losses)
    # Two classes only; what needs a transition matrix; and constructions whose instances are there.
    elsewhere = {"TLoss", "ForwardCorrectionLoss", "BackwardCorrectionLoss", "NormalizedLoss"}
    elsewhere.add("WarmStartLoss")  # another loss with a start of its own
    names = {
        name
        for name, cls in vars(losses).items()
        if isinstance(cls, type)
        and issubclass(cls, PixelLoss)
        and cls not in (PixelLoss, losses.RegionLoss)
    }
    missing = {name for name in names - elsewhere if f"'{name}'" not in used}
    assert not missing
    assert all(f"'preset': '{name}'" in used for name in PRESETS)
