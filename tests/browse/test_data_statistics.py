"""Statistics of a whole data set: the same however they are computed, and shown as they are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from anl_seg.browse import formatting
from anl_seg.browse.comparison import compare_sample
from anl_seg.browse.data_statistics import (
    DataStatistics,
    SampleCounts,
    evenly_spaced,
    measure_data,
)
from anl_seg.browse.plot import draw_statistics
from anl_seg.browse.report import statistics_tables
from anl_seg.noise import NoiseStatistics, SuperpixelNoise, SymmetricNoise


@pytest.fixture(scope="module")
def measured(source):
    return measure_data(source, SymmetricNoise(0.3), seed=5, indices=range(3))


def printed(statistics, names):
    console = Console(width=160, file=io.StringIO())
    console.print(statistics_tables(statistics, names))
    return console.file.getvalue()


def test_sums_of_the_samples(measured, source):
    settings = dict(seed=5, num_classes=3, ignore_index=255)
    single = [compare_sample(source.sample(i), SymmetricNoise(0.3), **settings) for i in range(3)]
    total = sum((s.statistics for s in single), NoiseStatistics.zeros(3))
    assert np.array_equal(measured.total.confusion, total.confusion)
    assert [s.key for s in measured.samples] == [source.key(i) for i in range(3)]
    assert [s.valid_pixels for s in measured.samples] == [620, 465, 0]
    shares = [s.statistics.changed_share for s in single[:2]]
    assert measured.changed_shares.tolist() == shares
    images = measured.per_image()
    assert images["mean"] == pytest.approx(np.mean(shares))
    assert images["samples_without_valid_pixels"] == 1
    assert images["unchanged_samples"] == 0


def test_jobs_change_nothing(measured, source):
    indices = [2, 0, 1]
    one = measure_data(source, SymmetricNoise(0.3), seed=5, indices=indices, jobs=1)
    two = measure_data(source, SymmetricNoise(0.3), seed=5, indices=indices, jobs=2)
    assert one.samples == two.samples
    assert np.array_equal(one.total.confusion, two.total.confusion)
    assert [s.key for s in one.samples] == [source.key(i) for i in indices]


def test_images_are_there_for_noise_that_looks_at_them(source):
    noise = SuperpixelNoise(n_segments=20)
    measured = measure_data(source, noise, seed=0, indices=[0])
    assert measured.samples[0].changed_pixels > 0
    settings = dict(seed=0, num_classes=3, ignore_index=255)
    alone = compare_sample(source.sample(0, True), noise, **settings)
    assert np.array_equal(measured.total.confusion, alone.statistics.confusion)


def test_errors_of_workers_arrive(source):
    with pytest.raises(ValueError, match="jobs must be 1 or more"):
        measure_data(source, SymmetricNoise(0.3), seed=0, indices=[0], jobs=0)
    with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
        measure_data(source, SymmetricNoise(0.3), seed=-1, indices=[0, 1], jobs=2)


def test_progress(source):
    calls = []
    measure_data(
        source,
        SymmetricNoise(0.3),
        seed=0,
        indices=[0, 1],
        advance=lambda: calls.append(1),
    )
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("changed", "end"), [([0, 0], 0.01), ([1, 15], 0.2), ([100, 0], 1.0), ([20, 3], 0.2)]
)
def test_histogram_holds_every_sample(changed, end):
    samples = [SampleCounts("k", 100, n) for n in changed]
    statistics = DataStatistics(NoiseStatistics.zeros(2), samples, 2)
    counts, edges = statistics.histogram()
    assert counts.sum() == 2
    assert (edges[0], edges[-1]) == (0, end)
    assert statistics.per_image()["unchanged_samples"] == changed.count(0)


def test_no_valid_pixel_at_all(source, names):
    statistics = measure_data(source, SymmetricNoise(0.3), seed=0, indices=[2])
    assert np.isnan(statistics.per_image()["mean"])
    assert statistics.histogram()[0].sum() == 0
    assert "samples without a valid pixel" in printed(statistics, names)
    assert draw_statistics(statistics, names, title="t", subtitle="s")


def test_evenly_spaced():
    assert evenly_spaced(10, None) == list(range(10))
    assert evenly_spaced(10, 3) == [0, 3, 6]
    assert evenly_spaced(2, 5) == [0, 1]


def test_tables(measured, names):
    text = printed(measured, names)
    assert formatting.percent(measured.total.changed_share) in text
    assert "3 of 3" in text
    confusion = measured.total.confusion
    for label, name in enumerate(names):
        assert text.count(name) >= 3  # no markup: nothing is swallowed
        assert formatting.dice(measured.total.dice[label]) in text
        assert f"{100 * confusion[label, label] / confusion[label].sum():.2f}" in text


def test_many_classes_have_no_printed_matrix():
    statistics = DataStatistics(NoiseStatistics(np.eye(30, dtype=np.int64)), [], 0)
    names = formatting.class_names(None, 30)
    assert "the confusion matrix is in stats.json" in printed(statistics, names)
    assert "rows: clean" not in printed(statistics, names)


@pytest.mark.parametrize("classes", [3, 30, 90])
def test_plot(classes):
    confusion = np.eye(classes, dtype=np.int64) * 50 + 1
    samples = [SampleCounts("k", 100, n) for n in (3, 8, 8)]
    statistics = DataStatistics(NoiseStatistics(confusion), samples, 3)
    arguments = (statistics, formatting.class_names(["道路", "$x$"], classes))
    first = draw_statistics(*arguments, title="noise", subtitle="data")
    assert first == draw_statistics(*arguments, title="noise", subtitle="data")
    picture = np.array(Image.open(io.BytesIO(first)))
    assert picture.shape[1] == 1500
    assert picture.std() > 10
