"""What the plots of hand-made studies show."""

from __future__ import annotations

import json
import math
import statistics

import cv2
import numpy as np
import pytest

from anl_seg.study.report.figures import (
    half_width,
    pdf_bytes,
    png_bytes,
    point_of,
    save_plot,
    style_of,
)
from anl_seg.study.report.plots import (
    curve_plots,
    memorization_parts_plots,
    memorization_series,
    metric_series,
    range_text,
    report_plots,
    slug,
    strength_plots,
)
from anl_seg.study.report.results import Results
from tests.study.hand_made_study import fail, make_study, memorization_record, metric


def load(folder):
    results = Results.read(folder)
    return results.records, results.frame


def lines_of(ax):
    """label -> (x, y) of what is drawn as a line or as points."""
    return {
        line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist())
        for line in ax.lines
        if not line.get_label().startswith("_")
    }


def drawn_axes(plot):
    return [ax for ax in plot.figure.axes if ax.has_data()]


def test_confidence_interval_by_hand():
    """t of 2 degrees of freedom at 97.5 % is 4.3027."""
    values = [1.0, 2.0, 4.0]
    expected = 4.302653 * statistics.stdev(values) / math.sqrt(3)
    assert half_width(values) == pytest.approx(expected, rel=1e-6)
    assert math.isnan(half_width([1.0]))
    assert point_of([1.0, math.nan, 3.0]) == (2.0, half_width([1.0, 3.0]), 1.0, 3.0)
    assert all(math.isnan(v) for v in point_of([]))


def test_wide_intervals_do_not_hide_the_curves(tmp_path):
    """Of two seeds the interval is 13 standard errors wide on either side."""
    make_study(tmp_path, noises=(("symmetric", 0.2), ("symmetric", 0.4)), seeds=(0, 1))
    _, frame = load(tmp_path)
    (plot,) = strength_plots(frame, "final mDice.fg", "mDice.fg")
    (ax,) = drawn_axes(plot)
    values = frame["final mDice.fg"]
    margin = 0.1 * (values.max() - values.min())
    assert ax.get_ylim() == pytest.approx((values.min() - margin, values.max() + margin))


def test_strength_curves_are_the_means_over_seeds(tmp_path):
    runs = make_study(tmp_path)
    fail(tmp_path, runs[0], "exit 1")
    _, frame = load(tmp_path)
    (plot,) = strength_plots(frame, "final mDice.fg", "mDice.fg")
    symmetric, clean = drawn_axes(plot)
    assert symmetric.get_title() == "symmetric"
    lines = lines_of(symmetric)
    assert list(lines) == ["CE", "GCE", "MAE"]
    for loss, (x, y) in lines.items():
        assert x == [0.2, 0.4]
        for strength, mean in zip(x, y):
            seeds = (1, 2) if (loss, strength) == ("CE", 0.2) else (0, 1, 2)
            values = [metric(loss, strength, seed, 30) for seed in seeds]
            assert mean == pytest.approx(statistics.fmean(values))
    assert len(symmetric.collections) == 3  # a band each
    band = symmetric.collections[1].get_paths()[0].vertices
    values = [metric("GCE", 0.4, seed, 30) for seed in (0, 1, 2)]
    top = statistics.fmean(values) + half_width(values)
    assert band[np.isclose(band[:, 0], 0.4), 1].max() == pytest.approx(top)
    # A noise without strengths: points side by side, with the same range beside the curves.
    points = lines_of(clean)
    assert list(points) == ["CE", "GCE", "MAE"]
    assert points["GCE"][1] == pytest.approx(
        [statistics.fmean(metric("GCE", None, seed, 30) for seed in (0, 1, 2))]
    )
    assert clean.get_ylim() == symmetric.get_ylim()
    assert "95 %" in plot.caption


