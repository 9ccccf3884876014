"""Whole data sets: the masks of the online transform, files like the source's, and how to load them."""

from __future__ import annotations

import copy
import io
import json
import pickle
import re

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS
from PIL import Image

from anl_seg._files import locked
from anl_seg.config import inject_noise, load_config
from anl_seg.config._walk import loads_seg_map
from anl_seg.corruption import (
    config_source,
    corrupt_dataset,
    folder_source,
    how_to_load,
    noise_of,
    read_manifest,
)
from anl_seg.corruption.corrupt_sample import write_sample
from anl_seg.masks.manifest_file import write_manifest
from anl_seg.noise import (
    NOISES,
    MaskNoise,
    NoiseStatistics,
    build_noise,
    noise_statistics,
    sample_key,
    sample_rng,
)

EVERY_KIND = ["ade", "ade_subset", "concat", "voc", "grey16", "bmp", "isic", "jsrt", "synthetic"]
SYMMETRIC = dict(type="SymmetricNoise", rate=0.4)
ALPHA_BETA = dict(type="AlphaBetaNoise", alpha=0.9, beta=0.5)


def train_masks(cfg):
    """What the training pipelines of a config hand to the network, and the clean masks beside."""
    dataset = cfg.train_dataloader.dataset
    nested = dataset.get("dataset")
    masks, clean = [], []
    for leaf in nested.datasets if nested else [dataset]:
        leaf.pipeline = [step for step in leaf.pipeline if "Pack" not in str(step["type"])]
        with DefaultScope.overwrite_default_scope("mmseg"):
            built = DATASETS.build(leaf)
        samples = [built[i] for i in range(len(built))]
        masks += [sample["gt_seg_map"] for sample in samples]
        clean += [sample.get("gt_seg_map_clean") for sample in samples]
    return masks, clean


def follow(advice, config, tmp_path):
    """The config that one gets by doing what the tool says."""
    if "_base_" in advice:
        lines = advice[advice.index("    _base_") :].splitlines()
        assert all(line.startswith("    ") for line in lines if line)
        path = tmp_path / "advised.py"
        path.write_text("\n".join(line[4:] for line in lines))
        return load_config(str(path))
    cfg = load_config(config)
    options = re.findall(r"--cfg-options (\S+)=(\S+)", advice)
    assert options
    cfg.merge_from_dict(dict(options))
    return cfg


def same(one, other):
    return len(one) == len(other) and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other)
    )


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_masks_are_those_of_the_online_transform(make_config, tmp_path, silent, kind):
    config, out = make_config(kind), tmp_path / "out"
    noise = SYMMETRIC if kind in ("ade", "concat", "isic") else ALPHA_BETA
    plan, manifest = corrupt_dataset(config_source(config), noise, out, seed=5, console=silent)
    online, clean = train_masks(inject_noise(load_config(config), noise, seed=5, keep_clean=True))
    assert not same(online, clean)
    total = NoiseStatistics.zeros(plan.source.num_classes)
    for one, other in zip(clean, online):
        total += noise_statistics(one, other, num_classes=plan.source.num_classes)
    assert manifest["totals"]["files"] == len(clean) == len(manifest["files"])
    assert manifest["totals"]["changed_pixels"] == total.changed_pixels
    assert manifest["confusion"] == total.confusion.tolist()

    advised, _ = train_masks(follow(how_to_load(plan, out), config, tmp_path))
    assert same(advised, online)
    # The transform loads all of them, also those that data_prefix can lead to.
    cfg = load_config(config)
    dataset = cfg.train_dataloader.dataset
    leaves = dataset.dataset.datasets if kind == "concat" else [dataset]
    for number, leaf in enumerate(leaves):
        step = dict(type="anl_seg.LoadCorruptedAnnotations", folder=str(out), keep_clean=True)
        if kind == "concat":
            step["dataset"] = number
        at = next(i for i, one in enumerate(leaf.pipeline) if loads_seg_map(one))
        leaf.pipeline.insert(at + 1, step)
    loaded = train_masks(cfg)
    assert same(loaded[0], online)
    assert same(loaded[1], clean)


