"""What a noise does to a whole data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from anl_seg._spaced import evenly_spaced as evenly_spaced
from anl_seg.corruption.sources import MaskSource
from anl_seg.corruption.workers import unordered
from anl_seg.noise import MaskNoise, NoiseStatistics

from .comparison import compare_sample

#: The histogram of changed shares ends at the first of these that none exceeds.
_ENDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
_BINS = 25


class SampleCounts(NamedTuple):
    """The pixels of one sample: those with a class, and those of them that changed."""

    key: str
    valid_pixels: int
    changed_pixels: int


@dataclass(frozen=True, eq=False)
class DataStatistics:
    """The samples of a data set that were compared, together and one by one.

    Attributes:
        total: counts of all pixels together.
        samples: the compared samples, in the order in which they were asked for.
        samples_total: samples of the data set.
    """

    total: NoiseStatistics
    samples: list[SampleCounts]
    samples_total: int

    @property
    def changed_shares(self) -> np.ndarray:
        """Float64: of each sample that has valid pixels, changed pixels of these."""
        shares = [s.changed_pixels / s.valid_pixels for s in self.samples if s.valid_pixels]
        return np.array(shares, dtype=np.float64)

    def histogram(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts (25,) and edges (26,) of the samples' changed shares, from 0 to a round number."""
        shares = self.changed_shares
        end = next(e for e in _ENDS if shares.max(initial=0.0) <= e)
        return np.histogram(shares, bins=_BINS, range=(0.0, end))

    def per_image(self) -> dict[str, float]:
        """Mean, spread and quantiles of the samples' changed shares; nan where there are none."""
        shares = self.changed_shares
        if not len(shares):
            shares = np.array([np.nan])
        quantiles = np.quantile(shares, [0, 0.25, 0.5, 0.75, 1])
        names = ("min", "quarter", "median", "three_quarters", "max")
        return {
            "mean": float(shares.mean()),
            "std": float(shares.std()),
            **dict(zip(names, quantiles.tolist())),
            "unchanged_samples": int(np.count_nonzero(self.changed_shares == 0)),
            "samples_without_valid_pixels": sum(s.valid_pixels == 0 for s in self.samples),
        }

    def to_dict(self) -> dict[str, Any]:
        """All numbers, for JSON; what is nan becomes null there."""
        counts, edges = self.histogram()
        return {
            "samples_counted": len(self.samples),
            "samples_total": self.samples_total,
            "statistics": self.total.to_dict(),
            "changed_share_per_image": {
                **self.per_image(),
                "histogram": {"edges": edges, "counts": counts},
            },
            "images": [sample._asdict() for sample in self.samples],
        }


def measure_data(
    source: MaskSource,
    noise: MaskNoise,
    *,
    seed: int,
    indices: Sequence[int],
    jobs: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> DataStatistics:
    """Compare samples of a source; the result does not depend on ``jobs``.

    Args:
        source: of the samples.
        noise: the model.
        seed: of the noise.
        indices: which samples.
        jobs: processes at a time.
        advance: called after each sample.

    Raises:
        ValueError: ``jobs`` below 1, or a sample that cannot be compared; it is named.
    """
    total = NoiseStatistics.zeros(source.num_classes)
    samples: dict[int, SampleCounts] = {}
    comparison = _Comparison(source, noise, seed)
    for position, key, sample in unordered(_compare, comparison, enumerate(indices), jobs):
        total += sample
        samples[position] = SampleCounts(key, sample.valid_pixels, sample.changed_pixels)
        advance()
    return DataStatistics(total, [samples[i] for i in sorted(samples)], len(source))


class _Comparison(NamedTuple):
    """What every sample is compared with."""

    source: MaskSource
    noise: MaskNoise
    seed: int


def _compare(comparison: _Comparison, place: tuple[int, int]) -> tuple[int, str, NoiseStatistics]:
    """(position, key, statistics) of the sample with (position, index)."""
    position, index = place
    source, noise, seed = comparison
    sample = compare_sample(
        source.sample(index, noise.needs_image),
        noise,
        seed=seed,
        num_classes=source.num_classes,
        ignore_index=source.ignore_index,
    )
    return position, sample.key, sample.statistics
