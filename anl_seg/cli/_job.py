"""What ``train`` and ``test`` share: one config, changed by arguments, in one process of a job."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from anl_seg.config import load_config
from anl_seg.config.options import options_last


def add_config(parser: argparse.ArgumentParser, **settings: Any) -> None:
    """Take the name of a config."""
    text = "config file, or mmseg::family/config.py of the installed mmseg"
    parser.add_argument("config", help=text, **settings)


def add_launcher(parser: argparse.ArgumentParser, text: str = "job launcher") -> None:
    """Let a command be one process of a distributed job."""
    parser.add_argument(
        "--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none", help=text
    )


def parse_job(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments of one process of a job, which knows its rank from them or its environment."""
    add_launcher(parser)
    # torch.distributed.launch passes --local-rank, older ones --local_rank.
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def job_config(
    args: argparse.Namespace, edit: Callable[[argparse.Namespace, Config], None]
) -> Config:
    """The config that the arguments name, changed by them; ``--cfg-options`` have the last word.

    Without ``--work-dir`` the folder is that of the config, else ``work_dirs/<name of the config>``.

    Args:
        args: of :func:`parse_job`.
        edit: what the arguments of the command change.
    """
    cfg = load_config(args.config)
    with options_last(cfg, args.cfg_options):
        cfg.launcher = args.launcher
        if args.work_dir is not None:
            cfg.work_dir = args.work_dir
        elif cfg.get("work_dir") is None:
            cfg.work_dir = str(Path("work_dirs") / Path(args.config).stem)
        edit(args, cfg)
    return cfg
