"""The configs that the installed mmseg ships, each with its shrunk model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anl_seg.config import inject_noise, load_config, mmseg_config
from tools.model_zoo.requirements import missing_requirement
from tools.model_zoo.shrink import shrink_model
from tools.model_zoo.train_steps import Outcome, failure, inner_head


def _root() -> Path:
    return Path(mmseg_config("_base_/default_runtime.py")).parents[1]


def leaf_paths() -> list[str]:
    """All configs below mmseg's ``configs`` but those of ``_base_``, sorted."""
    root = _root()
    paths = (p.relative_to(root) for p in root.rglob("*.py"))
    return sorted(p.as_posix() for p in paths if len(p.parts) > 1 and p.parts[0] != "_base_")


def family_of(path: str) -> str:
    """The folder of a config: ``fcn/fcn_r50-d8_...py`` -> ``fcn``."""
    return path.split("/")[0]


def sample_paths(paths: list[str]) -> list[str]:
    """The first config of each family."""
    first: dict[str, str] = {}
    for path in paths:
        first.setdefault(family_of(path), path)
    return list(first.values())


@dataclass(frozen=True)
class Leaf:
    """One config of mmseg.

    Attributes:
        path: relative to mmseg's ``configs``.
        key: hash of the shrunk model: configs that share it are the same small model.
        model: the shrunk model; None if the config could not be read.
        outcome: what is known without building anything; None = it is to be tried.
        noise: "ok", or why :func:`anl_seg.config.inject_noise` found no place for noise; "not asked" of
            configs whose outcome is known.
    """

    path: str
    key: str
    model: dict | None
    outcome: Outcome | None
    noise: str

    @property
    def family(self) -> str:
        """The folder of the config."""
        return family_of(self.path)


def model_key(model: dict) -> str:
    """Hexadecimal blake2b (64 bits) of a shrunk model."""
    text = json.dumps(model, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def count_classes(model: dict) -> int | None:
    """Number of classes of the (last) decode head, or of its inner head (K-Net)."""
    return inner_head(model).get("num_classes")


def _noise_place(cfg: Any, noise: dict) -> str:
    try:
        inject_noise(cfg, noise, num_classes=count_classes(cfg.model))
    except (ValueError, KeyError) as error:
        return str(error)
    return "ok"


def read_leaf(path: str, noise: dict) -> Leaf:
    """Read a config of mmseg and shrink its model.

    Args:
        path: relative to mmseg's ``configs``.
        noise: noise config that is put into the training pipeline, to see whether it has a place.
    """
    try:
        cfg = load_config(f"mmseg::{path}")
        model = shrink_model(cfg.model.to_dict())
    except Exception as error:
        # Some import a package that may not be there (`custom_imports`).
        return Leaf(path, path, None, failure(error), "not asked")
    missing = missing_requirement(model)
    if missing is not None:
        return Leaf(path, model_key(model), model, Outcome("not applicable", missing), "not asked")
    return Leaf(path, model_key(model), model, None, _noise_place(cfg, noise))
