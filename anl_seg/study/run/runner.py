"""The loop of a study: give what is not finished to an executor, write down how it ended, try again."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from anl_seg._files import hold, replace_atomically, write_json_atomically
from anl_seg._processes import interrupted_once
from anl_seg._suggest import unknown_name
from anl_seg.study.plan import StudyRun
from anl_seg.study.run.attempt import RUN_FILE, write_input
from anl_seg.study.run.checkpoints import log_lines
from anl_seg.study.run.executors import Executor
from anl_seg.study.run.progress_table import StudyProgress, Timings, time_text
from anl_seg.study.run.reasons import is_divergence, os_reason
from anl_seg.study.run.remote import TOKEN_FILE
from anl_seg.study.run.state import DAMAGED, RUNNER_LOCK, known_state, write_state

#: How often a run is given to another node; losing its node says nothing about the run.
MOST_LOSSES = 10
_POLL_SECONDS = 1.0


@dataclass
class StudyOutcome:
    """How a study ended.

    Attributes:
        finished: runs that have ended well, those of earlier times included.
        failed: run -> reason.
        stopped: True if the study was interrupted, so that runs are missing.
    """

    finished: list[StudyRun] = field(default_factory=list)
    failed: dict[StudyRun, str] = field(default_factory=dict)
    stopped: bool = False


def output_console() -> Console:
    """Standard output; a file or a pipe has no width at which lines would have to be broken."""
    return Console() if sys.stdout.isatty() else Console(width=200)


@contextmanager
def only_runner(work_dir: Path) -> Iterator[None]:
    """Hold the lock of a study's folder; two runners would start every run twice.

    Raises:
        ValueError: another process holds it.
    """
    with open(work_dir / RUNNER_LOCK, "a+", encoding="utf-8") as file:
        if not hold(file):
            file.seek(0)
            raise ValueError(
                f"another runner works in {work_dir} ({file.read().strip() or 'unknown'})."
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


@dataclass
class _Tracked:
    """A run and what is known of it."""

    run: StudyRun
    state: dict[str, Any]
    failures: int = 0
    losses: int = 0
    resumed: bool = False


class StudyRunner:
    """Runs what is not finished; see :func:`run_study`."""

    def __init__(
        self,
        runs: list[StudyRun],
        executor: Executor,
        work_dir: Path,
        *,
        retries: int,
        console: Console,
        job: Mapping[str, Any],
        main_metric: str | None,
    ) -> None:
        self.executor, self.retries, self.console = executor, retries, console
        self.work_dir, self.job, self.main_metric = work_dir, dict(job), main_metric
        self.outcome = StudyOutcome()
        self.progress = StudyProgress(console, Timings(), len(runs), 0)
        self.waiting: deque[_Tracked] = deque()
        self.active: dict[str, _Tracked] = {}
        for run in runs:
            tracked = _Tracked(run, known_state(run.folder))
            status, reason = tracked.state["status"], tracked.state.get("reason")
            if status == "finished":
                self.outcome.finished.append(run)
                self._learn(tracked)
            elif status == "failed" and reason is not None and is_divergence(reason):
                self.outcome.failed[run] = reason
            else:
                self.waiting.append(tracked)
        self.progress.finished = len(self.outcome.finished)
        self.progress.failed = len(self.outcome.failed)
        for tracked in self.waiting:
            if tracked.state["status"] == DAMAGED:
                reason = tracked.state["reason"].rstrip(".")
                self.progress.event(
                    "DAMAGED", tracked.run, f"{reason}; it goes on from its checkpoint"
                )

    def _learn(self, tracked: _Tracked) -> None:
        """A run that was trained in one go says how long one takes."""
        attempts = tracked.state["attempts"]
        if len(attempts) == 1 and attempts[0].get("seconds"):
            self.progress.timings.add(tracked.run.axes["model"], attempts[0]["seconds"])

    def _write_state(self, tracked: _Tracked) -> None:
        try:
            tracked.run.folder.mkdir(parents=True, exist_ok=True)
            write_state(tracked.run.folder, tracked.state)
        except OSError as error:
            # Out of space, say: the study goes on, and this run is named here at least.
            self.progress.event("NO STATE", tracked.run, os_reason(error))

    def _start(self, tracked: _Tracked) -> None:
        run = tracked.run
        try:
            run.folder.mkdir(parents=True, exist_ok=True)
            content = {**run.record(self.work_dir), "config": run.config}
            write_json_atomically(run.folder / RUN_FILE, content)
            write_input(run.folder, run.config)
        except OSError as error:
            self.progress.event("NO STATE", run, os_reason(error))
        tracked.state["attempts"].append({"started": None})
        tracked.state.update(status="running", reason=None)
        self._write_state(tracked)
        self.active[run.digest] = tracked
        self.progress.start(run, len(tracked.state["attempts"]))
        job = {
            **self.job,
            "folder": str(run.folder),
            "config": run.config,
            "last": run.max_iters or run.max_epochs,
            "unit": "iter" if run.max_iters else "epoch",
            "threads": self.executor.threads,
        }
        self.executor.submit(run.digest, job)

    def _end(self, digest: str, outcome: dict[str, Any]) -> None:
        tracked = self.active.pop(digest)
        run, reason = tracked.run, outcome.get("reason")
        tracked.state["attempts"][-1] = {k: v for k, v in outcome.items() if k != "stopped"}
        self.progress.end(run)
        if outcome.get("note"):
            self.progress.event("damaged", run, outcome["note"])
        if outcome.get("stopped"):
            self._write_state(tracked)  # running without a process: the next `run` goes on
            return
        if reason is None:
            self._finish(tracked, outcome["seconds"])
        elif self._is_tried_again(tracked, reason, lost=bool(outcome.get("lost"))):
            self._write_state(tracked)
            self.progress.event("lost" if outcome.get("lost") else "again", run, reason)
            self.waiting.append(tracked)
        else:
            tracked.state.update(status="failed", reason=reason)
            self._write_state(tracked)
            self.outcome.failed[run] = reason
            self.progress.failed += 1
            self.progress.event("FAILED", run, reason)

    def _finish(self, tracked: _Tracked, seconds: float) -> None:
        tracked.state.update(status="finished", reason=None)
        self._write_state(tracked)
        self.outcome.finished.append(tracked.run)
        self.progress.finished += 1
        self._learn(tracked)
        self._check_metric(tracked.run)
        left = time_text(self.progress.left([t.run for t in self.waiting], self._at_a_time()))
        counts = self.progress.counts(len(self.waiting))
        text = f"{time_text(seconds)}; {counts}; about {left} left"
        self.progress.event("finished", tracked.run, text)

    def _is_tried_again(self, tracked: _Tracked, reason: str, *, lost: bool) -> bool:
        """Count how an attempt ended, and say whether there is to be another."""
        if lost:
            tracked.losses += 1
            return tracked.losses <= MOST_LOSSES
        tracked.failures += 1
        # The same configuration diverges again; trying until it does not would be cheating.
        return tracked.failures <= self.retries and not is_divergence(reason)

    def _check_metric(self, run: StudyRun) -> None:
        """The first run that has ended well shows whether the study's metric is measured at all."""
        if self.main_metric is None:
            return
        lines = [x for x in log_lines(run.folder) if "loss" not in x and "time" in x]
        measured = {name for line in lines for name in line} - {"step", "time", "data_time"}
        if self.main_metric not in measured:
            raise ValueError(
                f"metrics.main: {unknown_name('metric', self.main_metric, measured)} "
                f"(as validation measured in {run.folder})"
            )
        self.main_metric = None

    def _at_a_time(self) -> int:
        return min(self.executor.capacity(), len(self.waiting) + len(self.active)) or 1

    def run(self) -> StudyOutcome:
        """Run the loop; an interruption ends what runs, and the outcome says so."""
        with interrupted_once(), self.progress:
            try:
                while self.waiting or self.active:
                    while self.waiting and len(self.active) < self.executor.capacity():
                        self._start(self.waiting.popleft())
                    for digest, outcome in self.executor.wait(_POLL_SECONDS):
                        self._end(digest, outcome)
                    self.progress.update([t.run for t in self.waiting], self._at_a_time())
            except KeyboardInterrupt:
                self.outcome.stopped = True
            finally:
                for digest, outcome in self.executor.stop():
                    self._end(digest, outcome)
        return self.outcome


