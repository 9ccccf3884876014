"""Time and memory of a loss with its resizing: fused, and as mmseg does it.

    python -m benchmarks.benchmark_upsample
    python -m benchmarks.benchmark_upsample --device cuda

One call is what a training step does from the logits of a head on: loss at the size of the labels, and
the gradient of the logits. The baseline is ``F.interpolate`` and ``F.cross_entropy``. Of each case the peak
of the memory beyond logits and labels is measured in a process of its own. Results go to
``benchmarks/results/upsample_<device>.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from anl_seg.kernels.terms import (
    CrossEntropy,
    NormalizedCrossEntropy,
    NormalizedFocal,
    NormalizedNegativeCrossEntropy,
    NormalizedNegativeFocal,
    Term,
)
from anl_seg.kernels.upsampled import upsampled_pixel_loss
from benchmarks._command import clock, conditions, new_parser, parse, write_results
from benchmarks._memory import peak_memory
from benchmarks._timing import interleaved_times, spread

BASELINE = "resize + cross entropy"
#: Name -> (images, classes, (h, w), (H, W)).
SHAPES = {
    "150 classes, 1 x 128 x 128 to 512 x 512": (1, 150, (128, 128), (512, 512)),
    "19 classes, 2 x 128 x 128 to 512 x 512": (2, 19, (128, 128), (512, 512)),
    "2 classes, 4 x 64 x 64 to 256 x 256": (4, 2, (64, 64), (256, 256)),
    "150 classes, 1 x 16 x 16 to 512 x 512": (1, 150, (16, 16), (512, 512)),
}
REDUCED = {
    "150 classes, 1 x 64 x 64 to 256 x 256": (1, 150, (64, 64), (256, 256)),
    "2 classes, 2 x 32 x 32 to 128 x 128": (2, 2, (32, 32), (128, 128)),
}
TERMS: dict[str, tuple[Term, ...]] = {
    "fused cross entropy": (CrossEntropy(),),
    "fused ANL-CE": (NormalizedCrossEntropy(), NormalizedNegativeCrossEntropy()),
    "fused ANL-FL": (NormalizedFocal(), NormalizedNegativeFocal()),
}
#: What is compared: name -> note.
CASES = {
    BASELINE: "",
    "resize + cross entropy + accuracy": "mmseg's step: its accuracy is logged in each iteration",
    **dict.fromkeys(TERMS, "accuracy included"),
}


def _stock(logits: Tensor, target: Tensor, with_accuracy: bool) -> Tensor:
    large = F.interpolate(logits, target.shape[1:], mode="bilinear", align_corners=False)
    if with_accuracy:
        from mmseg.models.losses import accuracy  # slow to import, and most processes do without

        accuracy(large, target, ignore_index=255)
    return F.cross_entropy(large, target, ignore_index=255)


def make_case(name: str, shape: tuple, device: str) -> Callable[[], None]:
    """A call of the case on the same random logits and labels (a tenth ignored) each time."""
    images, classes, small, large = shape
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(images, classes, *small, generator=generator)).to(device)
    target = torch.randint(0, classes, (images, *large), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.1] = 255
    target = target.to(device)
    logits.requires_grad_()

    def call() -> None:
        logits.grad = None
        if name in TERMS:
            result = upsampled_pixel_loss(logits, target, None, TERMS[name])
            loss = result.total / (target != 255).sum()
        else:
            loss = _stock(logits, target, with_accuracy="accuracy" in name)
        loss.backward()
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def _peak(name: str, shape: tuple, device: str) -> int:
    """Bytes that a call takes at its peak beyond what is there before. In a fresh process only."""
    make_case(name, (1, 3, (4, 4), (16, 16)), device)()  # what the libraries load at first use
    return peak_memory(make_case(name, shape, device), device)


def _peak_of_child(case: str, key: str, args: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "benchmarks.benchmark_upsample", "--child", case, key]
    command += ["--device", args.device, "--threads", str(args.threads)]
    command += ["--reduced"] if args.reduced else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1])


def measure(key: str, shape: tuple, args: argparse.Namespace) -> list[dict]:
    """One row per case."""
    cases = {name: make_case(name, shape, args.device) for name in CASES}
    times = interleaved_times(cases, rounds=args.rounds, clock=clock(args))
    rows = []
    for name in CASES:
        median, low, high = spread(times[name] * 1e3)
        rows.append(
            {
                "shape": key,
                "case": name,
                "median_ms": median,
                "low_ms": low,
                "high_ms": high,
                "peak_bytes": _peak_of_child(name, key, args),
            }
        )
    base = rows[0]
    for row in rows:
        row["time_ratio"] = row["median_ms"] / base["median_ms"]
        row["memory_ratio"] = row["peak_bytes"] / base["peak_bytes"]
    return rows


def report(rows: list[dict], args: argparse.Namespace) -> str:
    lines = [
        "# Losses with the resizing of the logits",
        "",
        f"Loss and gradient of the logits of a head, float32: {conditions(args)}. Memory: the peak of one "
        "call beyond its inputs, in a process of its own.",
        f"Ratios are to {BASELINE} in the same run.",
    ]
    for key in dict.fromkeys(row["shape"] for row in rows):
        lines += [
            "",
            f"## {key}",
            "",
            "| case | median, ms | quartiles, ms | ratio | peak, MB | ratio | note |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in rows:
            if row["shape"] == key:
                lines.append(
                    f"| {row['case']} | {row['median_ms']:.2f} "
                    f"| {row['low_ms']:.2f} to {row['high_ms']:.2f} | {row['time_ratio']:.2f} "
                    f"| {row['peak_bytes'] / 1e6:.1f} | {row['memory_ratio']:.3f} "
                    f"| {CASES[row['case']]} |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = new_parser(__doc__, threads=1)
    parser.add_argument("--child", nargs=2, metavar=("CASE", "SHAPE"), help=argparse.SUPPRESS)
    args = parse(parser)
    shapes = REDUCED if args.reduced else SHAPES
    if args.child:
        print(_peak(args.child[0], shapes[args.child[1]], args.device))
        return
    rows = [row for key, shape in shapes.items() for row in measure(key, shape, args)]
    write_results(args, "upsample", report(rows, args), rows)


if __name__ == "__main__":
    main()
