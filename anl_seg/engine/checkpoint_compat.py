"""Loading mmengine's checkpoints without running code that a file names.

mmengine 0.10.7 calls ``torch.load`` without saying what it may load: before torch 2.6 a file runs what it
names, from 2.6 on mmengine's own checkpoints (``HistoryBuffer`` objects with numpy arrays) are refused. The
onedl family tries the safe way and then the other one. Here both load weights, plain values and what
mmengine's training state holds, and nothing else.
"""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import re
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer, print_log
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import checkpoint as _mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from torch import _weights_only_unpickler

from anl_seg._checkpoint_files import damage

#: Torch's own switch for files that one trusts; ours heeds it too.
TRUST = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
#: From 2.6 on torch refuses unknown classes by default, and takes names of further ones.
_TAKES_NAMES = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 6)
_REFUSED = re.compile(r"GLOBAL (\S+)")
_TORCHS_REASON = re.compile(r"WeightsUnpickler error:\s*(.+)")
_IF_TRUSTED = f"If you trust the file, set {TRUST}=1"
#: What mmengine's training state names as attributes of a class.
_ATTRIBUTES = {
    HistoryBuffer: ("min", "max", "current", "mean"),
    OneCycleParamScheduler: ("_annealing_cos", "_annealing_linear"),
}
#: They only hold what is put into them: in settings (``args``) and metainfo beside weights.
_CONTAINERS = (argparse.Namespace, frozenset, range, slice)


class CheckpointError(ValueError):
    """A checkpoint file that is damaged, or that holds more than weights and training state."""


def _known_getattr(owner: Any, name: str) -> Any:
    """``getattr`` for what mmengine's training state names only.

    A pickled ``HistoryBuffer`` names its statistics as ``getattr(HistoryBuffer, 'mean')``, the state of
    ``OneCycleLR`` its curve in the same way. Torch is given this function under the name
    ``builtins.getattr``: the real one would open every attribute of every allowed object to a crafted file.
    """
    known = _ATTRIBUTES.get(owner, ()) if isinstance(owner, type) else ()
    if name not in known:
        raise ValueError(
            f"refused to look up {name!r} of {owner!r} while loading a checkpoint: only the statistics of "
            "mmengine's HistoryBuffer and the curves of its OneCycleParamScheduler are allowed"
        )
    return getattr(owner, name)


