"""Look at mask noise before training with it: a contact sheet, a page with a slider over the strength,
and with --stats what the noise does to a whole data set.

Examples:
    python tools/browse_noise.py configs/quickstart/unet-small_480_ce_synthetic-64x64.py \\
        --noise AlphaBetaNoise:alpha=0.7,beta=0.5 --random 6 --out work_dirs/browse
    python tools/browse_noise.py --masks data/masks --images data/images --num-classes 4 \\
        --noise SymmetricNoise:rate=0.4 --stats --jobs 4 --out work_dirs/browse
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from anl_seg._files import write_bytes_atomically, write_json_atomically
from anl_seg._processes import cpu_count
from anl_seg._progress import progress_bars
from anl_seg.browse import formatting
from anl_seg.browse.data_statistics import evenly_spaced, measure_data
from anl_seg.browse.files import output_paths
from anl_seg.browse.page import draw_page
from anl_seg.browse.palette import class_colours
from anl_seg.browse.pictures import Painter
from anl_seg.browse.plot import draw_statistics
from anl_seg.browse.report import statistics_tables
from anl_seg.browse.sample_selection import pick_at_random, pick_by_name
from anl_seg.browse.sheet import draw_sheet
from anl_seg.browse.slider import compare_positions, slide
from anl_seg.cli._job import add_config
from anl_seg.cli._program import command_parser, errors_in_a_sentence
from anl_seg.cli._sources import open_source
from anl_seg.config import parse_spec
from anl_seg.config.options import OptionsAction
from anl_seg.corruption import MaskSource, noise_of
from anl_seg.engine.environment import environment
from anl_seg.noise import PRESETS, MaskNoise, build_noise

#: Samples on the sheet where none are asked for.
_SAMPLES = 6
_LARGE_PAGE = 20 * 2**20


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser(
        "browse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config(parser, nargs="?")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of what is written")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument(
        "--noise",
        metavar="SPEC",
        help="e.g. SymmetricNoise:rate=0.4; without it, the noise of the config itself",
    )
    parser.add_argument(
        "--seed", type=int, help="seed of the noise (default: that of the config's noise, else 0)"
    )
    data = parser.add_argument_group("data")
    data.add_argument(
        "--split", choices=["train", "val", "test"], help="data of the config (default train)"
    )
    data.add_argument(
        "--cfg-options", nargs="+", action=OptionsAction, help="override settings of the config"
    )
    data.add_argument("--masks", metavar="DIR", help="instead of a config: folder of PNG masks")
    data.add_argument("--images", metavar="DIR", help="with --masks: folder of the images")
    data.add_argument("--mask-suffix", metavar="TEXT", help="with --masks: end of their names")
    data.add_argument("--image-suffix", metavar="TEXT", help="with --images: end of their names")
    data.add_argument("--num-classes", type=int, metavar="C", help="needed with --masks")
    data.add_argument(
        "--key-parts", type=int, metavar="N", help="how many last parts of a path seed its noise"
    )
    data.add_argument("--ignore-index", type=int, help="label of the pixels that do not count")
    sheet = parser.add_argument_group("contact sheet and page")
    which = sheet.add_mutually_exclusive_group()
    which.add_argument("--samples", nargs="+", metavar="KEY", help="by key, end of a key, or index")
    which.add_argument(
        "--random", type=int, metavar="N", help=f"number of samples at random (default {_SAMPLES})"
    )
    sheet.add_argument("--random-seed", type=int, metavar="S", help="of --random (default 0)")
    sheet.add_argument("--strength", metavar="NAME", help="parameter that the slider moves")
    sheet.add_argument("--values", nargs="+", type=float, metavar="V", help="where it stops")
    sheet.add_argument(
        "--max-side",
        type=int,
        metavar="PIXELS",
        help="longer side of the page's pictures (default 512; 0: as large as the masks)",
    )
    stats = parser.add_argument_group("statistics")
    stats.add_argument(
        "--stats", action="store_true", help="measure the whole data set instead of drawing samples"
    )
    stats.add_argument(
        "--max-samples", type=int, metavar="N", help="most samples to measure, evenly spaced"
    )
    stats.add_argument("--jobs", type=int, metavar="N", help="processes (default: the CPUs)")
    args = parser.parse_args(argv)
    _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse arguments that would have no effect, or no meaning together."""

    def refuse(names: list[str], why: str) -> None:
        given = [n for n in names if getattr(args, n) is not None]
        if given:
            parser.error(f"{', '.join('--' + n.replace('_', '-') for n in given)}: {why}.")

    if (args.config is None) == (args.masks is None):
        parser.error("give a config, or --masks with a folder of PNG masks.")
    if args.masks is None:
        refuse(["images", "mask_suffix", "image_suffix"], "only with --masks")
    else:
        refuse(["split", "cfg_options"], "only with a config")
        if args.num_classes is None:
            parser.error("--masks needs --num-classes: the files do not tell.")
        if args.noise is None:
            parser.error("--masks needs --noise: there is no config that has one.")
    if args.images is None:
        refuse(["image_suffix"], "only with --images")
    if args.stats:
        refuse(
            ["samples", "random", "random_seed", "strength", "values", "max_side"],
            "not with --stats, which draws no samples",
        )
    else:
        refuse(["max_samples", "jobs"], "only with --stats")
    if args.samples is not None:
        refuse(["random_seed"], "not with --samples")
    for name, least in (("max_samples", 1), ("jobs", 1), ("max_side", 0), ("random_seed", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}, got {value}.")


def titles(
    args: argparse.Namespace, noise: MaskNoise, source: MaskSource, seed: int
) -> tuple[str, str, str]:
    """The noise as people know it; all that a picture tells of it below that; where samples come from."""
    text = formatting.describe_noise(noise)
    origin = formatting.printable(f"{source.name}; noise seed {seed}")
    if args.noise is None or parse_spec(args.noise)["type"].rpartition(".")[2] not in PRESETS:
        return text, origin, origin
    return args.noise, f"{text}; {origin}", origin


class Subject(NamedTuple):
    """What is looked at: masks and their noise.

    Attributes:
        source: the clean masks.
        noise: the noise.
        seed: of the noise.
        names: of the classes.
        title, subtitle, origin: see :func:`titles`.
    """

    source: MaskSource
    noise: MaskNoise
    seed: int
    names: list[str]
    title: str
    subtitle: str
    origin: str


def open_subject(args: argparse.Namespace) -> Subject:
    """Masks and noise of the arguments, checked."""
    source = open_source(args)
    source.check_keys()
    source.warn_of_labels()
    spec = None if args.noise is None else parse_spec(args.noise)
    config, seed = noise_of(source, spec, args.seed, other=True)
    noise = build_noise(config)
    names = formatting.class_names(source.class_names, source.num_classes)
    return Subject(source, noise, seed, names, *titles(args, noise, source, seed))


def counted(progress: Progress, task: str, total: int) -> Callable[[], None]:
    """A function that moves the bar of a task by one."""
    bar = progress.add_task(task, total=total)

    def advance() -> None:
        progress.advance(bar)
        progress.refresh()

    return advance


def choose_samples(args: argparse.Namespace, source: MaskSource) -> list[int]:
    """The indices of the samples that are drawn."""
    if args.samples is not None:
        return pick_by_name(args.samples, [source.key(i) for i in range(len(source))])
    count = min(_SAMPLES, len(source)) if args.random is None else args.random
    return pick_at_random(len(source), count, seed=args.random_seed or 0)


def browse(args: argparse.Namespace, progress: Progress) -> list[Path]:
    """Write the contact sheet and the page; returns their paths."""
    sheet_path, page_path = output_paths(
        args.out, ["sheet.png", "page.html"], overwrite=args.overwrite
    )
    subject = open_subject(args)
    source, noise = subject.source, subject.noise
    positions, start, remark = slide(noise, strength=args.strength, values=args.values)
    indices = choose_samples(args, source)
    with_image = args.masks is None or args.images is not None or noise.needs_image
    samples = [source.sample(index, with_image) for index in indices]
    asked, *settings = compare_positions(
        samples,
        [("", noise), *positions],
        seed=subject.seed,
        advance=counted(progress, "drawing noise", (len(positions) + 1) * len(samples)),
        num_classes=source.num_classes,
        ignore_index=source.ignore_index,
    )
    painter = Painter(class_colours(source.palette, source.num_classes), source.ignore_index)
    names, title = subject.names, subject.title
    sheet = draw_sheet(asked.samples, painter, names, title=title, subtitle=subject.subtitle)
    page = draw_page(
        settings,
        start,
        painter,
        names,
        title=title,
        subtitle=subject.origin,
        remark=remark,
        max_side=512 if args.max_side is None else args.max_side,
    )
    write_bytes_atomically(sheet_path, sheet)
    write_bytes_atomically(page_path, page.encode("utf-8"))
    return [sheet_path, page_path]


def measure(args: argparse.Namespace, progress: Progress, console: Console) -> list[Path]:
    """Write and print the statistics; returns the paths of the files."""
    json_path, plot_path = output_paths(
        args.out, ["stats.json", "stats.png"], overwrite=args.overwrite
    )
    source, noise, seed, names, title, subtitle, _ = open_subject(args)
    indices = evenly_spaced(len(source), args.max_samples)
    statistics = measure_data(
        source,
        noise,
        seed=seed,
        indices=indices,
        jobs=args.jobs or cpu_count(),
        advance=counted(progress, "measuring", len(indices)),
    )
    progress.stop()
    content = {
        "noise": noise.config(),
        "seed": seed,
        "source": source.name,
        "num_classes": source.num_classes,
        "ignore_index": source.ignore_index,
        "class_names": names,
        **statistics.to_dict(),
        "environment": environment(),
    }
    plot = draw_statistics(statistics, names, title=title, subtitle=subtitle)
    write_bytes_atomically(plot_path, plot)  # makes the folder
    write_json_atomically(json_path, content)
    console.print(escape(title))
    console.print(escape(subtitle))
    console.print(statistics_tables(statistics, names))
    return [json_path, plot_path]


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    # Without a refreshing thread: worker processes are forked meanwhile.
    progress = progress_bars(Console(stderr=True), auto_refresh=False)
    interrupted = "interrupted; nothing was written."
    with errors_in_a_sentence("browse", OSError, RuntimeError, interrupted=interrupted), progress:
        paths = measure(args, progress, console) if args.stats else browse(args, progress)
    for path in paths:
        size = path.stat().st_size
        print(f"written: {path} ({formatting.file_size(size)})")
        if path.suffix == ".html" and size > _LARGE_PAGE:
            print(
                "the page is large and may open slowly; fewer --samples or --values, or a smaller "
                "--max-side, make it smaller."
            )
    return 0