def test_masks_of_a_config_that_corrupts_them_itself(make_config, tmp_path, silent):
    config, out = make_config("noisy_config"), tmp_path / "out"
    source = config_source(config)
    noise, seed = noise_of(source, None, None)
    assert (noise, seed) == ({"type": "PairNoise", "rate": 0.3}, 7)
    plan, _ = corrupt_dataset(source, noise, out, seed=seed, console=silent)
    advised = follow(how_to_load(plan, out), config, tmp_path)
    types = [step["type"] for step in advised.train_dataloader.dataset.pipeline]
    assert types[1:3] == ["LoadAnnotations", "anl_seg.LoadCorruptedAnnotations"]
    assert "anl_seg.CorruptMask" not in types
    online, offline = train_masks(load_config(config)), train_masks(advised)
    assert same(online[0], offline[0])
    assert same(online[1], offline[1])  # keep_clean


# --- what the files hold ------------------------------------------------------------------------


def opened(data):
    image = Image.open(io.BytesIO(data))
    return image, np.array(image)


def test_unchanged_pixels_keep_their_raw_value_and_the_palette_stays(
    make_config, tmp_path, silent, files_of
):
    out = tmp_path / "out"
    corrupt_dataset(config_source(make_config("voc")), ALPHA_BETA, out, console=silent)
    for name in ("0.png", "2.png"):
        image, values = opened(files_of(out)[name])
        source, clean = opened((tmp_path / "data/SegmentationClass" / name).read_bytes())
        assert image.mode == "P"
        assert image.getpalette()[: 3 * 21] == source.getpalette()[: 3 * 21]
        assert ((values == 255) == (clean == 255)).all()
    assert (values != clean).any()
    assert "1.png" not in files_of(out)  # not in the list of names


def test_raw_values_of_a_reduced_zero_label(make_config, tmp_path, silent, files_of):
    out = tmp_path / "out"
    corrupt_dataset(config_source(make_config("ade")), SYMMETRIC, out, console=silent)
    for name in ("0.png", "1.png", "2.png"):
        values = opened(files_of(out)[name])[1]
        clean = opened((tmp_path / "data/annotations/training" / name).read_bytes())[1]
        assert ((values == 0) == (clean == 0)).all()
        share = (values != clean)[clean != 0].mean()
        assert share == pytest.approx(0.4, abs=0.05)
        assert values.max() <= 150


def test_values_of_merged_classes_stay_where_nothing_changed(
    make_config, tmp_path, silent, files_of
):
    out = tmp_path / "out"
    corrupt_dataset(config_source(make_config("ade_subset")), SYMMETRIC, out, console=silent)
    values = opened(files_of(out)["0.png"])[1]
    clean = opened((tmp_path / "data/annotations/training/0.png").read_bytes())[1]
    counted = np.isin(clean, [1, 3, 5])
    assert counted.any()
    assert np.array_equal(values[~counted], clean[~counted])  # one label, but 147 values
    assert np.isin(values[counted], [1, 3, 5]).all()


def test_kinds_of_files(make_config, tmp_path, silent, files_of):
    out = tmp_path / "isic"
    corrupt_dataset(config_source(make_config("isic")), SYMMETRIC, out, console=silent)
    files = files_of(out)
    assert set(files) == {"manifest.json", *(f"isic2017/train/ISIC_{i}.png" for i in range(3))}
    assert np.unique(opened(files["isic2017/train/ISIC_0.png"])[1]).tolist() == [0, 255]


def test_labels_are_written_in_the_colours_of_the_classes(make_config, tmp_path, silent, files_of):
    out = tmp_path / "out"
    source = config_source(make_config("jsrt"))
    corrupt_dataset(source, SYMMETRIC, out, console=silent)
    image, values = opened(files_of(out)["jsrt/train/A.png"])
    assert image.mode == "P"
    assert np.unique(values).tolist() == [0, 1, 2, 3]
    assert image.getpalette()[:12] == [value for colour in source.palette for value in colour]


class LoadRedAnnotations(LoadAnnotations):
    """The label is the red value of a color picture."""

    def _load_seg_map(self, results):
        super()._load_seg_map(results)
        results["gt_seg_map"] = results["gt_seg_map"][..., 2]


