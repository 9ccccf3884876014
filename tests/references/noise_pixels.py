"""What the object models do with pixels, written from the definition: slow, obvious, one by one."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage


def objects(mask, valid, *, background, per_object):
    """``(label, area, (top, bottom, left, right), pixels)`` of each object, in their order."""
    found = []
    for label in np.unique(mask[valid]).tolist():
        pixels = valid & (mask == label)
        numbers, count = ndimage.label(pixels, structure=np.ones((3, 3)))
        if label == background:
            continue
        for own in [numbers == n + 1 for n in range(count)] if per_object else [pixels]:
            rows, columns = np.nonzero(own)
            box = (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
            found.append(((label, np.flatnonzero(own)[0]), (label, len(rows), box, own)))
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]


def in_or_on(polygon, x, y):
    """Whether a point with whole coordinates lies in (even-odd) or on a polygon."""
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0)):
        x0, y0, x1, y1 = int(x0), int(y0), int(x1), int(y1)
        across = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        on_line = across == 0
        if on_line and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
            return True
        # A ray to the left crosses the edge; its lower end belongs to the next one.
        if (y0 > y) != (y1 > y) and (across > 0) == (y1 > y0):
            inside = not inside
    return inside


def fill(polygons, window):
    """Bool of the window's shape, True in or on any of the polygons."""
    top, bottom, left, right = window
    return np.array(
        [
            [any(in_or_on(p, x, y) for p in polygons) for x in range(left, right)]
            for y in range(top, bottom)
        ]
    )


def outer_contours(pixels):
    """The outlines of the 8-connected regions, by OpenCV's own account of which lies in which."""
    found, hierarchy = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parents = [] if hierarchy is None else hierarchy[0, :, 3].tolist()
    return [contour[:, 0] for contour, parent in zip(found, parents) if parent < 0]


def painted_boxes(mask, valid, objects_of_mask, boxed):
    """The mask with some of its objects (see :func:`objects`) as boxes, the smaller in front."""
    pictures = []
    for (label, _, (top, bottom, left, right), own), is_boxed in zip(objects_of_mask, boxed):
        pixels = own
        if is_boxed:
            pixels = np.zeros_like(valid)
            pixels[top:bottom, left:right] = valid[top:bottom, left:right]
        pictures.append((-pixels.sum(), label, pixels))
    noisy = mask.copy()
    for _, label, pixels in sorted(pictures, key=lambda picture: picture[0]):
        noisy[pixels] = label
    return noisy


def majority(votes, draw, num_classes):
    """The class most voted for in each superpixel that has a vote; a draw chooses among equals."""
    winners = {}
    for segment in np.unique(votes // num_classes).tolist():
        count = np.bincount(votes[votes // num_classes == segment] % num_classes)
        best = np.flatnonzero(count == count.max())
        winners[segment] = best[int(draw[segment] * len(best))]
    return winners
