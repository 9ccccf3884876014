"""How to train on a corrupted data set: lines to copy into a config."""

from __future__ import annotations

import os
from pathlib import Path

from anl_seg.corruption.plan import Plan

_PREFIX = "mmseg::"
_MOST_CLASSES = 256  # what mmseg's LoadAnnotations can tell apart: it keeps 8 bits


def how_to_load(plan: Plan, out: str | os.PathLike) -> str:
    """What to change in a config so that it trains on the masks in ``out``."""
    out = Path(out).absolute().as_posix()
    parts = plan.source.parts
    texts = []
    for number in range(len(parts)):
        by_prefix = (
            plan.in_place[number]
            and plan.source.corruption is None
            and plan.source.num_classes <= _MOST_CLASSES
        )
        texts.append(
            _by_prefix(plan, number, out) if by_prefix else _by_transform(plan, number, out)
        )
    text = "To train on these masks, " + "\nand ".join(texts)
    if plan.source.origin.get("cfg_options"):
        text += "\nGive the same --cfg-options there.\n"
    return text


def _by_prefix(plan: Plan, number: int, out: str) -> str:
    """For data sets that find their label files below ``data_prefix``."""
    place = plan.source.parts[number].place
    folder = f"{out}/{plan.folder(number)}".rstrip("/")
    setting = f'data_prefix=dict(seg_map_path="{folder}")'
    if not place:
        return f"give the data set\n\n    {setting}\n"
    if _in_a_list(place):
        option = f"{place}.data_prefix.seg_map_path={folder}"
        return f"start train.py with\n\n    --cfg-options {option}\n"
    return _two_lines(plan, place, setting)


def _by_transform(plan: Plan, number: int, out: str) -> str:
    """For all others: a transform behind the annotation loader."""
    part = plan.source.parts[number]
    which = f", dataset={number}" if len(plan.source.parts) > 1 else ""
    clean = ", keep_clean=True" if part.keeps_clean else ""
    step = f'dict(type="anl_seg.LoadCorruptedAnnotations", folder="{out}"{which}{clean})'
    corrupts = plan.source.corruption is not None
    if not part.place or _in_a_list(part.place):
        where = "in the place of CorruptMask" if corrupts else "behind the annotation loader"
        whose = f" of {part.place}" if part.place else ""
        return f"put into the pipeline{whose}, {where},\n\n    {step},\n"
    pipeline = f"_base_.{part.place}.pipeline"
    steps = [f"*{pipeline}[:{part.steps}]", step, f"*{pipeline}[{part.steps + corrupts}:]"]
    lines = "".join(f"\n        {one}," for one in steps)
    return _two_lines(plan, part.place, f"pipeline=[{lines}\n    ]")


def _in_a_list(place: str) -> bool:
    """Whether the settings lead through a list: a config that inherits cannot change one entry of it."""
    return any(name.isdigit() for name in place.split("."))


def _two_lines(plan: Plan, place: str, setting: str) -> str:
    """A config that inherits the source's and changes one setting of a data set."""
    first, *inner = place.split(".")
    for name in reversed(inner):
        setting = f"{name}=dict({setting})"
    base = _base(plan.source.origin.get("config"))
    return f"write a config with two settings:\n\n    _base_ = [{base}]\n    {first} = dict({setting})\n"


def _base(config: str | None) -> str:
    if config is None:
        return '"your-config.py"'
    if config.startswith(_PREFIX):
        # mmengine's own spelling of such a base works on one family only.
        return f'__import__("anl_seg").mmseg_config("{config[len(_PREFIX) :]}")'
    return f'"{Path(config).absolute().as_posix()}"'
