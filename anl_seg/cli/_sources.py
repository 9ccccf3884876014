"""The clean masks that the arguments of ``corrupt`` and ``browse`` name."""

from __future__ import annotations

import argparse

from anl_seg.corruption import MaskSource, config_source, folder_source


def open_source(args: argparse.Namespace) -> MaskSource:
    """The masks of a config, or of the folder of ``--masks``."""
    if args.masks is None:
        return config_source(
            args.config,
            args.split or "train",
            num_classes=args.num_classes,
            ignore_index=args.ignore_index,
            cfg_options=args.cfg_options,
            key_parts=args.key_parts,
        )
    given = {name: getattr(args, name) for name in ("mask_suffix", "image_suffix", "key_parts")}
    return folder_source(
        args.masks,
        args.images,
        num_classes=args.num_classes,
        ignore_index=255 if args.ignore_index is None else args.ignore_index,
        **{name: value for name, value in given.items() if value is not None},
    )
