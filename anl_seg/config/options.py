"""``--cfg-options``: the last word over what a tool's own arguments make of a config."""

from __future__ import annotations

import argparse
import copy
import inspect
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import MODELS

from anl_seg._suggest import did_you_mean, sentence
from anl_seg.config._walk import as_list, resolved, type_name
from anl_seg.config.load import check_sections

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


class OptionsAction(argparse.Action):
    """``--cfg-options key=value ...`` of a tool as a dict; what cannot be read is an error of the parser."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Read the words of one ``--cfg-options``, which may come several times."""
        try:
            options = parse_cfg_options(as_list(values))
        except ValueError as error:
            raise argparse.ArgumentError(None, str(error)) from None
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), **options})


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Let a tool that starts trainings take ``--cfg-options key=value ...`` as words to pass on."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="override settings of the configs, after all other arguments, as in tools/train.py",
    )


def parse_cfg_options(words: Sequence[str]) -> dict[str, Any]:
    """``['a.b=1', 'c=[2,3]']`` as mmengine reads it: ``{'a.b': 1, 'c': [2, 3]}``.

    Raises:
        ValueError: a word that is not ``key=value``, or brackets that do not match.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--options", nargs="+", action=DictAction)
    options: dict[str, Any] = {}
    for word in words:
        name, equals, _ = word.partition("=")
        if not equals or not all(map(str.strip, name.split("."))):
            raise ValueError(f"--cfg-options takes key=value; got {word!r}.")
        try:
            options.update(parser.parse_args([f"--options={word}"]).options)
        except AssertionError as error:
            raise ValueError(f"--cfg-options {word!r}: {error}") from error
    return options


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
    """Whether an option can wait for what a tool's arguments are still to bring.

    It waits if it can only mean that, or if it changes one of the hooks, to which they add.
    """
    if re.match(r"custom_hooks\.\d", name):
        return True
    at, _ = first_missing(cfg, name)
    parts = name.split(".")
    if at is None or at == len(parts) - 1:
        return False
    return any(part.isdigit() for part in parts) or "loss_decode" in parts[at:]


def apply_options(cfg: Config, options: Mapping[str, Any] | None) -> None:
    """Merge ``--cfg-options`` into a config, in place.

    Args:
        cfg: a loaded config.
        options: value by dotted name; None = none.

    Raises:
        KeyError, TypeError, ValueError: an option that cannot be merged, or that leaves no dict where one
            must be.
    """
    options = options or {}
    try:
        cfg.merge_from_dict(dict(options))
    except AttributeError:  # mmengine merges into an element of a list as if it were a dict
        raise ValueError(
            f"--cfg-options {', '.join(options)}: an element of a list can be changed by its keys, or with "
            "the whole list."
        ) from None
    except (KeyError, TypeError) as error:
        text = f"--cfg-options {', '.join(options)}: {sentence(error)}"
        raise type(error)(text) from None
    check_sections(cfg)


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
        meant, there = (resolved({"type": kind}, MODELS) for kind in (value, new))
        if meant is not None and there is not None and issubclass(there, meant):
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
    do afterward, are merged afterward.

    Args:
        cfg: a loaded config; changed in place.
        options: value by dotted name; None = none.

    Raises:
        KeyError, TypeError, ValueError: see :func:`apply_options`.
    """
    if not options:
        yield
        return
    original = copy.deepcopy(cfg)
    early = {name: value for name, value in options.items() if not _only_later(cfg, name)}
    apply_options(cfg, early)
    before = copy.deepcopy(cfg.to_dict())
    yield
    late = {name: value for name, value in options.items() if name not in early}
    _warn_of_new(original, early)
    _warn_of_new(cfg, late)
    lost = {n: v for n, v in early.items() if _overwritten(before, cfg, n, v)}
    apply_options(cfg, {**lost, **late})
