"""Milliseconds that each noise model takes for one mask, on one core.

    python -m benchmarks.noise_models --out docs/noise_speed.md

The mask has 512 x 512 pixels, 19 classes in about 60 regions (cells of random points), and a band of ignored
pixels around each region's border; every class has objects. The baseline is copying the mask.
Then seconds and memory on the masks of noise_worst_cases.py, in some minutes.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anl_seg.noise import NOISES, MaskNoise, build_noise, sample_rng
from benchmarks._timing import interleaved_times, measured_on, spread
from benchmarks.noise_worst_cases import in_words, table

SIZE, CLASSES, REGIONS = 512, 19, 60
BASELINE = "copy of the mask"
LIMIT = 30  # ms
_MATRIX = (0.6 * np.eye(CLASSES) + 0.4 * np.roll(np.eye(CLASSES), 2, axis=1)).tolist()

#: One typical setting of each model: its example, or one in which all 19 classes have objects.
SETTINGS: dict[str, dict[str, Any]] = {
    **{name: kind.example for name, kind in NOISES.items()},
    "TransitionMatrixNoise": dict(matrix=_MATRIX),
    "SuperpixelNoise": dict(n_segments=200),
    "DilateNoise": dict(beta=0.3, background=None),
    "ErodeNoise": dict(beta=0.3, background=None),
    "AffineNoise": dict(beta=0.3, background=None),
    "AlphaBetaNoise": dict(alpha=1.0, beta=0.3, background=None),
    "BandNoise": dict(low=3, high=9, background=None),
    "MarkovBoundaryNoise": dict(steps=180, theta1=0.8, theta2=0.05, theta3=0.2, background=None),
    "ElasticNoise": dict(alpha=50, sigma=5, min_area=1000),
    "PolygonNoise": dict(tolerance=5, background=None),
    "VertexNoise": dict(sigma=3, background=None),
    "BoundingBoxNoise": dict(rate=0.3, background=None),
    "ClassSwapNoise": dict(rate=0.3, background=None),
    "MissingObjectNoise": dict(rate=0.3, background=None),
    "SpuriousObjectNoise": dict(rate=0.3, background=None),
    "RandomChoiceNoise": dict(
        noises=[dict(type="PolygonNoise", tolerance=5), dict(type="VertexNoise", sigma=3)],
        per_object=True,
        background=None,
    ),
    "SequentialNoise": dict(
        noises=[
            dict(type="MissingObjectNoise", rate=0.3, background=None),
            dict(type="SymmetricNoise", rate=0.1),
        ]
    ),
}
#: Why a model may take longer than the limit.
REASONS = {
    "MarkovBoundaryNoise": "180 steps that follow from one another, for each of 19 classes",
    "AffineNoise": "a search over about ten poses for each of 60 objects",
    "AlphaBetaNoise": "AffineNoise in a third of the cases",
    "ErodeNoise": "two distance transforms and a ranking of pixels for each of 60 objects",
    "VertexNoise": "hundreds of vertices, filled in whole numbers, for each of 60 objects",
    "RandomChoiceNoise": "PolygonNoise or VertexNoise for each of 60 objects",
}


def make_mask() -> np.ndarray:
    """(SIZE, SIZE) uint8, see above."""
    rng = np.random.RandomState(0)
    points = rng.random(size=(REGIONS, 2)) * SIZE
    labels = np.concatenate([np.arange(CLASSES), rng.permutation(REGIONS - CLASSES) % CLASSES])
    y, x = np.indices((SIZE, SIZE))
    distance = (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
    mask = labels[distance.argmin(axis=-1)].astype(np.uint8)
    border = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    mask[border] = 255
    return mask


def make_image(mask: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE, 3) uint8: a color for each class, and noise."""
    rng = np.random.RandomState(1)
    colours = rng.random(size=(256, 3)) * 180
    image = colours[mask] + rng.random(size=(*mask.shape, 3)) * 60
    return image.astype(np.uint8)


def settings() -> dict[str, MaskNoise]:
    """Every model in its typical setting."""
    return {name: build_noise(dict(type=name, **SETTINGS[name])) for name in NOISES}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--out", type=Path, help="Markdown file to write (default: print)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    mask = make_mask()
    image = make_image(mask)

    def corrupt(noise: MaskNoise, stream: np.random.RandomState) -> np.ndarray:
        return noise(mask, stream, num_classes=CLASSES, image=image)

    cases = {BASELINE: mask.copy}
    for name, noise in settings().items():
        cases[name] = partial(corrupt, noise, sample_rng(0, "mask", noise.digest()))
    times = interleaved_times(cases, rounds=args.rounds)
    base = float(np.median(times[BASELINE]))
    lines = [
        "# Speed of the noise models",
        "",
        f"Milliseconds for one mask of {SIZE} x {SIZE} pixels, {CLASSES} classes in {REGIONS} regions, "
        f"one core; {args.rounds} interleaved rounds.",
        f"The ratio is to a {BASELINE} ({base * 1e3:.3f} ms) in the same run.",
        "",
        "| model | setting | median, ms | quartiles, ms | ratio | note |",
        "|---|---|---|---|---|---|",
    ]
    for name in NOISES:
        median, low, high = spread(times[name] * 1e3)
        setting = in_words(SETTINGS[name])
        reason = REASONS.get(name, "60 objects, one after the other")
        note = f"above {LIMIT} ms: {reason}" if median > LIMIT else ""
        lines.append(
            f"| {name} | {setting} | {median:.1f} | {low:.1f} to {high:.1f} "
            f"| {np.median(times[name]) / base:.0f} | {note} |"
        )
    lines += ["", *table(SETTINGS, make_image)]
    text = "\n".join([*lines, "", f"Measured on: {measured_on()}."])
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
