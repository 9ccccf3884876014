"""Pictures of training images: masks, what each loss predicts, and where it memorized the noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from anl_seg.engine import allow_mmengine_checkpoints
from anl_seg.study.escapes import drawn_text
from anl_seg.study.picture import measured_dataset, predict
from anl_seg.study.report.figures import Plot
from anl_seg.study.report.plots import slug
from anl_seg.study.report.problems import Problem
from anl_seg.study.report.results import Results
from anl_seg.study.run_input import planned_config
from anl_seg.study.run_record import RunRecord

#: Outcome of a pixel -> color (RGB) in the maps.
OUTCOMES = {
    "memorized": (213, 94, 0),
    "corrected": (0, 114, 178),
    "other": (240, 228, 66),
    "right label, predicted": (235, 235, 235),
    "right label, missed": (150, 150, 150),
}
#: Of this many images the first with wrong pixels are drawn: some noises leave most images alone.
_SEARCHED = 40
#: A page of hundreds of pictures would be too large to open.
_MOST = 8


def outcome_map(
    pred: np.ndarray, noisy: np.ndarray, clean: np.ndarray, ignore_index: int = 255
) -> np.ndarray:
    """Colors of ``OUTCOMES`` for each pixel; white where a mask is ignored.

    Args:
        pred, noisy, clean: (H, W) integers.
        ignore_index: label of pixels without a class.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    valid = (noisy != ignore_index) & (clean != ignore_index)
    wrong = valid & (noisy != clean)
    right = valid & (noisy == clean)
    picture = np.full((*pred.shape, 3), 255, dtype=np.uint8)
    masks = (
        wrong & (pred == noisy),
        wrong & (pred == clean),
        wrong & (pred != noisy) & (pred != clean),
        right & (pred == clean),
        right & (pred != clean),
    )
    for mask, color in zip(masks, OUTCOMES.values()):
        picture[mask] = color
    return picture