def test_colour_masks_of_a_loader_that_reads_them(make_config, tmp_path, silent):
    cfg = load_config(make_config("ade"))
    for path in (tmp_path / "data/annotations/training").iterdir():
        values = np.array(Image.open(path))
        Image.fromarray(np.stack([values // 2, values * 0, values * 0 + 9], -1)).save(path)
    cfg.train_dataloader.dataset.pipeline[1] = dict(type=LoadRedAnnotations)
    cfg.train_dataloader.dataset.reduce_zero_label = False
    out = tmp_path / "out"
    corrupt_dataset(config_source(cfg), SYMMETRIC, out, console=silent)
    online, _ = train_masks(inject_noise(copy.deepcopy(cfg), SYMMETRIC))
    step = dict(type="anl_seg.LoadCorruptedAnnotations", folder=str(out))
    cfg.train_dataloader.dataset.pipeline.insert(2, step)
    assert same(train_masks(cfg)[0], online)


def test_sixteen_bits_stay(make_config, tmp_path, silent, files_of):
    out = tmp_path / "out"
    corrupt_dataset(config_source(make_config("grey16")), SYMMETRIC, out, console=silent)
    files = files_of(out)
    assert set(files) == {"manifest.json", "x/0_m.png", "x/1_m.png", "y/0_m.png"}
    assert all(opened(files[f"{n}_m.png"])[0].mode.startswith("I") for n in ("x/0", "x/1", "y/0"))


# --- folders ------------------------------------------------------------------------------------


def noisy(path, noise, **kinds):
    noise = build_noise(noise)
    mask = np.array(Image.open(path))
    return noise(mask, sample_rng(0, sample_key(path), noise.digest()), **kinds)


def test_folder(masks_dir, tmp_path, silent, files_of):
    out = tmp_path / "out"
    plan, manifest = corrupt_dataset(
        folder_source(masks_dir, num_classes=4), ALPHA_BETA, out, jobs=2, console=silent
    )
    files = files_of(out)
    names = ["a.png", "b.png", "more/a.png"]
    assert set(files) == {"manifest.json", *names}
    for name in names:
        image, values = opened(files[name])
        expected = noisy(masks_dir / name, ALPHA_BETA, num_classes=4)
        assert np.array_equal(values, expected)
        assert image.mode == ("P" if name == "more/a.png" else "L")
    assert [record["key"] for record in manifest["files"]] == [
        "masks/a.png",
        "masks/b.png",
        "more/a.png",
    ]
    assert f'data_prefix=dict(seg_map_path="{out}")' in how_to_load(plan, out)


def test_folder_with_more_classes_than_eight_bits_hold(tmp_path, silent, files_of):
    folder, out = tmp_path / "masks", tmp_path / "out"
    folder.mkdir()
    deep = np.arange(0, 600, dtype=np.uint16).reshape(20, 30) % 500
    deep[0] = 65535
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray((deep[1:] % 200).astype(np.uint8)).save(folder / "flat.png")
    kinds = dict(num_classes=500, ignore_index=65535)
    plan, _ = corrupt_dataset(folder_source(folder, **kinds), SYMMETRIC, out, console=silent)
    for name, clean in (("deep.png", deep), ("flat.png", deep[1:] % 200)):
        noise = build_noise(SYMMETRIC)
        rng = sample_rng(0, f"masks/{name}", noise.digest())
        expected = noise(clean.astype(np.uint16), rng, **kinds)
        assert expected[expected != 65535].max() > 255
        values = opened(files_of(out)[name])[1]
        assert np.array_equal(values, expected)
    # mmseg's own loader would cut these labels.
    advice = how_to_load(plan, out)
    assert "LoadCorruptedAnnotations" in advice
    assert "data_prefix" not in advice
    with DefaultScope.overwrite_default_scope("mmseg"):
        dataset = DATASETS.build(
            dict(
                type="BaseSegDataset",
                data_prefix=dict(img_path=str(folder), seg_map_path=str(folder)),
                img_suffix=".png",
                pipeline=[
                    dict(type="LoadAnnotations"),
                    dict(type="anl_seg.LoadCorruptedAnnotations", folder=str(out)),
                ],
            )
        )
    loaded = dataset[0]["gt_seg_map"]
    assert loaded.dtype == np.uint16
    assert np.array_equal(loaded, opened(files_of(out)["deep.png"])[1])


def test_a_class_beyond_eight_bits_and_a_palette_is_named(tmp_path, silent):
    folder = tmp_path / "masks"
    folder.mkdir()
    image = Image.fromarray(np.zeros((40, 40), np.uint8))
    image.putpalette([1, 2, 3])
    image.save(folder / "a.png")
    source = folder_source(folder, num_classes=500, ignore_index=65535)
    with pytest.raises(
        ValueError, match=r"sample 'masks/a\.png': class 49\d does not fit into the"
    ):
        corrupt_dataset(source, SYMMETRIC, tmp_path / "out", console=silent)
    assert list((tmp_path / "out").iterdir()) == []  # so that the next try may use it


class BrightNoise(MaskNoise):
    """Class 1 wherever the image is bright."""

    needs_image = True

    def __init__(self):
        pass

    def __call__(self, mask, rng, *, num_classes, ignore_index=255, image=None):
        bright = (image.mean(axis=2) > 128) & (mask != ignore_index)
        return np.where(bright, 1, mask).astype(mask.dtype)


def test_noise_that_looks_at_the_image_gets_it(make_config, tmp_path, silent, monkeypatch):
    monkeypatch.setitem(NOISES, "BrightNoise", BrightNoise)
    config, out, noise = make_config("voc"), tmp_path / "out", dict(type="BrightNoise")
    plan, _ = corrupt_dataset(config_source(config), noise, out, console=silent)
    online, _ = train_masks(inject_noise(load_config(config), noise))
    offline, _ = train_masks(follow(how_to_load(plan, out), config, tmp_path))
    assert same(offline, online)
    source = folder_source(tmp_path / "data/SegmentationClass", num_classes=21)
    with pytest.raises(ValueError, match=r"image of a mask is needed.*--images"):
        corrupt_dataset(source, noise, tmp_path / "none", console=silent)


# --- the manifest -------------------------------------------------------------------------------


def test_manifest_names_everything_that_decided_the_files(masks_dir, tmp_path, silent):
    out = tmp_path / "out"
    corrupt_dataset(
        folder_source(masks_dir, num_classes=4), ALPHA_BETA, out, seed=3, console=silent
    )
    manifest, intact = read_manifest(out / "manifest.json")
    assert intact
    noise = build_noise(ALPHA_BETA)
    assert manifest["noise"] == noise.config()
    assert manifest["noise_digest"] == noise.digest()
    assert manifest["status"] == "complete"
    assert [manifest[k] for k in ("format", "seed", "num_classes", "ignore_index")] == [
        1,
        3,
        4,
        255,
    ]
    assert set(manifest["packages"]) == {"anl_seg", "numpy", "scipy", "opencv", "pillow", "python"}
    record = manifest["files"][0]
    clean = np.array(Image.open(masks_dir / "a.png"))
    other = np.array(Image.open(out / "a.png"))
    statistics = noise_statistics(clean, other, num_classes=4)
    assert record["valid_pixels"] == statistics.valid_pixels
    assert record["changed_pixels"] == statistics.changed_pixels > 0
    assert record["changed_share"] == pytest.approx(statistics.changed_share, abs=1e-6)
    assert record["dice"] == pytest.approx(statistics.dice.tolist(), abs=1e-6)


def test_an_all_ignored_mask_has_no_share(tmp_path, silent):
    folder = tmp_path / "masks"
    folder.mkdir()
    Image.fromarray(np.full((4, 5), 255, np.uint8)).save(folder / "a.png")
    source = folder_source(folder, num_classes=3)
    _, manifest = corrupt_dataset(source, SYMMETRIC, tmp_path / "out", console=silent)
    record = manifest["files"][0]
    assert record["changed_share"] is manifest["totals"]["changed_share"] is None
    assert record["dice"] == [None] * 3
    json.dumps(manifest, allow_nan=False)


def test_workers_change_nothing(make_config, tmp_path, silent, files_of):
    config = make_config("ade")
    for jobs in (1, 3):
        out = tmp_path / f"jobs{jobs}"
        corrupt_dataset(config_source(config), ALPHA_BETA, out, jobs=jobs, console=silent)
    assert files_of(tmp_path / "jobs1") == files_of(tmp_path / "jobs3")


@pytest.mark.parametrize("kind", ["ade", "isic", "synthetic"])
def test_a_plan_pickles_for_workers_that_are_not_forked(make_config, tmp_path, silent, kind):
    source = config_source(make_config(kind))
    plan, manifest = corrupt_dataset(source, SYMMETRIC, tmp_path / "out", console=silent)
    other = pickle.loads(pickle.dumps(plan))
    (tmp_path / "again").mkdir()
    records = [write_sample(other, target, tmp_path / "again").record for target in other.targets]
    assert json.loads(json.dumps(records)) == manifest["files"]


# --- refusals -----------------------------------------------------------------------------------


def test_output_in_or_around_the_source_is_refused(make_config, masks_dir, tmp_path, silent):
    source = folder_source(masks_dir, num_classes=4)
    for out in (masks_dir, masks_dir / "noisy"):
        with pytest.raises(ValueError, match=r"lies in '.*masks', which holds the source's files"):
            corrupt_dataset(source, SYMMETRIC, out, console=silent)
    with pytest.raises(ValueError, match=r"the source's folder '.*masks' lies in"):
        corrupt_dataset(source, SYMMETRIC, tmp_path, console=silent)
    (tmp_path / "link").symlink_to(masks_dir)
    with pytest.raises(ValueError, match="holds the source's files"):
        corrupt_dataset(source, SYMMETRIC, tmp_path / "link" / "noisy", console=silent)
    source = config_source(make_config("jsrt"))
    for organ in ("lung", "heart", "images"):
        with pytest.raises(ValueError, match="holds the source's files"):
            corrupt_dataset(source, SYMMETRIC, tmp_path / f"data/{organ}/train", console=silent)
    corrupt_dataset(source, SYMMETRIC, tmp_path / "data" / "noisy", console=silent)


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(
    masks_dir, tmp_path, silent, files_of
):
    source, out = folder_source(masks_dir, num_classes=4), tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    for resume, text in ((False, "is not empty"), (True, r"no manifest\.json: nothing to resume")):
        with pytest.raises(ValueError, match=text):
            corrupt_dataset(source, SYMMETRIC, out, resume=resume, console=silent)
    assert files_of(out) == {"a.png": b"precious"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(noise=dict(type="SymmetricNoise", rate=0.5)), r"noise\.rate: 0\.4 there, 0\.5 here"),
        (dict(seed=1), "seed: 0 there, 1 here"),
        (dict(num_classes=5), "num_classes: 4 there, 5 here"),
        (dict(ignore_index=254), "ignore_index: 255 there, 254 here"),
        (dict(masks="others"), r"source\.masks: \".*masks\" there, \".*others\" here"),
        (dict(more=True), r"samples\.count: 3 there, 4 here"),
        (dict(numpy="1.22.0"), r"packages\.numpy: \".*\" there, \"1\.22\.0\" here"),
    ],
)
def test_resume_of_another_run_is_refused(masks_dir, tmp_path, silent, monkeypatch, change, text):
    out = tmp_path / "out"
    corrupt_dataset(folder_source(masks_dir, num_classes=4), SYMMETRIC, out, console=silent)
    before = (out / "manifest.json").read_bytes()
    if "more" in change:
        (masks_dir / "c.png").write_bytes((masks_dir / "a.png").read_bytes())
    if "masks" in change:
        masks_dir.rename(tmp_path / "others")
    if "numpy" in change:
        monkeypatch.setattr(np, "__version__", change["numpy"])
    kinds = dict(num_classes=4, ignore_index=255)
    kinds.update({key: change[key] for key in kinds.keys() & change.keys()})
    source = folder_source(tmp_path / change.get("masks", "masks"), **kinds)
    with pytest.raises(ValueError, match=f"holds another run and is not resumed: .*{text}"):
        corrupt_dataset(
            source,
            change.get("noise", SYMMETRIC),
            out,
            seed=change.get("seed", 0),
            resume=True,
            console=silent,
        )
    assert (out / "manifest.json").read_bytes() == before


def test_resume_makes_what_is_missing_or_broken(masks_dir, tmp_path, silent, files_of):
    source, out = folder_source(masks_dir, num_classes=4), tmp_path / "out"
    corrupt_dataset(source, SYMMETRIC, out, resume=True, console=silent)  # nothing there: a new run
    whole = files_of(out)
    (out / "a.png").unlink()
    (out / "b.png").write_bytes(whole["b.png"][:80])
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(out / "more/a.png")
    (out / "more" / ".corrupt-99.tmp").write_bytes(b"half")
    corrupt_dataset(source, SYMMETRIC, out, resume=True, console=silent)
    assert files_of(out) == whole


def test_two_runs_at_a_time_are_refused(masks_dir, tmp_path, silent, monkeypatch):
    from anl_seg.corruption import run

    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(run, "locked", lambda folder: locked(folder, seconds=0.1))
    with (
        locked(out),
        pytest.raises(ValueError, match=r"another process is writing to '.*out'"),
    ):
        corrupt_dataset(folder_source(masks_dir, num_classes=4), SYMMETRIC, out, console=silent)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda folder: Image.fromarray(np.full((4, 4), 9, np.uint8)),
            "labels out of range: found 9",
        ),
        (lambda folder: Image.fromarray(np.zeros((4, 4, 3), np.uint8)), "is a colour picture"),
    ],
)
def test_wrong_masks_are_named(masks_dir, tmp_path, silent, make, text):
    make(masks_dir).save(masks_dir / "more" / "z.png")
    source = folder_source(masks_dir, num_classes=4)
    for jobs in (1, 2):
        with pytest.raises(ValueError, match=rf"sample 'more/z\.png': .*{text}"):
            corrupt_dataset(source, SYMMETRIC, tmp_path / f"{jobs}", jobs=jobs, console=silent)


