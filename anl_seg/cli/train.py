"""Train a segmentor from an mmseg config, as mmseg's own tools/train.py does, with label noise and
a robust loss on any config by a flag each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from anl_seg.cli._job import add_config, job_config, parse_job
from anl_seg.cli._program import command_parser, errors_in_a_sentence, program
from anl_seg.config import (
    add_anl_schedule,
    cache_samples,
    enable_amp,
    inject_noise,
    measure_memorization,
    noisy_evaluation,
    parse_spec,
    record_noise,
    replace_losses,
)
from anl_seg.config.check import check_training
from anl_seg.config.options import OptionsAction
from anl_seg.engine import (
    CheckpointError,
    allow_mmengine_checkpoints,
    choose_resumed,
    write_environment,
)
from anl_seg.engine.hooks import LabelCheckHook, StopOnDivergenceHook
from anl_seg.engine.hooks.stop_on_divergence_hook import DivergenceError


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser(
        "train",
        description="Train a segmentor under label noise.",
        epilog="Example: python tools/train.py mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py "
        "--noise SymmetricNoise:rate=0.4 --loss ANLCELoss --anl-schedule",
    )
    add_config(parser)
    parser.add_argument("--work-dir", help="folder for logs and checkpoints")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from the latest checkpoint of the work dir (no value, or auto), or from this one",
    )
    parser.add_argument("--amp", action="store_true", help="train in automatic mixed precision")
    parser.add_argument(
        "--loss",
        metavar="SPEC",
        help="replace the losses of all heads, e.g. ANLCELoss or GCELoss:q=0.7",
    )
    parser.add_argument(
        "--anl-schedule",
        action="store_true",
        help="what ANLCELoss is recommended with: cross entropy and Dice that fade while training, "
        "and a running average of the weights (configs/_base_/anl_schedule.py)",
    )
    parser.add_argument(
        "--noise", metavar="SPEC", help="corrupt the training masks, e.g. SymmetricNoise:rate=0.4"
    )
    parser.add_argument("--noise-seed", type=int, help="seed of --noise (default 0)")
    parser.add_argument(
        "--keep-clean", action="store_true", help="with --noise: carry the clean masks along"
    )
    parser.add_argument(
        "--measure-memorization",
        action="store_true",
        help="after training, measure how much of the noise was memorized (implies --keep-clean)",
    )
    parser.add_argument(
        "--allow-noisy-eval",
        action="store_true",
        help="accept a config whose validation or test masks are corrupted",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=OptionsAction,
        help="override settings of the config: key=value, lists as key=a,b or key='[a,b]'",
    )
    return parse_job(parser, argv)


def build_config(args: argparse.Namespace) -> Config:
    """The config that the arguments ask for, complete, before anything is built."""
    cfg = job_config(args, _edit)
    if args.measure_memorization:
        measure_memorization(cfg)
    noisy = noisy_evaluation(cfg)
    if noisy and not args.allow_noisy_eval:
        raise ValueError(
            f"the masks of {' and '.join(noisy)} are corrupted, so the scores would be against wrong "
            "labels. Give --allow-noisy-eval if that is meant."
        )
    record_noise(cfg)
    if cfg.get("cache_samples"):
        cache_samples(cfg)
    if args.amp:
        enable_amp(cfg)
    return cfg


def _edit(args: argparse.Namespace, cfg: Config) -> None:
    """What the arguments change of the config, but for ``--cfg-options``, which have the last word."""
    if args.loss is not None:
        replace_losses(cfg, parse_spec(args.loss))
    if args.anl_schedule:
        add_anl_schedule(cfg)
    if args.noise is not None:
        keep_clean = args.keep_clean or args.measure_memorization
        seed = args.noise_seed or 0
        inject_noise(cfg, parse_spec(args.noise), seed=seed, keep_clean=keep_clean)
    elif args.keep_clean or args.noise_seed is not None:
        raise ValueError(
            f"--{'keep-clean' if args.keep_clean else 'noise-seed'} goes with --noise."
        )
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == "auto" else args.resume


#: Losses that are not finite may be skipped by an optimizer wrapper of one's own; weights may not be so.
_PATIENCE = 10


def register_hooks(runner: Runner) -> None:
    """Hooks of every training, beside those of its config."""
    runner.register_hook(LabelCheckHook())
    if not any(isinstance(hook, StopOnDivergenceHook) for hook in runner.hooks):
        runner.register_hook(StopOnDivergenceHook(patience=_PATIENCE))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    allow_mmengine_checkpoints()
    with errors_in_a_sentence("train"):
        cfg = build_config(args)
        check_training(cfg)
        choose_resumed(cfg)
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    if not torch.cuda.is_available():
        # SyncBN, which mmseg's configs use, runs on an accelerator only.
        runner.model = revert_sync_batchnorm(runner.model)
    register_hooks(runner)
    write_environment(runner.work_dir)
    try:
        runner.train()
    except (CheckpointError, DivergenceError) as error:
        sys.exit(f"{program('train')}: {error}")
    return 0


if __name__ == "__main__":  # python -m anl_seg.cli.train, which the trainings of a study are
    sys.exit(main())
