"""The runs of a study: every combination of its axes, each with a digest of its full configuration."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmengine.config import Config

from anl_seg._files import write_json_atomically
from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.config import load_config, noisy_evaluation
from anl_seg.config.loss_config import check_losses
from anl_seg.engine.environment import commit
from anl_seg.study._quiet import quiet
from anl_seg.study.file import STRENGTH, Study
from anl_seg.study.known_metrics import check_metric
from anl_seg.study.run.state import PLAN_FILE, read_plan
from anl_seg.study.run_config import config_digest, config_text, is_noisy, run_config
from anl_seg.study.run_record import noise_text
from anl_seg.version import __version__

_PACKAGES = (
    *("torch", "numpy", "onedl-mmsegmentation", "onedl-mmengine", "onedl-mmcv"),
    *("mmsegmentation", "mmengine", "mmcv"),
)


@dataclass(frozen=True, eq=False)
class StudyRun:
    """One training of a study.

    Attributes:
        digest: of the full configuration; names the folder.
        folder: absolute path.
        axes: ``model``, ``loss``, ``noise``, ``strength`` (None, a number or a dict), ``seed``,
            ``options``: labels and values of this run.
        max_iters: iterations, or None where the config trains by epochs.
        max_epochs: epochs, or None where the config trains by iterations.
        name: what progress calls the run.
        config: text of the full configuration; empty where only the plan was read.
    """

    digest: str
    folder: Path
    axes: dict[str, Any]
    max_iters: int | None
    max_epochs: int | None
    name: str
    config: str = ""

    def command(self) -> list[str]:
        """The training as one would start it by hand from the repository's folder."""
        config = self.folder / "input" / "config.py"
        return ["python", "tools/train.py", str(config), f"--work-dir={self.folder}"]

    def record(self, work_dir: Path) -> dict:
        """The run as JSON files hold it."""
        return {
            "digest": self.digest,
            "name": self.name,
            "folder": self.folder.relative_to(work_dir).as_posix(),
            "axes": self.axes,
            "command": self.command(),
            "max_iters": self.max_iters,
            "max_epochs": self.max_epochs,
        }


def _name(study: Study, axes: Mapping[str, Any]) -> str:
    """Noise and seed, and of model, loss and options what differs within the study."""
    parts = [axes["model"]] if len(study.models) > 1 else []
    parts += [axes["loss"]] if len(study.losses) > 1 or not parts else []
    parts += [noise_text(axes), f"seed {axes['seed']}"]
    parts += [axes["options"]] if len(study.options) > 1 else []
    return " | ".join(parts)


def _placeholders(value: Any) -> list[str | None]:
    """Keys of the placeholders inside a noise config; None stands for a bare ``{strength}``."""
    if isinstance(value, str):
        return [match.group(1) for match in STRENGTH.finditer(value)]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in _placeholders(item)]
    return []


def _filled(value: Any, strength: Any) -> Any:
    """A noise config with the strength in place of its placeholders."""
    if isinstance(value, Mapping):
        return {key: _filled(item, strength) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(item, strength) for item in value)
    if not isinstance(value, str):
        return value

    def of(match: Any) -> Any:
        return strength if match.group(1) is None else strength[match.group(1)]

    whole = STRENGTH.fullmatch(value)
    return of(whole) if whole else STRENGTH.sub(lambda match: str(of(match)), value)


def _settings_of_noise(
    label: str, noise: dict | None, strengths: list
) -> list[tuple[Any, dict | None]]:
    """(strength, noise config) of every strength, or one with None where the noise has none."""
    keys = _placeholders(noise)
    if not keys:
        return [(None, noise)]
    if not strengths:
        raise ValueError(f"axes.noise[{label!r}] has {{strength}}, but there is no axes.strength.")
    for strength in strengths:
        names = list(strength) if isinstance(strength, Mapping) else [None]
        for key in keys:
            if key not in names:
                asked = "{strength}" if key is None else f"{{strength[{key}]}}"
                raise ValueError(
                    f"axes.noise[{label!r}] has {asked}, and the strength {strength!r} has no such value."
                )
    return [(strength, _filled(noise, strength)) for strength in strengths]


def _checked_base(study: Study, label: str) -> Config:
    cfg = load_config(study.models[label])
    if is_noisy(cfg) and study.noises != {"own": None}:
        raise ValueError(
            f"{study.models[label]} corrupts its training masks already; a study with a noise axis needs a "
            "base with clean masks."
        )
    return cfg


def _placed(where: str, build: Callable[[], Config]) -> Config:
    """Build a config; errors say where in the study file the reason stands."""
    try:
        return build()
    except WRONG_INPUT as error:
        raise ValueError(f"{where}: {sentence(error)}") from error


def _lacks_metric(cfg: Config, metric: str) -> Exception | bool:
    """The error of a config that does not measure a metric; False if it may."""
    try:
        check_metric(cfg, metric)
    except KeyError as error:
        return error
    return False