def test_samples_that_would_share_a_file_are_named(make_config, tmp_path, silent):
    config = make_config("bmp")
    for folder in ("x", "y"):
        for kind, suffix in (("img", "jpg"), ("ann", "bmp")):
            (tmp_path / "data" / kind / folder / "z").mkdir(parents=True)
            file = tmp_path / "data" / kind / folder / "z" / f"0.{suffix}"
            file.write_bytes((tmp_path / f"data/{kind}/0.{suffix}").read_bytes())
    with pytest.raises(ValueError, match=r"have the key 'z/0\.bmp' and would share a file: .*x.*y"):
        corrupt_dataset(config_source(config), SYMMETRIC, tmp_path / "out", console=silent)


def test_a_sample_that_is_listed_twice_is_written_once(make_config, tmp_path, silent):
    config = make_config("voc")
    (tmp_path / "data/train.txt").write_text("2\n0\n2\n")
    _, manifest = corrupt_dataset(
        config_source(config), SYMMETRIC, tmp_path / "out", console=silent
    )
    assert [record["file"] for record in manifest["files"]] == ["2.png", "0.png"]


def test_more_classes_than_the_files_can_hold_are_named(make_config, tmp_path, silent):
    source = config_source(make_config("isic"), num_classes=3)
    with pytest.raises(ValueError, match="no value in a mask file is loaded as class 2"):
        corrupt_dataset(source, SYMMETRIC, tmp_path / "out", console=silent)


