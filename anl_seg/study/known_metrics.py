"""What a validation of a config will measure, before anything is trained."""

from __future__ import annotations

import logging
import warnings

import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from anl_seg._suggest import unknown_name
from anl_seg.config._walk import as_list, pipelines
from anl_seg.evaluation.memorization import MEMORIZATION_KEYS, memorization_shares
from anl_seg.study._quiet import quiet

_SIZE = 16


def _classes(cfg: Config) -> dict:
    """Meta information of the validation set, without listing its files."""
    leaf = list(pipelines(cfg.val_dataloader["dataset"]))[-1]
    return DATASETS.build({**leaf, "lazy_init": True}).metainfo


def _blank_sample(classes: int) -> dict:
    """An image of the first class, of which a model without an opinion says so."""
    mask = torch.zeros(1, _SIZE, _SIZE, dtype=torch.int64)
    logits = torch.zeros(classes, _SIZE, _SIZE)
    names = dict.fromkeys(("img_path", "seg_map_path", "sample_key"), "a/blank/image.png")
    maps = {"pred_sem_seg": mask, "gt_sem_seg": mask, "seg_logits": logits}
    return {**names, **{name: {"data": data} for name, data in maps.items()}}


def known_metrics(cfg: Config) -> set[str] | None:
    """Names of the metrics of a config's validation, found by evaluating a blank image.

    Args:
        cfg: a config with ``val_dataloader`` and ``val_evaluator``.

    Returns:
        The names, those of :class:`anl_seg.MemorizationHook` included; None where an evaluator does not say,
        or would write files.
    """
    evaluators = as_list(cfg.val_evaluator)
    if any("output_dir" in evaluator or "outfile_prefix" in evaluator for evaluator in evaluators):
        return None
    try:
        with quiet(), warnings.catch_warnings():
            MMLogger.get_current_instance().setLevel(logging.CRITICAL)
            warnings.simplefilter("ignore")
            init_default_scope(cfg.get("default_scope") or "mmseg")
            evaluator = Evaluator(evaluators)
            evaluator.dataset_meta = _classes(cfg)
            evaluator.process([_blank_sample(len(evaluator.dataset_meta["classes"]))])
            measured = set(evaluator.evaluate(1))
    except Exception:  # whatever a metric of the user's own needs that a blank image has not
        return None
    return measured | set(memorization_shares(dict.fromkeys(MEMORIZATION_KEYS, 0)))


def check_metric(cfg: Config, metric: str) -> None:
    """Refuse a metric that the validation of a config does not measure.

    Raises:
        KeyError: it is named, with the closest ones.
    """
    known = known_metrics(cfg)
    if known is not None and metric not in known:
        raise KeyError(unknown_name("metric", metric, known))
