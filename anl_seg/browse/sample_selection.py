"""Which samples to show."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

#: So many known keys an error lists at most.
_MAX_LISTED = 5


def pick_at_random(length: int, count: int, *, seed: int) -> list[int]:
    """``count`` of the indices below ``length``, in ascending order.

    More samples with the same seed include those of fewer.

    Raises:
        ValueError: fewer than 1, or more than there are.
    """
    if not 1 <= count <= length:
        raise ValueError(
            f"cannot show {count} samples at random: the data set has {length}, and at least 1 is needed."
        )
    return sorted(np.random.RandomState(seed).permutation(length)[:count].tolist())


def pick_by_name(wanted: Sequence[str], keys: Sequence[str]) -> list[int]:
    """The indices of samples that are given by key, end of a key, or index.

    A text means the sample whose key it is; else the only one whose key ends in it, with or without
    the file ending; else, if it is a whole number without leading zeros, the one at that position (0
    is the first, -1 the last).

    Args:
        wanted: texts; a sample that several of them mean is taken once.
        keys: of all samples.

    Raises:
        ValueError: a text that means no sample, or several; close keys are named.
    """
    return list(dict.fromkeys(_find(text, keys) for text in wanted))


def _find(text: str, keys: Sequence[str]) -> int:
    if text in keys:
        return list(keys).index(text)
    ends = [i for i, key in enumerate(keys) if key.endswith(f"/{text}") or _stem(key) == text]
    if len(ends) == 1:
        return ends[0]
    number = _number(text)
    if number is not None and -len(keys) <= number < len(keys):
        return number % len(keys)
    allowed = (
        f"The data set has {len(keys)} samples: {_listed(keys)}; or give 0 to {len(keys) - 1}."
    )
    if ends:
        raise ValueError(
            f"{text!r} means {len(ends)} samples: {_listed([keys[i] for i in ends])}. Give the whole key."
        )
    close = get_close_matches(text, keys, n=3, cutoff=0.5) if number is None else []
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise ValueError(f"no sample {text!r}.{hint} {allowed}")


def _number(text: str) -> int | None:
    """The whole number that a text is written as; None for ``007`` and everything else."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text else None


def _stem(key: str) -> str:
    return key.rpartition("/")[2].rpartition(".")[0]


def _listed(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:_MAX_LISTED])
    return shown if len(keys) <= _MAX_LISTED else f"{shown}, ..."
