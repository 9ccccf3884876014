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
from collections.abc import Sequence
from pathlib import Path

from anl_seg._files import write_json_atomically
from anl_seg.cli._program import command_parser, errors_in_a_sentence, program
from anl_seg.config.options import add_cfg_options
from anl_seg.study.comparison import comparison_study, read_runs, run_comparison
from anl_seg.study.comparison_report import comparison_records, comparison_table
from anl_seg.study.plan import StudyRun
from anl_seg.study.run.runner import StudyOutcome


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser(
        "compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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


def write_table(runs: Sequence[StudyRun], metric: str, work_dir: Path) -> str:
    """The table of finished runs, also written to the work dir."""
    records = comparison_records(read_runs(runs, work_dir, metric), metric)
    table = comparison_table(records, metric)
    write_json_atomically(work_dir / "comparison.json", {"metric": metric, "records": records})
    (work_dir / "comparison.md").write_text(table + "\n", encoding="utf-8")
    return f"{table}\n\nwritten to {work_dir / 'comparison.md'} and comparison.json"


def report_end(command: str, outcome: StudyOutcome, effect: str) -> int:
    """Say which runs failed and whether the comparison was stopped; the exit code."""
    for run, reason in outcome.failed.items():
        print(f"FAILED  {run.name}: {reason}\n        {run.folder / 'output.log'}")
    if outcome.failed:
        number = f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.finished)}"
        print(f"{program(command)}: {number} runs failed; {effect}.", file=sys.stderr)
    if outcome.stopped:
        print("stopped; the same command goes on.")
        return 130
    return 1 if outcome.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    work_dir = Path(args.work_dir)
    with errors_in_a_sentence("compare", OSError):
        study = comparison_study(
            work_dir / "comparison.py",
            args.configs,
            args.noise,
            args.seeds,
            losses=args.loss,
            metric=args.metric,
            options=args.cfg_options,
        )
        runs, outcome = run_comparison(study, jobs=args.jobs)
        finished = [run for run in runs if run in outcome.finished]
        if finished:
            print(f"\n{write_table(finished, args.metric, work_dir)}")
    return report_end("compare", outcome, "the table lacks them")
