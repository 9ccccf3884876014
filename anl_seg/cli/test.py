"""Evaluate a checkpoint, as mmseg's own tools/test.py does; refuses corrupted test masks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner

from anl_seg.cli._job import add_config, job_config, parse_job
from anl_seg.cli._program import command_parser, errors_in_a_sentence
from anl_seg.config import noisy_evaluation
from anl_seg.config.check import check_testing
from anl_seg.config.evaluation_options import (
    check_test,
    draw_pictures,
    save_predictions,
    use_tta,
)
from anl_seg.config.options import OptionsAction
from anl_seg.engine import allow_mmengine_checkpoints
from anl_seg.engine.evaluated_checkpoint import load_to_evaluate


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser("test", description="Evaluate a segmentor.")
    add_config(parser)
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--work-dir", help="folder for the metrics, as JSON")
    parser.add_argument("--out", help="folder for the predictions")
    parser.add_argument("--show-dir", help="folder for pictures of the predictions")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    parser.add_argument(
        "--allow-noisy-eval", action="store_true", help="accept corrupted test masks"
    )
    parser.add_argument("--cfg-options", nargs="+", action=OptionsAction, help="override settings")
    return parse_job(parser, argv)


def build_config(args: argparse.Namespace) -> Config:
    """The config that the arguments ask for, complete, before anything is built."""
    cfg = job_config(args, _edit)
    if args.tta:
        use_tta(cfg)
    return cfg


def _edit(args: argparse.Namespace, cfg: Config) -> None:
    """What the arguments change of the config, but for ``--tta`` and ``--cfg-options``."""
    if not Path(args.checkpoint).is_file() and "://" not in args.checkpoint:
        raise FileNotFoundError(f"no checkpoint at {args.checkpoint!r}.")
    cfg.load_from = args.checkpoint
    check_test(cfg)
    if "test_dataloader" in noisy_evaluation(cfg) and not args.allow_noisy_eval:
        raise ValueError(
            "the test masks are corrupted, so the scores would be against wrong labels. "
            "Give --allow-noisy-eval if that is meant."
        )
    if args.show_dir:
        draw_pictures(cfg, args.show_dir)
    if args.out:
        save_predictions(cfg, args.out)


def check_images(dataset: BaseDataset, args: argparse.Namespace) -> None:
    """Refuse images that predictions or pictures cannot be written for.

    Raises:
        ValueError: two whose files would have one name, or images that are no files.
    """
    if not (args.out or args.show_dir) or not hasattr(dataset, "get_data_info"):
        return
    paths = [dataset.get_data_info(i).get("img_path") for i in range(len(dataset))]
    paths = [path for path in paths if path is not None]
    if args.show_dir and paths and "://" not in paths[0] and not Path(paths[0]).is_file():
        raise ValueError(
            f"--show-dir draws on the image files, and this data set has none ({paths[0]!r})."
        )
    first: dict[str, str] = {}
    for path in paths:
        # mmseg names the file of a prediction so.
        other = first.setdefault(Path(path).stem, path)
        if args.out and other != path:
            raise ValueError(
                f"--out names files by images, and {other!r} and {path!r} have one name: the prediction of "
                "one would replace that of the other."
            )


def make_runner(args: argparse.Namespace) -> Runner:
    """A runner with its weights loaded and its data found.

    Raises:
        FileNotFoundError, KeyError, TypeError, ValueError: what is wrong with arguments, config, data or
            checkpoint.
        OSError: a folder that cannot be written to.
    """
    cfg = build_config(args)
    check_testing(cfg)
    for folder in (args.out, args.show_dir, cfg.work_dir):
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
    runner = Runner.from_cfg(cfg)
    check_images(runner.test_dataloader.dataset, args)
    load_to_evaluate(runner, args.checkpoint)
    return runner


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    allow_mmengine_checkpoints()
    with errors_in_a_sentence("test", OSError):
        runner = make_runner(args)
    runner.test()
    return 0
