r"""Write a data set's masks with noise in them, once and for all, and a manifest of what was done.

Examples:
    python tools/corrupt_dataset.py mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py \
        --noise SymmetricNoise:rate=0.4 --out data/cityscapes_noisy --jobs 8
    python tools/corrupt_dataset.py --masks data/masks --num-classes 4 \
        --noise AlphaBetaNoise:alpha=0.7,beta=0.7 --out data/masks_noisy
    python tools/corrupt_dataset.py --verify data/masks_noisy/manifest.json
    python tools/corrupt_dataset.py --verify data/cityscapes_noisy/manifest.json \
        mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from anl_seg._processes import cpu_count
from anl_seg._suggest import printable
from anl_seg.cli._job import add_config
from anl_seg.cli._program import command_parser, errors_in_a_sentence, program
from anl_seg.cli._sources import open_source
from anl_seg.config import parse_spec
from anl_seg.config.options import OptionsAction
from anl_seg.corruption import (
    Report,
    corrupt_dataset,
    counts_by_folder,
    folders_text,
    held_out_folders,
    how_to_load,
    noise_of,
    read_manifest,
    source_of,
    verify_manifest,
)

_MOST_PROBLEMS = 20


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser(
        "corrupt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config(parser, nargs="?")
    parser.add_argument("--out", help="folder to write to: a new one, outside the data's own")
    parser.add_argument(
        "--noise",
        metavar="SPEC",
        help="e.g. SymmetricNoise:rate=0.4; left out, the CorruptMask of the config",
    )
    parser.add_argument("--seed", type=int, help="seed of --noise (default 0)")
    parser.add_argument(
        "--split",
        choices=["train", "val", "test"],
        help="which data of the config (default train)",
    )
    parser.add_argument("--masks", help="instead of a config: folder of PNG masks")
    parser.add_argument(
        "--images", help="with --masks: folder of the images, for noise that needs them"
    )
    parser.add_argument("--mask-suffix", help="what masks end in (default .png)")
    parser.add_argument(
        "--image-suffix", help="what images end in instead (default: .jpg, .png, ...)"
    )
    parser.add_argument("--num-classes", type=int, help="default: that of the config's head")
    parser.add_argument(
        "--ignore-index", type=int, help="default: that of the config's head, else 255"
    )
    parser.add_argument(
        "--key-parts",
        type=int,
        metavar="N",
        help="how many last parts of a mask's path seed its noise (default 2, or what the config says)",
    )
    parser.add_argument(
        "--jobs", type=int, default=cpu_count(), help="processes (default: the CPUs)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run in --out"
    )
    parser.add_argument(
        "--verify",
        metavar="MANIFEST",
        help="compute everything again and compare; masks of a config need it named too, with its "
        "--cfg-options; name --masks or --images if they have moved",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=OptionsAction,
        help="override settings of the config, e.g. train_dataloader.dataset.data_root=elsewhere",
    )
    args = parser.parse_args(argv)
    _check(args)
    return args


def _exit(text: str) -> NoReturn:
    sys.exit(f"{program('corrupt')}: {text}")


def _check(args: argparse.Namespace) -> None:
    """Exit in words where arguments do not go together."""
    if args.verify is not None:
        names = (
            "out",
            "noise",
            "seed",
            "split",
            "num_classes",
            "ignore_index",
            "key_parts",
            "resume",
        )
        _refuse(args, (*names, "mask_suffix", "image_suffix"), "--verify takes no")
        return
    if (args.config is None) == (args.masks is None):
        _exit("name a config or --masks, and not both.")
    if args.out is None:
        _exit("--out is missing: the folder to write to.")
    if args.masks is not None and args.num_classes is None:
        _exit("--masks goes with --num-classes.")
    if args.masks is None and args.images is not None:
        _exit("--images goes with --masks.")
    if args.masks is None:
        _refuse(args, ("mask_suffix", "image_suffix"), "without --masks there is no use for")
    else:
        _refuse(args, ("split", "cfg_options"), "without a config there is no use for")
    if args.images is None:
        _refuse(args, ("image_suffix",), "without --images there is no use for")


def _refuse(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Exit if one of the arguments is given, which would have no effect."""
    given = [name for name in names if getattr(args, name) not in (None, False)]
    if given:
        _exit(f"{why} --{given[0].replace('_', '-')}.")


def verify(args: argparse.Namespace) -> Report:
    """Check what ``--verify`` names, against the source where the arguments say that it lies."""
    named = {n: getattr(args, n) for n in ("config", "masks", "images", "cfg_options")}
    named = {name: value for name, value in named.items() if value is not None}
    source = source_of(read_manifest(args.verify)[0], **named) if named else None
    return verify_manifest(args.verify, source=source, jobs=args.jobs)


def warn_of_held_out(counts: dict[str, int], remedy: str) -> None:
    """Say it where folders are among those of the masks that are not for training by their names."""
    held_out = held_out_folders(counts)
    if held_out:
        print(
            f"{program('corrupt')}: warning: corrupted as well: {folders_text(counts, held_out)}, for "
            f"validation or test by the name; to leave it clean, {remedy}.",
            file=sys.stderr,
        )


def corrupt(args: argparse.Namespace) -> None:
    """Do what the arguments ask for and say what came of it."""
    source = open_source(args)
    spec = None if args.noise is None else parse_spec(args.noise)
    noise, seed = noise_of(source, spec, args.seed)
    if args.masks is not None:
        (part,) = source.parts
        counts = counts_by_folder(part.relative_names() or [])
        warn_of_held_out(counts, "let --masks name the training folder alone")
    plan, manifest = corrupt_dataset(
        source, noise, args.out, seed=seed, resume=args.resume, jobs=args.jobs
    )
    totals = manifest["totals"]
    share = totals["changed_share"]
    print(
        f"{totals['files']} masks in {args.out}, {totals['changed_pixels']} of {totals['valid_pixels']} "
        f"pixels changed ({'no pixels' if share is None else f'{share:.2%}'})."
    )
    counts = counts_by_folder(record["file"] for record in manifest["files"])
    if len(counts) > 1:
        print(f"folders: {folders_text(counts)}")
    if args.config is not None and args.split in (None, "train"):
        warn_of_held_out(counts, "let train_dataloader of the config find training masks alone")
    print()
    print(how_to_load(plan, args.out))


def say(report: Report, manifest: str) -> None:
    """Print what a verification found; exit with an error unless everything is right."""
    for note in report.notes:
        print(printable(note))
    for problem in report.problems[:_MOST_PROBLEMS]:
        print(printable(problem))
    if len(report.problems) > _MOST_PROBLEMS:
        print(f"and {len(report.problems) - _MOST_PROBLEMS} more")
    if not report.clean:
        _exit(f"problems found: {len(report.problems)}.")
    how = "pixel by pixel" if report.remade else "by names, sizes and checksums"
    print(f"clean: {report.files} files are what {manifest} says, {how}.")
    if not report.remade:
        print(
            "The masks were not made again: that runs the config, which is code. Name it after the "
            "manifest, with its --cfg-options, if you trust it."
        )


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    interrupted = "interrupted; go on with --resume."
    with errors_in_a_sentence("corrupt", OSError, RuntimeError, interrupted=interrupted):
        if args.verify is None:
            corrupt(args)
        else:
            say(verify(args), args.verify)
    return 0
