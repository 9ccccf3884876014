"""Adding hooks to a config that may have them already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import shorten
from typing import Any

from mmengine.config import Config
from mmengine.hooks import EMAHook, Hook, ParamSchedulerHook
from mmengine.runner.priority import Priority, get_priority
from mmseg.registry import HOOKS

from anl_seg.config._walk import resolved, type_name

#: A hook of this package of which a training can have several.
SCHEDULE = "LossScheduleHook"
#: Of these a training can have only one, and of every hook of this package but :data:`SCHEDULE`.
_ONE_ONLY = (EMAHook, ParamSchedulerHook)
#: Most characters of a value in an error.
_LONGEST = 200


def _kind(hook: Mapping | Hook) -> type | str:
    """The class of a hook or of its config; the bare name where there is no such class."""
    if isinstance(hook, Hook):
        return type(hook)
    return resolved(hook, HOOKS) or type_name(hook)


def _name(kind: type | str) -> str:
    return kind if isinstance(kind, str) else kind.__name__


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith("anl_seg.")


def is_hook(hook: Mapping | Hook, kind: type[Hook] | str) -> bool:
    """Whether a hook, or what a config names, is of a class or of a subclass; one of ours may be named."""
    found = _kind(hook)
    bases = found.__mro__ if isinstance(found, type) else ()
    return any(base is kind or (_is_ours(base) and base.__name__ == kind) for base in bases)


def _only_one(kind: type | str) -> str | None:
    """The class of which a training can have one hook and that this is one of; None if there is none."""
    if isinstance(kind, str):
        return kind if kind in map(_name, _ONE_ONLY) else None
    for base in reversed(kind.__mro__):
        if (_is_ours(base) and base.__name__ != SCHEDULE) or base in _ONE_ONLY:
            return base.__name__
    return None


def built_hook(hook: Mapping | Hook) -> Hook:
    """The hook of a config; a hook is returned as it is."""
    if isinstance(hook, Hook):
        return hook
    hook = dict(hook)
    hook.pop("priority", None)
    return HOOKS.build(hook)


def _given(hook: Mapping) -> dict[str, Any]:
    return {name: value for name, value in hook.items() if name != "type"}


def _priority(hook: Mapping | Hook) -> int | None:
    """The priority that a config gives a hook, as a number; None where it gives none.

    Raises:
        ValueError: there is no such priority.
    """
    priority = hook.get("priority") if isinstance(hook, Mapping) else None
    if priority is None:
        return None
    try:
        return get_priority(priority)
    except (KeyError, TypeError, ValueError):
        named = ", ".join(level.name for level in Priority)
        raise ValueError(
            f"priority of {_name(_kind(hook))} must be an integer from 0 to 100, or one of {named}; got "
            f"{priority!r}."
        ) from None


def _settings(hook: Mapping | Hook) -> dict[str, Any]:
    """What tells a hook from others of its class, the defaults filled in."""
    built = built_hook(hook)
    given = _priority(hook)
    return {**vars(built), "priority": get_priority(built.priority) if given is None else given}


def _same(old: Mapping | Hook, new: Mapping | Hook) -> bool:
    """Whether two hooks or configs of hooks make the same hook."""
    kind = _kind(old)
    if kind != _kind(new):
        return False
    if isinstance(old, Mapping) and isinstance(new, Mapping) and _given(old) == _given(new):
        return True
    return isinstance(kind, type) and _settings(old) == _settings(new)


def _setting(name: str, value: Any) -> str:
    return f"{name} not set" if value is None else f"{name}={shorten(repr(value), _LONGEST)}"


def _unlike(name: str, old: Any, new: Any) -> Iterator[str]:
    """The parts of a setting that differ, by dotted name, with both values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from _unlike(f"{name}.{key}".lstrip("."), old.get(key), new.get(key))
    elif isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)) and len(old) == len(new):
        for i, (one, other) in enumerate(zip(old, new)):
            yield from _unlike(f"{name}.{i}", one, other)
    elif old != new:
        yield f"{_setting(name, old)} against {_setting(name, new)}"