@pytest.mark.parametrize(
    ("noises", "names"),
    [
        ([("symmetric", 0.3)], ["0.3"]),
        (
            [("ab", {"alpha": 0.3, "beta": 0.5}), ("ab", {"alpha": 0.7, "beta": 0.5})],
            ["alpha 0.3,\nbeta 0.5", "alpha 0.7,\nbeta 0.5"],
        ),
    ],
)
def test_one_strength_or_strengths_that_are_no_number(tmp_path, noises, names):
    make_study(tmp_path, noises=noises)
    _, frame = load(tmp_path)
    (plot,) = strength_plots(frame, "final mDice.fg", "mDice.fg")
    (ax,) = drawn_axes(plot)
    assert [label.get_text() for label in ax.get_xticklabels()] == names
    assert all(len(y) == len(names) for _, y in lines_of(ax).values())


def test_one_seed_has_no_band(tmp_path):
    make_study(tmp_path, seeds=(0,))
    records, frame = load(tmp_path)
    (plot,) = strength_plots(frame, "final mDice.fg", "mDice.fg")
    assert not any(ax.collections for ax in plot.figure.axes)
    for curves in curve_plots(records, {"m": metric_series("mDice.fg")}, "learning", "Learning"):
        assert not any(ax.collections for ax in curves.figure.axes)


def test_learning_and_memorization_curves(tmp_path):
    make_study(tmp_path)
    records, _ = load(tmp_path)
    plots = curve_plots(records, {"m": metric_series("mDice.fg")}, "learning", "Learning")
    assert [plot.name for plot in plots] == ["learning_symmetric", "learning_clean"]
    weak, strong = drawn_axes(plots[0])
    assert (weak.get_title(), strong.get_title()) == ("symmetric 0.2", "symmetric 0.4")
    x, y = lines_of(strong)["MAE"]
    assert x == [10, 20, 30]
    assert y == pytest.approx(
        [statistics.fmean(metric("MAE", 0.4, seed, step) for seed in (0, 1, 2)) for step in x]
    )
    assert weak.get_ylim() == strong.get_ylim()
    rows = {
        "memorized": memorization_series("memorized_share"),
        "corrected": memorization_series("corrected_share"),
    }
    (plot,) = curve_plots(records, rows, "memorization", "Memorization")  # clean has none
    panels = drawn_axes(plot)
    assert len(panels) == 4
    x, y = lines_of(panels[0])["CE"]
    expected = [
        statistics.fmean(
            memorization_record("CE", seed, step)["memorized"] / 10 for seed in range(3)
        )
        for step in x
    ]
    assert y == pytest.approx(expected)


def test_a_curve_ends_where_a_seed_does(tmp_path):
    """A mean over other runs would jump."""
    runs = make_study(tmp_path, noises=(("symmetric", 0.2),))
    scalars = next((tmp_path / runs[0]["folder"]).glob("*/vis_data/scalars.json"))
    scalars.write_text("".join(scalars.read_text().splitlines(keepends=True)[:4]))
    (plot,) = curve_plots(load(tmp_path)[0], {"m": metric_series("mDice.fg")}, "a", "A")
    lines = lines_of(drawn_axes(plot)[0])
    assert lines["CE"][0] == [10, 20]
    assert lines["GCE"][0] == [10, 20, 30]


def test_runs_by_epoch(tmp_path):
    make_study(tmp_path, noises=(("symmetric", 0.2),), seeds=(0,))
    plan = json.loads((tmp_path / "study.json").read_text())
    for run in plan["runs"]:
        run.update(max_iters=None, max_epochs=30)
    (tmp_path / "study.json").write_text(json.dumps(plan))
    drawn = report_plots(Results.read(tmp_path)).values()
    learning, *others = [plot for draw in drawn for plot in draw() if "curves" in plot.title]
    assert drawn_axes(learning)[0].get_xlabel() == "epoch"
    assert drawn_axes(others[0])[-1].get_xlabel() == "iteration"  # as MemorizationHook records


def test_measured_only_after_training_is_drawn_side_by_side(tmp_path):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2),))
    for run in runs:
        path = tmp_path / run["folder"] / "memorization.json"
        path.write_text(json.dumps(json.loads(path.read_text())[-1:]))
    records, _ = load(tmp_path)
    rows = {"memorized": memorization_series("memorized_share")}
    (plot,) = curve_plots(records, rows, "memorization", "Memorization")
    (ax,) = drawn_axes(plot)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["after training"]
    assert len({x[0] for x, _ in lines_of(ax).values()}) == 3


