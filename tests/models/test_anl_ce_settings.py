"""What ``ANLCELoss()`` is, and the paper's settings by name."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from anl_seg.config import add_anl_schedule
from anl_seg.engine.hooks import LossScheduleHook
from anl_seg.functional import active_negative_cross_entropy, mass_balance
from anl_seg.models.losses import ANLCELoss, ANLFLLoss
from anl_seg.study import load_study

ROOT = Path(__file__).parents[2]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 5, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 5, (2, 5, 6), generator=generator)
    labels[0, 0] = 255
    return logits, labels


def test_without_arguments_it_is_the_recommended_one(batch):
    logits, labels = batch
    pixels = active_negative_cross_entropy(logits, labels, alpha=5.0, beta=5.0, min_prob=0.4 / 5)
    weight = mass_balance(logits, labels)
    torch.testing.assert_close(ANLCELoss()(*batch), (pixels * weight).sum() / weight.sum())


@pytest.mark.parametrize(
    ("setting", "weights"),
    [("mnist", (1, 1)), ("cifar10", (5, 5)), ("cifar100", (10, 1)), ("webvision", (20, 1))],
)
def test_the_papers_settings(batch, setting, weights):
    alpha, beta = weights
    pixels = active_negative_cross_entropy(*batch, alpha=alpha, beta=beta, min_prob=1e-7)
    expected = pixels.sum() / (batch[1] != 255).sum()
    torch.testing.assert_close(ANLCELoss(setting=setting)(*batch), expected)


def test_what_is_given_wins(batch):
    pixels = active_negative_cross_entropy(*batch, alpha=2.0, beta=5.0, min_prob=1e-3)
    weight = mass_balance(*batch, 0.5)
    loss = ANLCELoss(alpha=2.0, min_prob=1e-3, mass_balance=0.5, setting="cifar10")
    torch.testing.assert_close(loss(*batch), (pixels * weight).sum() / weight.sum())
    loss = ANLCELoss(alpha=2.0, min_prob=1e-3, mass_balance=0.5)
    torch.testing.assert_close(loss(*batch), (pixels * weight).sum() / weight.sum())
    torch.testing.assert_close(
        ANLCELoss(relative_min_prob=0.4)(*batch), ANLCELoss(setting=None)(*batch)
    )
    with pytest.raises(ValueError, match="cifar10"):
        ANLCELoss(setting="cifar")


def test_config_command_line_and_studies_train_it_alike():
    config = Config.fromfile(str(ROOT / "configs" / "_base_" / "anl_schedule.py"))
    spec = importlib.util.spec_from_file_location(
        "small_classes_base", ROOT / "studies" / "_base_" / "small_classes.py"
    )
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    assert [dict(hook) for hook in config.custom_hooks] == [study._fade, study._average]
    cfg = Config(dict(custom_hooks=[dict(type="Other")]))
    assert add_anl_schedule(cfg).custom_hooks == [dict(type="Other"), *config.custom_hooks]
    for name in ("jsrt", "quick_synthetic", "isic2017_alpha_beta", "cityscapes_symmetric"):
        recipes = load_study(ROOT / "studies" / f"{name}.py").recipes
        label = "ANL-CE, ours" if name == "jsrt" else "ANL-CE"
        assert recipes[label]["hooks"] == [study._fade, study._average]


@pytest.fixture
def said(monkeypatch):
    texts = []
    monkeypatch.setattr(
        "anl_seg.models.losses.combined_loss.print_log", lambda text, **_: texts.append(text)
    )
    monkeypatch.setattr("anl_seg.models.losses.combined_loss._TOLD", set())
    return texts


def trained(loss, batch):
    logits, labels = batch
    loss(logits.detach().requires_grad_(), labels)


def test_training_without_the_schedule_is_told_of_once_in_a_run(batch, said):
    for loss in (ANLCELoss(), ANLCELoss(loss_name="loss_auxiliary"), ANLFLLoss(dice_weight=1.0)):
        trained(loss, batch)
    (text,) = said
    assert "dice_weight=5 has no effect" in text
    assert "--anl-schedule" in text
    assert "_base_/anl_schedule.py" in text
    MMLogger.get_instance("a training after it")
    trained(ANLCELoss(), batch)
    assert len(said) == 2


def test_no_word_where_nothing_is_wrong(batch, said):
    faded = ANLCELoss(ce_share=1.0)
    trained(faded, batch)
    faded.ce_share = 0.0
    for loss in (
        faded,
        ANLCELoss(setting="cifar10"),
        ANLCELoss(dice_weight=0.0),
        ANLCELoss().eval(),
    ):
        trained(loss, batch)
    ANLCELoss()(*batch)  # looked at, not trained with
    resumed = (
        ANLCELoss()
    )  # after the fade: the hook drives it, and it never had a share in this process
    head = torch.nn.Module()
    head.loss_decode = resumed
    runner = SimpleNamespace(
        model=head, train_loop=None, max_iters=10, logger=logging.getLogger("none"), hooks=[]
    )
    LossScheduleHook([dict(parameter="ce_share", at={0: 1.0, 5: 0.0})]).before_train(runner)
    trained(resumed, batch)
    assert said == []
