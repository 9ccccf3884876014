"""Train CE, SCE and ANL-CE under the same label noise on the embedded data set; print a table and draw
a picture. What `make quickstart` runs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from anl_seg._processes import cpu_count
from anl_seg.cli._program import command_parser, errors_in_a_sentence
from anl_seg.cli.compare import report_end
from anl_seg.config.options import add_cfg_options
from anl_seg.study.comparison import comparison_study, read_runs, run_comparison
from anl_seg.study.comparison_report import comparison_records, comparison_table
from anl_seg.study.picture import draw_predictions

CONFIGS = Path(__file__).parents[2] / "configs" / "quickstart"
METRIC = "mIoU"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser(
        "quickstart",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--noise", default="SymmetricNoise:rate=0.5", metavar="SPEC", help="noise")
    parser.add_argument("--seed", type=int, default=0, help="seed of training and noise")
    parser.add_argument("--work-dir", default="work_dirs/quickstart", help="folder of the runs")
    add_cfg_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    work_dir = Path(args.work_dir)
    configs = [str(path) for path in sorted(CONFIGS.glob("*.py"))]
    start = time.monotonic()
    with errors_in_a_sentence("quickstart"):
        if not configs:
            raise FileNotFoundError(f"no configs in {CONFIGS}: it needs the repository.")
        study = comparison_study(
            work_dir / "quickstart.py",
            configs,
            [args.noise],
            [args.seed],
            metric=METRIC,
            options=args.cfg_options,
        )
        runs, outcome = run_comparison(study, jobs=min(len(configs), cpu_count()))
    if len(outcome.finished) < len(runs):
        return report_end("quickstart", outcome, "there is no table")
    print(f"\ntrained in {time.monotonic() - start:.0f} s\n")
    print(comparison_table(comparison_records(read_runs(runs, work_dir, METRIC), METRIC), METRIC))
    print(
        f"\n{METRIC} is on clean masks that no run has trained on; 'memorized' is the share of the wrong\n"
        "training pixels that the model predicts as their wrong label.\n"
    )
    print(f"picture: {draw_predictions(runs, work_dir / 'predictions.png').resolve()}")
    return 0
