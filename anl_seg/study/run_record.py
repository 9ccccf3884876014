"""Reading all that a planned run left in its folder, whatever is missing there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anl_seg.study.metrics import Metrics
from anl_seg.study.run.state import read_plan, run_status
from anl_seg.study.run_files import RunFiles
from anl_seg.study.shown_paths import hidden, path_hider

#: Share of wrongly (or, the last, rightly) labeled pixels in a memorization record -> name in tables.
SHARES = {
    "memorized_share": "memorized",
    "corrected_share": "corrected",
    "other_share": "other",
    "right_correct_share": "right_correct",
}


def strength_text(strength: Any) -> str:
    """A strength as text; empty where a noise has none."""
    if strength is None:
        return ""
    if isinstance(strength, Mapping):
        return ", ".join(f"{key} {value}" for key, value in strength.items())
    return str(strength)


def noise_text(axes: Mapping[str, Any]) -> str:
    """Noise and strength of a run."""
    return f"{axes['noise']} {strength_text(axes['strength'])}".strip()


def run_labels(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Model and loss of each run, as far as these vary; where neither does, the loss that replaced the
    model's own, or the model.

    Args:
        runs: axes of each run.
    """
    varied = [key for key in ("model", "loss") if len({axes[key] for axes in runs}) > 1]
    return [
        " ".join(axes[key] for key in varied or ["model" if axes["loss"] == "own" else "loss"])
        for axes in runs
    ]


@dataclass(frozen=True)
class RunRecord:
    """One planned run and what was found of it.

    Attributes:
        digest: of its configuration.
        folder: relative to the work dir, with forward slashes.
        axes: ``model``, ``loss``, ``noise``, ``strength``, ``seed``, ``options``.
        command: what trains it.
        status: as :func:`anl_seg.study.run.state.run_status` says it.
        reason: why it failed, in a sentence; empty if it did not.
        attempts: as in ``state.json``.
        validations: step -> metrics of that validation.
        memorization: records of ``memorization.json``; empty if there is none.
        diagnostics: lines of ``loss_diagnostics.jsonl``; empty if there is none.
        noise_share: share of the training pixels whose label the noise changed; None if not recorded.
        resources: of ``resources.json``; empty if there is none.
        environment: of ``environment.json``; empty if there is none.
        config: text of the full configuration; empty if not recorded.
        checkpoint: the last one, relative to the work dir; None if there is none.
        unit: what validations are counted in, ``iteration`` or ``epoch``.
        problems: sentences on files that are there and cannot be read.
    """

    digest: str
    folder: str
    axes: dict[str, Any]
    command: list[str]
    status: str
    reason: str
    attempts: list[dict]
    validations: dict[int, dict[str, float]]
    memorization: list[dict]
    diagnostics: list[dict]
    noise_share: float | None
    resources: dict
    environment: dict
    config: str
    checkpoint: str | None
    unit: str = "iteration"
    problems: list[str] = field(default_factory=list)

    @property
    def noise_text(self) -> str:
        """Noise and strength, for example ``symmetric 0.4``."""
        return noise_text(self.axes)

    @property
    def name(self) -> str:
        """Loss, noise and seed."""
        return f"{self.axes['loss']} | {self.noise_text} | seed {self.axes['seed']}"

    @property
    def log(self) -> str:
        """Path of what the training printed, relative to the work dir."""
        return f"{self.folder}/output.log"


def final_value(record: RunRecord, metric: str) -> float:
    """A metric at the last validation of a run; NaN where that has none.

    Raises:
        ValueError: there is no validation.
    """
    if not record.validations:
        raise ValueError(f"no validation with {metric!r} in {record.folder}.")
    return record.validations[max(record.validations)].get(metric, math.nan)


def read_run(
    work_dir: str | Path,
    run: Mapping[str, Any],
    metrics: list[str],
    hide: Callable[[str], str] = str,
) -> RunRecord:
    """What there is of a run.

    Args:
        work_dir: of the study.
        run: its entry in ``study.json``.
        metrics: names; a step counts as a validation if it logged one of them.
        hide: takes the machine's folders out of texts.
    """
    work_dir = Path(work_dir)
    path = work_dir / run["folder"]
    files = RunFiles(path, run["folder"], hide)
    state = files.state()
    status = state["status"] or "planned"
    if status == "running":
        status = run_status(path)
    checkpoint = files.checkpoint()
    reason = state["reason"] or ""
    if status == "failed" and not reason:
        reasons = [a["reason"] for a in state["attempts"] if a.get("reason")]
        reason = reasons[-1] if reasons else "no reason recorded"
    return RunRecord(
        digest=run["digest"],
        folder=run["folder"],
        axes=dict(run["axes"]),
        command=list(run.get("command", [])),
        status=status,
        reason=reason,
        attempts=state["attempts"],
        validations={
            step: values
            for step, values in sorted(files.metrics().items())
            if set(metrics) & set(values)
        },
        memorization=files.memorization(),
        diagnostics=files.diagnostics(),
        noise_share=files.noise_share(),
        resources=files.resources(),
        environment=files.environment(),
        config=files.config(),
        checkpoint=None if checkpoint is None else checkpoint.relative_to(work_dir).as_posix(),
        # mmengine logs the metrics of a training by epochs under the number of the epoch.
        unit="epoch" if run.get("max_epochs") and not run.get("max_iters") else "iteration",
        problems=files.problems,
    )


def read_study(work_dir: str | Path) -> tuple[dict, list[RunRecord]]:
    """The plan of a study and a record of every planned run, in its order.

    Raises:
        FileNotFoundError, ValueError: see :func:`anl_seg.study.run.state.read_plan`.
    """
    work_dir = Path(work_dir).absolute()
    hide = path_hider(work_dir)
    plan = hidden(read_plan(work_dir), hide)
    names = Metrics.of(plan["metrics"]).names
    return plan, [read_run(work_dir, run, names, hide) for run in plan["runs"]]
