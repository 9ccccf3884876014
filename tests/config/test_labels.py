"""Number of classes, ignored label and masks that are corrupted already: found as noise is injected."""

from __future__ import annotations

import copy
import sys

import pytest
from mmengine.config import Config
from mmseg.datasets import CityscapesDataset

from anl_seg.config import inject_noise, load_config, noisy_evaluation
from anl_seg.config.labels import check_corruption

MODULE = sys.modules["anl_seg.config.labels"]
NOISE = dict(type="SymmetricNoise", rate=0.4)
PLAIN = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]


def leaf(kind="CityscapesDataset", pipeline=PLAIN, **more):
    return dict(type=kind, pipeline=copy.deepcopy(pipeline), **more)


def config(dataset=None, auxiliary=None, **head):
    heads = dict(decode_head=dict(type="FCNHead", **{"num_classes": 19, **head}))
    if auxiliary is not None:
        heads["auxiliary_head"] = auxiliary
    return Config(dict(model=heads, train_dataloader=dict(dataset=dataset or leaf())))


@pytest.fixture
def said(monkeypatch):
    texts = []
    monkeypatch.setattr(MODULE, "print_log", lambda text, logger, level: texts.append(text))
    return texts


@pytest.mark.parametrize(
    ("cfg", "text"),
    [
        (
            config(num_classes=25),
            "decode_head has num_classes=25, but CityscapesDataset has 19 classes",
        ),
        (config(leaf(CityscapesDataset), num_classes=25), "CityscapesDataset has 19 classes"),
        (
            config(leaf("BaseSegDataset", metainfo=dict(classes=("a", "b"))), num_classes=3),
            "BaseSegDataset has 2 classes",
        ),
        (
            config(
                dict(type="ConcatDataset", datasets=[leaf("ADE20KDataset"), leaf()]), num_classes=30
            ),
            "CityscapesDataset has 19 classes",
        ),
        (config(num_classes=1), r"decode_head has num_classes=1.*num_classes=2 and out_channels=1"),
        (
            config(ignore_index=3),
            r"decode_head has ignore_index=3, which is one of its classes 0 to 18",
        ),
        (config(ignore_index=[255, 0]), r"ignore_index=\[255, 0\]; it must be one integer"),
    ],
)
def test_labels_that_cannot_be_are_refused_in_the_words_of_the_config(cfg, text):
    before = copy.deepcopy(cfg.to_dict())
    with pytest.raises(ValueError, match=text):
        inject_noise(cfg, NOISE)
    assert cfg.to_dict() == before


def test_heads_of_a_cascade_must_agree_and_auxiliary_ones_are_told_of(said):
    two = [dict(type="FCNHead", num_classes=19), dict(type="FCNHead", num_classes=18)]
    cfg = config()
    cfg.model.decode_head = two
    text = r"decode_head.0 has num_classes=19 and decode_head.1 num_classes=18"
    with pytest.raises(ValueError, match=text):
        inject_noise(cfg, NOISE)
    inject_noise(config(auxiliary=dict(type="FCNHead", num_classes=5)), NOISE)
    assert said == [
        "decode_head has num_classes=19 and auxiliary_head num_classes=5; the labels are taken to be those "
        "of decode_head."
    ]


def test_what_is_right_today_is_quiet(said):
    inject_noise(config(num_classes=2, out_channels=1), NOISE)
    inject_noise(config(leaf("BaseSegDataset"), num_classes=7, ignore_index=-1), NOISE)
    inject_noise(load_config("mmseg::stdc/stdc1_4xb12-80k_cityscapes-512x1024.py"), NOISE)
    assert said == []
    inject_noise(config(num_classes=1), NOISE, num_classes=2)
    inject_noise(config(), NOISE, num_classes=25)  # a number that is given wins
    (text,) = said
    assert "what is given has num_classes=25" in text


@pytest.mark.parametrize(
    ("noise", "text"),
    [
        (dict(type="markov_jsrt_j1"), "steps lists 4 values.* 19 classes"),
        (
            dict(type="TransitionMatrixNoise", matrix=[[1, 0], [0, 1]]),
            "2 x 2, the data has 19 classes",
        ),
        (
            dict(
                type="RandomChoiceNoise", noises=[None, dict(type="band_jsrt_j3")], weights=[1, 0]
            ),
            "low lists 4 values",
        ),
        (dict(type="coco_n", level="insane"), "easy, medium, hard, got 'insane'"),
    ],
)
def test_noise_of_another_number_of_classes_is_found_before_any_mask(noise, text):
    with pytest.raises(ValueError, match=text):
        inject_noise(config(), noise)


CORRUPT = dict(type="anl_seg.CorruptMask", noise=NOISE, num_classes=19)
INNER = [
    CORRUPT,
    dict(type="RandomApply", transforms=[CORRUPT]),
    dict(type="RandomChoice", transforms=[[dict(type="RandomFlip")], [CORRUPT]]),
    dict(type="TransformBroadcaster", transforms=[dict(type="RandomApply", transforms=CORRUPT)]),
    dict(type="anl_seg.CachedTransforms", transforms=[CORRUPT]),
    dict(type="anl_seg.LoadCorruptedAnnotations", folder="x"),
]


@pytest.mark.parametrize("step", INNER)
@pytest.mark.parametrize(
    "wrapper", [None, "RepeatDataset", "MultiImageMixDataset", "ConcatDataset"]
)
def test_a_second_corruption_is_refused_wherever_the_first_one_is(step, wrapper):
    dataset = leaf(pipeline=[*PLAIN[:2], step, PLAIN[2]])
    if wrapper == "ConcatDataset":
        dataset = dict(type=wrapper, datasets=[leaf(), dataset])
    elif wrapper == "MultiImageMixDataset":
        dataset = dict(type=wrapper, dataset=leaf(pipeline=PLAIN[:2]), pipeline=[step, PLAIN[2]])
    elif wrapper is not None:
        dataset = dict(type=wrapper, times=2, dataset=dataset)
    cfg = config(dataset)
    with pytest.raises(
        ValueError, match=r"already contains (CorruptMask|LoadCorrupted).*only once"
    ):
        inject_noise(cfg, NOISE)
    cfg.val_dataloader = cfg.train_dataloader
    assert noisy_evaluation(cfg) == ["val_dataloader"]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (dict(CORRUPT, num_classes=25), "CorruptMask of CityscapesDataset has num_classes=25"),
        (dict(CORRUPT, ignore_index=0), "CorruptMask of CityscapesDataset has ignore_index=0"),
        (dict(CORRUPT, num_classes=18, noise=dict(type="markov_jsrt_j1")), "18 classes"),
        (dict(CORRUPT, num_classes=1), "must be an integer of 2 or more"),
    ],
)
def test_noise_that_a_config_brings_is_checked_too(step, text):
    with pytest.raises(ValueError, match=text):
        check_corruption(config(), leaf(), step)
    check_corruption(config(), leaf(), CORRUPT)
    with pytest.raises(ValueError, match="decode_head num_classes=4: which is right"):
        check_corruption(config(num_classes=4), leaf(), CORRUPT)