def choose_runs(records: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """For each model, options and noise the runs to draw, one per loss.

    Of the finished runs with a checkpoint and a memorization record: the last strength of the plan that
    has any, and of its seeds the first for which most losses have one.
    """
    groups: dict[tuple, list[RunRecord]] = {}
    for record in records:
        if record.status == "finished" and record.checkpoint and record.memorization:
            key = tuple(record.axes[axis] for axis in ("model", "options", "noise"))
            groups.setdefault(key, []).append(record)
    planned = list(dict.fromkeys(record.noise_text for record in records))
    chosen = []
    for members in groups.values():
        setting = max((m.noise_text for m in members), key=planned.index)
        last = [m for m in members if m.noise_text == setting]
        seeds = [m.axes["seed"] for m in last]
        seed = max(dict.fromkeys(seeds), key=seeds.count)
        chosen.append([m for m in last if m.axes["seed"] == seed])
    return chosen


def _mask(sample: dict, key: str) -> np.ndarray:
    return sample["data_samples"].get(key).data[0].numpy()


def _samples_with_noise(cfg: Config, count: int) -> tuple[list[dict], np.ndarray]:
    """The first training images with wrong pixels, packed, and the colors of the classes (256, 3)."""
    dataset = measured_dataset(cfg)
    changed: list[dict] = []
    unchanged: list[dict] = []
    for index in range(min(len(dataset), _SEARCHED)):
        sample = dataset[index]
        wrong = (_mask(sample, "gt_sem_seg") != _mask(sample, "gt_sem_seg_clean")).any()
        (changed if wrong else unchanged).append(sample)
        if len(changed) == count:
            break
    palette = np.array(dataset.metainfo["palette"], dtype=np.uint8)
    colors = np.full((256, 3), 255, dtype=np.uint8)
    colors[: len(palette)] = palette[:256]
    return (changed + unchanged)[:count], colors


def draw_panel(
    work_dir: str | Path, runs: Sequence[RunRecord], configs: Sequence[Config], *, samples: int = 3
) -> Plot:
    """Image, clean and noisy mask, and per run its prediction and below it where it memorized.

    Two rows per training image: the first ones whose masks the noise changed; others if these are
    too few.

    Args:
        work_dir: of the study.
        runs: finished runs of one setting and seed.
        configs: that of each run; what they name is built.
        samples: number of images.
    """
    allow_mmengine_checkpoints()
    init_default_scope("mmseg")
    packed, colors = _samples_with_noise(configs[0], samples)
    predictions = [
        predict(cfg, Path(work_dir, run.checkpoint or ""), packed)
        for cfg, run in zip(configs, runs)
    ]
    columns = 3 + len(runs)
    figure = Figure(figsize=(1.9 * columns, 3.7 * len(packed) + 0.7), layout="constrained")
    axes = figure.subplots(2 * len(packed), columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for row, sample in enumerate(packed):
        clean, noisy = _mask(sample, "gt_sem_seg_clean"), _mask(sample, "gt_sem_seg")
        upper, lower = axes[2 * row], axes[2 * row + 1]
        image = sample["inputs"].numpy().transpose(1, 2, 0)[..., ::-1]
        for ax, picture in zip(upper, (image, colors[clean], colors[noisy])):
            ax.imshow(picture, interpolation="nearest")
        for column, own in enumerate(predictions, start=3):
            upper[column].imshow(colors[own[row].astype(int)], interpolation="nearest")
            lower[column].imshow(outcome_map(own[row], noisy, clean), interpolation="nearest")
    titles = ["image", "clean mask", "noisy mask", *(run.axes["loss"] for run in runs)]
    for ax, title in zip(axes[0], titles):
        ax.set_title(drawn_text(title), fontsize=9)
    patches = [
        Patch(facecolor=(red / 255, green / 255, blue / 255), edgecolor="#888888", label=name)
        for name, (red, green, blue) in OUTCOMES.items()
    ]
    figure.legend(
        handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8, frameon=False
    )
    first = runs[0]
    where = [first.axes["model"], first.axes["options"], first.noise_text]
    return Plot(
        f"panel_{slug('-'.join(where))}",
        f"{first.noise_text}, seed {first.axes['seed']}",
        "Training images. Above: predictions after training. Below: what became of each label. Runs: "
        + ", ".join(f"{run.axes['loss']} {run.digest}" for run in runs)
        + ".",
        figure,
    )


def _with_config(
    results: Results,
    runs: Sequence[RunRecord],
    configs: Mapping[str, str],
    problems: list[Problem],
) -> list[tuple[RunRecord, Config]]:
    """The runs whose config is known to be harmless, with it; the others are problems."""
    known = []
    for run in runs:
        try:
            config = planned_config(results.work_dir, run.folder, run.digest, configs)
            known.append((run, config))
        except (OSError, ValueError) as error:
            text = f"Predictions of {run.folder} are not drawn: {str(error).rstrip('.')}."
            problems.append(Problem(results.hide(text)))
    return known


def draw_panels(
    results: Results, configs: Mapping[str, str] | None, problems: list[Problem]
) -> tuple[list[Plot], list[str]]:
    """The pictures of a study, and sentences on those that are not there.

    Args:
        results: of the study.
        configs: see :func:`anl_seg.study.report.write.write_report`.
        problems: gets the runs whose config cannot be trusted.
    """
    chosen = choose_runs(results.records)
    if not chosen:
        return [], [
            "None: they need a finished run with noise, a memorization record and a checkpoint."
        ]
    if configs is None:
        return [], ["None: the study file was not given, and only it says what may be built."]
    plots, notes = [], []
    for runs in chosen[:_MOST]:
        name = runs[0].noise_text
        known = _with_config(results, runs, configs, problems)
        if not known:
            notes.append(f"{name}: no config can be trusted; see the problems above.")
            continue
        try:
            plots.append(draw_panel(results.work_dir, *zip(*known)))
        # A moved data set or another version's checkpoint must not cost the tables.
        except Exception as error:
            notes.append(
                f"{name}: the pictures could not be drawn ({type(error).__name__}: {error}); they are of "
                f"{', '.join(run.folder for run in runs)}."
            )
    if len(chosen) > _MOST:
        notes.append(f"Drawn are the first {_MOST} of {len(chosen)} noises.")
    return plots, [results.hide(note) for note in notes]
