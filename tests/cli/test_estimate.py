"""anl-seg estimate: folders of masks, a model's predictions, refusals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

from anl_seg.cli import estimate
from anl_seg.config import load_config
from anl_seg.datasets._shapes import draw_sample
from anl_seg.noise import build_noise, dilate_noise, load_transition_matrix, sample_rng

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/estimate_transition_matrix.py"
QUICKSTART = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
T = [
    [0.80, 0.05, 0.05, 0.04, 0.03, 0.03],
    [0.10, 0.70, 0.20, 0.00, 0.00, 0.00],
    [0.05, 0.25, 0.60, 0.10, 0.00, 0.00],
    [0.10, 0.00, 0.00, 0.75, 0.00, 0.15],
    [0.20, 0.05, 0.05, 0.00, 0.65, 0.05],
    [0.15, 0.00, 0.00, 0.10, 0.10, 0.65],
]


@pytest.fixture
def folders(tmp_path):
    """Writes clean and noisy masks of the embedded data set; returns the tool's arguments."""

    def write(noise, count=24):
        for i in range(count):
            _, clean = draw_sample(0, "train", i)
            noisy = noise(clean, sample_rng(0, str(i), "test"))
            for kind, mask in (("clean", clean), ("noisy", noisy)):
                path = tmp_path / kind / f"city{i % 2}" / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), mask)
        places = [f"--{kind}={tmp_path / kind}" for kind in ("clean", "noisy")]
        return [*places, "--num-classes=6"]

    return write


def noise(**config):
    model = build_noise(config)
    return lambda mask, rng: model(mask, rng, num_classes=6)


def test_recovers_a_known_matrix(folders, tmp_path, capsys):
    arguments = folders(noise(type="TransitionMatrixNoise", matrix=T))
    saved, report = tmp_path / "matrix.json", tmp_path / "report.json"
    estimate.main([*arguments, f"--save={saved}", f"--report={report}"])
    told = json.loads(report.read_text())
    errors = np.array(told["standard_errors"])
    matrix = load_transition_matrix(saved)
    assert np.array_equal(matrix, told["matrix"])
    assert (np.abs(matrix - T) <= 4 * errors + 1e-12).all()
    assert errors.max() < 0.02
    text = capsys.readouterr().out
    assert "24 pairs of masks" in text
    assert "Neither symmetric nor pair noise. The closest is symmetric noise of rate 0.3" in text
    assert "cluster" not in text
    assert f"--noise TransitionMatrixNoise:matrix={saved}" in text
    line = next(line for line in text.splitlines() if line.startswith("1 "))
    assert line.split()[2] == f"{100 * matrix[1, 1]:.1f}"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            dict(type="SymmetricNoise", rate=0.4),
            r"Looks like symmetric noise of rate (0\.40|0\.39)",
        ),
        (dict(type="PairNoise", rate=0.3), r"Looks like pair noise of rate (0\.30|0\.29)"),
        (dict(type="SymmetricNoise", rate=0.0), "Hardly any noise"),
    ],
)
def test_names_simple_noise(folders, capsys, config, text):
    estimate.main(folders(noise(**config)))
    assert re.search(text, capsys.readouterr().out)


def test_wrong_outlines_are_told_from_scattered_pixels(folders, capsys):
    estimate.main(folders(lambda m, rng: dilate_noise(m, rng, beta=0.5, num_classes=6)))
    text = capsys.readouterr().out
    assert "Wrong pixels cluster" in text
    assert "Looks like" not in text


def test_palettes_16_bits_and_ignored_pixels(tmp_path, capsys):
    clean, noisy = np.zeros((2, 4, 5), dtype=np.uint8)
    noisy[:, 0] = 1
    clean[0] = noisy[0] = 255
    noisy[3, 4] = 255
    for kind in ("clean", "noisy"):
        (tmp_path / kind).mkdir()
    palette = Image.frombytes("P", (5, 4), clean.tobytes())
    palette.putpalette([v for k in range(256) for v in (k, 255 - k, 7)])
    palette.save(tmp_path / "clean" / "a.png")
    assert cv2.imread(str(tmp_path / "clean" / "a.png"), cv2.IMREAD_UNCHANGED).ndim == 3
    assert cv2.imwrite(str(tmp_path / "noisy" / "a.png"), noisy.astype(np.uint16))
    report = tmp_path / "report.json"
    places = [f"--{kind}={tmp_path / kind}" for kind in ("clean", "noisy")]
    estimate.main([*places, "--num-classes=2", f"--report={report}"])
    content = json.loads(report.read_text())
    assert content["pixels"] == [14, 0]
    assert content["matrix"] == [[11 / 14, 3 / 14], [None, None]]
    assert content["unknown"] == [1]
    text = capsys.readouterr().out
    assert "Nothing is known of 1" in text
    assert "1 pixels were left out" in text


# --- refusals ---


