"""Numbers and names as text for people."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence

from anl_seg.noise import NOISES, MaskNoise, NoiseStatistics


def printable(text: object) -> str:
    """``text`` as valid Unicode: bytes of a file name that are none become ``\\udcXX``."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def percent(share: float) -> str:
    """A share as ``'39.81 %'``; ``'-'`` for nan."""
    return "-" if math.isnan(share) else f"{100 * share:.2f} %"


def dice(value: float) -> str:
    """A Dice score with three digits; ``'-'`` for nan. Only an exact 1 is written as 1.000."""
    if math.isnan(value):
        return "-"
    return "0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def changed(statistics: NoiseStatistics) -> str:
    """How many pixels changed, in words."""
    if not statistics.valid_pixels:
        return "no valid pixel"
    return (
        f"{percent(statistics.changed_share)} changed "
        f"({statistics.changed_pixels} of {statistics.valid_pixels} valid pixels)"
    )


def present_classes(statistics: NoiseStatistics) -> list[int]:
    """The classes of the clean or the noisy mask: those that have a Dice score."""
    return [label for label, value in enumerate(statistics.dice) if not math.isnan(value)]


def clean_classes(statistics: NoiseStatistics) -> list[int]:
    """The classes of the clean mask."""
    return statistics.confusion.sum(axis=1).nonzero()[0].tolist()


def only_noisy(statistics: NoiseStatistics, names: Sequence[str]) -> str:
    """The classes that the noise brought into the mask, in words; empty if there are none."""
    old = set(clean_classes(statistics))
    new = [names[label] for label in present_classes(statistics) if label not in old]
    if not new:
        return ""
    return (
        f"Dice 0, for only the noisy mask has {'it' if len(new) == 1 else 'them'}: {', '.join(new)}"
    )


def class_names(names: Sequence[str] | None, num_classes: int) -> list[str]:
    """A name for each class; ``class 7`` for one that has none."""
    known = [printable(name) for name in names or ()][:num_classes]
    return [*known, *(f"class {label}" for label in range(len(known), num_classes))]


def shortened(text: str, length: int) -> str:
    """``text``, with an ellipsis in place of its start if it has more than ``length`` characters."""
    return text if len(text) <= length else f"…{text[len(text) - length + 1 :]}"


def describe_noise(noise: MaskNoise, length: int = 400) -> str:
    """A noise with the parameters that are not left at their defaults, cut off at ``length`` characters."""
    text = printable(_config_text(noise.config()))
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _config_text(value: object) -> str:
    """Configs of noises as Python calls, at any depth."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_config_text, value))}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, dict) or "type" not in value:
        return repr(value)
    name = value["type"]
    known = inspect.signature(NOISES[name]).parameters if name in NOISES else {}
    given = {
        key: item
        for key, item in value.items()
        if key != "type" and not (key in known and item == known[key].default)
    }
    return f"{name}({', '.join(f'{key}={_config_text(item)}' for key, item in given.items())})"


def file_size(size: int) -> str:
    """Bytes as ``'12 kB'`` or ``'3.4 MB'``."""
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(1, round(size / 1024))} kB"
