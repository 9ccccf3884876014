"""One sample: its corrupted file, and what the manifest says about it."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anl_seg.corruption.atomic import write_bytes_atomically
from anl_seg.corruption.part import Sample
from anl_seg.corruption.plan import Plan, Target
from anl_seg.corruption.png import MaskPng, encode_mask_png, read_mask_png
from anl_seg.noise import NoiseStatistics, noise_statistics

_DIGITS = 6  # of shares and Dice; the counts beside them are exact


class Outcome(NamedTuple):
    """What is known of a finished file.

    Attributes:
        record: its entry in the manifest.
        statistics: its clean labels against its noisy ones.
    """

    record: dict[str, Any]
    statistics: NoiseStatistics


def write_sample(plan: Plan, target: Target, out: Path) -> Outcome:
    """Corrupt a sample and write its file, unless a file of the sample is there already."""
    path = out / target.file
    if path.is_file():
        kept = outcome_of_file(plan, target, path.read_bytes())
        if kept is not None:
            return kept
    sample, noisy = corrupted(plan, target)
    data = encode_mask_png(file_content(plan, target, sample, noisy))
    write_bytes_atomically(path, data)
    return _outcome(plan, target, sample.mask, noisy, data)


def corrupted(plan: Plan, target: Target) -> tuple[Sample, np.ndarray]:
    """A clean sample and its noisy mask, by the very transform that would make it online."""
    sample = plan.source.sample(target.index, plan.with_image)
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

    Where the source has no such file: the labels, in the colours of the classes if they are known.

    Raises:
        ValueError: the source's file does not hold the labels that the loader gives.
    """
    raw = plan.raw[target.dataset]
    if raw is None:
        return _labels_file(plan, noisy)
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


def outcome_of_file(plan: Plan, target: Target, data: bytes) -> Outcome | None:
    """What the manifest says about a file that is there; None if it is no file of this sample."""
    clean = plan.source.sample(target.index, with_image=False).mask
    raw = plan.raw[target.dataset]
    try:
        values = read_mask_png(data, target.file).values
        noisy = values.astype(np.int64) if raw is None else raw.labels(values)
        return _outcome(plan, target, clean, noisy, data)
    except ValueError:
        return None


def _outcome(
    plan: Plan, target: Target, clean: np.ndarray, noisy: np.ndarray, data: bytes
) -> Outcome:
    statistics = noise_statistics(
        clean.astype(np.int64),
        noisy.astype(np.int64),
        num_classes=plan.source.num_classes,
        ignore_index=plan.source.ignore_index,
    )
    record = {
        "file": target.file,
        "dataset": target.dataset,
        "key": target.key,
        "sha256": hashlib.sha256(data).hexdigest(),
        "clean_sha256": labels_sha256(clean),
        **numbers(statistics),
    }
    return Outcome(record, statistics)


def numbers(statistics: NoiseStatistics) -> dict[str, Any]:
    """The counts, the changed share and the Dice of each class (None for one in neither mask)."""
    share = statistics.changed_share
    return {
        "valid_pixels": statistics.valid_pixels,
        "changed_pixels": statistics.changed_pixels,
        "changed_share": None if math.isnan(share) else round(share, _DIGITS),
        "dice": [None if np.isnan(d) else round(float(d), _DIGITS) for d in statistics.dice],
    }


def labels_sha256(labels: np.ndarray) -> str:
    """SHA-256 of a label map, whatever integer type it has."""
    digest = hashlib.sha256("{} x {}:".format(*labels.shape).encode("ascii"))
    digest.update(np.ascontiguousarray(labels, dtype="<i4").tobytes())
    return digest.hexdigest()
