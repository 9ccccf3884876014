"""Reading a study file: one base config and the axes of a grid, checked before anything is launched."""

from __future__ import annotations

import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from anl_seg._checks import check_integer
from anl_seg._suggest import unknown_name
from anl_seg.config import parse_spec
from anl_seg.study.plan_form import AXES

_KEYS = ("base", "axes", "budget", "metrics", "retries", "published")
_BUDGET = ("max_iters", "max_epochs", "val_interval")
_METRICS = (
    "main",
    "others",
    "last_k",
    "memorization_interval",
    "evaluators",
    "hooks",
    "baseline",
    "stop_by",
    "lower_is_better",
)
_RECIPE = ("loss", "options", "hooks")
#: ``{strength}``, or ``{strength[alpha]}`` where strengths are dicts.
STRENGTH = re.compile(r"\{strength(?:\[(\w+)\])?\}")


@dataclass(frozen=True)
class Study:
    """A checked study file.

    Attributes:
        name: stem of the file.
        path: of the file, absolute.
        text: the file as it was read.
        models: label -> path of a base config.
        losses: label -> loss config, or None for the base's own losses.
        recipes: label of a loss -> ``options`` (settings by dotted names) and ``hooks`` that belong to
            it; only of losses that have some.
        noises: label -> noise config with placeholders, or None for the masks as they are.
        strengths: numbers or dicts of numbers, in the file's order.
        seeds: of training and noise.
        options: label -> settings of the config by dotted names.
        budget: ``max_iters`` or ``max_epochs``, and ``val_interval``, as far as given.
        metrics: ``main``, ``others``, ``last_k``, ``memorization_interval`` (validations between two
            measurements on the training set; None = only after training), ``evaluators`` and ``hooks``
            (configs added to those of the base), and for the report ``baseline`` (a loss that the others
            are tested against, or None), ``stop_by`` (a metric: the main one is shown at the validation
            where that is best, too; or None) and ``lower_is_better`` (metrics).
        retries: how often a failed run is started again.
        published: figures of others for the report, as given.
    """

    name: str
    path: Path
    text: str
    models: dict[str, str]
    losses: dict[str, dict | None]
    recipes: dict[str, dict[str, Any]]
    noises: dict[str, dict | None]
    strengths: list[Any]
    seeds: list[int]
    options: dict[str, dict]
    budget: dict[str, int]
    metrics: dict[str, Any]
    retries: int = 1
    published: Any = field(default=None)


