"""What a resumed training must have in common with the one before the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.dist import get_world_size
from mmengine.runner import Runner

from anl_seg.engine._finite import optim_wrappers


def conditions(runner: Runner) -> dict[str, int]:
    """Name -> number of everything that decides which samples an update is made of."""
    loader = runner.train_dataloader
    counts = [getattr(w, "_accumulative_counts", 1) for w in optim_wrappers(runner)]
    found = {
        "batch_size": loader.batch_size,
        "num_workers": loader.num_workers,
        "samples": len(loader.dataset),
        "ranks": get_world_size(),
        "accumulative_counts": max(counts, default=1),
    }
    return {name: value for name, value in found.items() if isinstance(value, int)}


def changed_conditions(now: Mapping[str, int], before: Mapping[str, Any]) -> str | None:
    """One line that names what differs; None where nothing does."""
    told = [
        f"{name} is {value} and was {before[name]}"
        for name, value in now.items()
        if name in before and before[name] != value
    ]
    if not told:
        return None
    return f"This resumed training differs from one that was not interrupted: {', '.join(told)}."
