"""Numbers in a config that torch and mmengine refuse late, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.config import Config

from anl_seg._checks import check_integer
from anl_seg.config._walk import as_list

#: Seeds that NumPy takes.
_MOST_SEED = 2**32 - 1


def check_loaders(cfg: Config, *splits: str) -> None:
    """Refuse batches and workers that no data loader can have.

    Raises:
        ValueError: setting and value are named.
    """
    for split in splits:
        for loader in as_list(cfg.get(f"{split}_dataloader")):
            _check_loader(f"{split}_dataloader", loader)


def _check_loader(place: str, loader: Mapping) -> None:
    if loader.get("batch_size") is not None:
        check_integer(f"{place}.batch_size", loader["batch_size"], low=1)
    workers = check_integer(f"{place}.num_workers", loader.get("num_workers", 0), low=0)
    if loader.get("persistent_workers") and not workers:
        raise ValueError(
            f"{place} has num_workers=0 and persistent_workers=True, which torch refuses: set "
            f"{place}.persistent_workers=False too."
        )
    if loader.get("sampler") is None:
        raise ValueError(
            f"{place} has no sampler; give one, such as dict(type='DefaultSampler', shuffle=False)."
        )


def check_lengths(cfg: Config) -> None:
    """Refuse a training without length, intervals that are none, and a seed that is none.

    Raises:
        ValueError: setting and value are named.
    """
    train = cfg.get("train_cfg") or {}
    lengths = [name for name in ("max_iters", "max_epochs") if name in train]
    if not lengths and train.get("type", "EpochBasedTrainLoop") in (
        "EpochBasedTrainLoop",
        "IterBasedTrainLoop",
    ):
        raise ValueError("train_cfg has neither max_iters nor max_epochs.")
    for name in (*lengths, "val_interval"):
        if train.get(name) is not None:
            check_integer(f"train_cfg.{name}", train[name], low=1)
    seed = (cfg.get("randomness") or {}).get("seed")
    if seed is not None and check_integer("randomness.seed", seed, low=0) > _MOST_SEED:
        raise ValueError(f"randomness.seed must be at most {_MOST_SEED}, got {seed}")
