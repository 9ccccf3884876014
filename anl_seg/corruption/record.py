"""What the manifest says about one file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from anl_seg.corruption.mask_dataset import Sample
from anl_seg.corruption.plan import Plan, Target
from anl_seg.noise import NoiseStatistics, noise_statistics

_DIGITS = 6  # of shares and Dice; the counts beside them are exact


class Outcome(NamedTuple):
    """What is known of a finished file.

    Attributes:
        record: its entry in the manifest.
        statistics: its clean labels against its noisy ones.
        size: its length in bytes.
        made: why it was made, in words; None for one that was there and was kept.
    """

    record: dict[str, Any]
    statistics: NoiseStatistics
    size: int
    made: str | None = None


def outcome_of(
    plan: Plan, target: Target, sample: Sample, noisy: np.ndarray, data: bytes
) -> Outcome:
    """What the manifest says about a file.

    Args:
        plan: what is to be done.
        target: the sample.
        sample: its source, with the image where the noise looks at it.
        noisy: (H, W) the labels in the file.
        data: the file's bytes.

    Raises:
        ValueError: the labels are none that noise makes of the sample: of another size, out of range,
            or ignored elsewhere.
    """
    statistics = noise_statistics(
        sample.mask.astype(np.int64),
        noisy.astype(np.int64),
        num_classes=plan.source.num_classes,
        ignore_index=plan.source.ignore_index,
    )
    record = {
        "file": target.file,
        "dataset": target.dataset,
        "key": target.key,
        "sha256": hashlib.sha256(data).hexdigest(),
        "clean_sha256": labels_sha256(sample.mask),
        **({} if sample.image is None else {"image_sha256": _image_sha256(sample.image)}),
        **numbers(statistics),
    }
    return Outcome(record, statistics, len(data))


def source_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Which part of a sample's source is not what it was: ``"mask"``, ``"image"`` or None.

    Args:
        old: the record of a file; one without a checksum of the image says nothing about it.
        new: the record of the same file from the source as it is now.
    """
    if old.get("clean_sha256") != new["clean_sha256"]:
        return "mask"
    if old.get("image_sha256", new.get("image_sha256")) != new.get("image_sha256"):
        return "image"
    return None


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


def _image_sha256(image: np.ndarray) -> str:
    """SHA-256 of an image as the noise sees it."""
    digest = hashlib.sha256(f"{image.dtype.str} {image.shape}:".encode("ascii"))
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