def plain(value: Any) -> Any:
    """``value`` with mmengine's dicts as Python's; a class or function becomes its full name."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    if isinstance(value, type) or callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    return value


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"no study file at {str(path)!r}.")
    if path.suffix != ".py":
        raise ValueError(f"a study file is a Python config (.py); got {str(path)!r}.")
    try:
        content = Config.fromfile(str(path), lazy_import=False)._cfg_dict
    except Exception as error:  # whatever the file's own code raises
        raise ValueError(
            f"{path} cannot be read as a study file: {type(error).__name__}: {error}"
        ) from error
    content = plain(ConfigDict.to_dict(content) if hasattr(content, "to_dict") else content)
    # Names with an underscore are the file's own helpers.
    return {key: value for key, value in content.items() if not key.startswith("_")}


def _known_keys(what: str, given: Mapping, known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise KeyError(unknown_name(what, key, known))


def _mapping(what: str, value: Any) -> dict:
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be a dict; got {value!r}.")
    return dict(value)


def _label(spec: Any, none: str) -> str:
    """The label of a spec that was given without one."""
    if spec is None:
        return none
    if isinstance(spec, Mapping):
        rest = ",".join(f"{k}={v}" for k, v in spec.items() if k != "type")
        spec = f"{spec.get('type')}:{rest}" if rest else str(spec.get("type"))
    # The strength stands beside the label.
    return str(spec).partition(":")[0] if STRENGTH.search(str(spec)) else str(spec)


def _labelled(axis: str, value: Any, none: str) -> dict[str, Any]:
    """An axis as label -> entry: a dict, a list of entries, or one entry."""
    if isinstance(value, Mapping) and "type" not in value:
        entries = {str(label): entry for label, entry in value.items()}
    else:
        many = _as_list(value)
        labels = [_label(entry, none) for entry in many]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"duplicate runs: axes.{axis} lists {', '.join(twice)} twice.")
        entries = dict(zip(labels, many))
    if not entries:
        raise ValueError(f"empty grid: axes.{axis} has no entries.")
    return entries


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _listed(axis: str, value: Any) -> list:
    values = _as_list(value)
    if not values:
        raise ValueError(f"empty grid: axes.{axis} has no entries.")
    return values


def _specs(axis: str, entries: dict[str, Any]) -> dict[str, dict | None]:
    """Specs as configs; their types and parameters are checked when the runs are planned."""
    configs: dict[str, dict | None] = {}
    for label, entry in entries.items():
        if isinstance(entry, str):
            # A placeholder has braces and brackets, which a spec takes for literals: as a string it is safe.
            try:
                entry = parse_spec(STRENGTH.sub(lambda m: repr(m.group()), entry))
            except ValueError as error:
                raise ValueError(f"axes.{axis}[{label!r}]: {error}") from None
        if entry is not None and not (isinstance(entry, Mapping) and "type" in entry):
            raise TypeError(
                f"axes.{axis}[{label!r}] must be 'Type:key=value,...', dict(type=...) or None; "
                f"got {entry!r}."
            )
        configs[label] = None if entry is None else dict(entry)
    return configs


def _split_recipes(entries: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The losses of the loss axis, and what else belongs to each of them."""
    losses, recipes = {}, {}
    for label, entry in entries.items():
        losses[label] = entry
        if isinstance(entry, Mapping) and "type" not in entry:
            where = f"axes.loss[{label!r}]"
            _known_keys(f"key of {where}", entry, _RECIPE)
            losses[label] = entry.get("loss")
            hooks = entry.get("hooks", [])
            recipes[label] = {
                "options": _mapping(f"{where}.options", entry.get("options", {})),
                "hooks": [_mapping(f"{where}.hooks", hook) for hook in _as_list(hooks)],
            }
    return losses, recipes


def _strengths(values: list) -> list:
    for value in values:
        parts = value.values() if isinstance(value, Mapping) else [value]
        if not parts or any(isinstance(p, bool) or not isinstance(p, numbers.Real) for p in parts):
            raise TypeError(f"axes.strength lists numbers, or dicts of numbers; got {value!r}.")
    return values


def _seeds(values: list) -> list[int]:
    for value in values:
        if check_integer("axes.seed", value, low=0) >= 2**32:
            raise ValueError(f"axes.seed must be below 2**32, got {value!r}")
    return values


def _root_folders(path: Path) -> list[Path]:
    """Where relative paths of a study file start: its folder, those above it up to that of the
    repository, and the folder of this process."""
    folders = []
    for folder in path.parents:
        folders.append(folder)
        if any((folder / mark).exists() for mark in (".git", "setup.py", "pyproject.toml")):
            break
    else:
        folders = [path.parent]
    return [*folders, Path.cwd()]


def _base(path: Path, base: Any, what: str) -> str:
    if not isinstance(base, str):
        raise TypeError(f"{what} must be the path of a config; got {base!r}.")
    if base.startswith("mmseg::"):
        return base
    folders = _root_folders(path)
    for folder in folders:
        if (folder / base).is_file():
            return str((folder / base).resolve())
    looked = ", ".join(dict.fromkeys(map(str, folders)))
    raise FileNotFoundError(f"{what}: no config at {base!r}; looked in {looked}.")