def test_masks_of_several_kinds_in_one_data_set_are_named(make_config, tmp_path, silent):
    config = make_config("grey16")
    mask = np.zeros((40, 56), np.uint16)
    first = tmp_path / "data/ann/x/0_m.png"
    Image.fromarray(mask.astype(np.uint8)).save(first)
    deep = tmp_path / "data/ann/x/1_m.png"
    Image.fromarray(mask + 256).save(deep)  # mmseg's loader keeps the lower 8 bits of it
    with pytest.raises(ValueError, match=r"1_m\.png' is of another kind than the data set's first"):
        corrupt_dataset(config_source(config), SYMMETRIC, tmp_path / "out", console=silent)


@pytest.mark.parametrize("jobs", [0, -2])
def test_bad_jobs(masks_dir, tmp_path, silent, jobs):
    source = folder_source(masks_dir, num_classes=4)
    with pytest.raises(ValueError, match=f"jobs must be 1 or more; got {jobs}"):
        corrupt_dataset(source, SYMMETRIC, tmp_path / "out", jobs=jobs, console=silent)
    assert not (tmp_path / "out").exists()


def test_noise_that_is_given_twice_or_not_at_all(make_config, masks_dir):
    source = config_source(make_config("noisy_config"))
    with pytest.raises(ValueError, match="corrupts its masks already, by PairNoise"):
        noise_of(source, SYMMETRIC, None)
    with pytest.raises(ValueError, match="CorruptMask has seed 7, not 8"):
        noise_of(source, None, 8)
    with pytest.raises(ValueError, match="CorruptMask has num_classes=21, not 5"):
        noise_of(config_source(source.origin["config"], num_classes=5), None, None)
    with pytest.raises(ValueError, match="no noise: give --noise"):
        noise_of(folder_source(masks_dir, num_classes=4), None, None)


