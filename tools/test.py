"""Evaluate a checkpoint, as mmseg's own tools/test.py does; refuses corrupted test masks."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.config import load_config, noisy_evaluation
from anl_seg.config.check import check_testing
from anl_seg.config.options import options_last
from anl_seg.engine import allow_mmengine_checkpoints


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Evaluate a segmentor.")
    parser.add_argument(
        "config", help="config file, or mmseg::family/config.py of the installed mmseg"
    )
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--work-dir", help="folder for the metrics, as JSON")
    parser.add_argument("--out", help="folder for the predictions")
    parser.add_argument("--show-dir", help="folder for pictures of the predictions")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    parser.add_argument(
        "--allow-noisy-eval", action="store_true", help="accept corrupted test masks"
    )
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="override settings")
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="job launcher",
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def build_config(args: argparse.Namespace) -> Config:
    """The config that the arguments ask for, complete, before anything is built."""
    cfg = load_config(args.config)
    with options_last(cfg, args.cfg_options):
        _apply(args, cfg)
    if args.tta:
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.tta_model.module = cfg.model
        cfg.model = cfg.tta_model
    return cfg


def _apply(args: argparse.Namespace, cfg: Config) -> None:
    """What the arguments change of the config, but for ``--tta`` and ``--cfg-options``."""
    cfg.launcher = args.launcher
    if not Path(args.checkpoint).is_file() and "://" not in args.checkpoint:
        raise FileNotFoundError(f"no checkpoint at {args.checkpoint!r}.")
    cfg.load_from = args.checkpoint
    if "test_dataloader" in noisy_evaluation(cfg) and not args.allow_noisy_eval:
        raise ValueError(
            "the test masks are corrupted, so the scores would be against wrong labels. "
            "Give --allow-noisy-eval if that is meant."
        )
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(args.config).stem)
    if args.show_dir:
        cfg.default_hooks["visualization"] = dict(type="SegVisualizationHook", draw=True)
        cfg.visualizer["save_dir"] = args.show_dir
    if args.out:
        cfg.test_evaluator["output_dir"] = args.out
        cfg.test_evaluator["keep_results"] = True


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    allow_mmengine_checkpoints()
    try:
        cfg = build_config(args)
        check_testing(cfg)
    except WRONG_INPUT as error:
        sys.exit(f"test.py: {sentence(error)}")
    Runner.from_cfg(cfg).test()


if __name__ == "__main__":
    main()