def refused(arguments):
    with pytest.raises(SystemExit) as stop:
        estimate.main([str(a) for a in arguments])
    text = str(stop.value)
    assert text.startswith("anl-seg estimate: ")
    return text


def test_missing_partners_are_named(folders, tmp_path):
    arguments = folders(noise(type="PairNoise", rate=0.1), count=9)
    (tmp_path / "noisy/city1/3.png").unlink()
    text = refused(arguments)
    assert "1 masks of" in text
    assert "have no partner" in text
    assert text.endswith("city1/3.png")
    for i in range(0, 9, 2):
        (tmp_path / f"clean/city0/{i}.png").unlink()
    (tmp_path / "clean/city1/3.png").unlink()
    assert "city0/0.png, city0/2.png, city0/4.png" in refused(arguments)


def test_wrong_folders_and_files(folders, tmp_path):
    arguments = folders(noise(type="PairNoise", rate=0.1), count=2)
    assert "no folder" in refused(["--clean=nowhere", *arguments[1:]])
    (tmp_path / "empty").mkdir()
    assert "no PNG file" in refused([f"--clean={tmp_path / 'empty'}", *arguments[1:]])
    assert "labels 2" in refused([*arguments[:2], "--num-classes=2"])
    assert "must be at most 4096" in refused([*arguments[:2], "--num-classes=1000000000"])
    path = tmp_path / "noisy/city1/1.png"
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], b"", b"\x89PNG"):
        path.write_bytes(broken)
        text = refused(arguments)
        assert f"mask file '{path}'" in text
        assert "is no readable PNG" in text
    path.unlink()
    for make, kind in (
        (os.mkfifo, "is no regular file but a named pipe"),
        (lambda path: path.symlink_to("nowhere"), "is a link to 'nowhere', which does not exist"),
    ):
        make(path)
        assert f"mask file '{path}' {kind}" in refused(arguments)
        path.unlink()
    cv2.imwrite(str(path), np.zeros((64, 64, 3), dtype=np.uint8))
    assert f"'{path}' is a colour picture" in refused(arguments)
    cv2.imwrite(str(path), np.zeros((64, 63), dtype=np.uint8))
    text = refused(arguments)
    assert "clean mask is (64, 64), noisy mask is (64, 63)" in text
    assert str(path) in text


def test_output_is_checked_before_the_work(folders, tmp_path):
    arguments = folders(noise(type="PairNoise", rate=0.1), count=2)
    assert "no folder" in refused([*arguments, "--save=nowhere/m.json"])
    assert ".json" in refused([*arguments, "--save=m.npy"])
    same = tmp_path / "m.json"
    assert "same file" in refused([*arguments, f"--save={same}", f"--report={same}"])
    assert not same.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["config.py"],
        ["--clean=a", "--noisy=b"],
        ["config.py", "model.pth", "--clean=a", "--noisy=b", "--num-classes=2"],
    ],
)
def test_one_way_must_be_chosen(arguments, capsys):
    with pytest.raises(SystemExit):
        estimate.parse_args(arguments)
    assert "or CONFIG and CHECKPOINT" in capsys.readouterr().err


# --- a model ---


@pytest.fixture
def checkpoint(tmp_path):
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(load_config(QUICKSTART).model)
    path = tmp_path / "model.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {}}, path)
    return str(path)


