"""Pictures and page of two small trainings, measured by every hook and metric of a study."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from anl_seg.config import (
    inject_noise,
    load_config,
    measure_memorization,
    record_noise,
    record_resources,
    replace_losses,
)
from anl_seg.engine import write_environment
from anl_seg.study.report import runs_frame, write_report
from anl_seg.study.report.panels import (
    OUTCOMES,
    choose_runs,
    draw_panel,
    draw_panels,
    outcome_map,
)
from anl_seg.study.report.results import Results
from anl_seg.study.run_config import config_digest, config_text, config_values
from anl_seg.study.run_input import planned_config
from anl_seg.study.run_record import read_study
from tests.study.hand_made_study import fail, make_study, write_json

ROOT = Path(__file__).parents[2]
LOSSES = {"CE": "CELoss", "MAE": "MAELoss"}
METRICS = {"main": "mDice.fg", "others": ["mBF", "ECE", "Dice.disc"], "last_k": 2}


def train(folder, loss):
    cfg = load_config(str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"))
    cfg.train_cfg.update(max_iters=8, val_interval=4)
    cfg.default_hooks.checkpoint.update(interval=4)
    for name, length in (("train", 4), ("val", 2)):
        loader = cfg[f"{name}_dataloader"]
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(length=length, size=(32, 32))
    cfg.val_evaluator = [
        cfg.val_evaluator,
        dict(type="anl_seg.BoundaryFScoreMetric"),
        dict(type="anl_seg.CalibrationErrorMetric"),
    ]
    replace_losses(cfg, dict(type=loss))
    # Half of the images keep clean masks.
    noise = dict(type="AlphaBetaNoise", alpha=0.5, beta=0.6)
    inject_noise(cfg, noise, seed=1, keep_clean=True)
    measure_memorization(cfg, interval=1)
    record_resources(record_noise(cfg))
    cfg.work_dir = str(folder)
    cfg.experiment_name = f"panels_{folder.name}"
    cfg.visualizer.name = (
        cfg.experiment_name
    )  # one per process and name, with the folder of the first
    Runner.from_cfg(cfg).train()
    write_environment(folder)
    return cfg


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A study of two losses, trained, and the texts of its configs."""
    work_dir = tmp_path_factory.mktemp("trained")
    runs, configs = [], {}
    for label, loss in LOSSES.items():
        axes = dict(model="unet", loss=label, noise="outlines", strength=0.5, seed=0)
        cfg = train(work_dir / label, loss)
        text = config_text(cfg)
        digest = config_digest(text)
        run = dict(digest=digest, folder=f"runs/{digest}", axes={**axes, "options": "default"})
        folder = work_dir / run["folder"]
        folder.parent.mkdir(exist_ok=True)
        (work_dir / label).rename(folder)
        configs[digest] = text
        (folder / "input").mkdir()
        (folder / "input" / "config.py").write_text(text)
        write_json(folder / "run.json", {**run, "config": cfg.pretty_text})
        write_json(folder / "state.json", {"status": "finished", "attempts": [], "reason": None})
        runs.append({**run, "command": ["python", "tools/train.py"], "max_iters": 8})
    write_json(work_dir / "study.json", {"name": "tiny", "metrics": METRICS, "runs": runs})
    return work_dir, configs


@pytest.fixture
def study(trained):
    return trained[0]


@pytest.fixture
def configs(trained):
    return trained[1]


def config_of(run, configs):
    return Config(config_values(configs[run.digest]))


def test_report_of_a_real_study(study, configs):
    text = write_report(study, configs).read_text(encoding="utf-8")
    assert "Nothing: all 2 runs finished, and each has every value." in text
    assert "outlines 0.5, seed 0" in text
    assert "could not be drawn" not in text
    frame = runs_frame(study)
    for name in ("final mDice.fg", "last_k mBF", "best ECE", "memorized", "noise_share", "seconds"):
        assert frame[name].notna().all(), name
    assert (frame["best ECE"] <= frame["final ECE"]).all()
    assert frame["noise_share"].nunique() == 1
    for folder, memorized in zip(frame["folder"], frame["memorized"]):
        records = json.loads((study / folder / "memorization.json").read_text())
        assert [record["step"] for record in records] == [4, 8]
        assert memorized == 100 * records[-1]["memorized_share"]
    names = {path.stem for path in (study / "report" / "plots").iterdir()}
    assert {"memorization_outlines", "panel_unet-default-outlines-0.5"} <= names


