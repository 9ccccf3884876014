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
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import track

from anl_seg._files import write_json_atomically
from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.config import load_config, measured_dataloader
from anl_seg.config.check import check_data, check_launcher
from anl_seg.config.labels import from_heads
from anl_seg.config.options import OptionsAction, apply_options
from anl_seg.corruption.sources import check_classes
from anl_seg.datasets._built import check_sample_keys, leaves, warn_of_labels
from anl_seg.engine import allow_mmengine_checkpoints
from anl_seg.engine.evaluated_checkpoint import load_to_evaluate
from anl_seg.evaluation import EstimateTransitionMatrix
from anl_seg.evaluation.estimate_transition_matrix import check_output_file
from anl_seg.masks.png import read_mask_png
from anl_seg.noise.estimate_transition_matrix import (
    DEFAULT_QUANTILE,
    DEFAULT_TOP_SHARE,
    TransitionCounts,
    simple_noises,
)
from anl_seg.noise.label_counts import LabelCounts
from anl_seg.study.transition_report import (
    report_anchors,
    report_counts,
    resemblance,
    transition_table,
)

#: Differences of an entry that are taken for nothing: beside the sampling error when masks are
#: compared, and of anchor points (docs/transition_matrix.md).
COUNTED, ANCHORED = 0.01, 0.1


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="job launcher",
    )
    args = parser.parse_args(argv)
    folders = (args.clean, args.noisy, args.num_classes)
    if args.config is None and args.checkpoint is None and None not in folders:
        return args
    if args.config is not None and args.checkpoint is not None and folders == (None,) * 3:
        return args
    return parser.error("give --clean, --noisy and --num-classes, or CONFIG and CHECKPOINT")


# --- folders of masks ---


def mask_pairs(clean: str | Path, noisy: str | Path) -> list[tuple[Path, Path]]:
    """The PNG files of two folders that have the same path in them.

    Raises:
        FileNotFoundError: a folder does not exist or holds no PNG, or a file has no partner.
    """
    names = []
    for folder in (clean, noisy):
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"no folder {str(folder)!r}")
        found = (p.relative_to(folder) for p in Path(folder).rglob("*") if not p.is_dir())
        names.append({p for p in found if p.suffix.lower() == ".png" and p.name[0] != "."})
        if not names[-1]:
            raise FileNotFoundError(f"no PNG file in {str(folder)!r}")
    for here, there, lonely in (
        (clean, noisy, names[0] - names[1]),
        (noisy, clean, names[1] - names[0]),
    ):
        if lonely:
            listed = ", ".join(p.as_posix() for p in sorted(lonely)[:5])
            more = f" and {len(lonely) - 5} more" if len(lonely) > 5 else ""
            raise FileNotFoundError(
                f"{len(lonely)} masks of {str(here)!r} have no partner in {str(there)!r}: "
                f"{listed}{more}"
            )
    return [(Path(clean, name), Path(noisy, name)) for name in sorted(names[0])]


def count_folders(args: argparse.Namespace) -> TransitionCounts:
    """The labels of all pairs of masks."""
    ignore_index = 255 if args.ignore_index is None else args.ignore_index
    counts = TransitionCounts(check_classes(args.num_classes), ignore_index)
    pairs = mask_pairs(args.clean, args.noisy)
    labels = {n: LabelCounts(args.num_classes, ignore_index) for n in (args.clean, args.noisy)}
    for clean, noisy in track(pairs, "comparing", console=Console(stderr=True), transient=True):
        try:
            masks = [read_mask_png(path).values for path in (clean, noisy)]
            counts.add(*masks)
            for counted, mask in zip(labels.values(), masks):
                counted.add(mask)
        except ValueError as error:
            raise ValueError(f"{error} (comparing '{clean}' and '{noisy}')") from None
    for folder, counted in labels.items():
        if problem := counted.problem():
            print(f"warning: {folder}: {problem}", file=sys.stderr)
    print(f"{len(pairs)} pairs of masks")
    return counts


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
    cfg.test_dataloader = loader
    cfg.test_cfg = dict(type="TestLoop")
    settings = dict(
        method=args.method,
        quantile=args.quantile,
        top_share=args.top_share,
        ignore_index=ignore_index,
    )
    EstimateTransitionMatrix(**settings)  # wrong ones are to be told before the model is built
    cfg.test_evaluator = dict(type="anl_seg.EstimateTransitionMatrix", **settings)
    # Only predictions are made: neither the training nor the validation set is built.
    for key in ("train", "val"):
        for part in ("dataloader", "cfg"):
            cfg[f"{key}_{part}"] = None
    cfg.val_evaluator = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.work_dir = args.work_dir or str(
        Path("work_dirs") / "transition_matrix" / Path(args.config).stem
    )
    return cfg


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        files = [check_output_file(path) for path in (args.save, args.report) if path is not None]
        if len(set(files)) < len(files):
            raise ValueError("--save and --report name the same file.")
        if args.config is None:
            counts = count_folders(args)
            names = [str(k) for k in range(args.num_classes)]
            estimate, resolution = counts.estimate(), COUNTED
            lines = report_counts(counts)
        else:
            allow_mmengine_checkpoints()
            cfg = build_config(args)
            check_launcher(cfg)
            check_data(cfg, "test")
    except (*WRONG_INPUT, OSError) as error:
        sys.exit(f"estimate_transition_matrix.py: {sentence(error)}")
    if args.config is not None:
        runner = Runner.from_cfg(cfg)
        try:
            dataset = runner.test_loop.dataloader.dataset
            check_sample_keys(dataset)
            for leaf in leaves(dataset):
                warn_of_labels(leaf, None, cfg.test_evaluator.ignore_index)
            load_to_evaluate(runner, args.checkpoint)
        except ValueError as error:
            sys.exit(f"estimate_transition_matrix.py: {sentence(error)}")
        runner.test()
        (metric,) = runner.test_loop.evaluator.metrics
        names = [str(name) for name in metric.dataset_meta["classes"]]
        estimate, resolution = metric.estimate, ANCHORED
        lines = report_anchors(metric)
    if not is_main_process():
        return
    where = "" if args.config is None else "At the anchor points: "
    lines = [where + resemblance(estimate, names, resolution), *lines]
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


if __name__ == "__main__":
    main()
