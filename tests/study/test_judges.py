"""The validation images that judge a search: through wrappers, and never images that are trained on."""

from __future__ import annotations

import gc

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS

from anl_seg.config import load_config
from anl_seg.study.judges import check_unseen, judged_config, pick_samples
from tests.study.test_comparison import QUICKSTART


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(gc, "collect", lambda: 0)  # every data set that is built calls it


def shapes(split="val", length=8, **more):
    steps = [dict(type="anl_seg.LoadSyntheticShapes"), dict(type="PackSegInputs")]
    return dict(
        type="anl_seg.SyntheticShapesDataset", split=split, length=length, pipeline=steps, **more
    )


def keys(dataset):
    built = DATASETS.build(dataset)
    return [
        built.get_data_info(i)["sample_key"].rpartition("shapes/")[2] for i in range(len(built))
    ]


@pytest.mark.parametrize(
    ("dataset", "samples", "expected"),
    [
        (shapes(), 2, ["val/0/0", "val/0/4"]),
        (dict(type="RepeatDataset", times=40000, dataset=shapes()), 2, ["val/0/0", "val/0/4"]),
        (shapes(indices=[5, 1, 7, 3]), 2, ["val/0/5", "val/0/7"]),
        (shapes(indices=3), 3, ["val/0/0", "val/0/1", "val/0/2"]),
        (shapes(indices=-3), 2, ["val/0/5", "val/0/6"]),
        (shapes(indices=-30), 2, ["val/0/0", "val/0/4"]),
    ],
)
def test_samples_are_picked_out_of_those_that_the_config_has(dataset, samples, expected):
    assert keys(pick_samples(dataset, samples)) == expected
    with pytest.raises(
        ValueError, match=r"samples must lie in \[1, \d\], the validation set; got 9"
    ):
        pick_samples(dataset, 9)


def test_of_concatenated_sets_each_gives_its_part_and_an_image_counts_once():
    parts = [
        shapes(length=2),
        dict(type="RepeatDataset", times=9, dataset=shapes(seed=1)),
        shapes(),
    ]
    dataset = dict(type="ConcatDataset", datasets=parts)
    picked = DATASETS.build(pick_samples(dataset, 4))
    found = [picked[i]["data_samples"].img_path for i in range(len(picked))]
    assert len(set(found)) == len(found) == 4
    assert sum("val/1/" in path for path in found) == 2
    with pytest.raises(ValueError, match=r"samples must lie in \[1, 16\]"):  # not 2 + 72 + 8
        pick_samples(dataset, 17)


def test_images_that_are_trained_on_judge_nothing():
    cfg = load_config(QUICKSTART)
    one = dict(train_dataloader=dict(dataset=shapes("train", indices=6)))
    for judging, clean in (
        (shapes("val"), True),
        (shapes("train", indices=[6, 7]), True),
        (shapes("train", indices=[5, 6, 7]), False),
        (dict(type="ConcatDataset", datasets=[shapes("val"), shapes("train")]), False),
        (dict(type="RepeatDataset", times=3, dataset=shapes("train", indices=-3)), False),
    ):
        cfg = Config({**one, "val_dataloader": dict(dataset=judging)})
        if clean:
            check_unseen(judged_config(cfg, 2))
            continue
        with pytest.raises(
            ValueError, match=r"training images too, such as .*synthetic_shapes/train"
        ):
            judged_config(cfg, None)
