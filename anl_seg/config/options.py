"""``--cfg-options``: the last word over what a tool's own arguments make of a config."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import MODELS

from anl_seg._suggest import did_you_mean
from anl_seg.config._walk import resolved, type_name

#: Settings that a config may have at its top beside those of mmengine's Runner.
_TOP_LEVEL = (
    "cache_samples",
    "compile",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "noise_key_parts",
    "runner_type",
)
_MISSING = object()
#: How alike names are of which one may be a misspelling of the other.
_TYPING_ERROR = 0.8


def known_settings(cfg: Config) -> set[str]:
    """The names that something reads at the top of a config, and those that it has there."""
    return {*cfg.keys(), *inspect.signature(Runner.__init__).parameters, *_TOP_LEVEL} - {"self"}


def _inner(owner: Any, key: str) -> Any:
    """What stands under one part of a dotted name; ``_MISSING`` if nothing does."""
    if isinstance(owner, (list, tuple)):
        return owner[int(key)] if key.isdigit() and int(key) < len(owner) else _MISSING
    return owner.get(key, _MISSING) if isinstance(owner, (Mapping, Config)) else _MISSING


def first_missing(cfg: Config, name: str) -> tuple[int | None, Any]:
    """At which part of a dotted name a config has no such key, and what stands before it.

    None where it has all of them.
    """
    owner: Any = cfg
    for i, key in enumerate(name.split(".")):
        inner = _inner(owner, key)
        if inner is _MISSING:
            return i, owner
        owner = inner
    return None, owner


def _only_later(cfg: Config, name: str) -> bool:
    """Whether an option can only mean what a tool's arguments are still to bring."""
    at, _ = first_missing(cfg, name)
    parts = name.split(".")
    if at is None or at == len(parts) - 1:
        return False
    return any(part.isdigit() for part in parts) or "loss_decode" in parts[at:]


def _merge(cfg: Config, options: Mapping[str, Any]) -> None:
    try:
        cfg.merge_from_dict(dict(options))
    except AttributeError:  # mmengine merges into an element of a list as if it were a dict
        raise ValueError(
            f"--cfg-options {', '.join(options)}: an element of a list can be changed by its keys, or with "
            "the whole list."
        ) from None


def _moved(old: Sequence, new: Sequence, index: int) -> bool:
    """Whether something was put into a list before one of its elements, or around it."""
    before, after = (
        [type_name(x) if isinstance(x, Mapping) else "" for x in items[: index + 1]]
        for items in (old, new)
    )
    return len(old) != len(new) and before != after


def _overwritten(before: Mapping, after: Config, name: str, value: Any) -> bool:
    """Whether the value that an option has set has been replaced since."""
    old, new = before, after
    for key in name.split("."):
        if (
            isinstance(old, (list, tuple))
            and isinstance(new, (list, tuple))
            and _moved(old, new, int(key))
        ):
            return False
        old, new = _inner(old, key), _inner(new, key)
        if new is _MISSING:
            return True
    if isinstance(value, (list, tuple)) and isinstance(new, (list, tuple)):
        return list(new[: len(value)]) != list(value)  # more behind it is no contradiction
    if name.endswith(".type") and isinstance(value, str):
        kinds = [resolved({"type": kind}, MODELS) for kind in (value, new)]
        if None not in kinds and issubclass(kinds[1], kinds[0]):
            return False  # the one that carries the clean mask along, for instance
    return new != value


def _warn_of_new(cfg: Config, options: Mapping[str, Any]) -> None:
    """Say which options name a part of the config that is not there, and may be misspelled."""
    for name in options:
        at, owner = first_missing(cfg, name)
        parts = name.split(".")
        if at is None or (at > 0 and at == len(parts) - 1):
            continue
        known = known_settings(cfg) if at == 0 else owner if isinstance(owner, Mapping) else ()
        hint = did_you_mean([parts[at]], known, _TYPING_ERROR)
        if parts[at] not in known and (hint or at == 0):
            where = ".".join(parts[:at]) or "the config"
            print_log(
                f"--cfg-options {name}: {where} has no {parts[at]!r}, so this is a new setting that nothing "
                f"may read.{hint}",
                logger="current",
                level=logging.WARNING,
            )


@contextmanager
def options_last(cfg: Config, options: Mapping[str, Any] | None) -> Iterator[None]:
    """Merge ``--cfg-options`` into a config, and again, where it has replaced them, what happens within.

    So what a tool's arguments do sees the options, and the options have the last word. The position in a
    list is that of the config before anything was put into the list; options that then name nothing, but
    do afterwards, are merged afterwards.

    Args:
        cfg: a loaded config; changed in place.
        options: value by dotted name; None = none.

    Raises:
        KeyError, TypeError, ValueError: an option that cannot be merged, as in mmengine.
    """
    if not options:
        yield
        return
    original = copy.deepcopy(cfg)
    early = {name: value for name, value in options.items() if not _only_later(cfg, name)}
    _merge(cfg, early)
    before = copy.deepcopy(cfg.to_dict())
    yield
    late = {name: value for name, value in options.items() if name not in early}
    _warn_of_new(original, early)
    _warn_of_new(cfg, late)
    lost = {n: v for n, v in early.items() if _overwritten(before, cfg, n, v)}
    _merge(cfg, {**lost, **late})
