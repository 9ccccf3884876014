"""From a config dict to a noise model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from anl_seg._suggest import unknown_name

from .affine_noise import AffineNoise
from .alpha_beta_noise import AlphaBetaNoise
from .base import MaskNoise
from .dilate_noise import DilateNoise
from .erode_noise import ErodeNoise
from .pair_noise import PairNoise
from .symmetric_noise import SymmetricNoise
from .transition_matrix_noise import TransitionMatrixNoise

#: Every noise model by the name that a config uses.
NOISES: dict[str, type[MaskNoise]] = {
    noise.__name__: noise
    for noise in (
        SymmetricNoise,
        PairNoise,
        TransitionMatrixNoise,
        DilateNoise,
        ErodeNoise,
        AffineNoise,
        AlphaBetaNoise,
    )
}

_SCOPE = "anl_seg."


def build_noise(cfg: MaskNoise | Mapping[str, Any]) -> MaskNoise:
    """Build a noise model from ``dict(type='SymmetricNoise', rate=0.4)``.

    Args:
        cfg: a dict whose ``type`` is a name in :data:`NOISES`, the same with ``anl_seg.`` before
            it, or a subclass of :class:`MaskNoise`; its other entries are the parameters. A model
            that is already built is returned as it is.

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
        raise ValueError(f"noise needs a 'type', got {parameters!r}. Known: {', '.join(NOISES)}.")
    noise = _noise_class(parameters.pop("type"))
    allowed = list(inspect.signature(noise.__init__).parameters.values())[1:]
    names = [p.name for p in allowed]
    unknown = [name for name in parameters if name not in names]
    missing = [p.name for p in allowed if p.default is p.empty and p.name not in parameters]
    for problem, found in (("does not know", unknown), ("needs", missing)):
        if found:
            raise TypeError(
                f"{noise.__name__} {problem} {', '.join(map(repr, found))}; "
                f"its parameters are: {', '.join(names)}"
            )
    return noise(**parameters)


def _noise_class(name: object) -> type[MaskNoise]:
    if isinstance(name, type) and issubclass(name, MaskNoise):
        return name
    key = name[len(_SCOPE) :] if isinstance(name, str) and name.startswith(_SCOPE) else name
    if not isinstance(key, str) or key not in NOISES:
        raise ValueError(unknown_name("noise", name, NOISES))
    return NOISES[key]