def run_study(
    runs: list[StudyRun],
    executor: Executor,
    work_dir: str | Path,
    *,
    retries: int = 1,
    console: Console | None = None,
    launcher: str = "none",
    nproc_per_run: int = 1,
    train_script: str | Path | None = None,
    train_arguments: Sequence[str] = (),
    main_metric: str | None = None,
) -> StudyOutcome:
    """Run what is not finished of a study.

    Each run is a process of ``anl_seg.cli.train`` in its own folder. A finished one is never repeated; one
    that was interrupted goes on from its last checkpoint; a failed one is tried again ``retries`` times,
    now and at every later call, except one that diverged. What is known of a run lies in its folder, so
    this function may be killed at any moment.

    Args:
        runs: see :func:`anl_seg.study.plan.plan_study`.
        executor: where they run.
        work_dir: of the study.
        retries: how often a run that failed is started again.
        console: where progress goes; None = standard output.
        launcher: that of mmengine for each run: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        nproc_per_run: processes of a run with ``launcher='pytorch'``.
        train_script: None = ``anl_seg.cli.train``.
        train_arguments: more arguments of each training.
        main_metric: what every validation must measure; None = not looked at.

    Raises:
        ValueError: the first run that ended well has not measured ``main_metric``; another runner works
            in this folder, or a state file cannot be read.
    """
    work_dir = Path(work_dir).absolute()
    token = uuid.uuid4().hex
    job = dict(
        launcher=launcher,
        nproc_per_run=nproc_per_run,
        token=token,
        train_script=None if train_script is None else str(Path(train_script).absolute()),
        train_arguments=list(train_arguments),
    )
    with only_runner(work_dir):
        replace_atomically(work_dir / TOKEN_FILE, token.encode())
        return StudyRunner(
            runs,
            executor,
            work_dir,
            retries=retries,
            console=console or output_console(),
            job=job,
            main_metric=main_metric,
        ).run()
