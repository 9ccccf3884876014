r"""Which configs of the installed mmseg train with a robust loss: two steps of each, shrunk, on the CPU.

Every loss of a config is replaced and its labels are noisy. Each small model runs in a process of its own;
configs that shrink to the same model share its result. Run again with the same --work-dir to go on.

Examples:
    python tools/check_model_zoo.py --all --jobs 8
    python tools/check_model_zoo.py --sample --loss GCELoss:q=0.7
    python tools/check_model_zoo.py --sample --every-loss
    python tools/check_model_zoo.py knet/ danet/danet_r50-d8_4xb2-40k_cityscapes-512x1024.py
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

# One thread for each process: the models are small, and --jobs is how the CPUs are used.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from rich.console import Console
from rich.markup import escape

from anl_seg._processes import cpu_count, interrupted_once
from anl_seg._progress import progress_bars
from anl_seg._suggest import WRONG_INPUT, sentence, unknown_name
from anl_seg.config import parse_spec
from anl_seg.config.loss_config import qualified_loss
from anl_seg.noise import build_noise
from tools.model_zoo.leaf_configs import Leaf, leaf_paths, read_leaf, sample_paths
from tools.model_zoo.loss_specs import every_loss, fill_loss
from tools.model_zoo.processes import Limits, Task, run_all
from tools.model_zoo.report import family_rows, loss_table, markdown, summary
from tools.model_zoo.results import ResultFile, Settings


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "configs", nargs="*", metavar="CONFIG", help="a config of mmseg, or the start of its name"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="all configs")
    which.add_argument("--sample", action="store_true", help="the first config of each family")
    losses = parser.add_mutually_exclusive_group()
    losses.add_argument(
        "--loss",
        nargs="+",
        metavar="SPEC",
        default=["ANLCELoss"],
        help="one or more, e.g. GCELoss:q=0.7 (default ANLCELoss); a matrix that a loss needs and does "
        "not name is that of the noise",
    )
    losses.add_argument("--every-loss", action="store_true", help="all registered losses")
    parser.add_argument(
        "--noise",
        metavar="SPEC",
        default="SymmetricNoise:rate=0.4",
        help="noise on the labels (default SymmetricNoise:rate=0.4)",
    )
    parser.add_argument(
        "--work-dir",
        default="work_dirs/model_zoo",
        help="folder of results.jsonl, summary.json and table.md (default work_dirs/model_zoo)",
    )
    parser.add_argument(
        "--jobs", type=int, default=cpu_count(), help="processes at a time (default: the CPUs)"
    )
    parser.add_argument(
        "--seconds", type=float, default=180.0, help="time limit of a model (default 180)"
    )
    parser.add_argument(
        "--gigabytes", type=float, default=8.0, help="memory limit of a model (default 8)"
    )
    parser.add_argument(
        "--retry", action="store_true", help="try models again that failed in an earlier run"
    )
    args = parser.parse_args(argv)
    if bool(args.configs) == (args.all or args.sample):
        sys.exit("check_model_zoo.py: name configs, or --all, or --sample.")
    if args.jobs < 1:
        sys.exit(f"check_model_zoo.py: --jobs must be 1 or more; got {args.jobs}.")
    return args


def chosen_paths(args: argparse.Namespace) -> list[str]:
    """The configs that the arguments name."""
    paths = leaf_paths()
    if args.all:
        return paths
    if args.sample:
        return sample_paths(paths)
    found = []
    for start in args.configs:
        matches = [p for p in paths if p.startswith(start)]
        if not matches:
            families = {p.split("/")[0] for p in paths}
            same = [p for p in paths if p.split("/")[0] == start.split("/")[0]]
            raise ValueError(unknown_name("mmseg config", start, same or families))
        found += [p for p in matches if p not in found]
    return found


def read_all(paths: Iterable[str], noise: dict, console: Console) -> list[Leaf]:
    """Read and shrink the configs."""
    paths = list(paths)
    with progress_bars(console) as progress:
        return [read_leaf(p, noise) for p in progress.track(paths, description="reading")]


def chosen_losses(args: argparse.Namespace, noise: dict) -> dict[str, dict]:
    """Label -> config of the losses that the arguments name, each of which can be built."""
    if args.every_loss:
        losses = {loss["type"]: loss for loss in every_loss()}
    else:
        losses = {text: parse_spec(text) for text in args.loss}
    for loss in losses.values():
        # A wrong loss is an error here, not one of each model.
        qualified_loss(fill_loss(loss, noise, dict(num_classes=2)))
    return losses


def _is_known(result: dict | None, retry: bool) -> bool:
    return result is not None and not (retry and result["status"] == "fails")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do what the arguments ask for; how many configs fail."""
    noise = build_noise(parse_spec(args.noise)).config()
    losses = chosen_losses(args, noise)
    leaves = read_all(chosen_paths(args), noise, console)
    folder = Path(args.work_dir)
    files = {
        label: ResultFile(folder / "results.jsonl", Settings.here(loss, noise))
        for label, loss in losses.items()
    }
    results = {label: file.read() for label, file in files.items()}
    models = {leaf.key: leaf.model for leaf in leaves if leaf.outcome is None}
    tasks = []
    for key, model in models.items():
        left = {
            label: loss
            for label, loss in losses.items()
            if not _is_known(results[label].get(key), args.retry)
        }
        if left:
            tasks.append(Task(key, model, left))
    todo = sum(len(task.losses) for task in tasks)
    counted = f"{len(leaves)} configs, {len({leaf.key for leaf in leaves})} small models"
    if len(losses) > 1:
        counted += f", {len(losses)} losses"
    console.print(f"{counted}: {todo} to try, {len(models) * len(losses) - todo} done before")
    first = {leaf.key: leaf.path for leaf in reversed(leaves)}
    limits = Limits(args.seconds, args.gigabytes)
    with progress_bars(console) as progress:
        bar = progress.add_task("training", total=todo)
        for key, label, outcome, seconds in run_all(tasks, noise, jobs=args.jobs, limits=limits):
            results[label][key] = files[label].append(key, outcome, seconds)
            progress.advance(bar)
            if not console.is_terminal or outcome.status != "trains":
                reason = f" ({outcome.reason})" if outcome.reason else ""
                what = first[key] if len(losses) == 1 else f"{first[key]}, {label}"
                progress.console.print(
                    escape(f"{what}: {outcome.status}{reason}, {seconds:.1f} s"), soft_wrap=True
                )
    settings = {label: file.settings for label, file in files.items()}
    return write(folder, leaves, results, settings)


