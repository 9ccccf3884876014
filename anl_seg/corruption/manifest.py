"""What the manifest of a corrupted data set says."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import PIL
import scipy

from anl_seg.corruption.plan import Plan
from anl_seg.corruption.record import numbers
from anl_seg.masks.manifest_file import FORMAT
from anl_seg.noise import NoiseStatistics
from anl_seg.version import __version__


def packages() -> dict[str, str]:
    """Versions of what decides the noise and the bytes of a file."""
    return {
        "anl_seg": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "python": platform.python_version(),
    }


def head(plan: Plan) -> dict[str, Any]:
    """The settings: what stands in the manifest before the first file is written."""
    source, corrupt = plan.source, plan.corrupt
    return {
        "format": FORMAT,
        "status": "incomplete",
        "noise": corrupt.noise.config(),
        "noise_digest": corrupt.noise.digest(),
        "seed": corrupt.seed,
        "num_classes": source.num_classes,
        "ignore_index": source.ignore_index,
        "key_parts": source.key_parts,
        "classes": None if source.class_names is None else list(source.class_names),
        "source": source.origin,
        "datasets": [
            {
                "place": part.place,
                "folder": plan.folder(number),
                "labels": None if raw is None else raw.runs(),
                **part.describe(),
            }
            for number, (part, raw) in enumerate(zip(source.parts, plan.raw))
        ],
        "samples": {"count": len(plan.targets), "names_sha256": plan.names_sha256()},
        "packages": packages(),
    }


def complete(
    head: dict[str, Any],
    plan: Plan,
    records: Iterable[dict[str, Any]],
    total: NoiseStatistics,
) -> dict[str, Any]:
    """The whole manifest of a finished run; the order of the records does not matter.

    Args:
        head: see :func:`head`.
        plan: what was done.
        records: of all files.
        total: the statistics of all files together.
    """
    order = {target.file: i for i, target in enumerate(plan.targets)}
    records = sorted(records, key=lambda record: order[record["file"]])
    return {
        **head,
        "status": "complete",
        "totals": {"files": len(records), **numbers(total)},
        "confusion": total.confusion.tolist(),
        "files": records,
    }
