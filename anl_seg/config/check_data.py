"""Files and folders that a config names, checked before anything is built."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmengine.config import Config

from anl_seg.config._walk import as_list, located, type_name


def _paths(dataset: Mapping, with_masks: bool) -> Iterator[tuple[str, str]]:
    """(setting, path) of what a data set reads, as mmengine joins them to its root."""
    root = dataset.get("data_root")
    if isinstance(root, (str, os.PathLike)):
        yield "data_root", os.fspath(root)
    settings = {f"data_prefix.{k}": v for k, v in (dataset.get("data_prefix") or {}).items()}
    for name, path in {**settings, "ann_file": dataset.get("ann_file")}.items():
        if isinstance(path, str) and path and (with_masks or "seg_map" not in name):
            yield name, os.path.join(root or "", path)


def check_data(cfg: Config, *splits: str) -> None:
    """Refuse data sets whose folders are not there; those on other servers are not looked at.

    Args:
        cfg: a loaded config.
        splits: of ``train``, ``val`` and ``test``.

    Raises:
        FileNotFoundError: the missing path, and the setting that names it.
    """
    for split in splits:
        for loader in as_list(cfg.get(f"{split}_dataloader")):
            for place, dataset in located(loader["dataset"], f"{split}_dataloader.dataset"):
                backend = (dataset.get("backend_args") or {}).get("backend", "local")
                for name, path in _paths(dataset, with_masks=split != "test"):
                    if backend != "local" or "://" in path or os.path.exists(path):
                        continue
                    raise FileNotFoundError(
                        f"there is no {path!r}, which {place}.{name} ({type_name(dataset)}) names. Put the "
                        f"data there, or name another place: --cfg-options {place}.{name}=..."
                    )


def check_checkpoint(cfg: Config) -> None:
    """Refuse a checkpoint to start or go on from that is not there.

    Raises:
        FileNotFoundError: it is named.
    """
    path = cfg.get("load_from")
    if path and "://" not in path and not Path(path).is_file():
        resume = " to go on from" if cfg.get("resume") else ""
        raise FileNotFoundError(f"no checkpoint{resume} at {path!r}.")


def make_work_dir(cfg: Config) -> None:
    """Make the folder for the results, or say why that cannot be.

    Raises:
        ValueError: the folder is named, and what stands in its way.
    """
    if not cfg.work_dir:
        raise ValueError("the work dir has no name; for the folder that you are in, write '.'.")
    folder = Path(cfg.work_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"work dir {cfg.work_dir!r} cannot be made: {error.strerror}.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"work dir {cfg.work_dir!r} may not be written to.")
