"""Lets mmengine 0.10.7 load its own checkpoints on torch >= 2.6.

From 2.6 on ``torch.load`` refuses every class it was not told about. mmengine 0.10.7 calls it
without saying anything, and a training checkpoint holds ``HistoryBuffer`` objects with numpy
arrays, so ``--resume`` fails. The onedl family has a loader of its own and needs nothing.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import checkpoint as _mmengine_checkpoint


def _history_buffer_getattr(owner: Any, name: str) -> Any:
    """``getattr`` for :class:`mmengine.logging.HistoryBuffer`'s registered statistics only.

    A pickled ``HistoryBuffer`` names its statistics as ``getattr(HistoryBuffer, 'mean')``. Torch
    is given this function under the name ``builtins.getattr``: the real one would open every
    attribute of every allowed object to a crafted file.
    """
    if owner is not HistoryBuffer or name not in ("min", "max", "current", "mean"):
        raise ValueError(
            f"refused to look up {name!r} of {owner!r} while loading a checkpoint: only the "
            "statistics min, max, current and mean of mmengine's HistoryBuffer are allowed"
        )
    return getattr(owner, name)


def _safe_globals() -> list[Any]:
    """Every global found in checkpoints of real runs, as torch wants them: (object, full name)."""
    array = np.zeros(1)
    reconstruct = array.__reduce__()[0]
    scalar = array[0].__reduce__()[0]
    dtypes = {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + "efd?SU"}
    return [
        (_history_buffer_getattr, "builtins.getattr"),
        (HistoryBuffer, "mmengine.logging.history_buffer.HistoryBuffer"),
        (np.ndarray, "numpy.ndarray"),
        (np.dtype, "numpy.dtype"),
        # numpy 2 renamed the module: a checkpoint of either loads under either.
        *(
            (function, f"numpy.{core}.multiarray.{name}")
            for core in ("core", "_core")
            for name, function in (("_reconstruct", reconstruct), ("scalar", scalar))
        ),
        # The class of a dtype is looked up when its state is set; older numpy keeps these
        # classes in `numpy` itself, hence the name from the class.
        *((cls, f"{cls.__module__}.{cls.__qualname__}") for cls in sorted(dtypes, key=repr)),
    ]


def allow_mmengine_checkpoints() -> bool:
    """Register with torch what mmengine's training checkpoints hold, where that is needed.

    Needed only with an mmengine that calls ``torch.load`` bare (0.10.7) and torch >= 2.6. Numpy
    arrays and scalars of numbers, booleans and text, ``HistoryBuffer`` and its statistics become
    loadable with ``weights_only=True``, for the whole process; nothing else does, and a statistic
    a user registered with ``HistoryBuffer.register_statistics`` does not. Says what was done in
    an INFO message the first time; calling it again changes nothing.

    Returns:
        bool: True if the globals are registered after the call, False if there was no need.
    """
    if hasattr(_mmengine_checkpoint, "_safe_torch_load"):
        return False
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        return False
    missing = [
        item for item in _safe_globals() if item not in torch.serialization.get_safe_globals()
    ]
    if missing:
        torch.serialization.add_safe_globals(missing)
        print_log(
            "torch >= 2.6 refuses the training state in mmengine's checkpoints: registered "
            "HistoryBuffer and numpy arrays, scalars and dtypes as safe to load "
            "(torch.serialization.add_safe_globals).",
            logger="current",
            level=logging.INFO,
        )
    return True