# --- the transform ------------------------------------------------------------------------------


@pytest.fixture
def load_corrupted():
    from mmseg.registry import TRANSFORMS

    def build(**options):
        return TRANSFORMS.build(dict(type="anl_seg.LoadCorruptedAnnotations", **options))

    return build


def test_transform_refuses_what_it_cannot_load(masks_dir, tmp_path, silent, load_corrupted):
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match="no manifest at"):
        load_corrupted(folder=str(out))
    corrupt_dataset(folder_source(masks_dir, num_classes=4), SYMMETRIC, out, console=silent)
    transform = load_corrupted(folder=str(out))
    clean = np.array(Image.open(masks_dir / "a.png"))
    sample = dict(seg_map_path="/elsewhere/masks/a.png", gt_seg_map=clean)
    assert np.array_equal(
        transform(dict(sample))["gt_seg_map"], np.array(Image.open(out / "a.png"))
    )
    assert transform(dict(sample))["mask_noise"] == "SymmetricNoise"
    for change, error, text in (
        (dict(seg_map_path="x/y.png"), KeyError, "no corrupted mask for sample 'x/y.png'"),
        (dict(gt_seg_map=clean[1:]), ValueError, r"of size \(40, 56\) .* of size \(39, 56\)"),
        (dict(mask_noise="PairNoise"), ValueError, "already carries PairNoise"),
    ):
        with pytest.raises(error, match=text):
            transform({**sample, **change})
    with pytest.raises(KeyError, match="right behind the transform that loads"):
        transform(dict(seg_map_path="masks/a.png"))
    with pytest.raises(ValueError, match=r"dataset must be 0 to 0 for .*; got 1"):
        load_corrupted(folder=str(out), dataset=1)
    (out / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"corrupted mask '.*a\.png' is missing"):
        transform(dict(sample))


