"""A random stream for each sample that depends on nothing but the sample and the noise."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Union

import numpy as np

from anl_seg._checks import check_integer

#: What random numbers are drawn from.
Rng = Union[np.random.RandomState, np.random.Generator]


def sample_rng(seed: int, key: str, digest: str) -> np.random.RandomState:
    """The generator of one sample: the same in every epoch, worker, rank and after a resume.

    The three arguments are written as a JSON list, so that no two triples share an encoding, hashed
    by blake2b to 128 bits and used to seed PCG64. The result is a ``RandomState``: numpy's NEP 19
    freezes the legacy methods of that class for good, and keeps the streams of PCG64 and
    ``SeedSequence`` fixed for a given seed, while the methods of ``Generator`` may change between
    releases. Noise functions call only methods that both classes have (``random``, ``uniform``,
    ``normal``, ``standard_normal``, ``permutation``) and so accept either.

    Args:
        seed: the study's noise seed, an integer of at least 0; not the runner's seed.
        key: what identifies the sample on every machine, see :func:`sample_key`.
        digest: :meth:`MaskNoise.digest` of the noise model.

    Raises:
        ValueError: the seed is no integer of at least 0, or the key or digest is no text or empty.
    """
    seed = check_integer("seed", seed, low=0)
    for name, value in (("key", key), ("digest", digest)):
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} must be a non-empty string, got {value!r}")
    # json.dumps escapes to ASCII: file names that are not valid UTF-8 (lone surrogates) work too.
    message = json.dumps([seed, key, digest]).encode("ascii")
    entropy = int.from_bytes(hashlib.blake2b(message, digest_size=16).digest(), "big")
    return np.random.RandomState(np.random.PCG64(entropy))


def sample_key(path: str | os.PathLike, parts: int = 2) -> str:
    """The last ``parts`` parts of a path, joined by ``/``: the same wherever the data is stored.

    Backslashes count as separators. A path with fewer parts is returned whole.

    Args:
        path: for example ``seg_map_path``.
        parts: how many parts, at least 1. Too few make samples of different folders share a key,
            and with it their noise.

    Raises:
        ValueError: the path has no parts, or ``parts`` is no integer of at least 1.
    """
    parts = check_integer("parts", parts, low=1)
    text = os.fspath(path)
    pieces = [p for p in text.replace("\\", "/").split("/") if p not in ("", ".")]
    if not pieces:
        raise ValueError(f"a sample key needs the path of a file, got {path!r}")
    return "/".join(pieces[-parts:])
