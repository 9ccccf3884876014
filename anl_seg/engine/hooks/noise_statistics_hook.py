"""Writing down, before training, what noise the training masks really carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from anl_seg._checks import check_integer
from anl_seg._files import write_json_atomically
from anl_seg._random_state import random_state_kept
from anl_seg._spaced import evenly_spaced
from anl_seg.datasets._built import (
    check_sample_keys,
    leaves,
    run,
    say_problem,
    until_corruption,
)
from anl_seg.noise import NoiseStatistics, noise_statistics
from anl_seg.noise.label_counts import LabelCounts
from anl_seg.registry import HOOKS

FILE_NAME = "noise_statistics.json"


@HOOKS.register_module()
class NoiseStatisticsHook(Hook):
    """Measures the noise of the training set before training and writes it to the work dir.

    Rank 0 takes evenly spaced samples of every training dataset that corrupts its masks (also
    inside ``ConcatDataset``, ``RepeatDataset``, ``ClassBalancedDataset`` and
    ``MultiImageMixDataset``), runs its pipeline up to the corruption and compares the masks
    before and after it. As a sample's noise never changes, these are the masks of training. Where the
    clean masks hold no two classes, so that nothing can be learned from them, a warning says so.

    ``noise_statistics.json`` in the work dir holds ``{"datasets": [...]}`` with, for each noisy
    dataset, ``index`` (among all training datasets), ``noise`` (its config), ``seed``,
    ``num_classes``, ``ignore_index``, ``samples_counted``, ``samples_total`` and ``statistics``
    (:class:`anl_seg.noise.NoiseStatistics` as a dict). Without a noisy dataset nothing
    is written. The random state of the run is left as found.

    Args:
        max_samples (int, optional): At most so many samples of each dataset. None: all of them;
            other ranks wait meanwhile, so mind the timeout of the process group. Default: 200.

    Raises:
        ValueError: If ``max_samples`` is no integer >= 1; before training, if two samples of a dataset have
            the same key and with it the same noise.
    """

    def __init__(self, max_samples: int | None = 200) -> None:
        self.max_samples = (
            None if max_samples is None else check_integer("max_samples", max_samples, low=1)
        )

    def before_train(self, runner: Runner) -> None:
        """Check the keys of the samples, measure and write."""
        with random_state_kept():
            check_sample_keys(runner.train_dataloader.dataset)
        if not is_main_process():
            return
        found = [
            (index, dataset, *corruption)
            for index, dataset in enumerate(leaves(runner.train_dataloader.dataset))
            if (corruption := until_corruption(dataset)) is not None
        ]
        if not found:
            runner.logger.info("NoiseStatisticsHook: no training dataset corrupts its masks.")
            return
        path = Path(runner.work_dir) / FILE_NAME
        with random_state_kept():
            records = [{"index": index, **self._measure(*rest)} for index, *rest in found]
        write_json_atomically(path, {"datasets": records})
        runner.logger.info(
            f"NoiseStatisticsHook: wrote the noise of {len(records)} training datasets to {path}"
        )

    def _measure(self, dataset: Any, before: list[Any], corruption: Any) -> dict[str, Any]:
        """The record of one dataset."""
        total = len(dataset)
        kinds = {"num_classes": corruption.num_classes, "ignore_index": corruption.ignore_index}
        statistics = NoiseStatistics.zeros(corruption.num_classes)
        labels = LabelCounts(**kinds)
        counted = 0
        for index in evenly_spaced(total, self.max_samples):
            results = run(before, dataset.get_data_info(index))
            if results is None:
                continue  # a transform filtered the sample out; training never sees it either
            clean, noisy = corruption.clean_and_noisy(results)
            statistics += noise_statistics(clean, noisy, **kinds)
            labels.add(clean)
            counted += 1
        say_problem(labels, dataset)
        return {
            "noise": corruption.noise.config(),
            "seed": corruption.seed,
            **kinds,
            "samples_counted": counted,
            "samples_total": total,
            "statistics": statistics.to_dict(),
        }