def test_transform_refuses_an_interrupted_run_and_an_unnamed_data_set(
    make_config, tmp_path, silent, load_corrupted
):
    out = tmp_path / "out"
    corrupt_dataset(config_source(make_config("concat")), SYMMETRIC, out, console=silent)
    with pytest.raises(ValueError, match="holds 2 data sets: give dataset=0 to 1"):
        load_corrupted(folder=str(out))
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["status"] = "incomplete"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="was interrupted: end it with"):
        load_corrupted(folder=str(out))


def test_samples_of_one_key_are_not_mixed_up(tmp_path, silent, load_corrupted):
    mask = np.zeros((4, 4), np.uint8)
    for folder in ("x", "y"):
        (tmp_path / "masks" / folder / "z").mkdir(parents=True)
        Image.fromarray(mask).save(tmp_path / "masks" / folder / "z" / "0.png")
    source = folder_source(tmp_path / "masks", num_classes=4, key_parts=3)
    _, manifest = corrupt_dataset(source, SYMMETRIC, tmp_path / "out", console=silent)
    # As earlier versions wrote it, which let samples share a key.
    for record in manifest["files"]:
        record["key"] = "z/0.png"
    write_manifest(tmp_path / "out", {**manifest, "key_parts": 2})
    transform = load_corrupted(folder=str(tmp_path / "out"))
    with pytest.raises(KeyError, match=r"several corrupted masks in .* have the key 'z/0\.png'"):
        transform(dict(seg_map_path="x/z/0.png", gt_seg_map=mask))
