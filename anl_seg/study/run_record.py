"""Reading all that a planned run left in its folder, whatever is missing there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anl_seg._json_lines import json_lines
from anl_seg.engine.hooks.loss_diagnostics_hook import FILE_NAME as DIAGNOSTICS_FILE
from anl_seg.engine.hooks.memorization_hook import FILE_NAME as MEMORIZATION_FILE
from anl_seg.engine.hooks.noise_statistics_hook import FILE_NAME as NOISE_FILE
from anl_seg.engine.hooks.resource_hook import FILE_NAME as RESOURCE_FILE
from anl_seg.study.checkpoints import log_lines
from anl_seg.study.state import read_plan, told_status

#: Share of wrongly (or, the last, rightly) labelled pixels in a memorisation record -> name in tables.
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


@dataclass(frozen=True)
class RunRecord:
    """One planned run and what was found of it.

    Attributes:
        digest: of its configuration.
        folder: relative to the work dir, with forward slashes.
        axes: ``model``, ``loss``, ``noise``, ``strength``, ``seed``, ``options``.
        command: what trains it.
        status: ``planned``, ``running``, ``interrupted``, ``finished`` or ``failed``.
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


class _Folder:
    """JSON files of a folder; one that cannot be read is a problem and no error."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.problems: list[str] = []

    def json(self, file_name: str, kind: type) -> Any:
        """Content of a file, or an empty ``kind``."""
        path = self.path / file_name
        if not path.is_file():
            return kind()
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self.problems.append(f"{self.name}/{file_name} cannot be read: {error}.")
            return kind()
        if not isinstance(content, kind):
            self.problems.append(f"{self.name}/{file_name} holds no {kind.__name__}.")
            return kind()
        return content


def _noise_share(statistics: dict) -> float | None:
    """Changed pixels of valid pixels over all noisy training sets."""
    counts = [entry["statistics"] for entry in statistics.get("datasets", [])]
    valid = sum(count["valid_pixels"] for count in counts)
    return sum(count["changed_pixels"] for count in counts) / valid if valid else None


def _checkpoint(folder: Path) -> Path | None:
    """The checkpoint that mmengine names as the last; it may have moved with its folder."""
    pointer = folder / "last_checkpoint"
    if pointer.is_file():
        path = folder / Path(pointer.read_text(encoding="utf-8").strip()).name
        if path.is_file():
            return path
    return None


def _metrics(folder: Path) -> dict[int, dict[str, float]]:
    """Step -> all numbers logged at it without a loss beside them; what was logged last wins."""
    found: dict[int, dict[str, float]] = {}
    for line in log_lines(folder):
        if "step" in line and "loss" not in line:
            numbers = {k: v for k, v in line.items() if isinstance(v, (int, float))}
            found.setdefault(int(line["step"]), {}).update(numbers)
    return found


def read_run(work_dir: str | Path, run: Mapping[str, Any], metrics: list[str]) -> RunRecord:
    """What there is of a run.

    Args:
        work_dir: of the study.
        run: its entry in ``study.json``.
        metrics: names; a step counts as a validation if it logged one of them.
    """
    work_dir = Path(work_dir)
    path = work_dir / run["folder"]
    folder = _Folder(path, run["folder"])
    state = folder.json("state.json", dict)
    status = state.get("status") or "planned"
    if status == "running":
        status = told_status(path)
    logged = _metrics(path)
    checkpoint = _checkpoint(path)
    reason = state.get("reason") or ""
    if status == "failed" and not reason:
        told = [a.get("reason") for a in state.get("attempts", []) if a.get("reason")]
        reason = told[-1] if told else "no reason recorded"
    return RunRecord(
        digest=run["digest"],
        folder=run["folder"],
        axes=dict(run["axes"]),
        command=list(run.get("command", [])),
        status=status,
        reason=reason,
        attempts=list(state.get("attempts", [])),
        validations={
            step: values for step, values in sorted(logged.items()) if set(metrics) & set(values)
        },
        memorization=folder.json(MEMORIZATION_FILE, list),
        diagnostics=json_lines(path / DIAGNOSTICS_FILE),
        noise_share=_noise_share(folder.json(NOISE_FILE, dict)),
        resources=folder.json(RESOURCE_FILE, dict),
        environment=folder.json("environment.json", dict),
        config=folder.json("run.json", dict).get("config", ""),
        checkpoint=checkpoint and checkpoint.relative_to(work_dir).as_posix(),
        # mmengine logs the metrics of a training by epochs under the number of the epoch.
        unit="epoch" if run.get("max_epochs") and not run.get("max_iters") else "iteration",
        problems=folder.problems,
    )


def metric_names(plan: Mapping[str, Any]) -> list[str]:
    """The metrics of a study, the main one first, and last what it stops by."""
    metrics = plan["metrics"]
    stop_by = [metrics["stop_by"]] if metrics.get("stop_by") else []
    return list(dict.fromkeys([metrics["main"], *metrics.get("others", []), *stop_by]))


def read_study(work_dir: str | Path) -> tuple[dict, list[RunRecord]]:
    """The plan of a study and a record of every planned run, in its order.

    Raises:
        FileNotFoundError, ValueError: see :func:`anl_seg.study.state.read_plan`.
    """
    plan = read_plan(work_dir)
    names = metric_names(plan)
    return plan, [read_run(work_dir, run, names) for run in plan["runs"]]
