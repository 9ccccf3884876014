"""Markov boundary noise against the slow process of tests/references: same distribution, what speed.

    JSRT_ROOT=... python -m benchmarks.markov_boundary_noise --out docs/markov_boundary_noise.md

200 runs of the slow process and 2000 of the fast one on masks of a JSRT radiograph (256 x 256), at the
published settings; about six minutes on one core.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import cv2
import numpy as np

from anl_seg.noise import sample_rng
from anl_seg.noise.markov_boundary_noise import MarkovBoundaryNoise
from benchmarks._timing import interleaved_times, measured_on, spread
from tests.references.markov_boundary import markov_boundary

#: organ, setting of Yao et al., steps, theta1, theta2
CASES = [
    ("lung", "J1", 180, 0.8, 0.05),
    ("heart", "J2", 180, 0.2, 0.05),
    ("clavicle", "J1", 100, 0.8, 0.02),
]
THETA3 = 0.2
SAMPLE = "JPCLN001.png"


def dice_and_area(clean: np.ndarray, noisy: np.ndarray) -> tuple[float, float]:
    """Dice score of a noisy mask with the clean one, and the ratio of their areas."""
    clean, noisy = clean == 1, noisy == 1
    total = clean.sum() + noisy.sum()
    return 2 * (clean & noisy).sum() / total, noisy.sum() / clean.sum()


def mean_and_deviation(values: np.ndarray) -> list[tuple[float, float]]:
    """Mean and standard deviation, each with its standard error."""
    count, mean, deviation = len(values), values.mean(), values.std(ddof=1)
    fourth = ((values - mean) ** 4).mean()
    error = np.sqrt(max(fourth - deviation**4, 0) / count) / (2 * deviation)
    return [(mean, deviation / np.sqrt(count)), (deviation, error)]


def compare(
    mask: np.ndarray, parameters: dict, slow_runs: int, fast_runs: int
) -> list[tuple[str, float, float, float]]:
    """Name, slow value, fast value and difference in standard errors, of four figures."""
    noise = MarkovBoundaryNoise(**parameters)
    rng = np.random.default_rng(0)
    slow = [dice_and_area(mask, markov_boundary(mask, rng, **parameters)) for _ in range(slow_runs)]
    streams = (sample_rng(run, SAMPLE, noise.digest()) for run in range(fast_runs))
    fast = [dice_and_area(mask, noise(mask, stream, num_classes=2)) for stream in streams]
    rows = []
    for column, name in enumerate(("Dice", "area ratio")):
        pair = [mean_and_deviation(np.array(values)[:, column]) for values in (slow, fast)]
        for figure, (a, error_a), (b, error_b) in zip(("mean", "spread"), *pair):
            rows.append((f"{name}, {figure}", a, b, (b - a) / float(np.hypot(error_a, error_b))))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slow-runs", type=int, default=200)
    parser.add_argument("--fast-runs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds")
    parser.add_argument("--out", type=Path, help="Markdown file to write (default: print)")
    args = parser.parse_args()
    root = os.environ.get("JSRT_ROOT")
    if not root:
        sys.exit("markov_boundary_noise: set JSRT_ROOT to the folder of the JSRT masks.")
    lines = [
        "# Markov boundary noise: the same process, faster",
        "",
        "`MarkovBoundaryNoise` against a slow process written from the definition of Yao et al., ICLR 2023",
        f"(`tests/references/markov_boundary.py`): {args.slow_runs} runs of the slow one, "
        f"{args.fast_runs} of the fast one,",
        f"on the mask {SAMPLE} of JSRT, 256 x 256, theta3 = 0.2.",
        "The last column is the difference in standard errors.",
        "",
        "| organ | setting | figure | slow | fast | difference |",
        "|---|---|---|---|---|---|",
    ]
    speed = [
        "",
        "| organ | steps | slow, ms | fast, ms (quartiles) | slow / fast (quartiles) |",
        "|---|---|---|---|---|",
    ]
    for organ, setting, steps, theta1, theta2 in CASES:
        path = Path(root) / organ / "train" / SAMPLE
        mask = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) > 0).astype(np.uint8)
        parameters = dict(steps=steps, theta1=theta1, theta2=theta2, theta3=THETA3)
        for name, slow, fast, errors in compare(mask, parameters, args.slow_runs, args.fast_runs):
            lines.append(
                f"| {organ} | {setting} | {name} | {slow:.4f} | {fast:.4f} | {errors:+.2f} |"
            )
        noise, rng = MarkovBoundaryNoise(**parameters), np.random.default_rng(1)
        stream = sample_rng(0, SAMPLE, noise.digest())
        times = interleaved_times(
            {
                "slow": lambda m=mask, r=rng, p=parameters: markov_boundary(m, r, **p),
                "fast": lambda m=mask, s=stream, n=noise: n(m, s, num_classes=2),
            },
            rounds=args.rounds,
        )
        fast, low, high = spread(times["fast"] * 1e3)
        ratio, ratio_low, ratio_high = spread(times["slow"] / times["fast"])
        speed.append(
            f"| {organ} | {steps} | {np.median(times['slow']) * 1e3:.0f} | {fast:.1f} "
            f"({low:.1f} to {high:.1f}) | {ratio:.0f} ({ratio_low:.0f} to {ratio_high:.0f}) |"
        )
    text = "\n".join([*lines, *speed, "", f"Measured on: {measured_on()}."])
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
