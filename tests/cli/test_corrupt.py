"""anl-seg corrupt: what it prints, what it refuses, and that no kill leaves a trace."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anl_seg._files import locked
from anl_seg.cli import corrupt

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "corrupt_dataset.py"
NOISE = "SymmetricNoise:rate=0.4"


@pytest.fixture
def masks(tmp_path):
    """Four masks of three classes."""
    folder = tmp_path / "masks"
    folder.mkdir()
    rng = np.random.RandomState(0)
    for i in range(4):
        mask = rng.randint(0, 3, (6, 8)).astype(np.uint8).repeat(5, 0).repeat(5, 1)
        Image.fromarray(mask).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def ade_config(tiny_ade, tmp_path):
    path = tmp_path / "ade.py"
    path.write_text(
        "default_scope = 'mmseg'\n"
        "model = dict(decode_head=dict(num_classes=150))\n"
        "pipeline = [dict(type='LoadImageFromFile'), "
        "dict(type='LoadAnnotations', reduce_zero_label=True), dict(type='PackSegInputs')]\n"
        f"data = dict(type='ADE20KDataset', data_root={str(tiny_ade)!r}, pipeline=pipeline)\n"
        "train_dataloader = dict(dataset=dict(**data, data_prefix=dict("
        "img_path='images/training', seg_map_path='annotations/training')))\n"
        "val_dataloader = dict(dataset=dict(**data, data_prefix=dict("
        "img_path='images/validation', seg_map_path='annotations/validation')))\n"
    )
    return str(path)


def contents(folder):
    paths = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


# --- a run and its verification -----------------------------------------------------------------


def test_config_to_masks_and_back(ade_config, tmp_path, capsys):
    out = tmp_path / "out"
    corrupt.main([ade_config, "--noise", NOISE, "--seed=3", f"--out={out}", "--jobs=2"])
    text = capsys.readouterr().out
    assert f"4 masks in {out}, " in text
    assert "train_dataloader = dict(dataset=dict(data_prefix=dict(seg_map_path=" in text
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["source"] == {"config": ade_config, "split": "train", "cfg_options": {}}
    assert manifest["seed"] == 3
    assert manifest["totals"]["changed_share"] == pytest.approx(0.4, abs=0.02)
    verify = [f"--verify={out}/manifest.json", "--jobs=1"]
    for arguments, how in (
        (verify, "by names, sizes and checksums"),
        ([*verify, ade_config], "pixel by pixel"),
    ):
        corrupt.main(arguments)
        text = capsys.readouterr().out
        assert f"clean: 4 files are what {out}/manifest.json says, {how}." in text


def test_other_split_and_options(ade_config, tiny_ade, tmp_path, capsys):
    (tiny_ade / "annotations/validation/3.png").unlink()
    (tiny_ade / "images/validation/3.jpg").unlink()
    moved = tmp_path / "moved"
    shutil.copytree(tiny_ade, moved)
    out = tmp_path / "out"
    corrupt.main(
        [
            ade_config,
            "--split=val",
            f"--noise={NOISE}",
            f"--out={out}",
            "--jobs=1",
            "--cfg-options",
            f"val_dataloader.dataset.data_root={moved}",
        ]
    )
    text = capsys.readouterr().out
    assert "3 masks in" in text
    assert "val_dataloader = dict(" in text
    assert "Give the same --cfg-options there." in text
    # Neither the config nor its options are taken from the manifest: they are given once more.
    verify = [f"--verify={out}/manifest.json", ade_config, "--jobs=1", "--cfg-options"]
    corrupt.main([*verify, f"val_dataloader.dataset.data_root={moved}"])
    shutil.rmtree(moved)
    with pytest.raises(SystemExit, match=r"anl-seg corrupt: .*moved"):
        corrupt.main([*verify, f"val_dataloader.dataset.data_root={moved}"])
    corrupt.main([*verify, f"val_dataloader.dataset.data_root={tiny_ade}"])
    assert "pixel by pixel" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="the masks are of a config, which is code: name it"):
        corrupt.main([*verify[:1], *verify[2:], f"val_dataloader.dataset.data_root={tiny_ade}"])


def test_folder_and_its_move(masks, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corrupt.main(
        ["--masks=masks", "--num-classes=3", "--noise=PairNoise:rate=0.3", "--out=out", "--jobs=1"]
    )
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["source"]["masks"] == "masks"
    assert str(tmp_path) not in (tmp_path / "out/manifest.json").read_text()
    assert f'seg_map_path="{tmp_path / "out"}"' in capsys.readouterr().out
    corrupt.main(["--verify=out/manifest.json", "--jobs=1"])
    (tmp_path / "other").mkdir()
    masks.rename(tmp_path / "other" / "masks")
    with pytest.raises(SystemExit, match="no folder"):
        corrupt.main(["--verify=out/manifest.json", "--jobs=1"])
    corrupt.main(["--verify=out/manifest.json", "--masks=other/masks", "--jobs=1"])


def test_noise_of_the_config(corrupted, tmp_path, capsys):
    config, out = corrupted("train_dataloader"), tmp_path / "out"
    corrupt.main([config, f"--out={out}", "--jobs=1"])
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["noise"] == {"type": "PairNoise", "rate": 0.1}
    assert "LoadCorruptedAnnotations" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="corrupts its masks already"):
        corrupt.main([config, "--noise", NOISE, f"--out={tmp_path / 'other'}"])


def test_problems_are_printed_and_counted(masks, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [f"--masks={masks}", "--num-classes=3", f"--noise={NOISE}", f"--out={out}"]
    corrupt.main([*arguments, "--jobs=1"])
    for i in range(4):
        (out / f"{i}.png").unlink()
    for i in range(20):
        (out / f"extra{i}.png").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"anl-seg corrupt: problems found: 24\."):
        corrupt.main([f"--verify={out}/manifest.json", "--jobs=1"])
    text = capsys.readouterr().out
    assert "0.png: is missing\n" in text
    assert "and 4 more\n" in text
    with pytest.raises(SystemExit, match=r"is not empty: .*--resume"):
        corrupt.main(arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name a config or --masks"),
        (["CONFIG", "--masks=MASKS", "--out=OUT"], "name a config or --masks"),
        (["CONFIG", "--noise=PairNoise:rate=0.1"], "--out is missing"),
        (["--masks=MASKS", "--out=OUT"], "--masks goes with --num-classes"),
        (["CONFIG", "--images=MASKS", "--out=OUT"], "--images goes with --masks"),
        (
            ["CONFIG", "--mask-suffix=.png", "--out=OUT"],
            "without --masks there is no use for --mask",
        ),
        (
            ["--masks=MASKS", "--num-classes=3", "--split=val", "--out=OUT"],
            "without a config there is no use for --split",
        ),
        (
            ["--masks=MASKS", "--num-classes=3", "--image-suffix=.jpg", "--out=OUT"],
            "without --images there is no use for --image-suffix",
        ),
        (["--verify=OUT/manifest.json", "--split=val"], "--verify takes no --split"),
        (["CONFIG", "--out=OUT"], "no noise: give --noise"),
        (["CONFIG", "--noise=PairNois:rate=0.1", "--out=OUT"], "Did you mean PairNoise"),
        (["CONFIG", "--noise=PairNoise:rate=1.1", "--out=OUT"], "1.1"),
        (["CONFIG", "--noise=PairNoise:rate=0.1", "--seed=-1", "--out=OUT"], "seed must be"),
        (["CONFIG", "--noise=PairNoise:rate=0.1", "--jobs=0", "--out=OUT"], "jobs must be 1"),
        (
            ["CONFIG", "--split=test", "--noise=PairNoise:rate=0.1", "--out=OUT"],
            "no test_dataloader",
        ),
        (["nowhere.py", "--out=OUT"], "no config file at 'nowhere.py'"),
        (["--masks=nowhere", "--num-classes=3", "--out=OUT"], "no folder"),
        (["--verify=OUT/manifest.json"], "no manifest at"),
        (["--verify=OUT/manifest.json", "--seed=2"], "--verify takes no --seed"),
        (
            ["--masks=MASKS", "--num-classes=3", "--noise=PairNoise:rate=0.1", "--out=MASKS/noisy"],
            "holds the source's files",
        ),
        (
            [
                "--masks=MASKS",
                "--num-classes=2",
                "--noise=PairNoise:rate=0.1",
                "--out=OUT",
                "--jobs=1",
            ],
            "sample 'masks/0.png': labels out of range: found 2",
        ),
    ],
)
def test_wrong_arguments_end_in_a_sentence(ade_config, masks, tmp_path, arguments, text):
    places = {"CONFIG": ade_config, "MASKS": str(masks), "OUT": str(tmp_path / "out")}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    before = contents(masks)
    with pytest.raises(SystemExit) as stop:
        corrupt.main(arguments)
    assert str(stop.value).startswith("anl-seg corrupt: ")
    assert text in str(stop.value)
    assert contents(masks) == before
    assert not list((tmp_path / "out").rglob("*"))


# --- kills --------------------------------------------------------------------------------------

MASKS = 24


def kills_wanted():
    """Ten in the long profile of hypothesis, else four."""
    try:
        from hypothesis import settings

        return 10 if settings.get_current_profile_name() == "long" else 4
    except (ImportError, AttributeError):
        return 4


@pytest.fixture
def busy_masks(tmp_path):
    """Masks of many objects, which keep the tool at work for some seconds."""
    folder = tmp_path / "masks"
    rng = np.random.RandomState(0)
    for i in range(MASKS):
        mask = np.zeros((256, 320), np.uint8)
        for _ in range(60):
            top, left = rng.randint(0, 230), rng.randint(0, 290)
            mask[top : top + rng.randint(5, 26), left : left + rng.randint(5, 30)] = rng.randint(
                1, 5
            )
        mask[:, :3] = 255
        path = folder / f"{i % 4}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(mask)
        if i % 3 == 0:
            image.putpalette([value for j in range(256) for value in (j, 0, 255 - j)])
        image.save(path)
    return folder


def start(masks, out, *more):
    return subprocess.Popen(
        [
            sys.executable,
            str(TOOL),
            f"--masks={masks}",
            "--num-classes=5",
            "--noise=AffineNoise:beta=0.6",
            f"--out={out}",
            "--jobs=2",
            *more,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(process):
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == 0, errors.decode()


def seconds_until(condition, process):
    """The seconds until something is so, or the process has ended."""
    began = time.monotonic()
    while process.poll() is None and not condition():
        assert time.monotonic() < began + 60
        time.sleep(0.005)
    return time.monotonic() - began


def has_workers(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return lambda: len(children.read_text().split()) == 2


def check_partial(out, whole):
    """Every file that is there is whole; beside them lie only temporary ones."""
    for name, data in contents(out).items():
        if name == "manifest.json":
            assert json.loads(data)["status"] == "incomplete" or data == whole[name]
        elif not name.endswith(".tmp"):
            assert data == whole[name]
            Image.open(io.BytesIO(data)).load()


@pytest.mark.slow
@pytest.mark.process(warm=False)
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bytes(
    busy_masks, tmp_path, capsys
):
    before = contents(busy_masks)
    process = start(busy_masks, tmp_path / "whole")
    starting = seconds_until(has_workers(process), process)
    folder = tmp_path / "whole"
    working = seconds_until(lambda: len(list(folder.glob("*/*.png"))) == MASKS, process)
    finish(process)
    whole = contents(tmp_path / "whole")
    assert len(whole) == MASKS + 1

    out, generator = tmp_path / "out", random.Random(0)
    kills, written = 0, []
    while kills < kills_wanted():
        process = start(busy_masks, out, "--resume")
        # Mostly while it works; its start, where less can go wrong, is drawn now and then.
        moment = generator.uniform(-0.15, 1)
        if moment < 0:
            time.sleep((1 + moment) * starting)
        else:
            seconds_until(has_workers(process), process)
            # So that the kills spread over the work, which each run takes up where the last one fell.
            time.sleep(moment * working * 3 / kills_wanted())
        process.kill()
        process.stderr.close()
        if process.wait() == 0:  # too late: it had ended
            assert contents(out) == whole
            shutil.rmtree(out)
            continue
        kills += 1
        if out.is_dir():
            with locked(out):  # free once the last worker has been killed too
                check_partial(out, whole)
                written.append(sum(name.endswith(".png") for name in contents(out)))
            if written[-1] == MASKS and generator.random() < 0.7:
                shutil.rmtree(out)  # little is left to go wrong there
    summary = f"{kills} kills, {starting:.1f} s of start, {working:.1f} s of work; masks: {written}"
    assert any(0 < count < MASKS for count in written), summary

    finish(start(busy_masks, out, "--resume"))
    assert contents(out) == whole
    assert contents(busy_masks) == before
    corrupt.main([f"--verify={out}/manifest.json", "--jobs=2"])
    assert f"clean: {MASKS} files" in capsys.readouterr().out
    name = generator.choice(sorted(whole.keys() - {"manifest.json"}))
    flipped = bytearray(whole[name])
    flipped[generator.randrange(len(flipped))] ^= 1
    (out / name).write_bytes(flipped)
    with pytest.raises(SystemExit, match=r"anl-seg corrupt: problems found: [123]\."):
        corrupt.main([f"--verify={out}/manifest.json", "--jobs=2"])
    assert f"{name}: its bytes are not those" in capsys.readouterr().out
    print(summary)
