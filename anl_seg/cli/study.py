"""Plan, run, watch and report a study: a grid of losses, noises, strengths and seeds from one file.

Examples:
    python tools/noise_study.py plan studies/quick_synthetic.py
    python tools/noise_study.py run studies/quick_synthetic.py --jobs 2
    python tools/noise_study.py status studies/quick_synthetic.py
    python tools/noise_study.py report studies/quick_synthetic.py
`run` goes on where it was stopped or killed. See docs/noise_studies.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from anl_seg._processes import interrupted_once
from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.cli._job import add_launcher
from anl_seg.cli._program import command_parser, errors_in_a_sentence
from anl_seg.study.file import Study, load_study
from anl_seg.study.plan import StudyRun, plan_study, planned_runs, write_plan
from anl_seg.study.run.estimate import expected_seconds, time_run
from anl_seg.study.run.executors import Executor, LocalExecutor, RayExecutor
from anl_seg.study.run.progress_table import Timings, time_text
from anl_seg.study.run.runner import only_runner, output_console, run_study
from anl_seg.study.run.state import DAMAGED, check_work_dir, known_state, run_status
from anl_seg.study.run.threads import asked_threads
from anl_seg.study.run_record import noise_text

COMMANDS = {
    "plan": "list the runs and what they will cost, after timing one",
    "run": "run what is not finished",
    "status": "say what is finished, running, failed or missing",
    "report": "write tables, plots and the page",
}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number; got {text!r}") from None


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser(
        "study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=does)
        command.add_argument("study", help="study file")
        command.add_argument(
            "--work-dir", help="folder of the runs (default work_dirs/<name of the study file>)"
        )
        if name not in ("plan", "run"):
            continue
        command.add_argument(
            "--jobs", type=int, help="runs at a time (default: as many as GPUs allow, or 1)"
        )
        command.add_argument(
            "--executor",
            choices=["local", "ray"],
            default="local",
            help="processes of this machine (default), or tasks of a Ray cluster",
        )
        command.add_argument(
            "--address", help="with ray: of a running cluster; without it, one is started here"
        )
        command.add_argument(
            "--gpus-per-run",
            type=_number,
            help="GPUs of each run (default 1 where there are any; 0.5: two runs share one)",
        )
        command.add_argument(
            "--cpus-per-run",
            type=int,
            help="CPU threads of each run (default: OMP_NUM_THREADS, or cores / jobs)",
        )
        add_launcher(command, "mmengine's launcher, for runs that are distributed themselves")
        command.add_argument(
            "--nproc-per-run", type=int, default=1, help="processes of a run, with pytorch"
        )
        if name == "run":
            command.add_argument(
                "--retries",
                type=int,
                help="start a failed run so often again (default: the study's)",
            )
        else:
            command.add_argument("--no-timing", action="store_true", help="list only, time nothing")
    return parser.parse_args(argv)


def _say(console: Console, text: str) -> None:
    """Print a text that may hold brackets, which rich would take for markup."""
    console.print(text, markup=False, highlight=False)


def make_executor(args: argparse.Namespace) -> Executor:
    """The executor that the arguments ask for.

    Raises:
        ValueError: arguments that do not go together.
    """
    if args.nproc_per_run < 1:
        raise ValueError(f"--nproc-per-run must be 1 or more; got {args.nproc_per_run}.")
    if args.nproc_per_run > 1 and args.launcher != "pytorch":
        raise ValueError("--nproc-per-run goes with --launcher pytorch.")
    gpus = args.gpus_per_run
    cpus = asked_threads() if args.cpus_per_run is None else args.cpus_per_run
    if args.executor == "local":
        if args.address is not None:
            raise ValueError("--address goes with --executor ray.")
        return LocalExecutor(args.jobs, gpus_per_run=gpus, cpus_per_run=cpus)
    return RayExecutor(args.address, jobs=args.jobs, gpus_per_run=gpus, cpus_per_run=cpus)


def show_grid(runs: list[StudyRun], console: Console) -> None:
    """The runs as a table."""
    table = Table(box=None, pad_edge=False)
    for name in ("digest", "status", "model", "loss", "noise", "seed", "options"):
        table.add_column(name, no_wrap=True)
    for run in runs:
        axes = run.axes
        noise = noise_text(axes)
        cells = [run.digest, run_status(run.folder), axes["model"], axes["loss"], noise]
        table.add_row(*map(Text, [*cells, str(axes["seed"]), axes["options"]]))
    console.print(table)


def show_cost(
    runs: list[StudyRun], work_dir: Path, executor: Executor, console: Console, timed: bool
) -> None:
    """What the runs that are not finished will take."""
    waiting = [run for run in runs if run_status(run.folder) != "finished"]
    timings = _finished_timings(runs)
    for model in dict.fromkeys(run.axes["model"] for run in waiting):
        if model in timings.expected or not timed:
            continue
        run = next(run for run in waiting if run.axes["model"] == model)
        _say(console, f"timing a few iterations of {run.name}")
        timing = time_run(run, work_dir, threads=executor.threads)
        if timing is None:
            console.print(f"{model} trains by epochs: its cost is known once a run has finished.")
            continue
        timings.expected[model] = expected_seconds(run, timing)
        console.print(
            f"  {1000 * timing.iteration:.0f} ms per iteration, {timing.validation:.1f} s per validation "
            f"and its measurements, {timing.start:.1f} s to start: about "
            f"{time_text(timings.expected[model])} per run"
        )
    seconds = [timings.of(run.axes["model"]) for run in waiting]
    summary = f"{len(runs)} runs, {len(runs) - len(waiting)} finished; {executor.describe()}"
    known = [each for each in seconds if each is not None]
    if known and len(known) == len(seconds):
        at_a_time = min(executor.capacity(), len(waiting))
        summary += f": about {time_text(sum(known) / at_a_time)} to go"
        if at_a_time > 1:
            summary += (
                f" ({time_text(sum(known))} of runs; timed alone, so more if they share memory)"
            )
    _say(console, summary)


def _finished_timings(runs: list[StudyRun]) -> Timings:
    """Seconds per model of finished runs that were trained in one go."""
    seen: dict[str, list[float]] = {}
    for run in runs:
        state = known_state(run.folder)
        attempts = state["attempts"]
        if state["status"] == "finished" and len(attempts) == 1 and attempts[0].get("seconds"):
            seen.setdefault(run.axes["model"], []).append(attempts[0]["seconds"])
    return Timings({model: sum(many) / len(many) for model, many in seen.items()})


def plan(args: argparse.Namespace, study: Study, work_dir: Path, console: Console) -> int:
    runs = plan_study(study, work_dir)
    executor = make_executor(args)
    try:
        check_work_dir(work_dir)
        with only_runner(work_dir):
            write_plan(study, runs, work_dir)
        show_grid(runs, console)
        with only_runner(work_dir):
            show_cost(runs, work_dir, executor, console, not args.no_timing)
    finally:
        executor.stop()
    return 0


def run(args: argparse.Namespace, study: Study, work_dir: Path, console: Console) -> int:
    runs = plan_study(study, work_dir)
    retries = study.retries if args.retries is None else args.retries
    if retries < 0:
        raise ValueError(f"--retries must be 0 or more; got {retries}.")
    check_work_dir(work_dir)
    with only_runner(work_dir):
        write_plan(study, runs, work_dir)
    executor = make_executor(args)
    _say(console, f"{study.name}: {len(runs)} runs in {work_dir}; {executor.describe()}")
    outcome = run_study(
        runs,
        executor,
        work_dir,
        retries=retries,
        console=console,
        launcher=args.launcher,
        nproc_per_run=args.nproc_per_run,
        main_metric=study.metrics["main"],
    )
    console.print(f"{len(outcome.finished)} of {len(runs)} runs finished.")
    for failed, reason in outcome.failed.items():
        _say(console, f"FAILED  {failed.name}: {reason}")
        _say(console, f"        {failed.folder / 'output.log'}")
    if outcome.stopped:
        console.print("stopped; the same command goes on.")
        return 130
    return 1 if outcome.failed else 0


def status(args: argparse.Namespace, study: Study, work_dir: Path, console: Console) -> int:
    runs = planned_runs(work_dir)
    statuses = {run: run_status(run.folder) for run in runs}
    show_grid(runs, console)
    counts = Counter(statuses.values())
    console.print(f"{len(runs)} runs: " + ", ".join(f"{n} {word}" for word, n in counts.items()))
    for run, word in statuses.items():
        if word in ("failed", DAMAGED):
            reason = known_state(run.folder)["reason"]
            _say(console, f"{run.name}: {reason}")
            _say(console, f"  {run.folder / 'output.log'}")
    return 1 if counts["failed"] or counts[DAMAGED] else 0


def report(args: argparse.Namespace, study: Study, work_dir: Path, console: Console) -> int:
    try:
        from anl_seg.study.report import write_report
    except ImportError as error:
        raise ValueError(
            f"the report needs more packages: pip install 'anl_seg[study]' ({error})."
        ) from error
    planned_runs(work_dir)
    try:
        configs = {run.digest: run.config for run in plan_study(study, work_dir)}
    except WRONG_INPUT as error:
        note = f"no pictures, as the study file plans no runs any more: {sentence(error)}"
        _say(console, note)
        configs = {}
    _say(console, f"report: {write_report(work_dir, configs)}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    console = output_console()
    try:
        with errors_in_a_sentence("study"), interrupted_once():
            study = load_study(args.study)
            work_dir = Path(args.work_dir or Path("work_dirs") / study.name).absolute()
            command = {"plan": plan, "run": run, "status": status, "report": report}[args.command]
            return command(args, study, work_dir, console)
    except KeyboardInterrupt:
        return 130