def write(folder: Path, leaves: list[Leaf], results: dict, settings: dict) -> int:
    """Write ``summary.json`` and ``table.md``, print the table; how many configs fail.

    Args:
        folder: made if it is not there.
        leaves: the configs.
        results: label of a loss -> results by key of the model.
        settings: label of a loss -> its settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        label: {"settings": settings[label], **summary(leaves, found)}
        for label, found in results.items()
    }
    if len(parts) == 1:
        ((label, found),) = parts.items()
        table = markdown(family_rows(leaves, results[label]))
    else:
        found, table = {"losses": parts}, loss_table(leaves, results)
    (folder / "summary.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(table, encoding="utf-8")
    print(table)
    shared = next(iter(parts.values()))["configs_per_model"]
    print(
        f"{len(leaves)} configs are {shared['models']} small models: the most shared one stands for "
        f"{shared['most']} configs, {shared['alone']} stand for one. Details, tracebacks of failures "
        f"included: {folder / 'summary.json'}"
    )
    return sum(c["status"] == "fails" for p in parts.values() for c in p["configs"].values())


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        with interrupted_once():
            failed = run(args, Console(stderr=True))
    except (*WRONG_INPUT, OSError) as error:
        sys.exit(f"check_model_zoo.py: {sentence(error)}")
    except KeyboardInterrupt:
        sys.exit("check_model_zoo.py: interrupted; run it again to go on.")
    if failed:
        sys.exit(f"check_model_zoo.py: configs that fail: {failed}.")
    return 0