def test_runs_that_failed_or_lack_everything_are_left_out(tmp_path):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2),))
    for run in runs:
        fail(tmp_path, run, "exit 1")
    records, frame = load(tmp_path)
    assert strength_plots(frame, "final mDice.fg", "m") == []
    assert curve_plots(records, {"m": metric_series("mDice.fg")}, "a", "A") == []
    assert memorization_parts_plots(records) == []


def test_nan_is_a_gap(tmp_path):
    (run,) = make_study(tmp_path, losses=("CE",), noises=(("symmetric", 0.2),), seeds=(0,))
    scalars = next((tmp_path / run["folder"]).glob("*/vis_data/scalars.json"))
    scalars.write_text(
        '{"mDice.fg": 5.0, "step": 1}\n{"mDice.fg": NaN, "step": 2}\n{"mDice.fg": NaN, "step": 3}\n'
    )
    records, frame = load(tmp_path)
    assert strength_plots(frame, "final mDice.fg", "m") == []
    (plot,) = curve_plots(records, {"m": metric_series("mDice.fg")}, "a", "A")
    _, y = lines_of(drawn_axes(plot)[0])["CE"]
    assert y[0] == 5.0
    assert math.isnan(y[1])
    assert png_bytes(plot.figure)


def test_memorized_by_distance_and_class(tmp_path):
    make_study(tmp_path)
    records, _ = load(tmp_path)
    plots = memorization_parts_plots(records)
    assert [plot.title.rpartition(": ")[2] for plot in plots] == ["symmetric 0.2", "symmetric 0.4"]
    distance, classes = drawn_axes(plots[0])
    # Parts without wrong pixels have no share.
    assert [t.get_text() for t in distance.get_xticklabels()] == ["1 to 2", "2 to 4"]
    assert [t.get_text() for t in classes.get_xticklabels()] == ["background", "lung"]
    _, y = lines_of(distance)["GCE"]
    expected = [
        statistics.fmean(
            100 * memorization_record("GCE", seed, 30)["by_distance"][i]["memorized_share"]
            for seed in range(3)
        )
        for i in range(2)
    ]
    assert y == pytest.approx(expected)


def test_records_of_before_they_were_split(tmp_path):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2),))
    for run in runs:
        path = tmp_path / run["folder"] / "memorization.json"
        records = json.loads(path.read_text())
        for record in records:
            del record["by_distance"], record["by_class"]
        path.write_text(json.dumps(records))
    assert memorization_parts_plots(load(tmp_path)[0]) == []


def test_models_and_options_have_plots_of_their_own(tmp_path):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2),), seeds=(0, 1))
    plan = json.loads((tmp_path / "study.json").read_text())
    for run in plan["runs"][::2]:
        run["axes"]["model"] = "other/net"
    (tmp_path / "study.json").write_text(json.dumps(plan))
    records, frame = load(tmp_path)
    names = [p.name for p in strength_plots(frame, "memorized", "memorized")]
    assert names == ["strength_memorized_other-net", "strength_memorized_unet"]
    names = [p.name for p in curve_plots(records, {"m": metric_series("mDice.fg")}, "a", "A")]
    assert names == ["a_other-net-symmetric", "a_unet-symmetric"]
    assert len(runs) == 6


def test_files(tmp_path):
    make_study(tmp_path, noises=(("symmetric", 0.2),), seeds=(0,))
    _, frame = load(tmp_path)
    (plot,) = strength_plots(frame, "final mDice.fg", "mDice.fg")
    png = save_plot(plot, tmp_path)
    assert (tmp_path / f"{plot.name}.png").read_bytes() == png
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    pdf = (tmp_path / f"{plot.name}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf_bytes(plot.figure) == pdf


def test_styles_and_names():
    losses = [f"loss {i}" for i in range(20)]
    styles = style_of(losses)
    assert len({(s["color"], s["linestyle"]) for s in styles.values()}) == 20
    assert len({(s["color"], s["marker"]) for s in styles.values()}) == 20
    assert slug("ANL (5, 5) / \u03b1=0.3") == "ANL-5-5-0.3"
    assert slug("//") == "x"
    assert range_text({"low": 1.0, "high": 2.5}) == "1 to 2.5"
    assert range_text({"low": 16.0, "high": None}) == "16 up"
