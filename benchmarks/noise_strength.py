"""What each noise model really does, against what its parameter asks for.

    python -m benchmarks.noise_strength --out docs/noise_strength.md

200 masks of 256 x 256 of the embedded data set (``SyntheticShapesDataset``). Exit status 1 if a row is out
of its tolerance.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from anl_seg.datasets._shapes import CLASSES, draw_sample
from anl_seg.noise import MaskNoise, build_noise, noise_statistics, sample_rng
from anl_seg.noise.objects import MaskObjects
from anl_seg.noise.superpixels import superpixels
from benchmarks._timing import measured_on

SIZE = 256
NUM_CLASSES = len(CLASSES)
_MATRIX = (0.7 * np.eye(NUM_CLASSES) + 0.3 * np.roll(np.eye(NUM_CLASSES), 1, axis=1)).tolist()


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        model: as in a config.
        what: the figure, with its denominator.
        asked: value that the parameters ask for.
        mean: mean of the realized values.
        worst: largest deviation that counts against the tolerance.
        tolerance: of ``worst``.
        note: what ``worst`` is the deviation of.
    """

    model: str
    what: str
    asked: float
    mean: float
    worst: float
    tolerance: float
    note: str

    @property
    def holds(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.worst <= self.tolerance


@cache
def sample(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask number ``index``."""
    return draw_sample(0, "train", index, (SIZE, SIZE))


def corrupt(noise: MaskNoise, index: int, mask: np.ndarray | None = None) -> np.ndarray:
    """The noisy mask number ``index``; of ``mask`` where given."""
    image, own = sample(index)
    stream = sample_rng(0, f"train/{index}", noise.digest())
    mask = own if mask is None else mask
    return noise(mask, stream, num_classes=NUM_CLASSES, image=image)


def one_object(index: int) -> np.ndarray:
    """(2 SIZE, 2 SIZE): the largest object of mask ``index`` alone, with room on all sides."""
    mask = sample(index)[1]
    objects = MaskObjects(mask, mask != 255, background=0)
    largest = max(objects, key=lambda obj: obj.area)
    alone = np.where(objects.components == largest.number, mask, 0)
    return np.pad(alone, SIZE // 2)


# --- models of single pixels: the share of changed pixels ---


def changed_share(cfg: dict, asked: float, count: int) -> Row:
    noise = build_noise(cfg)
    shares = [
        noise_statistics(sample(i)[1], corrupt(noise, i), num_classes=NUM_CLASSES).changed_share
        for i in range(count)
    ]
    worst = max(abs(share - asked) for share in shares)
    return Row(
        name(cfg), "changed pixels, of valid pixels", asked, np.mean(shares), worst, 0.01, "a mask"
    )


# --- models of objects: area, XOR, width ---


def area_change(cfg: dict, sign: int, count: int) -> Row:
    noise, beta = build_noise(cfg), cfg["beta"]
    changes, worst = [], 0.0
    for i in range(count):
        mask = one_object(i)
        area = int((mask > 0).sum())
        change = sign * (int((corrupt(noise, i, mask) > 0).sum()) - area)
        changes.append(change / area)
        worst = max(worst, abs(change - beta * area))
    what = "change of area, of the object's area"
    return Row(name(cfg), what, beta, np.mean(changes), worst, 1.0, "an object, pixels")


def xor_change(cfg: dict, count: int) -> Row:
    noise, beta = build_noise(cfg), cfg["beta"]
    changes, worst = [], 0.0
    for i in range(count):
        mask = one_object(i) > 0
        noisy = corrupt(noise, i, one_object(i)) > 0
        ring = int((mask & ~ndimage.binary_erosion(mask)).sum())
        xor = int((mask ^ noisy).sum())
        changes.append(xor / mask.sum())
        worst = max(worst, abs(xor - beta * mask.sum()) / ring)
    what = "XOR, of the object's area"
    return Row(
        name(cfg), what, beta, np.mean(changes), worst, 1.0, "an object, rings of its outline"
    )


def band_width(cfg: dict, count: int) -> Row:
    noise = build_noise(cfg)
    low, high = noise.low, noise.high
    widths, worst = [], 0.0
    for i in range(count):
        mask = one_object(i) > 0
        noisy = corrupt(noise, i, one_object(i)) > 0
        distance = ndimage.distance_transform_edt(~mask if noisy.sum() > mask.sum() else mask)
        # All pixels nearer than r change: the farthest that did is just below r.
        width = float(distance[mask ^ noisy].max(initial=0))
        widths.append(width)
        worst = max(worst, low - 1 - width, width - high)
    return Row(
        name(cfg),
        "width in pixels",
        (low + high) / 2,
        np.mean(widths),
        worst,
        0.0,
        "outside [low - 1, high]",
    )


def outline_shift(cfg: dict, count: int) -> Row:
    noise, tolerance = build_noise(cfg), cfg["tolerance"]
    shifts = []
    for i in range(count):
        mask = one_object(i) > 0
        noisy = corrupt(noise, i, one_object(i)) > 0
        depth = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
        shifts.append(float(depth[mask ^ noisy].max(initial=0)))
    worst = max(max(shifts) - tolerance, 0.0)
    what = "largest shift of the outline, pixels"
    return Row(
        name(cfg), what, tolerance, np.mean(shifts), worst, 2.0, "excess over the tolerance asked"
    )


def vertex_shift(cfg: dict, count: int) -> Row:
    noise, sigma = build_noise(cfg), cfg["sigma"]
    # The top of a large diamond is one vertex: where it is afterward is how far it moved.
    y, x = np.indices((SIZE, SIZE))
    diamond = (abs(y - SIZE // 2) + abs(x - SIZE // 2) <= SIZE // 4).astype(np.uint8)
    top = SIZE // 2 - SIZE // 4
    shifts = [
        int(np.flatnonzero(corrupt(noise, i, diamond).any(axis=1))[0]) - top for i in range(count)
    ]
    deviation = float(np.std(shifts))
    error = 3 * sigma / math.sqrt(2 * count)
    what = "standard deviation of a vertex, pixels"
    return Row(
        name(cfg), what, sigma, deviation, abs(deviation - sigma), error, "3 standard errors"
    )


def displacement(cfg: dict, count: int) -> Row:
    noise = build_noise(cfg)
    asked = cfg["alpha"] / (math.sqrt(3) * 2 * math.sqrt(math.pi) * cfg["sigma"])
    # A mask whose label is its column shows where each pixel came from.
    columns = np.broadcast_to(np.arange(SIZE, dtype=np.uint16), (SIZE, SIZE)).copy()
    inner = slice(32, SIZE - 32)
    values = []
    for i in range(min(count, 40)):
        stream = sample_rng(0, f"train/{i}", noise.digest())
        noisy = noise(columns, stream, num_classes=SIZE, ignore_index=-1)
        values.append(float(np.std(noisy[inner, inner].astype(int) - columns[inner, inner])))
    # Rounding to whole pixels adds 1 / 12 to the variance.
    mean = math.sqrt(max(np.mean(np.square(values)) - 1 / 12, 0))
    what = "standard deviation of a displacement, pixels"
    return Row(
        name(cfg), what, asked, mean, abs(mean - asked) / asked, 0.05, "relative, mean of 40 masks"
    )


# --- models of objects: how many are hit ---


def objects_hit(
    cfg: dict, hit: Callable[[np.ndarray, np.ndarray, np.ndarray], bool], what: str, count: int
) -> Row:
    noise, rate = build_noise(cfg), cfg["rate"]
    hits = total = 0
    for i in range(count):
        mask = sample(i)[1]
        noisy = corrupt(noise, i)
        objects = MaskObjects(mask, mask != 255, background=0)
        for obj in objects:
            hits += hit(objects.components == obj.number, mask, noisy)
        total += len(objects)
    error = 3 * math.sqrt(rate * (1 - rate) / total)
    return Row(
        name(cfg), what, rate, hits / total, abs(hits / total - rate), error, "3 standard errors"
    )


def gone(own: np.ndarray, mask: np.ndarray, noisy: np.ndarray) -> bool:
    return bool((noisy[own] != mask[own]).all())


def boxed(cfg: dict, count: int) -> Row:
    noise, rate = build_noise(cfg), cfg["rate"]
    hits = 0
    for i in range(count):
        mask = one_object(i)
        hits += bool((corrupt(noise, i, mask) != mask).any())
    error = 3 * math.sqrt(rate * (1 - rate) / count)
    what = "objects boxed, of objects (one per mask)"
    return Row(
        name(cfg), what, rate, hits / count, abs(hits / count - rate), error, "3 standard errors"
    )


def added(cfg: dict, count: int) -> Row:
    noise, rate = build_noise(cfg), cfg["rate"]
    extra = total = 0
    for i in range(count):
        mask = sample(i)[1]
        total += len(MaskObjects(mask, mask != 255, background=0))
        extra += ndimage.label(corrupt(noise, i) != mask, np.ones((3, 3)))[1]
    what = "changed regions, of objects (those that touch count once)"
    tolerance = 0.05 + 3 * math.sqrt(rate * (1 - rate) / total)
    return Row(
        name(cfg),
        what,
        rate,
        extra / total,
        abs(extra / total - rate),
        tolerance,
        "3 standard errors and 0.05",
    )


def samples_hit(cfg: dict, asked: float, count: int) -> Row:
    noise = build_noise(cfg)
    hits = sum(bool((corrupt(noise, i) != sample(i)[1]).any()) for i in range(count))
    error = 3 * math.sqrt(asked * (1 - asked) / count)
    share = hits / count
    return Row(
        name(cfg),
        "samples hit, of samples",
        asked,
        share,
        abs(share - asked),
        error,
        "3 standard errors",
    )


def segments(cfg: dict, count: int) -> Row:
    asked = cfg["n_segments"]
    numbers = [int(superpixels(sample(i)[0], asked).max()) + 1 for i in range(min(count, 40))]
    worst = max(abs(number - asked) for number in numbers) / asked
    return Row(
        name(cfg),
        "superpixels of an image",
        asked,
        np.mean(numbers),
        worst,
        0.1,
        "relative, an image",
    )


def name(cfg: dict) -> str:
    """A config as a call."""
    arguments = [
        f"{key}={'...' if isinstance(value, list) else value}"
        for key, value in cfg.items()
        if key != "type"
    ]
    return f"{cfg['type']}({', '.join(arguments)})"


def measure(count: int) -> list[Row]:
    """All rows, over ``count`` masks each."""
    dilate, erode = (dict(type=kind, beta=0.3) for kind in ("DilateNoise", "ErodeNoise"))
    rate, shared = 0.3, dict(type="RandomChoiceNoise", weights=[0.4, 0.6])
    pair = [None, dict(type="SymmetricNoise", rate=0.2)]
    return [
        changed_share(dict(type="SymmetricNoise", rate=0.4), 0.4, count),
        changed_share(dict(type="PairNoise", rate=0.4), 0.4, count),
        changed_share(dict(type="TransitionMatrixNoise", matrix=_MATRIX), 0.3, count),
        changed_share(dict(type="InstanceDependentNoise", rate=0.4), 0.4, count),
        segments(dict(type="SuperpixelNoise", n_segments=200), count),
        area_change(dilate, 1, count),
        area_change(erode, -1, count),
        xor_change(dict(type="AffineNoise", beta=0.3), count),
        samples_hit(dict(type="AlphaBetaNoise", alpha=0.5, beta=0.5), 0.5, count),
        band_width(dict(type="BandNoise", low=3, high=9), count),
        displacement(dict(type="ElasticNoise", alpha=100, sigma=5), count),
        outline_shift(dict(type="PolygonNoise", tolerance=5), count),
        vertex_shift(dict(type="VertexNoise", sigma=3), count),
        boxed(dict(type="BoundingBoxNoise", rate=rate), count),
        objects_hit(
            dict(type="ClassSwapNoise", rate=rate),
            gone,
            "objects of a wrong class, of objects",
            count,
        ),
        objects_hit(
            dict(type="MissingObjectNoise", rate=rate), gone, "objects missing, of objects", count
        ),
        added(dict(type="SpuriousObjectNoise", rate=rate), count),
        samples_hit(dict(shared, noises=pair), 0.6, count),
    ]


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| model | figure | asked | realised, mean | worst deviation | tolerance | deviation of | within |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        numbers = " | ".join(f"{v:.4g}" for v in (row.asked, row.mean, row.worst, row.tolerance))
        lines.append(
            f"| {row.model} | {row.what} | {numbers} | {row.note} | {'yes' if row.holds else 'NO'} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=200)
    parser.add_argument("--out", type=Path, help="Markdown file to write (default: print)")
    args = parser.parse_args()
    rows = measure(args.masks)
    text = "\n".join(
        [
            "# Strength of the noise models",
            "",
            f"What a parameter asks for and what {args.masks} masks of {SIZE} x {SIZE} got",
            "(embedded data set, seed 0). Area, XOR and width are those of one object with room around.",
            "`MarkovBoundaryNoise` and `SequentialNoise` have no single strength; for the former see",
            "[markov_boundary_noise.md](markov_boundary_noise.md).",
            "",
            table(rows),
            "",
            f"Measured on: {measured_on()}.",
        ]
    )
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(not all(row.holds for row in rows))


if __name__ == "__main__":
    main()
