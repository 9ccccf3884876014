"""What the benchmarks of the losses share: arguments, and results as Markdown and JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks._timing import measured_on

RESULTS = Path(__file__).parent / "results"


def new_parser(doc: str, threads: int) -> argparse.ArgumentParser:
    """The arguments that all have; ``threads`` is the default of that one."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="time of the thread on the processor: for a busy machine, one thread only",
    )
    parser.add_argument("--reduced", action="store_true", help="small shapes, to try it out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write to")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, checked; torch works with the threads that they ask for."""
    args = parser.parse_args()
    if args.cpu_time and (args.threads != 1 or args.device != "cpu"):
        parser.error("--cpu-time counts one thread of the CPU: use --threads 1 --device cpu")
    torch.set_num_threads(args.threads)
    return args


def clock(args: argparse.Namespace) -> Callable[[], float]:
    """What the times are read from."""
    return time.thread_time if args.cpu_time else time.perf_counter


def conditions(args: argparse.Namespace) -> str:
    """Device, threads, rounds and clock as a part of a sentence."""
    device = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    read = "processor time of the one thread" if args.cpu_time else "wall time"
    return f"{device}, {args.threads} thread(s), {args.rounds} interleaved rounds, {read}"


def write_results(args: argparse.Namespace, stem: str, text: str, results: Any) -> None:
    """Write ``<stem>_<device>.md`` and ``.json``, with what they were measured on, and print the first."""
    measured = f"{measured_on()}, torch {torch.__version__}"
    text = f"{text}\n\nMeasured on: {measured}."
    content = {"conditions": conditions(args), "measured_on": measured, "results": results}
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{stem}_{args.device}"
    path.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(text)
