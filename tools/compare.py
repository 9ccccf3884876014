"""Train several configs, or one config with several losses, under the same noises and seeds, and print
a table.

Examples, the first a study of docs/results.md:
    python tools/compare.py configs/jsrt/*_760_*.py --noise SymmetricNoise:rate=0.6 \
        AlphaBetaNoise:alpha=0.7,beta=0.7 --seeds 0 1 --jobs 2 --metric mDice.fg
    python tools/compare.py configs/quickstart/unet-small_480_ce_synthetic-64x64.py \
        --loss CELoss GCELoss:q=0.5 GCELoss:q=0.9 --noise SymmetricNoise:rate=0.5
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.config import load_config
from anl_seg.config.options import add_cfg_options, parse_cfg_options
from anl_seg.engine._atomic import write_json_atomically
from anl_seg.study import (
    Run,
    comparison_records,
    comparison_table,
    experiments_of,
    launch_runs,
    plan_runs,
)
from anl_seg.study.known_metrics import check_metric
from anl_seg.study.plan import merge_options
from anl_seg.study.run.state import check_work_dir


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="+", help="config files, one per experiment")
    parser.add_argument(
        "--loss", nargs="+", default=[], metavar="SPEC", help="losses in place of the configs' own"
    )
    parser.add_argument("--noise", nargs="+", required=True, metavar="SPEC", help="noises")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (default 1)")
    parser.add_argument("--metric", default="mIoU", help="metric to report (default mIoU)")
    parser.add_argument("--work-dir", default="work_dirs/compare", help="folder of the runs")
    add_cfg_options(parser)
    return parser.parse_args(argv)


def check_metrics(args: argparse.Namespace) -> None:
    """Refuse a metric that one of the configs does not measure, before anything is trained."""
    for path in args.configs:
        cfg = load_config(path)
        merge_options(cfg, parse_cfg_options(args.cfg_options))
        check_metric(cfg, args.metric)


def write_table(runs: list[Run], metric: str, work_dir: Path) -> str:
    """The table of finished runs, also written to the work dir."""
    records = comparison_records(runs, metric)
    table = comparison_table(records, metric)
    write_json_atomically(work_dir / "comparison.json", {"metric": metric, "records": records})
    (work_dir / "comparison.md").write_text(table + "\n", encoding="utf-8")
    return f"{table}\n\nwritten to {work_dir / 'comparison.md'} and comparison.json"


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        runs = plan_runs(
            experiments_of(args.configs, args.loss),
            args.noise,
            args.seeds,
            args.work_dir,
            options=args.cfg_options,
        )
        check_metrics(args)
        check_work_dir(args.work_dir)
        failed = launch_runs(runs, Path(__file__).with_name("train.py"), jobs=args.jobs)
        finished = [run for run in runs if run not in failed]
        if finished:
            print(f"\n{write_table(finished, args.metric, Path(args.work_dir))}")
    except (*WRONG_INPUT, OSError) as error:
        sys.exit(f"compare.py: {sentence(error)}")
    if failed:
        sys.exit(f"compare.py: {len(failed)} of {len(runs)} runs failed; the table lacks them.")


if __name__ == "__main__":
    main()
