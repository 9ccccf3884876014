"""Going on with a run: what is kept is what would be made, and what others do meanwhile is found."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from anl_seg._files import remove_leftovers
from anl_seg.corruption import corrupt_dataset, folder_source, read_manifest, verify_manifest
from anl_seg.corruption import run as run_module
from anl_seg.noise import NOISES, MaskNoise

NOISE = dict(type="SymmetricNoise", rate=0.4)


class DarkNoise(MaskNoise):
    """Class 1 wherever the image is dark."""

    needs_image = True

    def __init__(self):
        pass

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        dark = (image.mean(axis=2) < 128) & (mask != ignore_index)
        return np.where(dark, 1, mask).astype(mask.dtype)


@pytest.fixture
def corrupt(masks_dir, tmp_path):
    """Corrupts the masks to a folder; returns what was shown."""

    def start(out="out", noise=NOISE, images=None, **options):
        console = Console(file=io.StringIO(), width=200)
        source = folder_source(masks_dir, images, num_classes=4)
        corrupt_dataset(source, noise, tmp_path / out, console=console, **options)
        return console.file.getvalue()

    return start


@pytest.fixture
def meanwhile(monkeypatch):
    """Does something right after the first of three files was written."""

    def do(action):
        write, calls = run_module.write_sample, []

        def written(*arguments):
            outcome = write(*arguments)
            calls.append(outcome)
            if len(calls) == 1:
                action()
            return outcome

        monkeypatch.setattr(run_module, "write_sample", written)

    return do


def fail():
    raise RuntimeError("killed")


def edit(path):
    """Another label in one pixel; the file stays as long as it is."""
    size = path.stat().st_size
    image = Image.open(path)
    mask = np.array(image)
    palette = image.getpalette()
    for row, column in np.argwhere(mask < 3):
        changed = mask.copy()
        changed[row, column] += 1
        again = Image.fromarray(changed)
        if palette:
            again.putpalette(palette)
        again.save(path)
        if path.stat().st_size == size:
            return
    raise AssertionError("no edit keeps the size")


@pytest.mark.parametrize("complete", [True, False])
def test_a_mask_whose_source_was_edited_is_made_again(
    corrupt, meanwhile, masks_dir, tmp_path, files_of, monkeypatch, complete
):
    if not complete:
        meanwhile(fail)
        with pytest.raises(RuntimeError, match="killed"):
            corrupt()
        assert (tmp_path / "out/a.png").is_file()
        monkeypatch.undo()
    else:
        corrupt()
    edit(masks_dir / "a.png")
    shown = corrupt(resume=True)
    corrupt("whole")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    if complete:
        assert shown == "resumed: of 3 masks 2 kept; 1 made, as their source has changed since.\n"


def test_a_source_of_another_size_or_palette_is_made_again(corrupt, masks_dir, tmp_path, files_of):
    corrupt()
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(masks_dir / "a.png")
    image = Image.open(masks_dir / "more/a.png")
    image.putpalette([1, 2, 3, *image.getpalette()[3:]])
    image.save(masks_dir / "more/a.png")
    assert "of 3 masks 1 kept; 2 made, as their source has changed since" in corrupt(resume=True)
    corrupt("whole")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert "resumed: of 3 masks 3 kept." in corrupt(resume=True)


def test_a_mask_whose_image_was_changed_is_made_again(
    rewritten, corrupt, masks_dir, tmp_path, files_of, monkeypatch, silent
):
    monkeypatch.setitem(NOISES, "DarkNoise", DarkNoise)
    images, noise = tmp_path / "images", dict(type="DarkNoise")
    for name in ("a", "b", "more/a"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"{images / name}.png", np.full((40, 56, 3), 200, np.uint8))
    corrupt(noise=noise, images=images)
    cv2.imwrite(str(images / "b.png"), np.zeros((40, 56, 3), np.uint8))
    found = verify_manifest(tmp_path / "out/manifest.json", console=silent).problems
    assert "b.png: the source's image has changed since" in found
    shown = corrupt(noise=noise, images=images, resume=True)
    assert shown == "resumed: of 3 masks 2 kept; 1 made, as their source has changed since.\n"
    corrupt("whole", noise=noise, images=images)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")

    def older(content):
        for record in content["files"]:
            del record["image_sha256"]

    rewritten(tmp_path / "out", older)
    assert verify_manifest(tmp_path / "out/manifest.json", console=silent).clean
    assert "3 made, as there is no record" in corrupt(noise=noise, images=images, resume=True)


@pytest.mark.parametrize("complete", [True, False])
def test_a_run_of_an_older_version_is_gone_on_with(
    rewritten, corrupt, masks_dir, tmp_path, files_of, silent, complete
):
    corrupt()
    whole = files_of(tmp_path / "out")
    plan = run_module.Plan(folder_source(masks_dir, num_classes=4), NOISE, 0)

    def older(content):
        content["samples"] = {"count": 3, "sha256": plan.sizes_sha256()}
        if not complete:
            content["status"] = "incomplete"
            for name in ("totals", "confusion", "files"):
                del content[name]

    rewritten(tmp_path / "out", older)
    if complete:
        assert verify_manifest(tmp_path / "out/manifest.json", console=silent).clean
    shown = corrupt(resume=True)
    assert ("of 3 masks 3 kept" in shown) is complete
    reason = "3 made, as there is no record of what they were made from"
    assert (reason in shown) is not complete
    assert files_of(tmp_path / "out") == whole


def test_a_mask_that_others_changed_meanwhile_is_made_again(
    corrupt, meanwhile, tmp_path, files_of, monkeypatch
):
    meanwhile(fail)
    with pytest.raises(RuntimeError, match="killed"):
        corrupt()
    monkeypatch.undo()
    # The labels of a mask that was written but that nobody has noted down.
    assert "1 made, as there is no record" in corrupt(resume=True)
    whole = files_of(tmp_path / "out")
    edit(tmp_path / "out/b.png")
    assert "1 made, as they are not as they were written" in corrupt(resume=True)
    assert files_of(tmp_path / "out") == whole


def test_a_journal_that_is_cut_off_costs_one_file(rewritten, corrupt, tmp_path, files_of):
    corrupt()
    out = tmp_path / "out"
    whole = files_of(out)
    manifest = json.loads(whole["manifest.json"])
    lines = [json.dumps(record) for record in manifest["files"]]
    text = "\n".join([lines[0], "7", "null", '{"file": 3}', lines[1], lines[2][:50]])
    (out / ".journal.tmp").write_text(text)

    def begun(content):
        content["status"] = "incomplete"
        for name in ("totals", "confusion", "files"):
            del content[name]

    rewritten(out, begun)
    assert "of 3 masks 2 kept; 1 made, as there is no record" in corrupt(resume=True)
    assert files_of(out) == whole


# --- what others do while a run is at work ------------------------------------------------------


def test_a_folder_deleted_while_it_is_written_to_is_no_success(corrupt, meanwhile, tmp_path):
    out = tmp_path / "out"
    meanwhile(lambda: shutil.rmtree(out))
    with pytest.raises(OSError, match=r"the output folder '.*out' was deleted, moved or replaced"):
        corrupt()
    assert not out.exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_replaced_while_it_is_written_to_is_no_success(corrupt, meanwhile, tmp_path, jobs):
    out = tmp_path / "out"

    def replace():
        out.rename(tmp_path / f"moved{os.getpid()}")
        out.mkdir()

    meanwhile(replace)
    with pytest.raises(OSError, match="was deleted, moved or replaced"):
        corrupt(jobs=jobs)
    remove_leftovers(out)  # another worker may have been ended while it wrote
    assert list(out.iterdir()) == []


def test_masks_deleted_or_cut_while_others_are_made_are_named(
    corrupt, meanwhile, tmp_path, files_of, monkeypatch
):
    out = tmp_path / "out"
    for action, count in (((out / "a.png").unlink, 1), (lambda: os.truncate(out / "a.png", 9), 1)):
        meanwhile(action)
        with pytest.raises(
            OSError, match=rf"{count} of 3 masks in '.*out' were deleted or changed.*a"
        ):
            corrupt()
        monkeypatch.undo()
        assert read_manifest(out / "manifest.json")[0]["status"] == "incomplete"
        corrupt(resume=True)
        corrupt("whole")
        assert files_of(out) == files_of(tmp_path / "whole")
        shutil.rmtree(out)
        shutil.rmtree(tmp_path / "whole")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("what", ["a.png", "more/a.png", ".journal.tmp", "manifest.json"])
def test_a_full_disk_is_told_with_the_file(corrupt, tmp_path, monkeypatch, files_of, number, what):
    out, replace = tmp_path / "out", os.replace

    def full(temporary, path):
        if str(path) == str(out / what):
            raise OSError(number, os.strerror(number))
        replace(temporary, path)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=rf"{what}' cannot be written: {os.strerror(number)}\."):
        corrupt()
    monkeypatch.undo()
    left = files_of(out)
    assert not any("corrupt-" in name for name in left)
    assert set(left) == (
        {"a.png", "b.png", "manifest.json", ".journal.tmp"} if what == "more/a.png" else set()
    )
    corrupt(resume=True)
    corrupt("whole")
    assert files_of(out) == files_of(tmp_path / "whole")
