"""Which MMSegmentation family is installed, and the sentence for when none is."""

from __future__ import annotations

from importlib.util import find_spec

MISSING_FAMILY = (
    "anl_seg found no MMSegmentation: install one family with "
    "`pip install 'anl_seg[onedl]'` (maintained, pure wheels) or "
    "`pip install 'anl_seg[openmmlab]'` (upstream 1.2.2, needs mmcv 2.1 with compiled ops); "
    "until then only anl_seg.functional and anl_seg.noise work."
)


class MissingFamilyWarning(UserWarning):
    """Given once by ``import anl_seg`` when no MMSegmentation family is installed."""


def has_mmseg() -> bool:
    """Whether the import names of an MMSegmentation family (mmseg, mmengine, mmcv) can be found."""
    return all(find_spec(name) is not None for name in ("mmseg", "mmengine", "mmcv"))


def require_mmseg() -> None:
    """Raise ImportError with one clear sentence when no MMSegmentation family is installed."""
    if not has_mmseg():
        raise ImportError(MISSING_FAMILY)
