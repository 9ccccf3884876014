"""A manifest that comes from anywhere: nothing that it names is run, read or written outside."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

from anl_seg.corruption import (
    config_source,
    corrupt_dataset,
    folder_source,
    read_manifest,
    source_of,
    verify_manifest,
)

NOISE = dict(type="SymmetricNoise", rate=0.4)


def load_corrupted(folder):
    return TRANSFORMS.build(dict(type="anl_seg.LoadCorruptedAnnotations", folder=str(folder)))


def sample_of(masks_dir, name="a.png"):
    mask = np.array(Image.open(masks_dir / name))
    return dict(seg_map_path=str(masks_dir / name), gt_seg_map=mask)


def test_verifying_runs_neither_the_config_nor_the_options_of_a_manifest(
    rewritten, make_config, tmp_path, silent
):
    config, out, ran = make_config("ade"), tmp_path / "out", tmp_path / "ran"
    corrupt_dataset(config_source(config), NOISE, out, console=silent)
    evil = tmp_path / "evil.py"
    evil.write_text(f"__import__('os').mkdir({str(ran)!r})\n")
    base = tmp_path / "base.py"
    base.write_text(f"_base_ = [__import__('os').mkdir({str(ran)!r})]\n")
    step = dict(type="os.mkdir", path=str(ran))
    options = {
        "train_dataloader.dataset.pipeline": [step],
        "custom_imports": dict(imports=["evil"]),
    }
    for place, cfg_options in ((evil, {}), (base, {}), (config, options)):

        def change(content, source=(str(place), cfg_options)):
            content["source"].update(config=source[0], cfg_options=source[1])

        rewritten(out, change)
        report = verify_manifest(out / "manifest.json", console=silent)
        assert report.clean
        assert not report.remade
        # The user's own config, named by the user: what the manifest would add to it is left out.
        content, _ = read_manifest(out / "manifest.json")
        source = source_of(content, config=config)
        assert verify_manifest(out / "manifest.json", source=source, console=silent).clean
        with pytest.raises(ValueError, match="of a config, which is code: name it after the manif"):
            source_of(content)
    assert not ran.exists()


def test_verifying_without_the_config_finds_files_and_numbers_that_are_wrong(
    rewritten, make_config, tmp_path, silent
):
    out = tmp_path / "out"
    corrupt_dataset(config_source(make_config("ade")), NOISE, out, console=silent)
    data = bytearray((out / "0.png").read_bytes())
    data[-30] ^= 1
    (out / "0.png").write_bytes(data)
    (out / "1.png").unlink()
    (out / "more.png").write_bytes(b"")
    os.mkfifo(out / "pipe.png")

    def change(content):
        content["totals"]["changed_pixels"] += 1
        content["confusion"][0][0] += 1
        content["samples"]["count"] = 4

    rewritten(out, change)
    problems = verify_manifest(out / "manifest.json", console=silent).problems
    assert problems[:4] == [
        "0.png: its bytes are not those of the manifest's sha256",
        "1.png: is missing",
        "more.png: is not in the manifest",
        "pipe.png: is not in the manifest",
    ]
    assert "totals.changed_pixels is" in problems[4]
    assert problems[5:] == [
        "manifest.json: confusion does not sum up to the pixels of its files",
        "manifest.json: samples.count is 4, but lists 3",
    ]


def test_what_is_named_must_fit_the_manifest(out, make_config):
    content, _ = read_manifest(out / "manifest.json")
    with pytest.raises(ValueError, match="the manifest is of folders: --config does not fit"):
        source_of(content, config="config.py")
    content["source"]["image_suffix"] = ["/../../secret.png"]
    with pytest.raises(ValueError, match="image_suffix must be ends of names"):
        source_of(content)
    content["source"] = {"config": "config.py", "split": "train"}
    with pytest.raises(ValueError, match="the manifest is of a config: --masks does not fit"):
        source_of(content, masks="masks")
    content["source"]["split"] = "model"
    with pytest.raises(ValueError, match=r"source\.split must be one of train, val, test"):
        source_of(content, config="config.py")


@pytest.mark.parametrize(
    "noise",
    [
        dict(type="TransitionMatrixNoise", matrix="PATH"),
        dict(type="SequentialNoise", noises=[dict(type="TransitionMatrixNoise", matrix="PATH")]),
        dict(type="os.system"),
        dict(type="omission", level="severe"),  # a preset leaves its parameters out
        dict(type="SymmetricNoise", rate=0.4, command="id"),
    ],
)
def test_the_noise_of_a_manifest_is_one_of_ours_with_values_alone(
    rewritten, out, tmp_path, silent, noise
):
    path = tmp_path / "matrix.json"
    path.write_text("[[1, 0], [0, 1]]")
    noise = json.loads(json.dumps(noise).replace("PATH", str(path)))
    rewritten(out, lambda content: content.update(noise=noise))
    with pytest.raises((ValueError, TypeError), match=r"holds values|names all|does not know"):
        verify_manifest(out / "manifest.json", console=silent)


OUTSIDE = [
    "../outside.png",
    "/OUTSIDE",
    "more/../../outside.png",
    "..\\outside.png",
    "C:\\a.png",
    "",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_files_outside_the_folder_are_neither_trained_on_nor_verified(
    rewritten, out, masks_dir, tmp_path, silent, name
):
    (tmp_path / "outside.png").write_bytes((out / "a.png").read_bytes())
    name = name.replace("/OUTSIDE", str(tmp_path / "outside.png"))
    rewritten(out, lambda content: content["files"][0].update(file=name))
    for read in (
        lambda: load_corrupted(out),
        lambda: verify_manifest(out / "manifest.json", console=silent),
        lambda: corrupt_dataset(
            folder_source(masks_dir, num_classes=4), NOISE, out, resume=True, console=silent
        ),
    ):
        with pytest.raises(ValueError, match=r"files\.0\.file .* is no name of a file below the"):
            read()


def test_links_out_of_the_folder_are_not_followed(out, masks_dir, tmp_path, silent):
    (tmp_path / "there").mkdir()
    moved = (out / "a.png").rename(tmp_path / "there" / "a.png")
    (out / "a.png").symlink_to(moved)
    with pytest.raises(ValueError, match=r"a\.png' leads out of its folder, to '.*there"):
        load_corrupted(out)(sample_of(masks_dir))
    (problem,) = verify_manifest(out / "manifest.json", console=silent).problems
    assert "a.png' leads out of its folder" in problem
    (out / "a.png").unlink()
    # Nothing is written through a folder that leads elsewhere.
    for path in (out / "more").iterdir():
        path.unlink()
    (out / "more").rmdir()
    (out / "more").symlink_to(tmp_path / "there")
    with pytest.raises(ValueError, match="leads out of its folder"):
        corrupt_dataset(
            folder_source(masks_dir, num_classes=4), NOISE, out, resume=True, console=silent
        )
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["a.png"]


def test_a_folder_that_is_itself_a_link_is_no_way_out(out, masks_dir, tmp_path):
    (tmp_path / "link").symlink_to(out)
    assert load_corrupted(tmp_path / "link")(sample_of(masks_dir))["mask_noise"] == "SymmetricNoise"


def test_a_mask_that_was_changed_is_not_trained_on(out, masks_dir):
    transform = load_corrupted(out)
    transform(sample_of(masks_dir))
    mask = np.array(Image.open(out / "a.png"))
    mask[mask < 3] = 0
    Image.fromarray(mask).save(out / "a.png")  # after the transform was built, in the same process
    with pytest.raises(ValueError, match=r"a\.png' was changed after it was written: its SHA-256"):
        transform(sample_of(masks_dir))


def test_a_manifest_that_was_changed_is_not_trained_by(out):
    path = out / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ValueError, match="was changed after it was written"):
        load_corrupted(out)


def test_labels_that_a_manifest_makes_up_are_named(rewritten, out, masks_dir):
    def runs(value):
        rewritten(out, lambda content: content["datasets"][0].update(labels=value))

    runs([[0, 1 << 40, 5]])  # a table of 8 terabytes
    with pytest.raises(ValueError, match=r"a run of labels is .*, got \[0, 1099511627776, 5\]"):
        load_corrupted(out)
    runs([[0, 1, 0]])
    with pytest.raises(ValueError, match="gives no label from 0 to 65535 to every value of"):
        load_corrupted(out)(sample_of(masks_dir))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.pop("noise"), "noise must be of type dict, got nothing"),
        (lambda c: c.update(seed=True), "seed must be of type int, got true"),
        (lambda c: c["datasets"].append(3), r"datasets\.1 must be settings by name, got 3"),
        (lambda c: c["files"][1].pop("sha256"), r"files\.1\.sha256 must be of type str"),
        (lambda c: c["files"][1].update(dataset=7), r"files\.1\.dataset is 7 of 1 data sets"),
        (lambda c: c["files"].append(c["files"][0]), r"files\.3\.file: 'a\.png' is listed twice"),
    ],
)
def test_a_manifest_of_another_form_is_named(rewritten, out, change, text):
    rewritten(out, change)
    with pytest.raises(ValueError, match=f"is no manifest of corrupt_dataset.py: {text}"):
        read_manifest(out / "manifest.json")


def test_a_manifest_without_end_is_named(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="is no manifest of"):
        read_manifest(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"manifest\.json' is no regular file but a named pipe"):
        read_manifest(path)
