"""What is said when a corrupted data set is no longer what it was."""

from __future__ import annotations

import json
import random
import re

import numpy as np
import pytest
from PIL import Image

from anl_seg.corruption import (
    config_source,
    corrupt_dataset,
    read_manifest,
    source_of,
    verify_manifest,
)

NOISE = dict(type="SymmetricNoise", rate=0.4)


@pytest.fixture
def problems(silent):
    def verify(folder, **options):
        return verify_manifest(folder / "manifest.json", console=silent, **options).problems

    return verify


@pytest.mark.parametrize(
    "kind", ["ade", "concat", "voc", "grey16", "bmp", "isic", "jsrt", "synthetic", "noisy_config"]
)
def test_what_was_written_is_clean(make_config, tmp_path, silent, kind):
    source = config_source(make_config(kind))
    corrupt_dataset(source, NOISE, tmp_path / "out", seed=2, console=silent)
    # A config is code: without it files are compared with the manifest alone.
    for given in (None, source):
        report = verify_manifest(tmp_path / "out/manifest.json", source=given, console=silent)
        assert report.clean
        assert report.problems == report.notes == []
        assert report.files >= 2
        assert report.remade == (given is not None)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_flipped_byte_of_a_file_is_found(out, problems, jobs):
    data = (out / "b.png").read_bytes()
    assert problems(out, jobs=jobs) == []
    generator = random.Random(0)
    for position in generator.sample(range(len(data)), 12 if jobs == 1 else 2):
        flipped = bytearray(data)
        flipped[position] ^= 1 << generator.randrange(8)
        (out / "b.png").write_bytes(flipped)
        found = problems(out, jobs=jobs)
        assert found[0] == "b.png: its bytes are not those of the manifest's sha256"
        assert all("b.png" in text for text in found)


def test_every_flipped_byte_of_the_manifest_is_found(out, silent):
    path = out / "manifest.json"
    data = path.read_bytes()
    generator = random.Random(1)
    for position in [0, len(data) - 1, *generator.sample(range(len(data)), 40)]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << generator.randrange(8)
        path.write_bytes(flipped)
        try:
            clean = verify_manifest(path, console=silent).clean
        except (ValueError, FileNotFoundError):
            clean = False  # no manifest any more, or of a source that is nowhere
        assert not clean
    path.write_bytes(data)
    assert verify_manifest(path, console=silent).clean


def test_pixels_are_compared_with_the_noise_and_not_with_the_manifest_alone(
    rewritten, out, problems
):
    values = np.array(Image.open(out / "a.png"))
    at = tuple(np.argwhere(values < 3)[0])
    values[at] += 1
    Image.fromarray(values).save(out / "a.png")

    def change(content):
        from hashlib import sha256

        record = content["files"][0]
        assert record["file"] == "a.png"
        record["sha256"] = sha256((out / "a.png").read_bytes()).hexdigest()

    rewritten(out, change)
    found = problems(out)
    assert "a.png: 1 pixels are not what the noise makes of the source" in found


def test_a_changed_palette_is_found(out, problems):
    image = Image.open(out / "more/a.png")
    image.putpalette([1, 1, 1, *image.getpalette()[3:]])
    image.save(out / "more/a.png")
    assert "more/a.png: the palette is not the source's" in problems(out)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda c: c["files"][1].update(changed_pixels=5),
            r"manifest\.json: b\.png: changed_pixels: 5 there, \d+ here",
        ),
        (
            lambda c: c["files"][1]["dice"].__setitem__(0, 0.5),
            r"manifest\.json: b\.png: dice\.0: 0\.5 there, 0\.\d+ here",
        ),
        (
            lambda c: c["files"][1].update(clean_sha256="0"),
            r"b\.png: the source's mask has changed since",
        ),
        (lambda c: c["confusion"][0].__setitem__(1, 0), r"confusion\.0\.1: 0 there, \d+ here"),
        (lambda c: c["totals"].update(valid_pixels=1), r"totals\.valid_pixels: 1 there"),
        (lambda c: c.update(seed=1), r"a\.png: \d+ pixels are not what the noise makes"),
        (lambda c: c.update(noise_digest="0"), 'noise_digest: "0" there'),
        (lambda c: c["samples"].update(count=2), r"samples\.count is 2, but lists 3"),
        (lambda c: c["files"].pop(0), r"a\.png: is not in the manifest"),
        (lambda c: c.update(status="incomplete"), "the run did not end; go on with --resume"),
    ],
)
def test_numbers_of_the_manifest_are_computed_again(rewritten, out, problems, change, text):
    rewritten(out, change)
    found = problems(out)
    assert not any("checksum" in one for one in found)
    assert any(re.search(text, one) for one in found), found


def test_missing_and_extra_files_are_named(out, problems):
    (out / "a.png").unlink()
    (out / "more" / "b.png").write_bytes(b"")
    (out / ".corrupt-7.tmp").write_bytes(b"")
    assert problems(out) == [
        ".corrupt-7.tmp: is not in the manifest",
        "a.png: is missing",
        "more/b.png: is not in the manifest",
    ]


def test_a_source_that_has_changed_is_told_from_a_file_that_has(out, masks_dir, problems):
    mask = np.array(Image.open(masks_dir / "a.png"))
    mask[:5] = 1
    Image.fromarray(mask).save(masks_dir / "a.png")
    (masks_dir / "c.png").write_bytes((masks_dir / "b.png").read_bytes())
    (masks_dir / "b.png").unlink()
    found = problems(out)
    assert "a.png: the source's mask has changed since" in found
    assert "b.png: has no sample in the source any more" in found
    assert "c.png: is a sample of the source that the manifest lacks" in found
    assert not any("sha256" in text for text in found)
    (masks_dir / "a.png").write_bytes(b"")
    assert any(
        "a.png: cannot be made again: mask file" in text and "is no readable PNG" in text
        for text in problems(out)
    )


def test_other_versions_alone_are_a_note(out, silent, monkeypatch):
    monkeypatch.setattr(np, "__version__", "1.22.0")
    report = verify_manifest(out / "manifest.json", console=silent)
    assert report.clean
    (note,) = report.notes
    assert note.startswith("other package versions: numpy: ")
    assert note.endswith('"1.22.0" here')


def test_a_source_that_has_moved_is_named(out, masks_dir, tmp_path, silent, problems):
    masks_dir.rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match=r"no folder '.*masks'"):
        problems(out)
    content, _ = read_manifest(out / "manifest.json")
    # Keys hold the name of the folder, and so does the noise.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved").rename(tmp_path / "elsewhere" / "masks")
    source = source_of(content, masks=str(tmp_path / "elsewhere" / "masks"))
    assert problems(out, source=source) == []


def test_what_is_no_manifest_is_named(tmp_path, silent):
    path = tmp_path / "manifest.json"
    with pytest.raises(FileNotFoundError, match="no manifest at"):
        verify_manifest(path, console=silent)
    for text in ("", "[]", "{}", '{"format": 1, "a": NaN}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"is no manifest of corrupt_dataset\.py"):
            verify_manifest(path, console=silent)
    path.write_text(json.dumps({"format": 2}))
    with pytest.raises(ValueError, match="has format 2; this version reads format 1"):
        verify_manifest(path, console=silent)