@pytest.mark.process
def test_predictions_of_a_model(corrupted, checkpoint, tmp_path):
    """Untrained, so the matrix is wrong; but known to be, as the config corrupts the masks."""
    saved = tmp_path / "matrix.json"
    command = [
        sys.executable,
        str(TOOL),
        corrupted("train_dataloader"),
        checkpoint,
        f"--work-dir={tmp_path / 'run'}",
        f"--save={saved}",
        "--cfg-options",
        "train_dataloader.dataset.length=6",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert load_transition_matrix(saved).shape == (6, 6)
    assert "true \\ noisy, %  background  block" in done.stdout
    assert "the true matrix is known: the estimate is off by up to 0." in done.stdout
    assert "The model's own probabilities at anchor points differ by up to 0." in done.stdout
    assert f"--noise TransitionMatrixNoise:matrix={saved}" in done.stdout


def config_of(tmp_path, config, *arguments):
    checkpoint = tmp_path / "empty.pth"
    checkpoint.touch()
    return estimate.build_config(estimate.parse_args([config, str(checkpoint), *arguments]))


def test_each_training_image_once_at_test_time_with_its_noise(tmp_path):
    config = str(ROOT / "configs/ade20k/segformer_mit-b0_80k_ce_symmetric0.4_ade20k-512x512.py")
    cfg = config_of(tmp_path, config)
    loader = cfg.test_dataloader
    assert loader.batch_size == 1
    assert loader.sampler == dict(type="DefaultSampler", shuffle=False)
    assert loader.dataset.data_prefix.img_path == "images/training"
    assert [t.type.rpartition(".")[2] for t in loader.dataset.pipeline] == [
        "LoadImageFromFile",
        "Resize",
        "LoadAnnotations",
        "CorruptMask",
        "PackNoisySegInputs",
    ]
    assert loader.dataset.pipeline[3].keep_clean is True
    assert cfg.train_dataloader is None
    noise = loader.dataset.pipeline[3]
    for data in ("val", "test"):
        loader = config_of(tmp_path, config, f"--data={data}").test_dataloader
        assert loader.dataset.data_prefix.img_path == "images/validation"
        assert loader.dataset.pipeline[3] == noise


def test_masks_that_come_noisy_from_disk_are_left_as_they_are(tmp_path):
    cfg = config_of(tmp_path, QUICKSTART, "--method=anchor", "--ignore-index=7")
    types = [t.type for t in cfg.test_dataloader.dataset.pipeline]
    assert types == ["anl_seg.LoadSyntheticShapes", "PackSegInputs"]
    assert cfg.test_dataloader.dataset.split == "train"
    assert cfg.test_evaluator.method == "anchor"
    assert cfg.test_evaluator.ignore_index == 7


def test_wrappers_are_taken_off_and_parts_joined(tmp_path):
    path = tmp_path / "wrapped.py"
    part = "dict(type='anl_seg.SyntheticShapesDataset', length={}, pipeline=[{}])"
    clean = "dict(type='anl_seg.LoadSyntheticShapes'), dict(type='RandomFlip', prob=0.5), "
    pair = "noise=dict(type='PairNoise', rate=0.1), num_classes=6"
    noisy = f"{clean} dict(type='anl_seg.CorruptMask', {pair}), "
    pack = "dict(type='PackSegInputs')"
    path.write_text(
        f"_base_ = [{QUICKSTART!r}]\n"
        "train_dataloader = dict(dataset=dict(_delete_=True, type='RepeatDataset', times=3, "
        "dataset=dict(type='ConcatDataset', datasets=["
        f"{part.format(2, clean + pack)}, {part.format(3, noisy + pack)}])))\n"
    )
    dataset = config_of(tmp_path, str(path)).test_dataloader.dataset
    assert dataset.type == "ConcatDataset"
    assert [d.length for d in dataset.datasets] == [2, 3]
    pipelines = [[t.type for t in d.pipeline] for d in dataset.datasets]
    assert pipelines[0] == ["anl_seg.LoadSyntheticShapes", "PackSegInputs"]
    assert pipelines[1] == [
        "anl_seg.LoadSyntheticShapes",
        "anl_seg.CorruptMask",
        "anl_seg.PackNoisySegInputs",
    ]
    held_out = config_of(tmp_path, str(path), "--data=val").test_dataloader.dataset
    assert (held_out.split, held_out.pipeline) == ("val", dataset.datasets[1].pipeline)
    path.write_text(path.read_text() + "val_dataloader = test_dataloader = None\n")
    dataset = config_of(tmp_path, str(path)).test_dataloader.dataset
    assert [t.type for t in dataset.datasets[1].pipeline] == [
        "anl_seg.LoadSyntheticShapes",
        "anl_seg.CorruptMask",
        "anl_seg.ResizedAsOriginal",
        "anl_seg.PackNoisySegInputs",
    ]


def test_wrong_models_and_settings(tmp_path):
    assert "no checkpoint at 'nothing.pth'" in refused([QUICKSTART, "nothing.pth"])
    assert "no config file at 'nowhere.py'" in refused(["nowhere.py", "nothing.pth"])
    checkpoint = tmp_path / "empty.pth"
    checkpoint.touch()
    model = [QUICKSTART, checkpoint]
    assert "quantile" in refused([*model, "--method=anchor", "--quantile=2"])
    assert "top_share" in refused([*model, "--top-share=0"])
    path = tmp_path / "unlabelled.py"
    path.write_text(
        f"_base_ = [{QUICKSTART!r}]\n"
        "test_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile'), "
        "dict(type='PackSegInputs')]))\n"
    )
    assert "give --method anchor" in refused([path, checkpoint, "--data=test"])
    config_of(tmp_path, str(path), "--data=test", "--method=anchor")
    # The training images take the validation's pipeline then.
    dataset = config_of(tmp_path, str(path)).test_dataloader.dataset
    assert dataset.pipeline[0].type == "anl_seg.LoadSyntheticShapes"
    path.write_text(f"_base_ = [{QUICKSTART!r}]\ntest_dataloader = None\n")
    assert "no test_dataloader" in refused([path, checkpoint, "--data=test"])


@pytest.mark.parametrize("content", [b"", b"[1]", None])
def test_a_checkpoint_that_does_not_fit_estimates_nothing(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {}}, path) if content is None else path.write_bytes(content)
    with pytest.raises(
        SystemExit, match=r"is damaged|cannot be read|does not fit the config: it lacks"
    ) as end:
        estimate.main([QUICKSTART, str(path), "--work-dir", str(tmp_path / "w"), "--data", "val"])
    assert "weights.pth" in str(end.value)
