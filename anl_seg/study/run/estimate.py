"""What a run will cost, from a few timed iterations of it."""

from __future__ import annotations

import copy
import json
import shutil
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from anl_seg._files import write_json_atomically
from anl_seg.config._walk import type_name
from anl_seg.study.plan import StudyRun
from anl_seg.study.run.attempt import run_attempt
from anl_seg.study.run.checkpoints import log_lines
from anl_seg.study.run_config import config_text, config_values

TIMING_FILE = "timing.json"
#: Iterations that are timed; the first of them is left out.
ITERATIONS = 10
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Timing:
    """Seconds of the parts of a run.

    Attributes:
        start: until the first iteration has ended (imports, data, model), and of the end.
        iteration: of one iteration of training.
        validation: of one validation with the measurements at it.
    """

    start: float
    iteration: float
    validation: float

    def total(self, iterations: int, validations: int) -> float:
        """Seconds of a whole run."""
        return self.start + iterations * self.iteration + validations * self.validation


def _known_timings(path: Path) -> dict[str, Timing]:
    """What was measured before; nothing where the file cannot be read, as it can be measured again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            key: Timing(**{k: float(v) for k, v in one.items()}) for key, one in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _short_config(text: str, iterations: int) -> Config:
    cfg = Config(config_values(text))
    cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = iterations
    cfg.default_hooks["logger"] = {**cfg.default_hooks["logger"], "interval": 1}
    cfg.default_hooks["checkpoint"] = {**cfg.default_hooks["checkpoint"], "interval": iterations}
    hooks = [copy.deepcopy(hook) for hook in cfg.get("custom_hooks") or []]
    for hook in hooks:
        if type_name(hook) == "MemorizationHook":
            hook["interval"] = None  # after training once, as at one validation
    cfg.custom_hooks = hooks
    return cfg


def time_run(
    run: StudyRun, work_dir: Path, *, threads: int, train_script: Path | None = None
) -> Timing | None:
    """Train a run for a few iterations, validate and measure once, and time the parts.

    The result is kept in ``timing.json`` of the work dir and not measured again.

    Args:
        run: one with its configuration.
        work_dir: of the study.
        threads: CPU threads.
        train_script: None = ``anl_seg.cli.train``.

    Returns:
        None for a config that trains by epochs.

    Raises:
        ValueError: the training failed; its reason is given.
    """
    if run.max_iters is None:
        return None
    path = work_dir / TIMING_FILE
    key = f"{run.digest}, {threads} threads"
    known = _known_timings(path)
    if key in known:
        return known[key]
    folder = work_dir / "timing"
    shutil.rmtree(folder, ignore_errors=True)
    count = min(ITERATIONS, run.max_iters)
    job = dict(
        folder=str(folder),
        config=config_text(_short_config(run.config, count)),
        last=count,
        threads=threads,
        train_script=None if train_script is None else str(train_script),
    )
    outcome: dict = {}
    started = time.monotonic()
    thread = threading.Thread(target=lambda: outcome.update(run_attempt(job)), daemon=True)
    thread.start()
    first = trained = logged = None
    lines = 0
    while thread.is_alive():
        time.sleep(_POLL_SECONDS)
        steps = [line.get("iter", 0) for line in log_lines(folder)]
        now = time.monotonic()
        first = now if steps and first is None else first
        trained = now if count in steps and trained is None else trained
        logged = now if len(steps) > lines else logged
        lines = len(steps)
    ended = time.monotonic()
    if outcome.get("reason"):
        raise ValueError(
            f"timing {run.name} failed: {outcome['reason']}; see {folder / 'output.log'}."
        )
    times = [line["time"] for line in log_lines(folder) if "loss" in line][1:] or [0.0]
    # What is logged after the last iteration are the validation and the measurements at it.
    first, trained, logged = first or ended, trained or ended, logged or ended
    timing = Timing(
        start=first - started + ended - logged,
        iteration=statistics.median(times),
        validation=logged - trained,
    )
    shutil.rmtree(folder, ignore_errors=True)
    write_json_atomically(path, {k: vars(t) for k, t in {**known, key: timing}.items()})
    return timing


def expected_seconds(run: StudyRun, timing: Timing) -> float:
    """Seconds of a whole run, from the timing of one of the same model."""
    train = config_values(run.config)["train_cfg"]
    return timing.total(train["max_iters"], -(-train["max_iters"] // train["val_interval"]))
