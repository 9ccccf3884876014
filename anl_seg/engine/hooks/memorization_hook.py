"""Measuring, during training, how much of the label noise the model has memorized."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from anl_seg._checks import check_integer
from anl_seg._files import write_json_atomically
from anl_seg._random_state import random_state_kept
from anl_seg.config._walk import is_wrapper, joined, unwrapped
from anl_seg.evaluation.boundary_distance import (
    DISTANCE_EDGES,
    bin_range,
    boundary_distance_bins,
    check_edges,
)
from anl_seg.evaluation.memorization import (
    MEMORIZATION_KEYS,
    memorization_shares,
    memorization_table,
)
from anl_seg.registry import HOOKS

FILE_NAME = "memorization.json"
_NO_CLEAN_MASK = (
    "MemorizationHook needs the clean mask beside the noisy one, but a sample of its dataloader "
    "has no `gt_sem_seg_clean`: set keep_clean=True in CorruptMask and end the pipeline in "
    "anl_seg.PackNoisySegInputs"
)


@contextmanager
def _validated_weights(runner: Runner) -> Iterator[None]:
    """The weights that validation evaluates, in the model for a while."""
    averages = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    for hook in averages:
        hook.before_val_epoch(runner)
    try:
        yield
    finally:
        for hook in averages:
            hook.after_val_epoch(runner)


def _checked_dataloader(dataloader: Any) -> dict:
    """A copy of the config that visits every sample exactly once, or an error in words."""
    if not isinstance(dataloader, Mapping) or "dataset" not in dataloader:
        raise ValueError(
            f"dataloader must be a dataloader config with a `dataset`, got {dataloader!r}"
        )
    config = copy.copy(dict(dataloader))
    dataset = config["dataset"]
    if isinstance(dataset, dict) and is_wrapper(dataset):
        config["dataset"] = joined(unwrapped(dataset), dataset)
    if config.get("drop_last"):
        raise ValueError("dataloader has drop_last=True, which would leave samples uncounted")
    sampler = dict(config.get("sampler") or {"type": "DefaultSampler", "shuffle": False})
    kind = sampler["type"] if isinstance(sampler["type"], str) else sampler["type"].__name__
    if "Infinite" in kind:
        raise ValueError(
            f"dataloader has the sampler {kind}, which never ends: use "
            "dict(type='DefaultSampler', shuffle=False)"
        )
    if kind.rsplit(".", 1)[-1] == "DefaultSampler":
        # Rounding up would count a few samples twice when there are several ranks.
        sampler["round_up"] = False
    config["sampler"] = sampler
    return config


@HOOKS.register_module()
class MemorizationHook(Hook):
    """Counts, over a noisy training set, how often the model repeats a wrong label.

    The model predicts every image of ``dataloader`` in eval mode; pixels whose noisy and clean
    labels differ are memorized (prediction = noisy label), corrected (= clean label) or other;
    see :func:`anl_seg.evaluation.memorization_counts`. This happens after training and, with
    ``interval``, at every ``interval``-th validation. Each time

    - a line is logged,
    - the shares go to the visualizer (``vis_data/scalars.json``) with the iteration as step, and
    - a record is added to ``memorization.json`` in the work dir: ``step`` (iterations trained),
      ``epoch``, the six counts of pixels, ``memorized_share``, ``corrected_share`` and
      ``other_share`` (of wrongly labeled pixels) and ``right_correct_share`` (of the rightly
      labeled ones). A share of no pixels is null in the file and left out of the scalars.
      ``by_distance`` and ``by_class`` hold the same counts and shares for parts of the pixels, and
      each list's counts add up to those of the record: by the distance to the nearest pixel of
      another class in the clean mask (``low`` <= d < ``high``, in pixels, ``high`` null in the last
      one; :func:`anl_seg.evaluation.boundary_distance_bins`) and by clean class (``class``, its
      name). ``by_class`` is null if the dataset does not name its classes.

    On resume the list goes on: records of later iterations than the checkpoint's are dropped. The
    model's modes and the random state are left as found, and all ranks share the work. The
    weights are those that validation evaluates: where there is an ``EMAHook``, its average. Wrappers of
    the dataset that repeat, balance or mix are taken off: each image counts once.

    Args:
        dataloader (dict): Config of a dataloader over the training images whose pipeline loads,
            corrupts with ``CorruptMask(keep_clean=True)`` and ends in ``PackNoisySegInputs``,
            without random augmentation. As in mmseg's test pipelines, a resize belongs before
            the annotations are loaded: predictions come back at the original size. Default
            sampler: ``DefaultSampler`` without shuffling.
        interval (int, optional): Measure at every ``interval``-th validation, counted from the
            start of training and across resumes. None: only after training.
        ignore_index (int): Label of pixels that count nowhere. Default: 255.
        distance_edges (Sequence[float]): Where the bins of ``by_distance`` end, in pixels; a last
            bin takes the rest. Default: (2, 4, 8, 16).

    Raises:
        ValueError: For a bad ``interval``, ``dataloader`` or ``distance_edges``, while measuring for
            a clean label that is none of the dataset's classes, and before training starts if its
            first sample has no clean mask.
    """

    # After EMAHook (NORMAL) has put the trained weights back.
    priority = "LOW"

    def __init__(
        self,
        dataloader: dict,
        interval: int | None = None,
        ignore_index: int = 255,
        distance_edges: Sequence[float] = DISTANCE_EDGES,
    ) -> None:
        self.interval = None if interval is None else check_integer("interval", interval, low=1)
        self.ignore_index = ignore_index
        self.distance_edges = check_edges(distance_edges)
        self._classes: Sequence[str] = ()
        self._config = _checked_dataloader(dataloader)
        self._records: list[dict] = []
        self._last_step: int | None = None
        self._in_training = False

    def before_train(self, runner: Runner) -> None:
        """Build the dataloader, look at its first sample and take up an earlier run's records."""
        with random_state_kept():
            self._loader = Runner.build_dataloader(self._config, seed=runner.seed)
            if "gt_sem_seg_clean" not in self._loader.dataset[0]["data_samples"]:
                raise ValueError(_NO_CLEAN_MASK)
        metainfo = getattr(self._loader.dataset, "metainfo", None) or {}
        self._classes = [str(name) for name in metainfo.get("classes") or ()]
        self._last_step = None
        self._in_training = True
        if is_main_process():
            self._records = self._earlier_records(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Measure if this validation is one of training and on the grid of ``interval``."""
        if not self._in_training or self.interval is None:
            return
        loop = runner.train_loop
        done = runner.epoch if isinstance(loop, EpochBasedTrainLoop) else runner.iter
        # The number of the validation follows from the progress: a count kept here would start
        # anew on resume.
        if (done // loop.val_interval) % self.interval == 0:
            self._record(runner)

    def after_train(self, runner: Runner) -> None:
        """Measure the final weights, unless the last validation just did."""
        if self._last_step != runner.iter:
            self._record(runner)
        self._in_training = False

    def _earlier_records(self, runner: Runner) -> list[dict]:
        """Records of this work dir up to the iteration training starts from."""
        path = Path(runner.work_dir) / FILE_NAME
        if not path.exists():
            return []
        records = json.loads(path.read_text(encoding="utf-8"))
        kept = [record for record in records if record["step"] <= runner.iter]
        if len(kept) < len(records):
            runner.logger.info(
                f"{path}: dropped {len(records) - len(kept)} records of iterations after "
                f"{runner.iter}, from which training starts."
            )
            write_json_atomically(path, kept)
        return kept

    def _record(self, runner: Runner) -> None:
        by_distance, by_class = self._measure(runner)
        counts = dict(zip(MEMORIZATION_KEYS, by_distance.sum(dim=0).tolist()))
        step = self._last_step = runner.iter
        shares = memorization_shares(counts)

        told = ", ".join(
            f"{key[: -len('_share')].replace('_', ' ')} {100 * value:.2f} %"
            for key, value in shares.items()
            if value is not None
        )
        runner.logger.info(
            f"Memorization at iteration {step}: {counts['wrong']} wrongly and {counts['right']} "
            f"rightly labelled pixels; {told or 'nothing to share out'}"
        )
        scalars = {key: value for key, value in shares.items() if value is not None}
        if scalars:
            runner.visualizer.add_scalars(scalars, step=step)
        if is_main_process():
            ranges = [bin_range(i, self.distance_edges) for i in range(len(by_distance))]
            record = {
                "step": step,
                "epoch": runner.epoch,
                **counts,
                **shares,
                "by_distance": _parts(
                    [{"low": low, "high": high} for low, high in ranges], by_distance
                ),
                "by_class": _parts([{"class": name} for name in self._classes], by_class) or None,
            }
            self._records = [old for old in self._records if old["step"] != step] + [record]
            write_json_atomically(Path(runner.work_dir) / FILE_NAME, self._records)

    def _measure(self, runner: Runner) -> tuple[torch.Tensor, torch.Tensor]:
        """The counts over the whole set and all ranks: (bins, 6) by distance, (classes, 6) by class."""
        model = runner.model
        bins, classes = len(self.distance_edges) + 1, len(self._classes)
        totals = torch.zeros((bins + classes, len(MEMORIZATION_KEYS)), dtype=torch.int64)
        # Module by module: parts may be kept in eval mode while the rest trains.
        modes = [(module, module.training) for module in model.modules()]
        try:
            model.eval()
            with torch.no_grad(), random_state_kept(), _validated_weights(runner):
                for batch in self._loader:
                    for sample in model.val_step(batch):
                        totals += self._counts_of(sample)
        finally:
            for module, training in modes:
                module.training = training
        all_reduce(totals, op="sum")
        return totals[:bins], totals[bins:]

    def _counts_of(self, sample: Any) -> torch.Tensor:
        if "gt_sem_seg_clean" not in sample:
            raise ValueError(_NO_CLEAN_MASK)
        pred = sample.pred_sem_seg.data.cpu()
        noisy = sample.gt_sem_seg.data.cpu()
        clean = sample.gt_sem_seg_clean.data.cpu()
        if not pred.shape == noisy.shape == clean.shape:
            raise ValueError(
                "MemorizationHook: prediction, noisy and clean mask of one image differ in shape: "
                f"{tuple(pred.shape)}, {tuple(noisy.shape)}, {tuple(clean.shape)}. In its pipeline "
                "resize before loading the annotations, and do not crop or pad"
            )
        bins = torch.from_numpy(
            boundary_distance_bins(clean[0].numpy(), self.distance_edges, self.ignore_index)
        )[None]
        groups = [(bins, len(self.distance_edges) + 1)]
        if self._classes:
            labels = clean[clean != self.ignore_index]
            if labels.numel() and not 0 <= labels.min() <= labels.max() < len(self._classes):
                raise ValueError(
                    f"MemorizationHook: a clean mask holds labels from {labels.min()} to "
                    f"{labels.max()}, but its dataset names {len(self._classes)} classes"
                )
            groups.append((clean, len(self._classes)))
        tables = [
            memorization_table(pred, noisy, clean, group, count, self.ignore_index)
            for group, count in groups
        ]
        return torch.cat(tables)


def _parts(names: Sequence[dict], table: torch.Tensor) -> list[dict]:
    """One dict per row of a table of counts: what names it, its counts and its shares."""
    parts = []
    for name, row in zip(names, table.tolist()):
        counts = dict(zip(MEMORIZATION_KEYS, row))
        parts.append({**name, **counts, **memorization_shares(counts)})
    return parts
