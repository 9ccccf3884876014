"""How large and how slim the objects of a data set are."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from anl_seg._checks import check_background, check_background_in_range, check_mask
from anl_seg._files import replace_atomically

from .objects import MaskObjects


def object_shapes(
    masks: Iterable[np.ndarray],
    *,
    num_classes: int,
    background: int | None = 0,
    ignore_index: int = 255,
) -> list[list[int | float]]:
    """One row ``[label, area, elongation]`` for each object of the masks.

    An object is an 8-connected region of one class. Its area is a share of all pixels of its mask,
    ignored ones included, in (0, 1]. Its elongation is that of the ellipse with the same second
    moments: minor over major axis, in (0, 1]. Pixels count as squares, so that a line of n pixels
    has elongation 1 / n.

    Args:
        masks: (H, W) integers in [0, num_classes) or ``ignore_index``; one is held at a time.
        num_classes: number of classes, at least 2.
        background: the class that has no objects; None if every class has.
        ignore_index: label of the pixels that have no class.

    Returns:
        Rows in the order of the masks, and within one of class and first pixel in reading order:
        what :class:`SpuriousObjectNoise` takes as ``shapes``.

    Raises:
        ValueError: a parameter or a label is out of range.
    """
    background = check_background(background)
    rows: list[list[int | float]] = []
    for mask in masks:
        valid = check_mask(mask, num_classes=num_classes, ignore_index=ignore_index)
        check_background_in_range(background, num_classes)
        objects = MaskObjects(mask, valid, background=background)
        sums = _coordinate_sums(objects.components, len(objects))
        for obj in objects:
            elongation = _elongation(obj.area, *sums[obj.number])
            rows.append([obj.label, obj.area / mask.size, elongation])
    return rows


def save_object_shapes(path: str | os.PathLike, rows: object) -> None:
    """Write the rows of :func:`object_shapes` as JSON, one row a line.

    The file at ``path`` is the old one or the new one, never a mixture; a failure leaves the old
    one and no temporary file.

    Args:
        path: a ``.json`` file; its folder must exist.
        rows: ``[label, area, elongation]`` each.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the path does not end in ``.json``, there is no row, or a row is out of range.
    """
    path = _json_path(path)
    lines = [json.dumps(row) for row in shape_rows(load_object_shapes(rows))]
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write object shapes to")
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    replace_atomically(path, text.encode("utf-8"))


def load_object_shapes(shapes: object) -> np.ndarray:
    """Checked rows ``[label, area, elongation]`` from an array, a nested list or a file.

    Args:
        shapes: (N, 3) numbers, N at least 1, or the path of a ``.json`` file of them.

    Returns:
        (N, 3) float64, read-only.

    Raises:
        FileNotFoundError: the path names no file.
        ValueError: the file is of another kind, or the content is no such rows.
    """
    where = "object shapes"
    if isinstance(shapes, (str, os.PathLike)):
        path = _json_path(shapes)
        where = f"object shapes {str(path)!r}"
        if not path.is_file():
            raise FileNotFoundError(f"no object shapes at {str(path)!r}")
        try:
            shapes = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{where} must be a JSON file: {error}") from None
    try:
        # A copy: the caller's array may change later.
        array = np.array(shapes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} must be rows [label, area, elongation]: {error}") from None
    if array.ndim != 2 or array.shape[1] != 3 or len(array) == 0:
        raise ValueError(
            f"{where} must be at least one row [label, area, elongation], got shape {array.shape}"
        )
    label, area, elongation = array.T
    # Each written so that NaN is wrong. Labels are checked against the classes when in use.
    whole = (label >= 0) & (label < np.inf) & (np.floor(label) == label)
    for name, values, right, allowed in (
        ("label", label, whole, "an integer of at least 0"),
        ("area", area, (area > 0) & (area <= 1), "a share of the image's pixels in (0, 1]"),
        ("elongation", elongation, (elongation > 0) & (elongation <= 1), "a ratio in (0, 1]"),
    ):
        if not right.all():
            row = int(np.flatnonzero(~right)[0])
            raise ValueError(f"row {row} of {where}: {name} must be {allowed}, got {values[row]:g}")
    array.setflags(write=False)
    return array


def shape_rows(shapes: np.ndarray) -> list[list[int | float]]:
    """The rows of what :func:`load_object_shapes` returned, as values that JSON can hold."""
    return [[int(label), area, elongation] for label, area, elongation in shapes.tolist()]


def _json_path(path: str | os.PathLike) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise ValueError(f"object shapes are kept in a .json file, got {str(path)!r}")
    return path


def _coordinate_sums(components: np.ndarray, count: int) -> list[list[int]]:
    """Sums of x, y, x x, y y and x y over the pixels of each object, by its number.

    They are whole numbers that float64 holds exactly, whatever the order of summation.
    """
    pixels = np.flatnonzero(components)
    numbers = components.reshape(-1)[pixels]
    y, x = np.divmod(pixels, max(components.shape[1], 1))
    sums = [np.bincount(numbers, values, count + 1) for values in (x, y, x * x, y * y, x * y)]
    return np.stack(sums, axis=1).astype(np.int64).tolist()


def _elongation(area: int, x: int, y: int, xx: int, yy: int, xy: int) -> float:
    """Minor over major axis, from the sums of the coordinates of ``area`` pixels."""
    # 12 area^2 times the covariance, in whole numbers; a pixel adds its own, 1 / 12 along each side.
    vertical = 12 * (area * yy - y * y) + area * area
    horizontal = 12 * (area * xx - x * x) + area * area
    mixed = 12 * (area * xy - x * y)
    # Axes go with the roots of the eigenvalues; the smaller one is the determinant over the larger,
    # which does not cancel as the difference of two close numbers would.
    determinant = vertical * horizontal - mixed * mixed
    spread = math.sqrt((vertical - horizontal) ** 2 + 4 * mixed * mixed)
    return min(2 * math.sqrt(determinant) / (vertical + horizontal + spread), 1.0)
