"""``--cfg-options`` of tools that pass them on to the trainings they start."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmengine.config import DictAction


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Let a tool take ``--cfg-options key=value ...`` as words, as trainings take them."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="override settings of the configs, after all other arguments, as in tools/train.py",
    )


def parse_cfg_options(words: Sequence[str]) -> dict:
    """``['a.b=1', 'c=[2,3]']`` as mmengine reads it: ``{'a.b': 1, 'c': [2, 3]}``.

    Raises:
        ValueError: a word that is not ``key=value``, or brackets that do not match.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--options", nargs="+", action=DictAction)
    options: dict = {}
    for word in words:
        if not word.partition("=")[0].strip() or "=" not in word:
            raise ValueError(f"--cfg-options takes key=value; got {word!r}.")
        try:
            options.update(parser.parse_args(["--options", word]).options)
        except AssertionError as error:
            raise ValueError(f"--cfg-options {word!r}: {error}") from error
    return options
