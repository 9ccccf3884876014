"""Models that redraw the shape of one object after the other: what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .base import MaskContext, MaskNoise
from .objects import MaskObject, MaskObjects
from .outline import Outline, fill_outlines
from .sample_rng import Rng
from .vacated import fill_vacated
from .window import Shape, Window

#: The new shape of one object, from the objects of the clean mask, the object, and (H, W) bool with
#: True where the mask has a class. An outline is filled later, together with those of other objects.
#: None leaves the object as it is.
Reshape = Callable[[MaskObjects, MaskObject, np.ndarray], "Shape | Outline | None"]


class ShapeNoise(MaskNoise):
    """Base class of models that redraw the shape of each object by itself.

    A subclass stores ``background`` and implements :meth:`reshaper`, so that
    :class:`RandomChoiceNoise` can give each object a model of its own.
    """

    background: int | None

    def reshaper(self, rng: Rng, num_classes: int) -> Reshape:
        """What redraws one object after the other, in the order of the objects.

        Draws here what the objects of a class share, and in each call what one has to itself.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement reshaper")

    @property
    def whole_classes(self) -> bool:
        """Whether all pixels of a class are one object when the model is called by itself."""
        return False

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        objects = MaskObjects(
            mask, valid, background=self.background, per_object=not self.whole_classes
        )
        return reshape_objects(mask, valid, objects, self.reshaper(rng, context.num_classes), rng)


def reshape_objects(
    mask: np.ndarray, valid: np.ndarray, objects: MaskObjects, reshape: Reshape, rng: Rng
) -> np.ndarray:
    """Return a copy of ``mask`` with every object redrawn, and painted in random order.

    Args:
        mask: (H, W) clean labels.
        valid: (H, W) bool, which pixels have a class.
        objects: the objects of ``mask``.
        reshape: draws one object after the other.
        rng: draws the order of painting, after all that ``reshape`` draws.
    """
    drawn = [reshape(objects, obj, valid) for obj in objects]
    filled = iter(fill_outlines([shape for shape in drawn if isinstance(shape, Outline)], valid))
    shapes = [next(filled) if isinstance(shape, Outline) else shape for shape in drawn]
    order = rng.permutation(len(objects)).tolist()
    return repaint(mask, valid, objects, shapes, order)


def repaint(
    mask: np.ndarray,
    valid: np.ndarray,
    objects: MaskObjects,
    shapes: Sequence[Shape | None],
    order: Sequence[int],
) -> np.ndarray:
    """A copy of ``mask`` in which each object has its new shape.

    First all pixels that an object has left take the label of the nearest valid pixel outside the
    object, from the clean mask; then the new shapes are painted one over the other. An object that
    covers every valid pixel has nothing around it and stays as it is.

    Args:
        mask: (H, W) clean labels.
        valid: (H, W) bool, which pixels have a class.
        objects: the objects of ``mask``.
        shapes: the new shape of each, or None for one that keeps its own.
        order: positions of all objects, in the order of painting.
    """
    noisy = mask.copy()
    valid_pixels = int(valid.sum())
    final, vacated = [], []
    for obj, shape in zip(objects, shapes):
        if shape is None or obj.area == valid_pixels:
            final.append(Shape(obj.window, objects.own(obj, obj.window)))
            continue
        final.append(shape)
        left = objects.own(obj, obj.window) & ~within(shape, obj.window)
        if left.any():
            vacated.append((obj, left))
    fill_vacated(noisy, mask, valid, objects, vacated)
    for position in order:
        noisy[final[position].window.slices][final[position].pixels] = objects[position].label
    return noisy


def within(shape: Shape, box: Window) -> np.ndarray:
    """Bool of the shape of ``box``, True at the pixels of ``shape``."""
    result = np.zeros(box.shape, dtype=bool)
    top, bottom = max(box.top, shape.window.top), min(box.bottom, shape.window.bottom)
    left, right = max(box.left, shape.window.left), min(box.right, shape.window.right)
    if top < bottom and left < right:
        shared = Window(top, bottom, left, right)
        result[shared.inside(box)] = shape.pixels[shared.inside(shape.window)]
    return result
