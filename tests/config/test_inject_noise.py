from __future__ import annotations

import copy

import pytest
from mmengine.config import Config

from anl_seg.config import (
    inject_noise,
    load_config,
    measure_memorization,
    noisy_evaluation,
    record_noise,
)
from anl_seg.datasets.transforms import CorruptMask

NOISE = dict(type="SymmetricNoise", rate=0.4)
PLAIN = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]


def config(dataset, **head):
    return Config(
        dict(
            model=dict(
                data_preprocessor=dict(type="SegDataPreProcessor"),
                decode_head=dict(type="FCNHead", **{"num_classes": 4, **head}),
            ),
            train_dataloader=dict(dataset=dataset),
        )
    )


def leaf(pipeline=PLAIN):
    return dict(type="ADE20KDataset", pipeline=copy.deepcopy(pipeline))


def types(dataset):
    return [step["type"] for step in dataset["pipeline"]]


NOISY = ["LoadImageFromFile", "LoadAnnotations", "anl_seg.CorruptMask", "PackSegInputs"]


def test_goes_right_behind_the_loader_and_returns_the_config():
    cfg = config(leaf())
    assert inject_noise(cfg, NOISE, seed=3) is cfg
    assert types(cfg.train_dataloader.dataset) == NOISY
    assert cfg.train_dataloader.dataset.pipeline[2].to_dict() == dict(
        type="anl_seg.CorruptMask",
        noise=NOISE,
        num_classes=4,
        seed=3,
        ignore_index=255,
        keep_clean=False,
    )


@pytest.mark.parametrize("wrapper", ["RepeatDataset", "ClassBalancedDataset"])
def test_follows_wrappers(wrapper):
    cfg = inject_noise(config(dict(type=wrapper, dataset=leaf())), NOISE)
    assert types(cfg.train_dataloader.dataset.dataset) == NOISY


def test_follows_concatenations_and_mixtures():
    mixed = dict(
        type="MultiImageMixDataset",
        dataset=dict(type="ConcatDataset", datasets=[leaf(PLAIN[:2]), leaf(PLAIN[:2])]),
        pipeline=[dict(type="RandomMosaic", prob=1), dict(type="PackSegInputs")],
    )
    cfg = inject_noise(config(mixed), NOISE)
    outer = cfg.train_dataloader.dataset
    assert types(outer) == ["RandomMosaic", "PackSegInputs"]
    assert [types(d) for d in outer.dataset.datasets] == [NOISY[:3], NOISY[:3]]


def test_real_concatenation_of_mmseg():
    cfg = load_config("mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512.py")
    inject_noise(cfg, NOISE, keep_clean=True)
    for dataset in cfg.train_dataloader.dataset.datasets:
        names = types(dataset)
        assert names[1:3] == ["LoadAnnotations", "anl_seg.CorruptMask"]
        assert names[-2:] == ["anl_seg.Pad", "anl_seg.PackNoisySegInputs"]
        assert dataset.pipeline[2].num_classes == 21
    # Stock configs hold the preprocessor at the top too; the runner hands that one to the model.
    for owner in (cfg, cfg.model):
        assert owner.data_preprocessor.type == "anl_seg.NoisySegDataPreProcessor"
    assert noisy_evaluation(cfg) == []


def test_classes_and_ignored_label_come_from_the_head_or_the_call():
    step = inject_noise(config(leaf(), ignore_index=99), NOISE).train_dataloader.dataset.pipeline[2]
    assert (step.num_classes, step.ignore_index) == (4, 99)
    cfg = inject_noise(config(leaf()), NOISE, num_classes=7, ignore_index=254)
    step = cfg.train_dataloader.dataset.pipeline[2]
    assert (step.num_classes, step.ignore_index) == (7, 254)
    with pytest.raises(ValueError, match="the config's heads name no num_classes"):
        inject_noise(config(leaf(), num_classes=None), NOISE)
    # A wrong number is not replaced by the head's in silence; CorruptMask refuses it as it is built.
    step = inject_noise(config(leaf()), NOISE, num_classes=0).train_dataloader.dataset.pipeline[2]
    with pytest.raises(ValueError, match="num_classes"):
        CorruptMask(**{k: v for k, v in step.items() if k != "type"})


@pytest.mark.parametrize(
    ("dataset", "noise", "text"),
    [
        (leaf(), dict(type="SymetricNoise", rate=0.1), "Did you mean SymmetricNoise"),
        (leaf(), dict(type="SymmetricNoise", rate=2), "rate.*2"),
        (leaf(PLAIN[::2]), NOISE, "no transform of the training pipeline loads annotations"),
        (
            dict(type="ConcatDataset", datasets=[leaf(), leaf(PLAIN[::2])]),
            NOISE,
            "no transform loads annotations in the pipeline of ADE20KDataset, which would stay clean",
        ),
    ],
)
def test_refuses_and_changes_nothing(dataset, noise, text):
    cfg = config(dataset)
    before = cfg.pretty_text
    with pytest.raises(ValueError, match=text):
        inject_noise(cfg, noise, keep_clean=True)
    assert cfg.pretty_text == before


