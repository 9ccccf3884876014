"""One sample: its corrupted file, made or kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anl_seg._files import inside, read_regular_file, write_bytes_atomically
from anl_seg.corruption.mask_dataset import Sample
from anl_seg.corruption.plan import Plan, Target
from anl_seg.corruption.record import Outcome, outcome_of, source_changed
from anl_seg.masks.png import MaskPng, encode_mask_png, read_mask_png

#: Why a file is made; all but the first are of files that were there.
MISSING = "they were missing"
UNKNOWN = "there is no record of what they were made from"
DAMAGED = "they are not as they were written"
SOURCE_CHANGED = "their source has changed since"


def write_sample(
    plan: Plan, target: Target, out: Path, known: Mapping[str, Any] | None = None
) -> Outcome:
    """Corrupt a sample and write its file, unless the file is there already.

    Args:
        plan: what is to be done.
        target: the sample.
        out: the output folder.
        known: the record of the file that an earlier run has written. A file is kept if it has the
            bytes of its record, and its source is what the record says.
    """
    path = inside(out, target.file, "mask file")
    made = MISSING
    if os.path.lexists(path):
        kept = _kept(plan, target, path, known)
        if isinstance(kept, Outcome):
            return kept
        made = kept
    sample, noisy = corrupted(plan, target)
    data = encode_mask_png(file_content(plan, target, sample, noisy))
    write_bytes_atomically(path, data)
    return outcome_of(plan, target, sample, noisy, data)._replace(made=made)


def _kept(plan: Plan, target: Target, path: Path, known: Mapping[str, Any] | None) -> Outcome | str:
    """The outcome of a file that is there, or why it must be made again."""
    if known is None or (plan.with_image and "image_sha256" not in known):
        return UNKNOWN
    try:
        data = read_regular_file(path, "mask file")
        found = read_mask_png(data, target.file)
    except (OSError, ValueError):
        return DAMAGED
    if hashlib.sha256(data).hexdigest() != known.get("sha256"):
        return DAMAGED
    sample = plan.source.sample(target.position, plan.with_image)
    try:
        noisy = noisy_labels(plan, target, found)
        outcome = outcome_of(plan, target, sample, noisy, data)
        expected = file_content(plan, target, sample, noisy)
    except ValueError:  # of another size, or ignored elsewhere
        return SOURCE_CHANGED
    # Colors, and values of pixels that the noise left alone, come from the source too and do not
    # show in the checksum of its labels.
    if source_changed(known, outcome.record) or encode_mask_png(expected) != data:
        return SOURCE_CHANGED
    return outcome


def corrupted(plan: Plan, target: Target) -> tuple[Sample, np.ndarray]:
    """A clean sample and its noisy mask, by the very transform that would make it online."""
    sample = plan.source.sample(target.position, plan.with_image)
    if sample.key != target.key:
        raise ValueError(
            f"the pipeline changes the key of sample {target.key!r} to {sample.key!r} before the "
            "annotations are loaded, so its noise cannot be foretold."
        )
    results = {"gt_seg_map": sample.mask, "sample_key": sample.key}
    if sample.mask_path is not None:
        results["seg_map_path"] = sample.mask_path
    if sample.image is not None:
        results["img"] = sample.image
    return sample, plan.corrupt.clean_and_noisy(results)[1]


def file_content(plan: Plan, target: Target, sample: Sample, noisy: np.ndarray) -> MaskPng:
    """The file of a noisy mask: the source's own, with other values where the label has changed.

    Where the source has no such file: the labels, in the colors of the classes if they are known.

    Raises:
        ValueError: the source's file does not hold the labels that the loader gives.
    """
    raw = plan.raw[target.dataset]
    if raw is None:
        return _labels_file(plan, noisy)
    if sample.mask_path is None:
        raise ValueError("it has no label file of its own, as the data set's first sample has.")
    own = read_mask_png(sample.mask_path)
    clean = sample.mask
    if own.values.shape != clean.shape or not np.array_equal(raw.labels(own.values), clean):
        raise ValueError(
            f"mask file '{sample.mask_path}' is of another kind than the data set's first one: the "
            "labels that are loaded do not follow from its values in the same way."
        )
    changed = noisy != clean
    new = plan.values[target.dataset][noisy[changed]]
    values = own.values.copy()
    if new.max(initial=0) > np.iinfo(values.dtype).max:
        if own.palette is not None:
            raise ValueError(
                f"class {int(noisy[changed].max())} does not fit into the palette of "
                f"'{sample.mask_path}'."
            )
        values = values.astype(np.uint16)
    values[changed] = new
    return own._replace(values=values)


def _labels_file(plan: Plan, noisy: np.ndarray) -> MaskPng:
    low, high = int(noisy.min(initial=0)), int(noisy.max(initial=0))
    if low < 0 or high >= 1 << 16:
        raise ValueError(
            f"a PNG file holds labels from 0 to 65535, not {low if low < 0 else high}."
        )
    if max(plan.source.num_classes - 1, high) > 255:
        return MaskPng(noisy.astype(np.uint16))
    palette = plan.source.palette
    colours = None if palette is None else bytes(value for colour in palette for value in colour)
    return MaskPng(noisy.astype(np.uint8), colours)


def noisy_labels(plan: Plan, target: Target, found: MaskPng) -> np.ndarray:
    """(H, W) the labels that a file of the sample holds; ``REFUSED`` where a loader stops."""
    raw = plan.raw[target.dataset]
    return found.values.astype(np.int64) if raw is None else raw.labels(found.values)
