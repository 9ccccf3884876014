"""The combinations of active and passive losses in the literature, with their published settings.

Sources, by the authors' own configurations:

- Ma et al., ICML 2020, HanxunH/Active-Passive-Losses, ``configs/<data set>/sym``: NCE, NFL and NGCE with
  MAE and RCE. WebVision is the first 50 classes ("mini"), for NCE and NFL only. Their CIFAR-100 file
  of NGCE+RCE builds NGCE+MAE, so NGCE+RCE has no setting there.
- Zhou et al., ICML 2021, hitcszx/ALFs, ``config.py``: NCE with AGCE, AUE and AEL. On MNIST they leave NCE
  out (alpha = 0).
- Ye et al., NeurIPS 2023, Virusdoll/Active-Negative-Loss, ``config``: NCE+AGCE on WebVision.

All are of image classification with balanced classes; none is of segmentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from anl_seg._suggest import unknown_name

_NONE: Mapping[str, float] = MappingProxyType({})


class Setting(NamedTuple):
    """Weights of the two parts and their own parameters."""

    alpha: float = 1.0
    beta: float = 1.0
    active: Mapping[str, float] = _NONE
    passive: Mapping[str, float] = _NONE


class Preset(NamedTuple):
    """Types of the two parts and the published settings by data set."""

    active: str
    passive: str
    settings: dict[str, Setting]


_GAMMA, _Q = {"gamma": 0.5}, {"q": 0.1}

PRESETS = {
    "NCE+RCE": Preset(
        "NCELoss",
        "RCELoss",
        {
            "mnist": Setting(1.0, 10.0),
            "cifar10": Setting(1.0, 1.0),
            "cifar100": Setting(10.0, 0.1),
            "webvision": Setting(50.0, 0.1),
        },
    ),
    "NCE+MAE": Preset(
        "NCELoss",
        "MAELoss",
        {
            "mnist": Setting(1.0, 10.0),
            "cifar10": Setting(1.0, 1.0),
            "cifar100": Setting(10.0, 1.0),
            "webvision": Setting(50.0, 1.0),
        },
    ),
    "NFL+RCE": Preset(
        "NFLLoss",
        "RCELoss",
        {
            "mnist": Setting(1.0, 10.0, _GAMMA),
            "cifar10": Setting(1.0, 1.0, _GAMMA),
            "cifar100": Setting(10.0, 0.1, _GAMMA),
            "webvision": Setting(50.0, 0.1, _GAMMA),
        },
    ),
    "NFL+MAE": Preset(
        "NFLLoss",
        "MAELoss",
        {
            "mnist": Setting(1.0, 10.0, _GAMMA),
            "cifar10": Setting(1.0, 1.0, _GAMMA),
            "cifar100": Setting(10.0, 1.0, _GAMMA),
            "webvision": Setting(50.0, 1.0, _GAMMA),
        },
    ),
    "NGCE+RCE": Preset(
        "NGCELoss",
        "RCELoss",
        {"mnist": Setting(1.0, 10.0, _Q), "cifar10": Setting(1.0, 1.0, _Q)},
    ),
    "NGCE+MAE": Preset(
        "NGCELoss",
        "MAELoss",
        {
            "mnist": Setting(1.0, 10.0, _Q),
            "cifar10": Setting(1.0, 1.0, _Q),
            "cifar100": Setting(10.0, 1.0, {"q": 0.7}),
        },
    ),
    "NCE+AGCE": Preset(
        "NCELoss",
        "AGCELoss",
        {
            "mnist": Setting(0.0, 1.0, passive={"a": 4.0, "q": 0.2}),
            "cifar10": Setting(1.0, 4.0, passive={"a": 6.0, "q": 1.5}),
            "cifar100": Setting(10.0, 0.1, passive={"a": 1.8, "q": 3.0}),
            "webvision": Setting(50.0, 0.1, passive={"a": 2.5, "q": 3.0}),
        },
    ),
    "NCE+AUE": Preset(
        "NCELoss",
        "AUELoss",
        {
            "mnist": Setting(0.0, 1.0, passive={"a": 3.0, "q": 0.1}),
            "cifar10": Setting(1.0, 4.0, passive={"a": 6.3, "q": 1.5}),
            "cifar100": Setting(10.0, 0.015, passive={"a": 6.0, "q": 3.0}),
        },
    ),
    "NCE+AEL": Preset(
        "NCELoss",
        "AELLoss",
        {
            "mnist": Setting(0.0, 1.0, passive={"a": 3.5}),
            "cifar10": Setting(1.0, 4.0, passive={"a": 5.0}),
            "cifar100": Setting(10.0, 0.1, passive={"a": 1.5}),
        },
    ),
}


def preset_parts(preset: str, setting: str | None = None) -> dict[str, Any]:
    """Arguments of :class:`ActivePassiveLoss` for a combination of the literature.

    Args:
        preset: a key of ``PRESETS``, for example ``NCE+RCE``.
        setting: the data set of the paper, for example ``cifar10``; None = both weights 1 and the
            defaults of the parts.

    Returns:
        dict with ``active``, ``passive``, ``alpha`` and ``beta``.

    Raises:
        ValueError: unknown preset, or a setting that was not published for it.
    """
    if preset not in PRESETS:
        raise ValueError(unknown_name("preset", preset, PRESETS))
    active, passive, settings = PRESETS[preset]
    if setting is None:
        chosen = Setting()
    elif setting in settings:
        chosen = settings[setting]
    else:
        raise ValueError(unknown_name(f"setting of {preset}", setting, settings))
    return {
        "active": {"type": active, **chosen.active},
        "passive": {"type": passive, **chosen.passive},
        "alpha": chosen.alpha,
        "beta": chosen.beta,
    }
