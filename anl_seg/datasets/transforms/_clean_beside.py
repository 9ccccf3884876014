"""The clean mask beside the noisy one on its way through a pipeline, and whether both went together."""

from __future__ import annotations

import numpy as np

#: A second copy of the noisy map. It travels in ``seg_fields`` as the clean one does, so where it no longer
#: equals ``gt_seg_map`` a transform has changed that one alone.
WITNESS = "gt_seg_map_witness"
_IGNORED = "gt_seg_map_witness_ignored"

_REMEDY = (
    "a transform of this pipeline changes gt_seg_map alone and not every map in seg_fields (mmcv's "
    "RandomFlip, CenterCrop and Pad, Albu, or one of your own). Use mmseg's own transforms, let yours loop "
    "over results['seg_fields'], and pad in the data preprocessor."
)


def keep_clean_beside(
    results: dict, clean: np.ndarray, noisy: np.ndarray, ignore_index: int
) -> None:
    """Put ``gt_seg_map_clean`` (H, W) into a sample whose ``gt_seg_map`` becomes ``noisy`` (H, W)."""
    results["gt_seg_map_clean"] = clean
    results[WITNESS] = noisy.copy()
    results[_IGNORED] = ignore_index
    results["seg_fields"] = [*results.get("seg_fields", []), "gt_seg_map_clean", WITNESS]


def check_went_together(results: dict) -> None:
    """Check at the end of a pipeline that every transform moved the clean map as it moved the noisy one.

    What cannot be seen: a map that looks the same after the transform as before, such as one of a single
    label. Pixels that became ignored in the noisy map alone are no sign.

    Raises:
        ValueError: the clean map was left behind.
    """
    noisy, clean = results["gt_seg_map"], results["gt_seg_map_clean"]
    if clean.shape != noisy.shape:
        raise ValueError(
            f"the clean mask has size {clean.shape}, the noisy one {noisy.shape}: {_REMEDY}"
        )
    witness = results.get(WITNESS)
    if witness is None or witness.shape != noisy.shape:
        return  # of another size: a transform that knows the clean map by its name, and moved it
    moved = (noisy != witness) & (noisy != results[_IGNORED])
    # A transform that knows the clean map by its name leaves only the witness behind.
    if moved.any() and not _information(clean, noisy) > _information(clean, witness):
        raise ValueError(
            f"the clean mask was left behind: {int(moved.sum())} of {moved.size} pixels of the noisy mask "
            f"{results.get('seg_map_path') or results.get('sample_key') or ''} are elsewhere or of another "
            f"label than it: {_REMEDY}"
        )


def _information(one: np.ndarray, other: np.ndarray) -> float:
    """What two label maps (H, W) say about each other: mutual information, in nats."""
    rows, first = np.unique(one, return_inverse=True)
    columns, second = np.unique(other, return_inverse=True)
    counts = np.bincount(
        first.ravel() * len(columns) + second.ravel(), minlength=len(rows) * len(columns)
    )
    joint = counts.reshape(len(rows), len(columns)) / max(one.size, 1)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())
