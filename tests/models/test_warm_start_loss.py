"""Cross entropy and Dice that fade before any loss, as the active negative losses have them built in."""

from __future__ import annotations

import copy
import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from anl_seg.config import add_anl_schedule, replace_losses
from anl_seg.config.loss_config import check_losses
from anl_seg.engine.hooks import FusedUpsampleHook, LossScheduleHook
from anl_seg.models import losses
from anl_seg.models.losses import WarmStartLoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from tests.models.surroundings import autocast
from tests.models.test_losses import segmentor

C = 4
WEIGHTS = [0.5, 1.0, 2.0, 4.0]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, C, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (2, 5, 6), generator=generator)
    labels[0, 0] = 255
    return logits, labels


def outcome(loss, logits, labels, **kwargs):
    logits = logits.clone().requires_grad_()
    value = loss(logits, labels, **kwargs)
    return value.detach(), torch.autograd.grad(value.sum(), logits)[0]


@pytest.mark.parametrize("kernels", ["auto", "reference"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ANLCELoss", {"entropy_weight": 0.3}),
        ("ANLCELoss", {"setting": "cifar100", "class_weight": WEIGHTS, "loss_weight": 0.7}),
        ("ANLFLLoss", {"mass_balance": 0.5}),
        ("ActiveNegativeLoss", {"negative": {"type": "NNCELoss", "loss_weight": 3.0}}),
    ],
)
def test_around_an_active_negative_loss_it_is_the_built_in_one_bit_for_bit(
    batch, name, params, share, kernels
):
    built_in = getattr(losses, name)(**params, ce_share=share, dice_weight=5.0, kernels=kernels)
    around = WarmStartLoss(dict(type=name, **params), ce_share=share, kernels=kernels)
    assert around.loss_name == built_in.loss_name
    weight = torch.rand(batch[1].shape, generator=torch.Generator().manual_seed(1))
    for call in (
        {},
        {"weight": weight},
        {"avg_factor": 7.0},
        {"reduction_override": "sum"},
        {"reduction_override": "none"},
        {"ignore_index": 2},
    ):
        labels = torch.where(batch[1] == 255, 0, batch[1]) if "ignore_index" in call else batch[1]
        found, expected = (outcome(loss, batch[0], labels, **call) for loss in (around, built_in))
        assert all(map(torch.equal, found, expected)), call
    for dtype in (torch.float32, torch.float16):
        logits = batch[0].to(dtype)
        with autocast(torch.bfloat16):
            found, expected = (outcome(loss, logits, batch[1]) for loss in (around, built_in))
        assert all(map(torch.equal, found, expected)), dtype


@pytest.mark.parametrize(
    "config",
    [
        dict(type="GCELoss", q=0.4),
        dict(type="MulticlassTLoss"),
        dict(type="NoiseRobustDiceLoss", per_image=True),
        dict(type="NormalizedLoss"),
        dict(type="ActivePassiveLoss"),
        dict(type="LabelSmoothingCELoss", mass_balance=1.0, logit_clip=4.0),
    ],
    ids=lambda config: config["type"],
)
def test_is_the_mixture_of_any_loss(batch, config):
    config = dict(config, class_weight=WEIGHTS)
    alone = losses.PixelLoss if config is None else WarmStartLoss(config).loss
    common = {key: config[key] for key in ("mass_balance", "logit_clip") if key in config}
    of_pixels = {} if config["type"] == "NoiseRobustDiceLoss" else {"class_weight": WEIGHTS}
    ce = losses.CELoss(**of_pixels, **common)
    dice = losses.NoiseRobustDiceLoss(**({"logit_clip": 4.0} if "logit_clip" in common else {}))
    found = outcome(WarmStartLoss(config, ce_share=0.3, dice_weight=2.0), *batch)
    parts = [outcome(loss, *batch) for loss in (alone, ce, dice)]
    for got, (a, b, c) in zip(found, zip(*parts)):
        torch.testing.assert_close(got, 0.7 * a + 0.3 * (b + 2.0 * c))
    faded = outcome(WarmStartLoss(config), *batch)
    for got, expected in zip(faded, parts[0]):
        torch.testing.assert_close(got, expected)


class Own(PixelLoss):
    """A user's loss with a formula and a term of the batch of its own."""

    def pixel_loss(self, logits, target, ignore_index):
        return (target != ignore_index) * logits.square().sum(dim=1)

    def batch_loss(self, logits, target, ignore_index, mass=None):
        return logits.mean()


def test_around_the_loss_of_a_user(batch):
    loss = WarmStartLoss(Own(), ce_share=0.25, dice_weight=0.0)
    pixels = 0.75 * Own()(*batch, reduction_override="none") + 0.25 * losses.CELoss()(
        *batch, reduction_override="none"
    )
    expected = pixels.sum() / (batch[1] != 255).sum() + batch[0].mean()
    torch.testing.assert_close(loss(*batch), expected)


