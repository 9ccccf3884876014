"""Which noise do these masks carry? Estimates the transition matrix T[true, noisy].

From masks of which clean versions are at hand:
    python tools/estimate_transition_matrix.py --clean DIR --noisy DIR --num-classes 19
From a model that was trained on the noisy masks by cross entropy:
    python tools/estimate_transition_matrix.py CONFIG CHECKPOINT --data val

docs/transition_matrix.md says what each assumes and how well it works.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import track

from anl_seg._files import write_json_atomically
from anl_seg.cli._job import add_launcher
from anl_seg.cli._program import command_parser, errors_in_a_sentence
from anl_seg.config import load_config, measured_dataloader
from anl_seg.config.check import check_launcher
from anl_seg.config.check_data import check_data
from anl_seg.config.labels import from_heads
from anl_seg.config.measured import only_test
from anl_seg.config.options import OptionsAction, apply_options
from anl_seg.corruption.mask_pairs import count_pairs, mask_pairs
from anl_seg.datasets._built import check_sample_keys, leaves, warn_of_labels
from anl_seg.engine import allow_mmengine_checkpoints
from anl_seg.engine.evaluated_checkpoint import load_to_evaluate
from anl_seg.evaluation import EstimateTransitionMatrix
from anl_seg.evaluation.transition_matrix_metric import check_output_file
from anl_seg.evaluation.transition_report import (
    report_anchors,
    report_counts,
    resemblance,
    transition_table,
)
from anl_seg.noise.estimate_transition_matrix import (
    DEFAULT_QUANTILE,
    DEFAULT_TOP_SHARE,
    TransitionCounts,
    TransitionEstimate,
    simple_noises,
)

#: Differences of an entry that are taken for nothing: beside the sampling error when masks are
#: compared, and of anchor points (docs/transition_matrix.md).
COUNTED, ANCHORED = 0.01, 0.1


class Estimated(NamedTuple):
    """A matrix, the names of its classes, and what is to be said of it, line by line."""

    estimate: TransitionEstimate
    names: list[str]
    lines: list[str]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser(
        "estimate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="config of the model, or mmseg::family/config.py")
    parser.add_argument("checkpoint", nargs="?", help="its checkpoint")
    parser.add_argument("--clean", metavar="DIR", help="folder of clean masks (PNG)")
    parser.add_argument(
        "--noisy", metavar="DIR", help="folder of noisy masks, under the same names"
    )
    parser.add_argument("--num-classes", type=int, help="number of classes of the folders' masks")
    parser.add_argument(
        "--ignore-index",
        type=int,
        help="label of pixels that do not count (default: that of the config's head, else 255)",
    )
    parser.add_argument(
        "--data",
        choices=["train", "val", "test"],
        default="train",
        help="the images to predict (default train)",
    )
    parser.add_argument(
        "--method",
        choices=["anchor_labels", "anchor"],
        default="anchor_labels",
        help="count noisy labels at the anchor points (default), or take the model's probabilities",
    )
    parser.add_argument("--quantile", type=float, default=DEFAULT_QUANTILE, help="of anchor")
    parser.add_argument(
        "--top-share", type=float, default=DEFAULT_TOP_SHARE, help="of anchor_labels"
    )
    parser.add_argument(
        "--save", metavar="FILE.json", help="write the matrix, for training with it"
    )
    parser.add_argument("--report", metavar="FILE.json", help="write all numbers")
    parser.add_argument("--work-dir", help="folder for the log of the predictions")
    parser.add_argument("--cfg-options", nargs="+", action=OptionsAction, help="override settings")
    add_launcher(parser)
    args = parser.parse_args(argv)
    folders = (args.clean, args.noisy, args.num_classes)
    if args.config is None and args.checkpoint is None and None not in folders:
        return args
    if args.config is not None and args.checkpoint is not None and folders == (None,) * 3:
        return args
    return parser.error("give --clean, --noisy and --num-classes, or CONFIG and CHECKPOINT")


# --- folders of masks ---


def count_folders(args: argparse.Namespace) -> TransitionCounts:
    """The labels of all pairs of masks."""
    ignore_index = 255 if args.ignore_index is None else args.ignore_index
    pairs = mask_pairs(args.clean, args.noisy)
    counted = count_pairs(
        track(pairs, "comparing", console=Console(stderr=True), transient=True),
        args.num_classes,
        ignore_index,
    )
    for folder, labels in ((args.clean, counted.clean), (args.noisy, counted.noisy)):
        if problem := labels.problem():
            print(f"warning: {folder}: {problem}", file=sys.stderr)
    print(f"{len(pairs)} pairs of masks")
    return counted.transitions


# --- a trained model ---


def build_config(args: argparse.Namespace) -> Config:
    """The config whose test run estimates the matrix."""
    cfg = load_config(args.config)
    cfg.launcher = args.launcher
    apply_options(cfg, args.cfg_options)
    if not Path(args.checkpoint).is_file() and "://" not in args.checkpoint:
        raise FileNotFoundError(f"no checkpoint at {args.checkpoint!r}.")
    ignore_index = args.ignore_index
    if ignore_index is None:
        ignore_index = from_heads(cfg, "ignore_index", 255)
    loader = measured_dataloader(cfg, args.data, args.method)
    settings = dict(
        method=args.method,
        quantile=args.quantile,
        top_share=args.top_share,
        ignore_index=ignore_index,
    )
    EstimateTransitionMatrix(**settings)  # wrong ones are refused before the model is built
    only_test(cfg, loader, dict(type="anl_seg.EstimateTransitionMatrix", **settings))
    cfg.work_dir = args.work_dir or str(
        Path("work_dirs") / "transition_matrix" / Path(args.config).stem
    )
    return cfg


def _estimated_from_folders(args: argparse.Namespace) -> Estimated:
    counts = count_folders(args)
    names = [str(k) for k in range(args.num_classes)]
    lines = report_counts(counts)
    estimate = counts.estimate()
    return Estimated(estimate, names, [resemblance(estimate, names, COUNTED), *lines])


def _estimated_by_model(args: argparse.Namespace, cfg: Config) -> Estimated | None:
    """None in all processes of a job but the main one, which has the labels of all."""
    runner = Runner.from_cfg(cfg)
    with errors_in_a_sentence("estimate"):
        dataset = runner.test_loop.dataloader.dataset
        check_sample_keys(dataset)
        for leaf in leaves(dataset):
            warn_of_labels(leaf, None, cfg.test_evaluator.ignore_index)
        load_to_evaluate(runner, args.checkpoint)
    runner.test()
    if not is_main_process():
        return None
    (metric,) = runner.test_loop.evaluator.metrics
    names = [str(name) for name in metric.dataset_meta["classes"]]
    known = f"At the anchor points: {resemblance(metric.estimate, names, ANCHORED)}"
    return Estimated(metric.estimate, names, [known, *report_anchors(metric)])


def _estimated(args: argparse.Namespace) -> Estimated | None:
    """What the arguments ask for; None where another process of the job has it."""
    with errors_in_a_sentence("estimate", OSError):
        files = [check_output_file(path) for path in (args.save, args.report) if path is not None]
        if len(set(files)) < len(files):
            raise ValueError("--save and --report name the same file.")
        if args.config is None:
            return _estimated_from_folders(args)
        allow_mmengine_checkpoints()
        cfg = build_config(args)
        check_launcher(cfg)
        check_data(cfg, "test")
    return _estimated_by_model(args, cfg)


def _write(args: argparse.Namespace, found: Estimated) -> None:
    """Print what was estimated, and write what is to be written."""
    estimate, names, lines = found
    if estimate.unknown:
        lines.append(
            f"Nothing is known of {', '.join(names[k] for k in estimate.unknown)}: no such pixels. "
            "In a saved matrix these classes stay as they are."
        )
    print(f"\n{transition_table(estimate, names)}\n")
    print("\n".join(lines))
    if args.report is not None:
        fits = {
            noise.name: {"rate": noise.rate, "max_difference": noise.max_difference}
            for noise in simple_noises(estimate.matrix)
        }
        content = {"classes": names, **estimate.to_dict(), "simple_noises": fits, "text": lines}
        write_json_atomically(args.report, content)
    if args.save is not None:
        write_json_atomically(args.save, estimate.filled())
        print(f"\nwritten; train with it by --noise TransitionMatrixNoise:matrix={args.save}")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    found = _estimated(args)
    if found is not None:
        _write(args, found)
    return 0
