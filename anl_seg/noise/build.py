"""From a config dict to a noise model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from anl_seg._suggest import unknown_name, wrong_parameters

from .base import NOISES, MaskNoise

#: Every preset by the name that a config uses as its ``type``.
PRESETS: dict[str, Callable[..., MaskNoise]] = {}

_SCOPE = "anl_seg."


_Preset = TypeVar("_Preset", bound=Callable[..., MaskNoise])


def register_preset(preset: _Preset) -> _Preset:
    """Enter a function that returns a model into :data:`PRESETS` under its own name (decorator)."""
    PRESETS[preset.__name__] = preset
    return preset


def build_noise(cfg: MaskNoise | Mapping[str, Any]) -> MaskNoise:
    """Build a noise model from ``dict(type='SymmetricNoise', rate=0.4)``.

    Args:
        cfg: a dict whose ``type`` is a name in :data:`NOISES` or :data:`PRESETS`, the same with
            ``anl_seg.`` before it, or a subclass of :class:`MaskNoise`; its other entries are the
            parameters. A model that is already built is returned as it is.

    Raises:
        TypeError: ``cfg`` is neither, or a parameter is unknown or missing.
        ValueError: ``type`` is missing or unknown, or a parameter is out of range.
    """
    if isinstance(cfg, MaskNoise):
        return cfg
    if not isinstance(cfg, Mapping):
        raise TypeError(f"noise must be a dict with a 'type' or a MaskNoise, got {cfg!r}")
    parameters = dict(cfg)
    if "type" not in parameters:
        known = ", ".join([*NOISES, *PRESETS])
        raise ValueError(f"noise needs a 'type', got {parameters!r}. Known: {known}.")
    noise = _noise_factory(parameters.pop("type"))
    allowed = list(inspect.signature(noise).parameters.values())
    names = [p.name for p in allowed]
    unknown = [name for name in parameters if name not in names]
    missing = [p.name for p in allowed if p.default is p.empty and p.name not in parameters]
    if unknown or missing:
        raise TypeError(wrong_parameters(noise.__name__, unknown, missing, names))
    return noise(**parameters)


def _noise_factory(name: object) -> Callable[..., MaskNoise]:
    if isinstance(name, type) and issubclass(name, MaskNoise):
        return name
    key = name[len(_SCOPE) :] if isinstance(name, str) and name.startswith(_SCOPE) else name
    known: dict[str, Callable[..., MaskNoise]] = {**NOISES, **PRESETS}
    if not isinstance(key, str) or key not in known:
        raise ValueError(unknown_name("noise", name, known))
    return known[key]


def build_noises(noises: object) -> list[MaskNoise | None]:
    """Build the models of a list of models, configs and None.

    Raises:
        TypeError: it is no list, or an entry is none of these.
        ValueError: the list is empty, or a config is wrong.
    """
    if isinstance(noises, (str, Mapping)) or not isinstance(noises, Sequence):
        raise TypeError(f"noises must be a list of noises, got {noises!r}")
    if not noises:
        raise ValueError("noises must hold at least one noise, got an empty list")
    return [None if noise is None else build_noise(noise) for noise in noises]


def configs(noises: Sequence[MaskNoise | None]) -> list[dict[str, Any] | None]:
    """Return the configs of models, None for None."""
    return [None if noise is None else noise.config() for noise in noises]


def seeding_configs(noises: Sequence[MaskNoise | None]) -> list[list[Any] | None]:
    """Return types and seeding parameters of models: what is left out of a seed stays out."""
    return [
        None if noise is None else [type(noise).__name__, noise.seeding_parameters()]
        for noise in noises
    ]
