"""The parts of anl-seg tune that need no Optuna."""

from __future__ import annotations

from pathlib import Path

import pytest

from anl_seg.config import load_config, noisy_evaluation
from anl_seg.study.tune import (
    Choice,
    Interval,
    check_space,
    loss_spec,
    parse_space,
    tuning_config,
)

CONFIG = str(Path(__file__).parents[2] / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")


class Trial:
    """Stands in for Optuna's: takes what is asked for down, gives fixed values."""

    def suggest_float(self, name, low, high, log=False):
        return {"alpha": 1.23456, "min_prob": 0.19999999}[name]

    def suggest_categorical(self, name, values):
        return values[-1]


def test_a_space_is_read():
    space = parse_space(["alpha=1:20", "min_prob=1e-7:0.2:log", "beta=1|5.0|auto", "kernels=fused"])
    assert space == {
        "alpha": Interval(1.0, 20.0),
        "min_prob": Interval(1e-7, 0.2, log=True),
        "beta": Choice((1, 5.0, "auto")),
        "kernels": Choice(("fused",)),
    }
    values = {name: kind.suggest(Trial(), name) for name, kind in space.items()}
    assert values == {"alpha": 1.23, "min_prob": 0.2, "beta": "auto", "kernels": "fused"}
    spec = loss_spec("ANLCELoss:alpha=3,loss_weight=2.0", values)
    assert spec == "ANLCELoss:alpha=1.23,loss_weight=2.0,min_prob=0.2,beta='auto',kernels='fused'"


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "no parameter"),
        (["alpha"], "expected name=low:high.*got 'alpha'"),
        (["alpha=1:2", "alpha=3:4"], "'alpha' is given twice"),
        (["alpha=2:1"], "low must be below high"),
        (["alpha=0:1:log"], "above 0 on a log scale"),
        (["alpha=1:2:lin"], "after low:high comes log"),
        (["alpha=1:x"], "finite number, got 'x'"),
    ],
)
def test_a_wrong_space_is_named(texts, words):
    with pytest.raises(ValueError, match=words):
        parse_space(texts)


def test_the_judging_masks(tmp_path):
    noise = "PairNoise:rate=0.3"
    clean = load_config(tuning_config(CONFIG, noise, "clean", 0, 8, tmp_path))
    assert noisy_evaluation(clean) == []
    assert clean.val_dataloader.dataset.indices == [8 * i for i in range(8)]
    assert clean.train_dataloader == load_config(CONFIG).train_dataloader
    noisy = load_config(tuning_config(CONFIG, noise, "noisy", 3, None, tmp_path))
    assert noisy_evaluation(noisy) == ["val_dataloader"]
    step = noisy.val_dataloader.dataset.pipeline[1]
    assert (step.type, step.seed, step.noise.rate) == ("anl_seg.CorruptMask", 3, 0.3)
    assert noisy.train_dataloader == load_config(CONFIG).train_dataloader
    with pytest.raises(ValueError, match=r"samples must lie in \[1, 64\].*got 65"):
        tuning_config(CONFIG, noise, "clean", 0, 65, tmp_path)
    with pytest.raises(ValueError, match="objective must be one of clean, noisy; got 'loss'"):
        tuning_config(CONFIG, noise, "loss", 0, None, tmp_path)


def test_a_loss_that_needs_a_parameter_can_be_searched():
    loss = "ForwardCorrectionLoss:matrix=[[1,0],[0,1]]"
    assert "loss_weight=1.5" in check_space(loss, parse_space(["loss_weight=1:2"]))
