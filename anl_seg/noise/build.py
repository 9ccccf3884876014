"""From a config dict to a noise model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from anl_seg._suggest import unknown_name, wrong_parameters

from .affine_noise import AffineNoise
from .alpha_beta_noise import AlphaBetaNoise
from .band_noise import BandNoise
from .base import MaskNoise
from .bounding_box_noise import BoundingBoxNoise
from .class_swap_noise import ClassSwapNoise
from .dilate_noise import DilateNoise
from .elastic_noise import ElasticNoise
from .erode_noise import ErodeNoise
from .instance_dependent_noise import InstanceDependentNoise
from .markov_boundary_noise import MarkovBoundaryNoise
from .missing_object_noise import MissingObjectNoise
from .pair_noise import PairNoise
from .polygon_noise import PolygonNoise
from .presets import PRESETS
from .random_choice_noise import RandomChoiceNoise
from .sequential_noise import SequentialNoise
from .spurious_object_noise import SpuriousObjectNoise
from .superpixel_noise import SuperpixelNoise
from .symmetric_noise import SymmetricNoise
from .transition_matrix_noise import TransitionMatrixNoise
from .vertex_noise import VertexNoise

#: Every noise model by the name that a config uses.
NOISES: dict[str, type[MaskNoise]] = {
    noise.__name__: noise
    for noise in (
        SymmetricNoise,
        PairNoise,
        TransitionMatrixNoise,
        InstanceDependentNoise,
        SuperpixelNoise,
        DilateNoise,
        ErodeNoise,
        AffineNoise,
        AlphaBetaNoise,
        BandNoise,
        MarkovBoundaryNoise,
        ElasticNoise,
        PolygonNoise,
        VertexNoise,
        BoundingBoxNoise,
        ClassSwapNoise,
        MissingObjectNoise,
        SpuriousObjectNoise,
        RandomChoiceNoise,
        SequentialNoise,
    )
}

_SCOPE = "anl_seg."


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
    known = {**NOISES, **PRESETS}
    if not isinstance(key, str) or key not in known:
        raise ValueError(unknown_name("noise", name, known))
    return known[key]
