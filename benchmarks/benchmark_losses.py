"""Time and memory of the losses: fused, functional, compiled, transcribed, against cross entropy.

    python -m benchmarks.benchmark_losses --threads 2
    python -m benchmarks.benchmark_losses --device cuda --dtype float32 float16 bfloat16

A case is the mean over all valid pixels (a tenth is ignored, save for the direct transcription, which
knows no ignored pixels) and, where asked, its gradient. The baseline is ``F.cross_entropy``. The peak of
the memory beyond logits and labels is measured in a process of its own. Results go to
``benchmarks/results/losses_<device>.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from anl_seg import functional
from anl_seg.kernels import fused_pixel_loss, terms
from benchmarks._command import clock, conditions, new_parser, parse, write_results
from benchmarks._memory import peak_memory
from benchmarks._timing import interleaved_times, spread
from tests.references import direct_losses

BASELINE = "F.cross_entropy"
SHAPES = {
    "cpu": [(4, 19, 256, 256), (2, 150, 256, 256), (8, 2, 256, 256), (4, 19, 64, 64)],
    "cuda": [(4, 19, 512, 512), (4, 150, 512, 512), (16, 2, 512, 512), (4, 19, 128, 128)],
}
REDUCED = [(2, 19, 32, 32), (2, 2, 32, 32)]
_ANL_CE = (
    terms.NormalizedCrossEntropy(5.0),
    terms.NormalizedNegativeCrossEntropy(5.0),
)
_ANL_FL = (terms.NormalizedFocal(5.0), terms.NormalizedNegativeFocal(5.0))
FUSED = {
    "fused ANL-CE": _ANL_CE,
    "fused ANL-FL": _ANL_FL,
    "fused CE": (terms.CrossEntropy(),),
    "fused MAE": (terms.MeanAbsoluteError(),),
    "fused SCE": (terms.CrossEntropy(0.1), terms.ReverseCrossEntropy()),
    "fused GCE": (terms.GeneralizedCrossEntropy(),),
    "fused NCE + AGCE": (
        terms.NormalizedCrossEntropy(),
        terms.AsymmetricGeneralizedCrossEntropy(4.0, 6.0, 1.5),
    ),
}
#: What is compared: name -> note.
CASES = {
    BASELINE: "",
    "mmseg CrossEntropyLoss": "avg_non_ignore=True",
    **dict.fromkeys(FUSED, ""),
    "functional ANL-CE": "labels gathered",
    "compiled ANL-CE": "torch.compile of the functional form",
    "direct ANL-CE": "one-hot labels, as in the authors' code; no ignored pixels",
}
_COMPILED: dict[str, Callable] = {}


def _mean(loss: Tensor, target: Tensor) -> Tensor:
    return loss.sum() / (target != 255).sum()


def _functional(logits: Tensor, target: Tensor) -> Tensor:
    return _mean(functional.active_negative_cross_entropy(logits, target), target)


def _direct(logits: Tensor, target: Tensor) -> Tensor:
    nce = direct_losses.normalized_cross_entropy(logits, target)
    return (
        5.0 * nce + 5.0 * direct_losses.normalized_negative_cross_entropy(logits, target)
    ).mean()


def _loss(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    if name in FUSED:
        return lambda z, y: _mean(fused_pixel_loss(z, y, FUSED[name])[0], y)
    if name == "functional ANL-CE":
        return _functional
    if name == "compiled ANL-CE":
        return _COMPILED.setdefault(name, torch.compile(_functional, dynamic=False))
    if name == "direct ANL-CE":
        return lambda z, y: _direct(z.float(), y)
    if name == "mmseg CrossEntropyLoss":
        from mmseg.models.losses import CrossEntropyLoss  # slow to import

        loss = CrossEntropyLoss(avg_non_ignore=True)
        return lambda z, y: loss(z, y, ignore_index=255)
    return lambda z, y: F.cross_entropy(z, y, ignore_index=255)


def make_case(
    name: str, shape: tuple[int, ...], device: str, dtype: str, backward: bool
) -> Callable[[], None]:
    """A call of the case on the same random logits and labels each time."""
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(shape, generator=generator)).to(device, getattr(torch, dtype))
    target = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    if not name.startswith("direct"):
        target[torch.rand(target.shape, generator=generator) < 0.1] = 255
    target = target.to(device)
    logits.requires_grad_()
    function = _loss(name)

    def call() -> None:
        logits.grad = None
        with torch.set_grad_enabled(backward):
            loss = function(logits, target)
        if backward:
            loss.backward()
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def copy_seconds(shape: tuple[int, ...], device: str, dtype: str, rounds: int) -> float:
    """Median seconds of copying a tensor of the logits' size: two passes over them."""
    source = torch.randn(shape).to(device, getattr(torch, dtype))
    there = torch.empty_like(source)

    def call() -> None:
        there.copy_(source)
        if device == "cuda":
            torch.cuda.synchronize()

    return spread(interleaved_times({"copy": call}, rounds=rounds)["copy"])[0]