def test_twice_is_refused():
    cfg = inject_noise(config(leaf()), NOISE)
    before = cfg.pretty_text
    with pytest.raises(ValueError, match="may be corrupted only once"):
        inject_noise(cfg, NOISE)
    assert cfg.pretty_text == before


def test_a_pipeline_that_loads_annotations_twice_and_a_wrong_seed_are_refused():
    with pytest.raises(ValueError, match="ADE20KDataset loads annotations twice"):
        inject_noise(config(leaf([*PLAIN[:2], *PLAIN[1:]])), NOISE)
    with pytest.raises(ValueError, match="seed must be an integer of at least 0, got -1"):
        inject_noise(config(leaf()), NOISE, seed=-1)


def test_a_data_set_that_is_there_twice_is_corrupted_once():
    cfg = config(leaf())
    dataset = cfg.train_dataloader["dataset"]
    cfg.train_dataloader["dataset"] = dict(type="ConcatDataset", datasets=[dataset, dataset])
    inject_noise(cfg, NOISE)
    assert [types(one) for one in cfg.train_dataloader["dataset"]["datasets"]] == [NOISY] * 2


def test_keep_clean_with_another_preprocessor_is_refused():
    cfg = config(leaf())
    cfg.model.data_preprocessor.type = "MyPreProcessor"
    before = cfg.pretty_text
    with pytest.raises(ValueError, match="the config has MyPreProcessor"):
        inject_noise(cfg, NOISE, keep_clean=True)
    assert cfg.pretty_text == before


def test_config_without_training_data_is_refused():
    with pytest.raises(ValueError, match="no train_dataloader"):
        measure_memorization(Config(dict(model=dict())))
    with pytest.raises(ValueError, match="no train_dataloader"):
        inject_noise(Config(dict(model=dict())), NOISE)


def test_noisy_evaluation_names_the_loaders():
    cfg = inject_noise(config(leaf()), NOISE)
    cfg.test_dataloader = copy.deepcopy(cfg.train_dataloader)
    cfg.val_dataloader = [dict(dataset=leaf()), copy.deepcopy(cfg.train_dataloader)]
    assert noisy_evaluation(cfg) == ["val_dataloader", "test_dataloader"]


def test_record_noise_adds_one_hook_where_there_is_noise():
    assert "custom_hooks" not in record_noise(config(leaf()))
    cfg = record_noise(record_noise(inject_noise(config(leaf()), NOISE)))
    assert [h.type for h in cfg.custom_hooks] == ["anl_seg.NoiseStatisticsHook"]


def test_measure_memorization_leaves_out_what_is_random():
    steps = [
        *PLAIN[:2],
        dict(type="RandomFlip", prob=0.5),
        dict(type="Resize", scale=(8, 8)),
        PLAIN[2],
    ]
    cfg = inject_noise(config(leaf(steps)), NOISE, keep_clean=True)
    cfg.train_dataloader.update(batch_size=4, drop_last=True)
    measure_memorization(cfg, interval=2)
    hook = cfg.custom_hooks[0]
    # Images of several sizes cannot be stacked, and each is counted.
    assert hook.dataloader.batch_size == 1
    assert "drop_last" not in hook.dataloader
    assert cfg.train_dataloader.batch_size == 4
    assert hook.interval == 2
    assert hook.dataloader.sampler.to_dict() == dict(type="DefaultSampler", shuffle=False)
    assert types(hook.dataloader.dataset) == [
        "LoadImageFromFile",
        "LoadAnnotations",
        "anl_seg.CorruptMask",
        "Resize",
        "anl_seg.ResizedAsOriginal",
        "anl_seg.PackNoisySegInputs",
    ]
    assert "RandomFlip" in types(cfg.train_dataloader.dataset)


def test_measure_memorization_needs_the_clean_masks():
    for cfg in (config(leaf()), inject_noise(config(leaf()), NOISE)):
        with pytest.raises(ValueError, match="keep_clean=True"):
            measure_memorization(cfg)


def test_number_of_classes_of_a_head_inside_a_head():
    path = "mmseg::knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512.py"
    cfg = inject_noise(load_config(path), dict(type="SymmetricNoise", rate=0.4))
    (corrupt,) = [
        transform
        for transform in cfg.train_dataloader.dataset.pipeline
        if transform["type"] == "anl_seg.CorruptMask"
    ]
    assert (corrupt["num_classes"], corrupt["ignore_index"]) == (150, 255)
