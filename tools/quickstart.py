"""Train CE, SCE and ANL-CE under the same label noise on the embedded data set; print a table and draw
a picture. What `make quickstart` runs."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.config.options import add_cfg_options
from anl_seg.study import (
    comparison_records,
    comparison_table,
    draw_predictions,
    experiments_of,
    launch_runs,
    plan_runs,
)
from anl_seg.study.run.state import check_work_dir

TOOLS = Path(__file__).parent
CONFIGS = TOOLS.parent / "configs" / "quickstart"
METRIC = "mIoU"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--noise", default="SymmetricNoise:rate=0.5", metavar="SPEC", help="noise")
    parser.add_argument("--seed", type=int, default=0, help="seed of training and noise")
    parser.add_argument("--work-dir", default="work_dirs/quickstart", help="folder of the runs")
    add_cfg_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    configs = [str(path) for path in sorted(CONFIGS.glob("*.py"))]
    start = time.monotonic()
    try:
        runs = plan_runs(
            experiments_of(configs),
            [args.noise],
            [args.seed],
            args.work_dir,
            options=args.cfg_options,
        )
        check_work_dir(args.work_dir)
        failed = launch_runs(runs, TOOLS / "train.py", jobs=min(len(runs), os.cpu_count() or 1))
    except WRONG_INPUT as error:
        sys.exit(f"quickstart.py: {sentence(error)}")
    if failed:
        sys.exit(f"quickstart.py: {len(failed)} of {len(runs)} runs failed.")
    print(f"\ntrained in {time.monotonic() - start:.0f} s\n")
    print(comparison_table(comparison_records(runs, METRIC), METRIC))
    print(
        f"\n{METRIC} is on clean masks that no run has trained on; 'memorised' is the share of the wrong\n"
        "training pixels that the model predicts as their wrong label.\n"
    )
    print(f"picture: {draw_predictions(runs, Path(args.work_dir) / 'predictions.png').resolve()}")


if __name__ == "__main__":
    main()