def plan_study(
    study: Study, work_dir: str | Path, *, allow_noisy_eval: bool = False
) -> list[StudyRun]:
    """Every run of a study; all configurations are built, nothing is written.

    Args:
        study: a checked study.
        work_dir: where the folders of the runs are to be.
        allow_noisy_eval: accept corrupted validation masks.

    Raises:
        FileNotFoundError: a base config that is not there.
        KeyError: a main metric that no run of a model measures.
        ValueError: an unknown or wrong loss, noise, option or budget, or masks that a validation must not
            have (it is said where); no runs, or two runs of the same configuration.
    """
    work_dir = Path(work_dir).absolute()
    noises = [
        (label, strength, noise)
        for label, spec in study.noises.items()
        for strength, noise in _settings_of_noise(label, spec, study.strengths)
    ]
    if study.strengths and all(strength is None for _, strength, _ in noises):
        raise ValueError("axes.strength is given, but no noise has {strength} in it.")
    with quiet():
        return _build_runs(study, noises, work_dir, allow_noisy_eval)


def _check(cfg: Config, allow_noisy_eval: bool) -> Config:
    """A run's config, if it has losses and masks that tools/train.py would take.

    Raises:
        KeyError, TypeError, ValueError: what it would refuse.
    """
    check_losses(cfg)
    noisy = [] if allow_noisy_eval else noisy_evaluation(cfg)
    if noisy:
        raise ValueError(
            f"the masks of {' and '.join(noisy)} are corrupted, so the scores would be against wrong labels."
        )
    return cfg


def _build_runs(
    study: Study,
    noises: list[tuple[str, Any, dict | None]],
    work_dir: Path,
    allow_noisy_eval: bool,
) -> list[StudyRun]:
    """The runs of all combinations."""
    bases = {label: _checked_base(study, label) for label in study.models}
    runs: dict[str, StudyRun] = {}
    unmeasured: dict[str, Exception | bool] = dict.fromkeys(bases, True)
    points = itertools.product(bases, study.losses, noises, study.seeds, study.options)
    for model, loss, (noise, strength, noise_cfg), seed, options in points:

        def build(
            model=model, loss=loss, noise_cfg=noise_cfg, seed=seed, options=options
        ) -> Config:
            recipe = study.recipes.get(loss, {})
            cfg = run_config(
                bases[model],
                loss=study.losses[loss],
                noise=noise_cfg,
                seed=seed,
                options={**study.options[options], **recipe.get("options", {})},
                hooks=recipe.get("hooks", []),
                budget=study.budget,
                metrics=study.metrics,
            )
            return _check(cfg, allow_noisy_eval)

        axes = dict(
            model=model, loss=loss, noise=noise, strength=strength, seed=seed, options=options
        )
        where = f"loss {loss!r}, noise {noise_text(axes)!r}, options {options!r}"
        cfg = _placed(where, build)
        if unmeasured[model] is not False:
            unmeasured[model] = _lacks_metric(cfg, study.metrics["main"])
        text = config_text(cfg)
        digest = config_digest(text)
        run = StudyRun(
            digest=digest,
            folder=work_dir / "runs" / digest,
            axes=axes,
            max_iters=cfg.train_cfg.get("max_iters"),
            max_epochs=cfg.train_cfg.get("max_epochs"),
            name=_name(study, axes),
            config=text,
        )
        if digest in runs:
            raise ValueError(
                f"duplicate runs: {runs[digest].name} and {run.name} have the same configuration."
            )
        runs[digest] = run
    for lacking in unmeasured.values():
        if isinstance(
            lacking, Exception
        ):  # in all runs: one may have an evaluator that others lack
            raise lacking
    return list(runs.values())


def write_plan(study: Study, runs: list[StudyRun], work_dir: str | Path) -> Path:
    """Write ``study.json``; folders of runs are left alone.

    Returns:
        Path of the file.
    """
    work_dir = Path(work_dir).absolute()
    versions = {"anl_seg": __version__}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    path = work_dir / PLAN_FILE
    content = {
        "name": study.name,
        "study_file": str(study.path),
        "study_text": study.text,
        "metrics": study.metrics,
        "retries": study.retries,
        "published": study.published,
        "runs": [run.record(work_dir) for run in runs],
        "versions": versions,
        "commit": commit(),
    }
    write_json_atomically(path, content)
    return path


def planned_runs(work_dir: str | Path) -> list[StudyRun]:
    """The runs of a plan that was written, without their configurations.

    Raises:
        FileNotFoundError, ValueError: see :func:`read_plan`.
    """
    work_dir = Path(work_dir).absolute()
    return [
        StudyRun(
            digest=record["digest"],
            folder=work_dir / record["folder"],
            axes=record["axes"],
            max_iters=record.get("max_iters"),
            max_epochs=record.get("max_epochs"),
            name=record.get("name", record["digest"]),
        )
        for record in read_plan(work_dir)["runs"]
    ]
