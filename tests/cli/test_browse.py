"""anl-seg browse: what it writes, what it takes from a config, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from anl_seg.cli import browse
from anl_seg.corruption import config_source
from anl_seg.noise import NoiseStatistics, build_noise, noise_statistics, sample_rng

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
NOISE = dict(type="AlphaBetaNoise", alpha=0.7, beta=0.5)
SPEC = "AlphaBetaNoise:alpha=0.7,beta=0.5"


def refused(capsys, *arguments):
    """What the tool says when it exits without success."""
    with pytest.raises(SystemExit) as error:
        browse.main([str(a) for a in arguments])
    assert error.value.code not in (0, None)
    return str(error.value.code) + capsys.readouterr().err


@pytest.fixture
def folders(tmp_path):
    """Two masks of three classes, the second partly ignored, and their images."""
    for kind in ("masks", "images"):
        (tmp_path / kind / "a").mkdir(parents=True)
    for i in range(2):
        mask = np.zeros((30, 40), np.uint8)
        mask[5:20, 8:30] = 1 + i
        mask[:3] = 255 * i
        cv2.imwrite(str(tmp_path / "masks" / "a" / f"{i}_mask.png"), mask)
        cv2.imwrite(str(tmp_path / "images" / "a" / f"{i}.jpg"), np.dstack([mask] * 3))
    return ["--masks", tmp_path / "masks", "--num-classes", 3, "--mask-suffix", "_mask.png"]


def expected(seed, indices):
    source, noise = config_source(QUICKSTART), build_noise(NOISE)
    total = NoiseStatistics.zeros(6)
    for index in indices:
        sample = source.sample(index)
        noisy = noise(sample.mask, sample_rng(seed, sample.key, noise.digest()), num_classes=6)
        total += noise_statistics(sample.mask, noisy, num_classes=6)
    return total


def test_sheet_and_page(tmp_path, capsys):
    arguments = [QUICKSTART, "--noise", SPEC, "--seed", 3, "--samples", 2, "train/0/5"]
    browse.main([str(a) for a in [*arguments, "--out", tmp_path / "new" / "out"]])
    output = capsys.readouterr().out
    sheet, page = (tmp_path / "new" / "out" / name for name in ("sheet.png", "page.html"))
    assert f"written: {sheet} (" in output
    assert cv2.imread(str(sheet)).shape[1] > 1500
    text = page.read_text(encoding="utf-8")
    assert text.count('<img class="noisy') == 2 * 7
    share = 100 * expected(3, [2, 5]).changed_share
    assert f"<b>beta 0.5</b> · {share:.2f} % changed" in text
    assert "synthetic_shapes/train/0/5" in text
    assert sorted(p.name for p in page.parent.iterdir()) == ["page.html", "sheet.png"]


def test_statistics(tmp_path, capsys):
    arguments = [QUICKSTART, "--noise", SPEC, "--stats", "--max-samples", 12, "--jobs", 2]
    browse.main([str(a) for a in [*arguments, "--out", tmp_path]])
    output = capsys.readouterr().out
    record = json.loads((tmp_path / "stats.json").read_text())
    total = expected(0, range(0, 96, 8))
    assert record["statistics"] == total.to_dict()
    assert record["noise"] == build_noise(NOISE).config()
    assert (record["samples_counted"], record["samples_total"]) == (12, 96)
    assert len(record["images"]) == 12
    assert sum(record["changed_share_per_image"]["histogram"]["counts"]) == 12
    assert record["class_names"][1] == "block"
    assert f"{100 * total.changed_share:.2f} %" in output
    assert "rows: clean, columns: noisy" in output
    assert cv2.imread(str(tmp_path / "stats.png")).shape[1] == 1500


def test_the_noise_of_the_config_itself(corrupted, tmp_path, capsys):
    config = corrupted("train_dataloader")
    for seed, extra in ((0, []), (7, ["--seed=7"])):
        browse.main([config, "--samples=0", *extra, f"--out={tmp_path / str(seed)}"])
        text = (tmp_path / str(seed) / "page.html").read_text(encoding="utf-8")
        assert "<h1>PairNoise(rate=0.1)</h1>" in text
        assert f"; noise seed {seed}<" in text
    # Another one can be tried on the same clean masks.
    browse.main(
        [config, "--noise=SymmetricNoise:rate=0.5", "--samples=0", f"--out={tmp_path / 'b'}"]
    )
    text = (tmp_path / "b" / "page.html").read_text(encoding="utf-8")
    assert "rate 0</b> · 0.00 % changed" in text
    assert "give --noise" in refused(capsys, QUICKSTART, "--out", tmp_path / "c")


def test_plain_folders(folders, tmp_path):
    images = ["--images", tmp_path / "images"]
    common = [*folders, "--noise", "SymmetricNoise:rate=0.5", "--values", "0", "0.5"]
    for extra, out in (([], "plain"), (images, "with_images")):
        browse.main([str(a) for a in [*common, *extra, "--out", tmp_path / out]])
        text = (tmp_path / out / "page.html").read_text(encoding="utf-8")
        assert text.count('<img class="noisy') == 2 * 2
        assert text.count('<img class="image"') == (2 if extra else 0)
        assert "a/1_mask.png" in text
        assert "ignored (255)" in text


def test_nothing_is_overwritten_silently(folders, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "page.html").write_text("mine")
    arguments = [*folders, "--noise", "PairNoise:rate=0.5", "--out", out]
    assert "already holds page.html" in refused(capsys, *arguments)
    assert [p.name for p in out.iterdir()] == ["page.html"]
    assert (out / "page.html").read_text() == "mine"
    browse.main([str(a) for a in [*arguments, "--overwrite"]])
    assert (out / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--noise", "SymetricNoise:rate=0.4"], "Did you mean SymmetricNoise"),
        (["--noise", "SymmetricNoise:rate=4"], "rate must lie in [0, 1], got 4"),
        (["--noise", "PairNoise:rate=0.4", "--samples", "mask_7"], "no sample 'mask_7'"),
        (["--noise", "PairNoise:rate=0.4", "--random", "3"], "cannot show 3 samples"),
        (["--noise", "PairNoise:rate=0.4", "--strength", "beta"], "unknown strength of PairNoise"),
        (["--noise", "PairNoise:rate=0.4", "--values", "2"], "rate must lie in [0, 1], got 2"),
        (["--noise", "PairNoise:rate=0", "--values", "0"], "has no strength to give --values of"),
        (["--noise", "PairNoise:rate=0.4", "--seed", "-1"], "seed must be an integer"),
        (["--noise", "PairNoise:rate=0.4", "--stats", "--random", "2"], "not with --stats"),
        (["--noise", "PairNoise:rate=0.4", "--jobs", "2"], "--jobs: only with --stats"),
        (["--noise", "PairNoise:rate=0.4", "--split", "val"], "--split: only with a config"),
        (["--noise", "PairNoise:rate=0.4", "--image-suffix", ".png"], "only with --images"),
        (
            ["--noise", "PairNoise:rate=0.4", "--samples", "0", "--random-seed", "1"],
            "--random-seed",
        ),
        (["--noise", "PairNoise:rate=0.4", "--max-side", "-1"], "--max-side must be at least 0"),
        ([], "--masks needs --noise"),
    ],
)
def test_refusals(folders, tmp_path, capsys, arguments, words):
    out = tmp_path / "out"
    assert words in refused(capsys, *folders, *arguments, "--out", out)
    assert not out.exists()


def test_refusals_of_data(folders, tmp_path, capsys):
    out = ["--out", tmp_path / "out", "--noise", "PairNoise:rate=0.4"]
    assert "give a config, or --masks" in refused(capsys, *out)
    assert "give a config, or --masks" in refused(capsys, QUICKSTART, *folders, *out)
    assert "needs --num-classes" in refused(capsys, *folders[:2], *out)
    assert "only with --masks" in refused(capsys, QUICKSTART, "--images", tmp_path, *out)
    assert "no config file at" in refused(capsys, "nowhere.py", *out)
    too_few = [*folders[:3], 2, *folders[4:]]
    assert "a/1_mask.png: mask holds labels 2" in refused(capsys, *too_few, *out)
    assert not (tmp_path / "out").exists()


def test_a_large_page_is_said_to_be_large(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(browse, "_LARGE_PAGE", 100)
    browse.main(
        [str(a) for a in [*folders, "--noise=PairNoise:rate=0.4", "--out", tmp_path / "out"]]
    )
    assert "the page is large" in capsys.readouterr().out