def _differences(old: Mapping | Hook, new: Mapping | Hook) -> str:
    """What tells two hooks apart, with both values."""
    kinds = [_kind(hook) for hook in (old, new)]
    if kinds[0] != kinds[1]:
        names = [
            _setting("type", hook.get("type")) if isinstance(hook, Mapping) else _name(kind)
            for hook, kind in zip((old, new), kinds)
        ]
        return " against ".join(names)
    written = all(isinstance(hook, Mapping) for hook in (old, new))
    settings = [_given(hook) if written else _settings(hook) for hook in (old, new)]
    return "; ".join(_unlike("", *settings)) or "they are the same"


def _collide(old: Mapping | Hook, new: Mapping | Hook) -> bool:
    """Whether a training cannot have both hooks, unless they are one and the same."""
    kinds = [_only_one(_kind(hook)) for hook in (old, new)]
    if None not in kinds:
        return kinds[0] == kinds[1]
    schedules = all(is_hook(hook, SCHEDULE) for hook in (old, new))
    return schedules and bool(built_hook(old).shared_parameters(built_hook(new)))


def hooks_of(cfg: Config) -> Iterator[tuple[str, Mapping | Hook]]:
    """(place, hook) of all hooks that a config names, as configs or as objects.

    Raises:
        ValueError: one that is neither, such as the text of one.
    """
    for name, hook in (cfg.get("default_hooks") or {}).items():
        if hook is not None:
            yield f"default_hooks.{name}", hook
    for i, hook in enumerate(cfg.get("custom_hooks") or []):
        if not isinstance(hook, (Mapping, Hook)):
            raise ValueError(f"custom_hooks.{i} must be a dict or a hook; got {hook!r}.")
        yield f"custom_hooks.{i}", hook


def has_hook(cfg: Config, kind: type[Hook] | str) -> bool:
    """Whether a config names a hook of a class or of a subclass."""
    return any(is_hook(hook, kind) for _, hook in hooks_of(cfg))


def add_hooks(cfg: Config, *hooks: Mapping) -> None:
    """Append hooks to ``custom_hooks``, but for those that the config has already.

    Hooks of one class go together, as a user's own may; not two of ``EMAHook``, of
    ``ParamSchedulerHook`` or of a hook of this package, subclasses included, nor two
    ``LossScheduleHook`` that set the same parameter.

    Args:
        cfg: a loaded config; changed in place, and only once all have been found to be right.
        hooks: configs of hooks.

    Raises:
        ValueError: the config has another hook that cannot be beside one of these; both settings are
            named.
    """
    known, added = list(hooks_of(cfg)), []
    for hook in hooks:
        if any(_same(old, hook) for _, old in known):
            continue
        for place, old in known:
            if _collide(old, hook):
                raise ValueError(
                    f"the config has {_name(_kind(old))} in {place} already, and a training cannot have "
                    "another one beside it. There against the one to be added: "
                    f"{_differences(old, hook)}. Take one away."
                )
        added.append(dict(hook))
    if added:
        # `setdefault` of a config returns a list that it does not keep.
        cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), *added]


def check_hooks(cfg: Config) -> None:
    """Refuse a config that itself names hooks of which a training can have only one.

    Raises:
        ValueError: two that cannot be together; where, and what differs, is named; or no such priority.
    """
    seen: list[tuple[str, Mapping | Hook]] = []
    for place, hook in hooks_of(cfg):
        _priority(hook)
        for before, old in seen:
            if _collide(old, hook):
                raise ValueError(
                    f"the config has {_name(_kind(old))} in {before} and in {place}, and a training cannot "
                    f"have both ({_differences(old, hook)}). Take one away."
                )
        seen.append((place, hook))
