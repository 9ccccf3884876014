"""How to train on a corrupted data set: lines to copy into a config."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from anl_seg.corruption.plan import Plan
from anl_seg.corruption.splits import TOP, counts_by_folder, held_out_folders

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
            and (_is_plain(out) or not _in_a_list(parts[number].place))
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
    if not place:
        return _by_prefix_of_a_folder(f"{out}/{_training_folder(plan)}".removesuffix(f"/{TOP}"))
    folder = f"{out}/{plan.folder(number)}".rstrip("/")
    if _in_a_list(place):
        return f"start train.py with\n\n    {_option(place, folder)}\n"
    return _two_lines(plan, place, _prefix(folder))


def _by_prefix_of_a_folder(folder: str) -> str:
    """For masks without a config: which one will be trained is unknown."""
    if not _is_plain(folder):
        return f"give the training data set of a config\n\n    {_prefix(folder)}\n"
    return (
        f"start train.py with a config and\n\n    {_option('train_dataloader.dataset', folder)}\n\n"
        f"or give the training data set of the config\n\n    {_prefix(folder)}\n"
    )


def _training_folder(plan: Plan) -> str:
    """The only folder that is not for validation or test by its name, else the one of all masks."""
    folders = counts_by_folder(target.file for target in plan.targets)
    held_out = held_out_folders(folders)
    training = [folder for folder in folders if folder not in held_out]
    return training[0] if held_out and len(training) == 1 else TOP


def _prefix(folder: str) -> str:
    return f"data_prefix=dict(seg_map_path={_quoted(folder)})"


def _option(place: str, folder: str) -> str:
    return f"--cfg-options {place}.data_prefix.seg_map_path={folder}"


def _quoted(text: str) -> str:
    """A text as Python writes it, also one with quotes or backslashes."""
    return json.dumps(text, ensure_ascii=False)


def _is_plain(path: str) -> bool:
    """Whether a shell and ``--cfg-options``, which drops spaces, leave a path as it is."""
    return re.fullmatch(r"[\w./:@%+=-]+", path) is not None


def _by_transform(plan: Plan, number: int, out: str) -> str:
    """For all others: a transform behind the annotation loader."""
    part = plan.source.parts[number]
    which = f", dataset={number}" if len(plan.source.parts) > 1 else ""
    clean = ", keep_clean=True" if part.keeps_clean else ""
    step = f'dict(type="anl_seg.LoadCorruptedAnnotations", folder={_quoted(out)}{which}{clean})'
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
        return f'__import__("anl_seg").mmseg_config({_quoted(config[len(_PREFIX) :])})'
    return _quoted(Path(config).absolute().as_posix())