def _peak_of_child(case: str, shape: tuple[int, ...], dtype: str, device: str) -> int:
    command = [sys.executable, "-m", "benchmarks.benchmark_losses", "--device", device]
    command += ["--child", case, json.dumps(shape), dtype]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1])


def _names(args: argparse.Namespace) -> list[str]:
    return [name for name in CASES if args.compile or not name.startswith("compiled")]


def measure(shape: tuple[int, ...], dtype: str, args: argparse.Namespace) -> dict:
    """Rows of one shape and dtype."""
    columns = {}
    for backward in (False, True):
        cases = {n: make_case(n, shape, args.device, dtype, backward) for n in _names(args)}
        columns[backward] = interleaved_times(cases, rounds=args.rounds, clock=clock(args))
    copied = copy_seconds(shape, args.device, dtype, args.rounds)
    rows = []
    for name in _names(args):
        median, low, high = spread(columns[True][name])
        rows.append(
            {
                "case": name,
                "forward_ms": spread(columns[False][name])[0] * 1e3,
                "median_ms": median * 1e3,
                "low_ms": low * 1e3,
                "high_ms": high * 1e3,
                "ratio": median / spread(columns[True][BASELINE])[0],
                # Three passes over the logits are the least; a copy makes two.
                "of_copy_bandwidth": 1.5 * copied / median,
                "peak_bytes": _peak_of_child(name, shape, dtype, args.device),
            }
        )
    return {"shape": shape, "dtype": dtype, "copy_ms": copied * 1e3, "rows": rows}


def report(results: list[dict], args: argparse.Namespace) -> str:
    lines = [
        "# Losses: time and memory",
        "",
        f"{conditions(args)}. *Forward* is under "
        "no_grad; *both* is forward and backward, median and quartiles. *Ratio* is to "
        f"{BASELINE} in the same run. *Bandwidth*: three passes over the logits in the time of *both*, as a "
        "share of the rate of copying a tensor of their size. *Peak*: memory of one call beyond its inputs.",
    ]
    for result in results:
        n, c, *size = result["shape"]
        values = n * c * size[0] * size[1] * getattr(torch, result["dtype"]).itemsize
        lines += [
            "",
            f"## {n} x {c} x {' x '.join(map(str, size))}, {result['dtype']} "
            f"({values / 1e6:.0f} MB of logits)",
            "",
            "| case | forward, ms | both, ms | quartiles | ratio | bandwidth | peak, MB | note |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in result["rows"]:
            lines.append(
                f"| {row['case']} | {row['forward_ms']:.2f} | {row['median_ms']:.2f} "
                f"| {row['low_ms']:.2f} to {row['high_ms']:.2f} | {row['ratio']:.2f} "
                f"| {100 * row['of_copy_bandwidth']:.0f} % | {row['peak_bytes'] / 1e6:.1f} "
                f"| {CASES[row['case']]} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = new_parser(__doc__, threads=torch.get_num_threads())
    parser.add_argument("--dtype", nargs="+", default=["float32"], help="of the logits")
    parser.add_argument(
        "--no-compile", dest="compile", action="store_false", help="leave torch.compile out"
    )
    parser.add_argument(
        "--child", nargs=3, metavar=("CASE", "SHAPE", "DTYPE"), help=argparse.SUPPRESS
    )
    args = parse(parser)
    if args.child:
        case, shape, dtype = args.child[0], tuple(json.loads(args.child[1])), args.child[2]
        make_case(case, (1, *shape[1:2], 8, 8), args.device, dtype, True)()  # libraries load
        if case.startswith("compiled"):
            make_case(case, shape, args.device, dtype, True)()
        print(peak_memory(make_case(case, shape, args.device, dtype, True), args.device))
        return
    shapes = REDUCED if args.reduced else SHAPES[args.device]
    results = [measure(shape, dtype, args) for dtype in args.dtype for shape in shapes]
    write_results(args, "losses", report(results, args), results)


if __name__ == "__main__":
    main()
