"""Time and memory of a whole training step of mmseg: its own cross entropy, and ANL-CE in three ways.

    python -m benchmarks.benchmark_training_step --threads 2
    python -m benchmarks.benchmark_training_step --device cuda

DeepLabV3+ with a ResNet-50 and 150 classes, images and labels made up: data preprocessor, forward,
backward and an SGD step. The baseline is the step with the cross entropy that mmseg's config has. Of each
case the peak of the memory of one step, beyond model and batch, is measured in a process of its own. Results
go to ``benchmarks/results/training_step_<device>.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from anl_seg import mmseg_config
from anl_seg.engine.hooks import FusedUpsampleHook
from benchmarks._command import clock, conditions, new_parser, parse, write_results
from benchmarks._memory import peak_memory
from benchmarks._timing import interleaved_times, spread

BASELINE = "CE, mmseg's"
CONFIG = "_base_/models/deeplabv3plus_r50-d8.py"
CLASSES = 150
#: (images, pixels per side), by device.
BATCH = {"cpu": (2, 256), "cuda": (4, 512)}
REDUCED = (2, 64)
_ANL = dict(type="anl_seg.ANLCELoss", setting="cifar10")
_BALANCED = dict(type="anl_seg.ANLCELoss")
#: Name -> loss (None: that of the config) and note.
CASES: dict[str, tuple[dict | None, str]] = {
    BASELINE: (None, ""),
    "ANL-CE, functional": (dict(_ANL, kernels="reference"), "kernels='reference'"),
    "ANL-CE, fused": (dict(_ANL, kernels="fused"), "what runs by default"),
    "ANL-CE, fused with the resizing": (dict(_ANL, kernels="fused"), "FusedUpsampleHook"),
    "ANL-CE balanced, fused": (dict(_BALANCED, kernels="fused"), "ANLCELoss(), mass_balance=1"),
    "ANL-CE balanced, fused with the resizing": (
        dict(_BALANCED, kernels="fused"),
        "the same, FusedUpsampleHook",
    ),
}


def _model(name: str, side: int, device: str) -> torch.nn.Module:
    cfg = Config.fromfile(mmseg_config(CONFIG)).model
    cfg.pretrained = None
    cfg.backbone.norm_cfg.type = "BN"
    cfg.data_preprocessor.size = (side, side)
    for key in ("decode_head", "auxiliary_head"):
        head = cfg[key]
        head.num_classes, head.norm_cfg.type = CLASSES, "BN"
        loss = CASES[name][0]
        if loss is not None:
            head.loss_decode = dict(loss, loss_weight=head.loss_decode.loss_weight)
    torch.manual_seed(0)
    init_default_scope("mmseg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MODELS.build(cfg).to(device)
    model.train()
    if name.endswith("resizing"):
        log = logging.getLogger("benchmark")
        FusedUpsampleHook().before_train(SimpleNamespace(model=model, cfg={}, logger=log))
        if "loss_by_feat" not in vars(model.decode_head):
            raise RuntimeError("FusedUpsampleHook does not serve the decode head.")
    return model


def _batch(images: int, side: int) -> dict:
    generator = torch.Generator().manual_seed(0)
    inputs, samples = [], []
    for _ in range(images):
        inputs.append(
            torch.randint(0, 256, (3, side, side), generator=generator, dtype=torch.uint8)
        )
        label = torch.randint(0, CLASSES, (1, side, side), generator=generator)
        label[torch.rand(label.shape, generator=generator) < 0.1] = 255
        shape = (side, side)
        sample = SegDataSample(metainfo=dict(ori_shape=shape, img_shape=shape))
        sample.gt_sem_seg = PixelData(data=label)
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def make_case(name: str, images: int, side: int, device: str) -> Callable[[], None]:
    """A call that takes one training step."""
    model = _model(name, side, device)
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9))
    batch = _batch(images, side)

    def call() -> None:
        model.train_step(batch, optim)
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def _peak_of_child(case: str, args: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "benchmarks.benchmark_training_step", "--child", case]
    command += ["--device", args.device, "--threads", str(args.threads)]
    command += ["--reduced"] if args.reduced else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1])


def measure(images: int, side: int, args: argparse.Namespace) -> list[dict]:
    """One row per case."""
    cases = {name: make_case(name, images, side, args.device) for name in CASES}
    times = interleaved_times(cases, rounds=args.rounds, clock=clock(args))
    del cases
    rows = []
    for name in CASES:
        median, low, high = spread(times[name] * 1e3)
        peak = _peak_of_child(name, args)
        rows.append(dict(case=name, median_ms=median, low_ms=low, high_ms=high, peak_bytes=peak))
    for row in rows:
        row["time_ratio"] = row["median_ms"] / rows[0]["median_ms"]
        row["memory_ratio"] = row["peak_bytes"] / rows[0]["peak_bytes"]
    return rows


def report(rows: list[dict], images: int, side: int, args: argparse.Namespace) -> str:
    lines = [
        "# A training step",
        "",
        f"DeepLabV3+ with a ResNet-50 and its auxiliary head, {CLASSES} classes, {images} images of {side} x "
        f"{side}, float32: {conditions(args)}. Memory: the peak of one step beyond model, momentum and "
        f"batch, in a process of its own. Ratios are to *{BASELINE}* in the same run.",
        "",
        "| case | median, ms | quartiles, ms | ratio | peak, MB | ratio | note |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['case']} | {row['median_ms']:.0f} | {row['low_ms']:.0f} to {row['high_ms']:.0f} "
            f"| {row['time_ratio']:.2f} | {row['peak_bytes'] / 1e6:.0f} | {row['memory_ratio']:.2f} "
            f"| {CASES[row['case']][1]} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = new_parser(__doc__, threads=torch.get_num_threads())
    parser.add_argument("--child", metavar="CASE", help=argparse.SUPPRESS)
    args = parse(parser)
    images, side = REDUCED if args.reduced else BATCH[args.device]
    if args.child:
        call = make_case(args.child, images, side, args.device)
        call()  # what the libraries load at first use, and the optimizer's momentum
        print(peak_memory(call, args.device))
        return
    rows = measure(images, side, args)
    write_results(args, "training_step", report(rows, images, side, args), rows)


if __name__ == "__main__":
    main()
