"""Two folders of masks of the same images, one clean and one noisy, label by label."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from anl_seg.corruption.sources import check_classes
from anl_seg.masks.png import read_mask_png
from anl_seg.noise.estimate_transition_matrix import TransitionCounts
from anl_seg.noise.label_counts import LabelCounts


def mask_pairs(clean: str | Path, noisy: str | Path) -> list[tuple[Path, Path]]:
    """The PNG files of two folders that have the same path in them.

    Raises:
        FileNotFoundError: a folder does not exist or holds no PNG, or a file has no partner.
    """
    names = []
    for folder in (clean, noisy):
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"no folder {str(folder)!r}")
        found = (p.relative_to(folder) for p in Path(folder).rglob("*") if not p.is_dir())
        names.append({p for p in found if p.suffix.lower() == ".png" and p.name[0] != "."})
        if not names[-1]:
            raise FileNotFoundError(f"no PNG file in {str(folder)!r}")
    for here, there, lonely in (
        (clean, noisy, names[0] - names[1]),
        (noisy, clean, names[1] - names[0]),
    ):
        if lonely:
            listed = ", ".join(p.as_posix() for p in sorted(lonely)[:5])
            more = f" and {len(lonely) - 5} more" if len(lonely) > 5 else ""
            raise FileNotFoundError(
                f"{len(lonely)} masks of {str(here)!r} have no partner in {str(there)!r}: "
                f"{listed}{more}"
            )
    return [(Path(clean, name), Path(noisy, name)) for name in sorted(names[0])]


class CountedPairs(NamedTuple):
    """The labels of pairs of masks: of both together, of the clean and of the noisy ones."""

    transitions: TransitionCounts
    clean: LabelCounts
    noisy: LabelCounts


def count_pairs(
    pairs: Iterable[tuple[Path, Path]], num_classes: int, ignore_index: int
) -> CountedPairs:
    """Count the labels of pairs of mask files.

    Args:
        pairs: paths of a clean mask and of its noisy version.
        num_classes: C.
        ignore_index: label of pixels that do not count.

    Raises:
        ValueError: masks that differ in size, or hold other labels; both files are named.
    """
    counted = CountedPairs(
        TransitionCounts(check_classes(num_classes), ignore_index),
        LabelCounts(num_classes, ignore_index),
        LabelCounts(num_classes, ignore_index),
    )
    for clean, noisy in pairs:
        try:
            masks = [read_mask_png(path).values for path in (clean, noisy)]
            counted.transitions.add(*masks)
            for labels, mask in zip(counted[1:], masks):
                labels.add(mask)
        except ValueError as error:
            raise ValueError(f"{error} (comparing '{clean}' and '{noisy}')") from None
    return counted