def _safe_globals() -> list[Any]:
    """Every global found in checkpoints of real runs, as torch wants them: (object, full name)."""
    array = np.zeros(1)
    reconstruct = array.__reduce__()[0]
    scalar = array[0].__reduce__()[0]
    dtypes = {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + "efdFD?SUVmM"}
    return [
        (_known_getattr, "builtins.getattr"),
        (HistoryBuffer, "mmengine.logging.history_buffer.HistoryBuffer"),
        (ConfigDict, "mmengine.config.config.ConfigDict"),  # in the metainfo of a data set
        (OneCycleParamScheduler, f"{OneCycleParamScheduler.__module__}.OneCycleParamScheduler"),
        *((cls, f"{cls.__module__}.{cls.__qualname__}") for cls in _CONTAINERS),
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


class _RestrictedUnpickler(pickle.Unpickler):
    """Knows what torch's loader of weights knows, and :func:`_safe_globals`. For torch before 2.6, whose
    loader of weights takes no names."""

    def find_class(self, module: str, name: str) -> Any:
        known = dict(_weights_only_unpickler._get_allowed_globals())
        known.update((full_name, item) for item, full_name in _safe_globals())
        full_name = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if full_name not in known:
            raise pickle.UnpicklingError(f"Unsupported global: GLOBAL {full_name}")
        return known[full_name]


_restricted_pickle = types.ModuleType("anl_seg_restricted_pickle")
vars(_restricted_pickle).update(
    Unpickler=_RestrictedUnpickler,
    load=lambda file, **options: _RestrictedUnpickler(file, **options).load(),
)


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    """An environment variable with another value, or None: without one."""
    before = os.environ.pop(name, None)
    try:
        if value is not None:
            os.environ[name] = value
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def _is_trusted() -> bool:
    return os.environ.get(TRUST, "").lower() in ("1", "y", "yes", "true")


def _torch_load(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
    """``torch.load`` of weights and training state, on every torch."""
    if _is_trusted():
        return torch.load(file, map_location=map_location, weights_only=False)
    if _TAKES_NAMES:
        return torch.load(file, map_location=map_location, weights_only=True)
    with _environment(_FORCE, None):
        return torch.load(file, map_location=map_location, pickle_module=_restricted_pickle)


def _load_from_local(filename: str, map_location: Any = None) -> Any:
    """mmengine's loader of local files, with :func:`_torch_load`."""
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise FileNotFoundError(f"{filename} can not be found.")
    if told := damage(filename):
        raise CheckpointError(f"the checkpoint {filename} is damaged: {told}.")
    return _torch_load(filename, map_location)


def _reason(error: Exception) -> str:
    """Why torch did not load a file, in a line."""
    if match := _REFUSED.search(str(error)):
        return (
            f"it holds {match.group(1)}, and only tensors, numbers, texts, numpy arrays and mmengine's "
            f"records are read, as anything else may run code. {_IF_TRUSTED}"
        )
    if "TorchScript" in str(error):
        return "it is a TorchScript archive, a program and no weights"
    if match := _TORCHS_REASON.search(str(error)):
        return f"torch cannot read it as weights only ({match.group(1).strip()}). {_IF_TRUSTED}"
    if isinstance(error, EOFError):
        return "it was cut off"
    if str(error).startswith("Weights only load failed"):
        return "it is no checkpoint of torch"
    return str(error).strip().split("\n")[0] or type(error).__name__


@contextmanager
def _weights_only(filename: str) -> Iterator[None]:
    """Within it torch loads weights only, whatever its caller asks for; errors name the file."""
    try:
        with _environment(_FORCE, None if _is_trusted() else "1"):
            yield
    except (CheckpointError, ImportError, OSError):
        raise
    except Exception as error:
        raise CheckpointError(
            f"the checkpoint {filename} is not loaded: {_reason(error)}."
        ) from error


def _drop_config(content: Any, filename: str) -> None:
    """Take ``meta.config`` out: mmengine runs it as Python when it resumes, to read a number of GPUs that
    its own checkpoints (``meta.cfg``) have not."""
    meta = content.get("meta") if isinstance(content, dict) else None
    if isinstance(meta, dict) and meta.pop("config", None) is not None:
        print_log(
            f"meta.config of {filename} is left out: it is Python code.",
            logger="current",
            level=logging.WARNING,
        )


def _guard_loader() -> None:
    """Let mmengine's loader of checkpoints, and so all of mmseg, load in the safe way; once."""
    loader = CheckpointLoader.load_checkpoint.__func__
    if hasattr(loader, "__wrapped__"):
        return

    @wraps(loader)
    def load_checkpoint(
        cls: type, filename: str, map_location: Any = None, logger: Any = "current"
    ) -> Any:
        with _weights_only(filename):
            content = loader(cls, filename, map_location, logger)
        _drop_config(content, filename)
        return content

    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
    # mmengine tells the name of a loader from its tenth letter on.
    _load_from_local.__name__ = "load_from_local"
    CheckpointLoader.register_scheme("", loader=_load_from_local, force=True)
    if hasattr(_mmengine_checkpoint, "_safe_torch_load"):
        _mmengine_checkpoint._safe_torch_load = _torch_load


def allow_mmengine_checkpoints() -> bool:
    """Let mmengine load checkpoints, its own training state too, and nothing that runs code.

    From then on, in this process, every checkpoint that mmengine or mmseg loads (resumed, ``load_from``,
    pretrained, from a file or an address) may hold tensors, plain values, numpy arrays and scalars of
    numbers, booleans and text, ``HistoryBuffer`` and its statistics; a statistic that a user registered with
    ``HistoryBuffer.register_statistics`` not. Anything else, and a file whose entries do not have their
    checksums, is a :class:`CheckpointError` that names file and reason. Who trusts a file sets
    ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1``. Loading by ``torch.load`` itself stays as it is, but for the
    globals that are registered as safe (torch >= 2.6).

    Says in an INFO message the first time what was registered, where mmengine (0.10.7) would have refused
    its own checkpoints; calling it again changes nothing.

    Returns:
        bool: True if this mmengine refuses its own checkpoints otherwise.
    """
    refused = _TAKES_NAMES and not hasattr(_mmengine_checkpoint, "_safe_torch_load")
    _guard_loader()
    if not _TAKES_NAMES:
        return False
    missing = [
        item for item in _safe_globals() if item not in torch.serialization.get_safe_globals()
    ]
    torch.serialization.add_safe_globals(missing)
    if missing and refused:
        print_log(
            "torch >= 2.6 refuses the training state in mmengine's checkpoints: registered "
            "HistoryBuffer and numpy arrays, scalars and dtypes as safe to load "
            "(torch.serialization.add_safe_globals).",
            logger="current",
            level=logging.INFO,
        )
    return refused