def test_panel_shows_masks_predictions_and_outcomes(study, configs):
    _, records = read_study(study)
    (runs,) = choose_runs(records)
    assert [run.axes["loss"] for run in runs] == ["CE", "MAE"]
    plot = draw_panel(study, runs, [config_of(run, configs) for run in runs], samples=2)
    axes = np.array(plot.figure.axes).reshape(4, 5)
    titles = [ax.get_title() for ax in axes[0]]
    assert titles == ["image", "clean mask", "noisy mask", "CE", "MAE"]
    pictures = [[ax.images[0].get_array() if ax.images else None for ax in row] for row in axes]
    for upper, lower in zip(pictures[::2], pictures[1::2]):
        image, clean, noisy, *predictions = upper
        assert image.shape == clean.shape == (32, 32, 3)
        assert (clean != noisy).any()  # images that the noise left alone are passed over
        assert lower[:3] == [None] * 3
        for pred, found in zip(predictions, lower[3:]):
            for y in range(32):
                for x in range(32):
                    p, n, c = (tuple(picture[y, x]) for picture in (pred, noisy, clean))
                    if n == c:
                        name = "right label, predicted" if p == c else "right label, missed"
                    else:
                        name = "memorized" if p == n else "corrected" if p == c else "other"
                    assert tuple(found[y, x]) == OUTCOMES[name]
    assert all(run.digest in plot.caption for run in runs)


def test_predictions_are_those_of_the_last_checkpoint(study, configs):
    """Weights of a constant class give a picture of one color."""
    _, records = read_study(study)
    run = records[0]
    path = study / run.checkpoint
    content = path.read_bytes()
    assert run.checkpoint.endswith("iter_8.pth")
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    weights = checkpoint["state_dict"]
    weights["decode_head.conv_seg.weight"].zero_()
    weights["decode_head.conv_seg.bias"].copy_(torch.tensor([0.0, 0, 5, 0, 0, 0]))
    try:
        torch.save(checkpoint, path)
        plot = draw_panel(study, [run], [config_of(run, configs)], samples=1)
    finally:
        path.write_bytes(content)
    picture = plot.figure.axes[3].images[0].get_array()
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1


def test_a_broken_checkpoint_costs_the_picture_only(study, configs):
    _, records = read_study(study)
    path = study / records[0].checkpoint
    content = path.read_bytes()
    try:
        path.write_bytes(b"no weights")
        text = write_report(study, configs).read_text(encoding="utf-8")
    finally:
        path.write_bytes(content)
    assert "outlines 0.5: the pictures could not be drawn" in text
    assert "Learning curves" in text


EVIL = "import pathlib\npathlib.Path({!r}).write_text('run')\n"


def test_nothing_in_the_folder_of_a_run_is_run_or_built(study, configs, tmp_path):
    """What a config there says is only compared with what the study file asks for."""
    mark = tmp_path / "mark"
    plan = json.loads((study / "study.json").read_text())
    (run, other), texts = plan["runs"], list(configs.values())
    path = study / run["folder"] / "input" / "config.py"
    for log in (study / run["folder"]).glob("*/vis_data/config.py"):
        log.write_text(EVIL.format(str(mark)))

    def refusal(asked=configs):
        with pytest.raises(ValueError, match=r"config\.py|asks for no run") as caught:
            planned_config(study, run["folder"], run["digest"], asked)
        return str(caught.value)

    try:
        path.write_text(EVIL.format(str(mark)))
        text = write_report(study, configs).read_text(encoding="utf-8")
        assert (
            f"Predictions of {run['folder']} are not drawn: input/config.py is not a list" in text
        )
        assert "outlines 0.5, seed 0" in text  # the other one is drawn
        assert other["digest"] in text
        named = f"model = {{'type': 'pathlib.Path.touch', 'self': {str(mark)!r}}}\n"
        for content in (named, texts[1]):
            path.write_text(content)
            assert "is the config of another run" in refusal()
        for content in ("model = " + "[" * 9999, "a.b = 3", "a = b = 3", "\0", "x: int"):
            path.write_text(content)
            assert "is not a list of settings" in refusal()
        path.unlink()
        os.mkfifo(path)
        assert "named pipe" in refusal()
        # A plan and a folder that agree with each other, and not with the study file.
        assert "the study file asks for no run" in refusal({})
    finally:
        path.unlink()
        path.write_text(texts[0])
    _, notes = draw_panels(Results.read(study), None, [])
    assert "the study file was not given" in notes[0]
    assert not mark.exists()


def test_outcome_map_of_ignored_pixels():
    pred = np.array([[0, 1, 2, 0, 1, 0]])
    noisy = np.array([[0, 1, 1, 1, 0, 255]])
    clean = np.array([[0, 0, 0, 0, 0, 0]])
    expected = [
        OUTCOMES["right label, predicted"],
        OUTCOMES["memorized"],
        OUTCOMES["other"],
        OUTCOMES["corrected"],
        OUTCOMES["right label, missed"],
        (255, 255, 255),
    ]
    assert [tuple(c) for c in outcome_map(pred, noisy, clean)[0].tolist()] == expected


def test_strongest_noise_and_the_seed_that_most_losses_have(tmp_path):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2), ("symmetric", 0.4), ("clean", None)))
    for run in runs:
        if run["axes"]["strength"] == 0.4 and (run["axes"]["loss"], run["axes"]["seed"]) == (
            "CE",
            0,
        ):
            fail(tmp_path, run, "exit 1")
    _, records = read_study(tmp_path)
    (chosen,) = choose_runs(records)  # clean runs have nothing to memorize
    assert [(r.axes["loss"], r.axes["strength"], r.axes["seed"]) for r in chosen] == [
        (loss, 0.4, 1) for loss in ("CE", "GCE", "MAE")
    ]
