"""Loading a checkpoint to evaluate it: weights that are missing are no detail then."""

from __future__ import annotations

import re

from mmengine.runner import Runner

from anl_seg.engine.checkpoint_compat import CheckpointError

_MISMATCH = re.compile(r"size mismatch for ([\w.]+):")
_MISSING = re.compile(r"missing keys in source state_dict: (.*)")
_DIFFERS = "do not match exactly"
_SHOWN = 3


def _is_used(name: str) -> bool:
    """Whether a weight has a part in predictions: auxiliary heads and losses have none."""
    return not name.startswith("auxiliary_head") and "loss" not in name


def load_to_evaluate(runner: Runner, path: str) -> None:
    """Load a checkpoint into the model of a runner; its weights must be all that predictions need.

    mmengine only logs weights that do not fit, and evaluates what the model was started with. More weights
    than the model has are all right.

    Raises:
        ValueError: a file that is no checkpoint, or weights that are missing or of another shape.
    """
    try:
        runner.load_checkpoint(path, strict=True)
        return
    except CheckpointError:
        raise
    except Exception as error:  # of torch, pickle, zipfile and mmengine
        told = str(error)
        if _DIFFERS not in told:
            reason = f"{type(error).__name__}: {told.strip().partition(chr(10))[0]}"
            raise ValueError(f"the checkpoint {path!r} cannot be read ({reason}).") from error
    missing = [name.strip() for names in _MISSING.findall(told) for name in names.split(",")]
    for what, names in (("lacks", missing), ("has other shapes of", _MISMATCH.findall(told))):
        if used := [name for name in names if _is_used(name)]:
            more = f" and {len(used) - _SHOWN} more" if len(used) > _SHOWN else ""
            raise ValueError(
                f"the checkpoint {path!r} does not fit the config: it {what} "
                f"{', '.join(used[:_SHOWN])}{more}, and scores would be those of random weights."
            )
    runner.load_checkpoint(path)
