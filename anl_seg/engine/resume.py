"""Which checkpoint a training goes on from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mmengine.config import Config

from anl_seg._checkpoint_files import damage, is_old_format, latest_whole, written_checkpoints
from anl_seg.engine.checkpoint_compat import CheckpointError


def _say(text: str) -> None:
    if int(os.environ.get("RANK", 0)) == 0:
        print(f"train.py: {text}", file=sys.stderr)


def _whole_beside(path: Path) -> str | None:
    """The latest other checkpoint in the folder that is whole."""
    others = (p for p in written_checkpoints(path.parent) if p.name != path.name)
    return next((str(p) for p in others if damage(p) is None), None)


def _check_named(name: str) -> None:
    path = Path(name).expanduser()
    if "://" in name:
        return
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {name!r}.")
    if why := damage(path):
        other = _whole_beside(path)
        told = f" {other} is whole." if other else ""
        raise CheckpointError(f"the checkpoint {name} is damaged: {why}.{told}")
    if is_old_format(path):
        _say(f"{name} is in torch's old format, without checksums: damage in it is not seen.")


def _other_folders(cfg: Config) -> list[Path]:
    """Where CheckpointHook writes, if not into the work dir: a folder of the same name in ``out_dir``."""
    hook = (cfg.get("default_hooks") or {}).get("checkpoint") or {}
    out_dir = hook.get("out_dir")
    if not out_dir or "://" in str(out_dir):
        return []
    return [Path(out_dir) / Path(cfg.work_dir).name]


def choose_resumed(cfg: Config) -> None:
    """Put the checkpoint that a training goes on from into ``cfg.load_from``.

    Where the user named one it must be there and whole. Without a name it is the latest of the work dir;
    where that is damaged, the latest whole one before it, and one line on standard error names both.
    Without any the training starts anew, as mmengine does.

    Args:
        cfg: with ``resume``, ``load_from`` and ``work_dir``; changed in place.

    Raises:
        FileNotFoundError, CheckpointError: the named checkpoint is missing or damaged.
    """
    if cfg.get("load_from"):
        _check_named(cfg.load_from)
        return
    if not cfg.get("resume"):
        return
    choice = latest_whole(cfg.work_dir, *_other_folders(cfg))
    if note := choice.note():
        _say(note)
    cfg.load_from, cfg.resume = choice.path, choice.path is not None
