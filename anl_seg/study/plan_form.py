"""What a plan of a study must be like to be read: kinds of all values that anything is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from anl_seg._files import check_inside_name

#: The ways in which the runs of a study differ.
AXES = ("model", "loss", "noise", "strength", "seed", "options")
Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return _integer(value) and value >= 1


def _number(value: Any) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that is no float
        return False


def _strength(value: Any) -> bool:
    parts = value.values() if isinstance(value, Mapping) else [value]
    return value is None or all(map(_number, parts))


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


_METRICS = {"main": _text}
_METRICS_IF_GIVEN = {
    "others": _texts,
    "last_k": _count,
    "baseline": _or_none(_text),
    "stop_by": _or_none(_text),
    "lower_is_better": _texts,
}
_AXES = {**dict.fromkeys(AXES, _text), "strength": _strength, "seed": _integer}
_RUN = {"digest": _text, "folder": _text}
_RUN_IF_GIVEN = {
    "name": _text,
    "command": _texts,
    "max_iters": _or_none(_count),
    "max_epochs": _or_none(_count),
}
_PLAN = {"name": _text}
_PLAN_IF_GIVEN = {
    "study_file": _text,
    "study_text": _text,
    "versions": _or_none(lambda value: isinstance(value, dict)),
    "commit": _or_none(_text),
}


def wrong_plan(plan: Any) -> str | None:
    """What is wrong with a plan, in words; None if nothing is."""
    if wrong := _wrong(plan, _PLAN, _PLAN_IF_GIVEN, ""):
        return wrong
    if wrong := _wrong(plan.get("metrics"), _METRICS, _METRICS_IF_GIVEN, "metrics"):
        return wrong
    if not isinstance(plan.get("runs"), list):
        return "it has no list of runs"
    folders = set()
    for number, run in enumerate(plan["runs"]):
        place = f"runs.{number}"
        if wrong := _wrong(run, _RUN, _RUN_IF_GIVEN, place):
            return wrong
        if wrong := _wrong(run.get("axes"), _AXES, {}, f"{place}.axes"):
            return wrong
        try:
            check_inside_name(run["folder"], f"{place}.folder")
        except ValueError as error:
            return str(error).rstrip(".")
        if run["folder"] in folders:
            return f"{place}.folder {run['folder']!r} is listed twice"
        folders.add(run["folder"])
    return None


def _wrong(
    content: Any, needed: Mapping[str, Check], if_given: Mapping[str, Check], place: str
) -> str | None:
    if not isinstance(content, dict):
        return f"{place or 'it'} holds no settings by name but {content!r:.60}"
    for name, check in {**needed, **if_given}.items():
        if name not in content and name in needed:
            return f"{'.'.join(filter(None, [place, name]))} is missing"
        if name in content and not check(content[name]):
            return f"{'.'.join(filter(None, [place, name]))} is {content[name]!r:.60}"
    return None
