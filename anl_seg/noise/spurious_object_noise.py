"""Objects that are not there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from anl_seg._checks import check_background, check_per_class, check_rate, value_per_class

from .base import MaskContext, MaskNoise, as_function, register_noise
from .object_shapes import load_object_shapes, shape_rows
from .objects import MaskObject, MaskObjects
from .sample_rng import Rng
from .window import Window


@register_noise(example=dict(rate=0.6), no_noise=dict(rate=0))
class SpuriousObjectNoise(MaskNoise):
    """Let each object spawn, with probability ``rate``, one that is not there.

    An object is an 8-connected region of one class. A mask without objects gets none, nor does one
    without background. With ``shapes`` the new object is an ellipse: class, area and elongation are
    those of a row drawn from ``shapes``, its angle is uniform, its center a background pixel. Without
    it is the silhouette of an object drawn from the mask itself, mirrored or not and turned by 0,
    90, 180 or 270 degrees, its class kept; the pixel of it that is nearest to the middle of its
    bounding box lies on a background pixel. That pixel is drawn uniformly among all valid pixels of
    the class ``background``.

    New objects cover only valid pixels of the background, so that no real object is lost: what falls
    on objects, on ignored pixels or outside the image is cut off. They may overlap one another.

    Each object has one uniform number u and spawns if u < rate; what it would spawn is drawn whether
    it does or not, and that of a smaller u lies on top. With the same generator and one rate for all
    classes, the pixels changed at one rate have the same labels at every larger one.

    Args:
        rate: probability in [0, 1], one for all or a list of one per class of the spawning object
            (the background's is not used); of the objects of each class.
        shapes: rows ``[label, area, elongation]`` as :func:`object_shapes` collects them from other
            samples: a class that is not the background, the area as a share of the image's pixels
            in (0, 1], minor over major axis in (0, 1]. A list, an array, the path of a ``.json``
            file, or None for the silhouettes of the mask itself.
        background: the class that has no objects and makes room for new ones. None: every class has
            objects, and a new one may cover any valid pixel.

    Random numbers: draws four uniform numbers per object.

    Raises:
        FileNotFoundError: ``shapes`` is a path that names no file.
        ValueError: a parameter or a label is out of range.

    Source: Tadokoro et al., 2025 (arXiv 2504.14795), adapted: there on two classes, with silhouettes
    of another sample scaled to areas of this one.
    """

    strength_name = "rate"
    # What spawns at a smaller rate spawns at a larger one, and stays on top.
    nested_in = ("rate",)

    def __init__(
        self, rate: float | list[float], shapes: object = None, background: int | None = 0
    ) -> None:
        self.rate = check_per_class("rate", rate, check_rate)
        self.background = check_background(background)
        self.shapes = _check_shapes(shapes, self.background)

    def parameters(self) -> dict[str, Any]:
        parameters = super().parameters()
        if self.shapes is not None:
            parameters["shapes"] = shape_rows(self.shapes)
        return parameters

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        num_classes = context.num_classes
        rates = value_per_class("rate", self.rate, num_classes)
        if self.shapes is not None and self.shapes[:, 0].max() >= num_classes:
            row = int(np.argmax(self.shapes[:, 0] >= num_classes))
            raise ValueError(
                f"row {row} of object shapes: label must lie in [0, {num_classes}), "
                f"got {int(self.shapes[row, 0])}"
            )
        objects = MaskObjects(mask, valid, background=self.background)
        draws = rng.random((len(objects), 4))
        room = valid if self.background is None else valid & (mask == self.background)
        places = np.flatnonzero(room)
        noisy = mask.copy()
        spawning = np.flatnonzero(draws[:, 0] < np.array(rates)[objects.labels])
        if not len(places):
            return noisy
        for position in spawning[np.argsort(-draws[spawning, 0], kind="stable")].tolist():
            _, which, turn, where = draws[position].tolist()
            # Draws are multiples of 2^-53 below 1: their product with a count never rounds up to it.
            y, x = divmod(int(places[int(where * len(places))]), mask.shape[1])
            if self.shapes is None:
                lender = objects[int(which * len(objects))]
                label = lender.label
                window, pixels = _silhouette(objects, lender, int(turn * 8), y, x)
            else:
                label, area, elongation = self.shapes[int(which * len(self.shapes))].tolist()
                window, pixels = _ellipse(area * mask.size, elongation, turn, y, x, mask.shape)
            visible = window.grown(0, mask.shape)
            pixels = pixels[visible.inside(window)] & room[visible.slices]
            noisy[visible.slices][pixels] = int(label)
        return noisy


spurious_object_noise = as_function(SpuriousObjectNoise)


def _silhouette(
    objects: MaskObjects, lender: MaskObject, turn: int, y: int, x: int
) -> tuple[Window, np.ndarray]:
    """An object in one of eight positions, its middle at (y, x): a window, not cut, and its pixels."""
    pixels = np.rot90(objects.own(lender, lender.window), turn % 4)
    if turn >= 4:
        pixels = pixels[:, ::-1]
    height, width = pixels.shape
    rows, columns = np.nonzero(pixels)
    nearest = int(np.argmin((2 * rows - height + 1) ** 2 + (2 * columns - width + 1) ** 2))
    top, left = y - int(rows[nearest]), x - int(columns[nearest])
    return Window(top, top + height, left, left + width), pixels


def _ellipse(
    area: float, elongation: float, turn: float, y: int, x: int, image_shape: tuple[int, int]
) -> tuple[Window, np.ndarray]:
    """Pixels whose center lies in an ellipse around (y, x), in a window cut at the image's edges.

    Args:
        area: in pixels.
        elongation: minor over major axis, in (0, 1].
        turn: angle of the major axis, in half turns.
    """
    # In float64 and one operation at a time, which every CPU rounds alike.
    reach = min(math.sqrt(area / (math.pi * elongation)), sum(image_shape))
    window = Window(y, y + 1, x, x + 1).grown(int(reach), image_shape)
    down = np.arange(window.top - y, window.bottom - y, dtype=np.float64)[:, None]
    right = np.arange(window.left - x, window.right - x, dtype=np.float64)
    cosine, sine = math.cos(math.pi * turn), math.sin(math.pi * turn)
    along = elongation * (right * cosine + down * sine)
    across = down * cosine - right * sine
    return window, along * along + across * across <= area * elongation / math.pi


def _check_shapes(shapes: object, background: int | None) -> np.ndarray | None:
    if shapes is None:
        return None
    shapes = load_object_shapes(shapes)
    if background is not None and (shapes[:, 0] == background).any():
        row = int(np.argmax(shapes[:, 0] == background))
        raise ValueError(
            f"row {row} of object shapes: label {background} is the background, "
            "which has no objects"
        )
    return shapes
