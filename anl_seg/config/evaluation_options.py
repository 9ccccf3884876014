"""What tools/test.py puts into a config: test-time augmentation, files of predictions, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from anl_seg._signature import parameters_of
from anl_seg.config._walk import as_list, is_wrapper, pipelines, resolved, type_name

#: What a config must have to be evaluated on its test set.
_TEST = ("test_dataloader", "test_evaluator", "test_cfg")


def check_test(cfg: Config) -> None:
    """Refuse a config that has no test set, or nothing that judges it.

    Raises:
        ValueError: what is missing.
    """
    # An empty test_cfg is mmengine's default loop.
    missing = [n for n in _TEST if cfg.get(n) is None or (n != "test_cfg" and not cfg[n])]
    if missing:
        raise ValueError(
            f"the config has no {', '.join(missing)}: a test needs {', '.join(_TEST)} "
            "(mmseg's configs take those of validation: test_dataloader = val_dataloader and so on)."
        )
    if not isinstance(cfg.test_dataloader, Mapping) or "dataset" not in cfg.test_dataloader:
        raise ValueError("test_dataloader must be one data loader config with a dataset.")


def use_tta(cfg: Config) -> None:
    """Predict by several views of an image, as the config's ``tta_pipeline`` makes them.

    The average is that of ``anl_seg.SegTTAModel`` unless the config has a ``tta_model`` of its own.

    Raises:
        ValueError: no ``tta_pipeline``, or one that makes no views.
    """
    pipeline = cfg.get("tta_pipeline")
    if not pipeline:
        raise ValueError(
            "--tta needs a tta_pipeline in the config, which says how images are varied: a list with "
            "dict(type='TestTimeAug', transforms=[[...], ...]), as mmseg's data set configs have it."
        )
    if not any(type_name(step) == "TestTimeAug" for step in pipeline):
        raise ValueError("tta_pipeline has no TestTimeAug, so it makes no views of an image.")
    leaves = [leaf for leaf in pipelines(cfg.test_dataloader.dataset) if not is_wrapper(leaf)]
    if not leaves:
        raise ValueError("no data set of test_dataloader has a pipeline that --tta could replace.")
    for leaf in leaves:
        leaf["pipeline"] = pipeline
    tta = dict(cfg.get("tta_model") or {"type": "SegTTAModel"})
    if type_name(tta) == "SegTTAModel":
        tta["type"] = "anl_seg.SegTTAModel"
    cfg.model = {**tta, "module": cfg.model}


def save_predictions(cfg: Config, folder: str) -> None:
    """Write every prediction to a folder, whatever metrics there are.

    Metrics that can write do. Those of mmseg's ``IoUMetric`` write the same files, so the first does;
    where others write in a format of their own, each has a folder below. Where none writes, an
    ``IoUMetric`` that does nothing else is added.

    Raises:
        ValueError: a metric that there is not.
    """
    evaluators = [dict(evaluator) for evaluator in as_list(cfg.test_evaluator)]
    writers: dict[str, dict] = {}
    for evaluator in evaluators:
        kind = resolved(evaluator, METRICS)
        if kind is None:
            raise ValueError(f"unknown metric {evaluator.get('type')!r} in test_evaluator.")
        evaluator.pop("output_dir", None)
        if "output_dir" in parameters_of(kind)[0]:
            name = "IoUMetric" if issubclass(kind, IoUMetric) else kind.__name__
            writers.setdefault(name, evaluator)
    if not writers:
        evaluators.append(dict(type="IoUMetric", format_only=True))
        writers["IoUMetric"] = evaluators[-1]
    for name, evaluator in writers.items():
        evaluator["output_dir"] = str(Path(folder, name) if len(writers) > 1 else folder)
        evaluator["keep_results"] = True
    cfg.test_evaluator = evaluators


def draw_pictures(cfg: Config, folder: str) -> None:
    """Draw every prediction into a folder."""
    hooks = dict(cfg.get("default_hooks") or {})
    cfg.default_hooks = {**hooks, "visualization": dict(type="SegVisualizationHook", draw=True)}
    visualizer = dict(cfg.get("visualizer") or dict(type="SegLocalVisualizer", name="visualizer"))
    if not visualizer.get("vis_backends"):
        visualizer["vis_backends"] = [dict(type="LocalVisBackend")]
    cfg.visualizer = {**visualizer, "save_dir": folder}