def test_nu_of_t_loss_learns_inside(batch):
    loss = WarmStartLoss(dict(type="MulticlassTLoss"), ce_share=0.5)
    assert [name for name, _ in loss.named_parameters()] == ["loss.nu"]
    loss(*batch).backward()
    assert loss.loss.nu.grad != 0.0
    again = WarmStartLoss(dict(type="MulticlassTLoss", nu=3.0), ce_share=0.5)
    again.load_state_dict(loss.state_dict())
    assert torch.equal(again(*batch), loss(*batch))


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (dict(loss=dict(q=0.4)), "loss must be a loss config with a 'type'"),
        (dict(loss=dict(type="GCELoss"), ce_share=1.5), r"ce_share must lie in \[0, 1\]; got 1.5"),
        (dict(loss=dict(type="GCELoss"), dice_weight=-1.0), "dice_weight must be 0 or more"),
        (dict(loss=dict(type="GCELoss", q=2.0)), r"q must lie in \(0, 1\]; got 2.0"),
        (dict(loss=dict(type="ANLCELoss", ce_share=0.5)), "'ce_share'.* belongs to the warm start"),
        (dict(loss=losses.ANLCELoss(ce_share=0.5)), "has a warm start of its own, ce_share=0.5"),
        (
            dict(loss=dict(type="GCELoss", loss_weight=2.0), loss_weight=1.0),
            r"\['loss_weight'\] given both in loss and beside it",
        ),
        (
            dict(
                loss=dict(
                    type="AdaptiveLoss", base=dict(type="GCELoss"), parameters=dict(q=(0.1, 0.9))
                )
            ),
            "must be a per-pixel loss of anl_seg; got AdaptiveLoss",
        ),
    ],
)
def test_wrong_arguments_are_named(params, text):
    with pytest.raises(ValueError, match=text):
        WarmStartLoss(**params)


def runner_of(model, iteration=0, length=10):
    return SimpleNamespace(
        model=model,
        train_loop=None,
        iter=iteration,
        epoch=0,
        max_iters=length,
        logger=logging.getLogger("none"),
        hooks=[],
        cfg={},
        message_hub=SimpleNamespace(update_scalar=lambda *_: None),
    )


def test_the_schedule_of_anl_drives_it_and_a_resumed_run_has_its_share():
    cfg = Config(dict(model=dict(decode_head=dict(num_classes=C, loss_decode=dict(type="X")))))
    cfg.model.decode_head.loss_decode = [
        dict(type="anl_seg.WarmStartLoss", loss=dict(type="GCELoss")),
        dict(type="CrossEntropyLoss", loss_name="loss_theirs"),
    ]
    check_losses(add_anl_schedule(cfg))
    hook = LossScheduleHook(**{k: v for k, v in cfg.custom_hooks[0].items() if k != "type"})
    for iteration, expected in ((0, 1.0), (2, 1.0), (5, 0.5), (8, 0.0)):
        head = torch.nn.Module()
        head.loss_decode = WarmStartLoss(dict(type="GCELoss"))
        runner = runner_of(head, iteration)
        hook.before_train(runner)  # as a run that is resumed here
        hook.before_train_iter(runner, 0)
        assert head.loss_decode.ce_share == pytest.approx(expected)
        assert head.loss_decode.loss.q == 0.7


def test_replaces_losses_and_takes_over_their_weights():
    init_default_scope("mmseg")
    head = dict(type="FCNHead", num_classes=C)
    old = dict(type="CrossEntropyLoss", loss_weight=0.4, class_weight=WEIGHTS)
    cfg = Config(dict(model=dict(decode_head=dict(head, loss_decode=old))))
    replace_losses(cfg, dict(type="WarmStartLoss", loss=dict(type="GCELoss", loss_weight=0.5)))
    new = cfg.model.decode_head.loss_decode
    assert new.to_dict() == dict(
        type="anl_seg.WarmStartLoss",
        loss=dict(type="GCELoss", loss_weight=0.2),
        class_weight=WEIGHTS,
    )
    replace_losses(cfg, dict(type="CELoss"))
    assert cfg.model.decode_head.loss_decode.to_dict() == dict(
        type="anl_seg.CELoss", loss_weight=0.2, class_weight=WEIGHTS
    )


@pytest.mark.parametrize(("share", "served"), [(0.0, True), (0.5, False)])
def test_small_logits_are_taken_once_dice_has_faded(share, served):
    """Beside one of mmseg's own losses in the list the head is kept as it is."""
    init_default_scope("mmseg")
    config = dict(type="anl_seg.WarmStartLoss", loss=dict(type="GCELoss"), ce_share=share)
    loss = WarmStartLoss(dict(type="GCELoss"), ce_share=share)
    assert loss.small_logits_obstacle() is None
    logits = torch.randn(2, C, 4, 4)
    labels = torch.randint(0, C, (2, 16, 16))
    assert loss.takes_small_logits(logits) is served
    if served:
        large = torch.nn.functional.interpolate(logits, (16, 16), mode="bilinear")
        value, correct = loss.from_small_logits(logits, labels)
        torch.testing.assert_close(value, loss(large, labels))
        assert correct == (large.argmax(1) == labels).sum()
    assert (
        "clips the resized logits"
        in WarmStartLoss(dict(type="GCELoss"), logit_clip=1.0).small_logits_obstacle()
    )
    theirs = dict(type="CrossEntropyLoss", loss_name="loss_theirs")
    model = segmentor([config, theirs], auxiliary=False)
    runner = runner_of(model)
    FusedUpsampleHook().before_train(runner)
    assert "loss_by_feat" not in vars(model.decode_head)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels[:1])) for _ in range(2)]
    images = torch.randn(2, 3, 16, 16)
    model.train()
    found = model.loss(images, copy.deepcopy(samples))
    assert {"decode.loss_gce", "decode.loss_theirs"} <= set(found)
    assert all(value.isfinite().all() for value in found.values())
