"""What is added to a config looks at the hooks that are there."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import EMAHook, Hook

from anl_seg.config import (
    add_anl_schedule,
    inject_noise,
    load_config,
    measure_memorization,
    record_noise,
    record_resources,
)
from anl_seg.config.anl_schedule import ANL_SCHEDULE
from anl_seg.config.hooks import add_hooks, check_hooks
from anl_seg.engine.hooks import LossScheduleHook, ResourceHook

ROOT = Path(__file__).parents[2]
FADE, AVERAGE = ANL_SCHEDULE
SETTINGS = {name: value for name, value in AVERAGE.items() if name != "type"}
PAIRS = [(0, 1.0), (0.2, 1.0), (0.8, 0.0)]
ENTRY = dict(parameter="ce_share", at=PAIRS, interpolate="linear")


class OtherAverage(EMAHook):
    pass


class UsersHook(Hook):
    def __init__(self, x=0):
        self.x = x


def schedule(**hooks):
    cfg = add_anl_schedule(Config(hooks))
    return [*(cfg.get("default_hooks") or {}).values(), *(cfg.get("custom_hooks") or [])]


def test_the_flag_leaves_the_shipped_configs_that_have_the_schedule_as_they_are():
    paths = [
        p for p in sorted((ROOT / "configs").glob("*/*_anl-ce_*.py")) if "jsrt-64" not in p.name
    ]
    assert len(paths) == 20
    for path in paths:
        cfg = load_config(str(path))
        before = copy.deepcopy(cfg.to_dict())
        assert add_anl_schedule(cfg).to_dict() == before


@pytest.mark.parametrize(
    "hooks",
    [
        dict(custom_hooks=[FADE, AVERAGE]),
        dict(custom_hooks=[dict(type=EMAHook, **SETTINGS)]),
        dict(custom_hooks=[dict(type="mmengine.EMAHook", **SETTINGS)]),
        dict(custom_hooks=[dict(type="EMAHook", momentum=0.02, update_buffers=True)]),
        dict(custom_hooks=[dict(AVERAGE, strict_load=False, begin_iter=0)]),
        dict(custom_hooks=[dict(AVERAGE, priority=50)]),
        dict(custom_hooks=[EMAHook(**SETTINGS)]),
        dict(default_hooks=dict(average=AVERAGE)),
        dict(custom_hooks=[dict(type="anl_seg.LossScheduleHook", relative=True, schedule=[ENTRY])]),
        dict(custom_hooks=[LossScheduleHook([ENTRY], relative=True)]),
    ],
)
def test_the_same_hook_is_not_added_again(hooks):
    found = schedule(**hooks)
    assert len(found) == 2
    assert len(schedule(default_hooks={"one": found[0], "two": found[1]})) == 2


@pytest.mark.parametrize(
    ("hooks", "text"),
    [
        (
            [dict(AVERAGE, momentum=0.1)],
            r"EMAHook in custom_hooks.0.*momentum=0.1 against momentum=0.02",
        ),
        (
            [dict(type="EMAHook", momentum=0.02)],
            "update_buffers not set against update_buffers=True",
        ),
        ([dict(type=OtherAverage, **SETTINGS)], "OtherAverage in custom_hooks.0"),
        ([EMAHook(momentum=0.1)], "momentum=0.1 against"),
        ([dict(AVERAGE, priority="LOW")], "priority='LOW' against priority not set"),
        ([dict(type="mmpretrain.EMAHook", momentum=0.02)], "mmpretrain.EMAHook"),
        (
            [dict(FADE, relative=True, schedule=[dict(ENTRY, at={0: 0.5})])],
            r"at.0=0.5 against",
        ),
    ],
)
def test_another_hook_that_cannot_be_beside_it_is_an_error_with_both_settings(hooks, text):
    cfg = Config(dict(custom_hooks=hooks))
    with pytest.raises(ValueError, match=text):
        add_anl_schedule(cfg)
    assert len(cfg.custom_hooks) == 1
    with pytest.raises(ValueError, match=r"EMAHook in default_hooks.average"):
        add_anl_schedule(Config(dict(default_hooks=dict(average=dict(type="EMAHook")))))


def test_hooks_that_go_together_stay_together():
    other = dict(type="anl_seg.LossScheduleHook", schedule=[dict(parameter="q", at={0: 0.5})])
    users = [dict(type=UsersHook), dict(type=UsersHook, x=1)]
    cfg = Config(dict(custom_hooks=[other, *users]))
    add_anl_schedule(cfg)
    add_hooks(cfg, dict(type=UsersHook, x=2), dict(type=UsersHook, x=1))
    assert [hook.get("x") for hook in cfg.custom_hooks if hook["type"] is UsersHook] == [None, 1, 2]
    assert len(cfg.custom_hooks) == 6
    check_hooks(cfg)


def test_hooks_that_measure_are_added_once_whatever_names_them():
    for there in (ResourceHook(), dict(type=ResourceHook), dict(type="anl_seg.ResourceHook")):
        for hooks in (dict(custom_hooks=[there]), dict(default_hooks=dict(seconds=there))):
            cfg = Config(hooks)
            assert record_resources(cfg).get("custom_hooks", [there]) == [there]
    cfg = load_config(str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"))
    inject_noise(cfg, dict(type="PairNoise", rate=0.1), keep_clean=True)
    statistics = dict(type="anl_seg.NoiseStatisticsHook", max_samples=3)
    cfg.default_hooks["noise"] = statistics
    assert "custom_hooks" not in record_noise(cfg)
    assert len(measure_memorization(measure_memorization(cfg)).custom_hooks) == 1
    with pytest.raises(
        ValueError, match=r"MemorizationHook in custom_hooks.0.*interval not set against"
    ):
        measure_memorization(cfg, interval=5)


def test_a_config_that_names_two_of_one_kind_itself_is_refused():
    for hooks in (
        [AVERAGE, AVERAGE],
        [dict(type="EMAHook"), dict(type=OtherAverage)],
        [FADE, FADE],
    ):
        with pytest.raises(ValueError, match=r"in custom_hooks.0 and in custom_hooks.1"):
            check_hooks(Config(dict(custom_hooks=hooks)))


def test_a_hook_of_another_package_under_one_of_our_names_is_another_hook():
    foreign = type("ResourceHook", (Hook,), {})
    cfg = record_resources(Config(dict(custom_hooks=[dict(type=foreign)])))
    assert [hook["type"] for hook in cfg.custom_hooks] == [foreign, "anl_seg.ResourceHook"]