def _metrics(value: Any) -> dict[str, Any]:
    metrics = _mapping("metrics", value)
    _known_keys("key of metrics", metrics, _METRICS)
    if not isinstance(metrics.get("main"), str):
        raise ValueError(
            "metrics.main must name the metric that losses are compared by, for example 'mIoU'; "
            f"got {metrics.get('main')!r}."
        )
    interval = metrics.get("memorization_interval", 1)
    if interval is not None:
        check_integer("metrics.memorization_interval", interval, low=1)
    stop_by = metrics.get("stop_by")
    if stop_by is not None and not isinstance(stop_by, str):
        raise ValueError(f"metrics.stop_by must be the name of a metric; got {stop_by!r}.")
    baseline = metrics.get("baseline")
    if baseline is not None and not isinstance(baseline, str):
        raise ValueError(f"metrics.baseline must be the label of a loss; got {baseline!r}.")
    return {
        "main": metrics["main"],
        "others": _names("metrics.others", metrics.get("others", [])),
        "last_k": check_integer("metrics.last_k", metrics.get("last_k", 1), low=1),
        "memorization_interval": interval,
        "evaluators": _listed("", metrics["evaluators"]) if metrics.get("evaluators") else [],
        "hooks": _listed("", metrics["hooks"]) if metrics.get("hooks") else [],
        "baseline": baseline,
        "stop_by": stop_by,
        "lower_is_better": _names("metrics.lower_is_better", metrics.get("lower_is_better", [])),
    }


def _names(what: str, value: Any) -> list[str]:
    """Names of metrics; one by itself does, and is not taken for a list of letters."""
    names = _as_list(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{what} must be names of metrics; got {value!r}.")
    return names


def _budget(value: Any) -> dict[str, int]:
    budget = _mapping("budget", value)
    _known_keys("key of budget", budget, _BUDGET)
    if "max_iters" in budget and "max_epochs" in budget:
        raise ValueError("budget has max_iters and max_epochs; a run has one of them.")
    return {key: check_integer(f"budget.{key}", item, low=1) for key, item in budget.items()}


def load_study(path: str | Path) -> Study:
    """Read a study file and check all that can be checked without its base configs.

    Losses, noises, options and budget are checked against the base configs by
    :func:`anl_seg.study.plan.plan_study`.

    Raises:
        FileNotFoundError: no such file, or a base config that is not there.
        KeyError: an unknown key or axis; the closest known names are given.
        TypeError, ValueError: a wrong value, an empty axis, an entry that is listed twice.
    """
    path = Path(path).absolute()
    return study_of(_read(path), path, path.read_text(encoding="utf-8"))


def study_of(content: Mapping[str, Any], path: Path, text: str) -> Study:
    """The study of a file's content; see :func:`load_study`.

    Args:
        content: its settings by name.
        path: of the file, absolute, there or not; its base configs are looked for around it.
        text: the file.
    """
    _known_keys("key of a study file", content, _KEYS)
    axes = _mapping("axes", content.get("axes", {}))
    _known_keys("axis", axes, AXES)
    if "base" not in content and "model" not in axes:
        raise ValueError("a study file needs 'base', the path of a config (or axes.model).")
    if "base" in content and "model" in axes:
        raise ValueError("a study file has base or axes.model, not both.")
    if "model" in axes:
        models = _labelled("model", axes["model"], "")
        models = {k: _base(path, v, f"axes.model[{k!r}]") for k, v in models.items()}
    else:
        base = _base(path, content["base"], "base")
        models = {Path(base).stem: base}
    if "metrics" not in content:
        raise ValueError("a study file needs metrics=dict(main=...).")
    options = {
        label: _mapping(f"axes.options[{label!r}]", entry)
        for label, entry in _labelled("options", axes.get("options", {"default": {}}), "").items()
    }
    losses, recipes = _split_recipes(_labelled("loss", axes.get("loss", {"own": None}), "own"))
    metrics = _metrics(content["metrics"])
    if metrics["baseline"] is not None and metrics["baseline"] not in losses:
        raise KeyError(f"metrics.baseline: {unknown_name('loss', metrics['baseline'], losses)}")
    return Study(
        name=path.stem,
        path=path,
        text=text,
        models=models,
        losses=_specs("loss", losses),
        recipes=recipes,
        noises=_specs("noise", _labelled("noise", axes.get("noise", {"own": None}), "clean")),
        strengths=_strengths(_listed("strength", axes["strength"])) if "strength" in axes else [],
        seeds=_seeds(_listed("seed", axes.get("seed", [0]))),
        options=options,
        budget=_budget(content.get("budget", {})),
        metrics=metrics,
        retries=check_integer("retries", content.get("retries", 1), low=0),
        published=content.get("published"),
    )
