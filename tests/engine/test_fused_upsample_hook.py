"""FusedUpsampleHook: the same losses, accuracy and parameters as mmseg's own path, or no service."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.models import SegDataPreProcessor
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import nn

from anl_seg.config import replace_losses
from anl_seg.engine.hooks import FusedUpsampleHook
from anl_seg.models.losses import CELoss
from anl_seg.models.losses import pixel_loss as module
from anl_seg.noise import build_noise
from tests.models.test_losses import segmentor
from tools.model_zoo.batch import noisy_batch
from tools.model_zoo.leaf_configs import read_leaf

NOISE = dict(type="SymmetricNoise", rate=0.4)
CE, ANL = dict(type="anl_seg.CELoss"), dict(type="anl_seg.ANLCELoss")
CLASSES = 4
WEIGHTS = [0.5, 1.0, 2.0, 0.0]
ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "configs" / "quickstart" / "unet-small_480_ce_synthetic-64x64.py"


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope("mmseg")


@pytest.fixture
def calls(monkeypatch):
    """Every call of the fused loss."""
    made = []

    def counted(*args, **kwargs):
        made.append(args)
        return plain(*args, **kwargs)

    plain = module.upsampled_pixel_loss
    monkeypatch.setattr(module, "upsampled_pixel_loss", counted)
    return made


def runner_of(model, **cfg):
    lines = []
    logger = SimpleNamespace(info=lines.append)
    return SimpleNamespace(model=model, cfg=Config(cfg), logger=logger, lines=lines)


def sized(model, size=32):
    model.data_preprocessor = SegDataPreProcessor(size=(size, size))
    return model


def coarse(loss, **head):
    """A head at 1/4 and an auxiliary head at 1/2 of the labels' size."""
    torch.manual_seed(0)
    model = sized(segmentor(loss, classes=CLASSES, auxiliary=False))
    cfg = dict(
        type="FCNHead",
        in_channels=16,
        in_index=0,
        channels=8,
        num_convs=1,
        concat_input=False,
        norm_cfg=dict(type="BN"),
        num_classes=CLASSES,
        loss_decode=loss,
    )
    model.decode_head = MODELS.build({**cfg, **head})
    model.auxiliary_head = MODELS.build({**cfg, "in_channels": 8, "in_index": 1})
    model.init_weights()
    return model.train()


def batch(classes=CLASSES, size=32):
    return noisy_batch(build_noise(NOISE), num_classes=classes, size=size)


def losses_and_grads(model, data, hook=None, amp=None):
    """Losses, accuracies and gradients of one step, with or without the hook."""
    model = copy.deepcopy(model)
    if hook is not None:
        hook.before_train(runner_of(model))
    torch.manual_seed(0)  # dropout
    data = model.data_preprocessor(copy.deepcopy(data), True)
    with torch.autocast("cpu", dtype=amp, enabled=amp is not None):
        losses = model(**data, mode="loss")
    total, _ = model.parse_losses(losses)
    total.backward()
    return losses, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def assert_same_step(model, data, tol=1e-5):
    own, own_grads = losses_and_grads(model, data)
    fused, fused_grads = losses_and_grads(model, data, FusedUpsampleHook())
    assert list(fused) == list(own)
    for key, value in own.items():
        assert fused[key].shape == value.shape, key
        assert fused[key].dtype == value.dtype, key
        torch.testing.assert_close(fused[key], value, rtol=tol, atol=1e-7, msg=key)
    assert fused_grads.keys() == own_grads.keys()
    largest = max(grad.abs().max() for grad in own_grads.values())
    for name, grad in own_grads.items():
        gap = (fused_grads[name] - grad).abs().max()
        assert gap <= tol * torch.maximum(grad.abs().max(), 0.1 * largest), name


@pytest.mark.parametrize(
    ("loss", "head"),
    [
        (CE, {}),
        (ANL, {}),
        (CE, {"align_corners": True}),
        ({**CE, "class_weight": WEIGHTS, "loss_weight": 0.3}, {}),
        ({**CE, "reduction": "sum", "loss_weight": 0.01}, {}),
        ({**ANL, "entropy_weight": 0.7, "class_prior": [0.1, 0.2, 0.3, 0.4]}, {}),
        (
            {**ANL, "entropy_weight": 0.7, "reduction": "sum", "loss_weight": 0.01}
            | {"class_weight": WEIGHTS},
            {},
        ),
        ([{**CE, "loss_name": "loss_x"}, {**ANL, "loss_name": "loss_x"}], {}),
        ([CE, {**ANL, "loss_weight": 0.2}], {}),
        ({**ANL, "class_weight": WEIGHTS}, {}),
        ({**ANL, "setting": "cifar10", "ce_share": 0.3}, {}),
        (CE, {"ignore_index": 2}),
        ({**CE, "use_sigmoid": True}, {"num_classes": 2, "out_channels": 1, "threshold": 0.5}),
    ],
    ids=str,
)
def test_a_step_is_the_same(loss, head, calls):
    losses = loss if isinstance(loss, list) else [loss]
    binary = head.get("out_channels") == 1
    model = coarse(loss, **head)
    if binary:
        model.auxiliary_head = None
    if "ignore_index" in head:
        model.auxiliary_head.ignore_index = head["ignore_index"]
    data = batch(2 if binary else CLASSES)
    if "ignore_index" in head:
        for sample in data["data_samples"]:
            labels = sample.gt_sem_seg.data
            labels[labels == 255] = head["ignore_index"]
    assert_same_step(model, data)
    assert len(calls) == len(losses) * (1 if binary else 2)


def test_a_region_term_needs_the_resized_logits(calls):
    """As long as it counts: a schedule may let it fade."""
    model = coarse({**ANL, "ce_share": 0.3})
    assert_same_step(model, batch(CLASSES))
    assert not calls
    for head in (model.decode_head, model.auxiliary_head):
        head.loss_decode.ce_share = 0.0
    assert_same_step(model, batch(CLASSES))
    assert len(calls) == 2


@pytest.mark.parametrize(
    "path",
    [
        "upernet/upernet_r18_4xb2-40k_cityscapes-512x1024.py",
        "deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py",
        "segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py",
    ],
    ids=lambda path: path.split("/")[0],
)
def test_a_step_of_mmsegs_models_is_the_same(path, calls):
    cfg = Config(dict(model=read_leaf(path, NOISE).model))
    replace_losses(cfg, dict(type="ANLCELoss"))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    assert_same_step(model.train(), batch(19, 64))
    assert len(calls) == sum(isinstance(m, BaseDecodeHead) for m in model.modules())


def short_run(tmp_path, hook, accumulate):
    cfg = Config.fromfile(QUICKSTART)
    # A head at a quarter of the size.
    cfg.model.decode_head.update(in_index=1, in_channels=64)
    # Adam makes steps of full size out of the rounding in gradients that are zero.
    cfg.optim_wrapper = dict(
        type="OptimWrapper",
        optimizer=dict(type="SGD", lr=0.02),
        accumulative_counts=accumulate,
    )
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=6, val_interval=100)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=4)
    cfg.pop("param_scheduler", None)
    for part in ("cfg", "dataloader", "evaluator"):
        cfg.pop(f"val_{part}", None)
        cfg.pop(f"test_{part}", None)
    cfg.default_hooks = dict(checkpoint=None, logger=dict(type="LoggerHook", interval=1))
    cfg.custom_hooks = [dict(type="anl_seg.FusedUpsampleHook")] if hook else []
    cfg.randomness = dict(seed=1)
    cfg.work_dir = str(tmp_path / f"{hook}{accumulate}")
    cfg.experiment_name = f"fused_upsample_{hook}_{accumulate}_{tmp_path.name}"
    cfg.default_scope = "mmseg"
    runner = Runner.from_cfg(cfg)
    runner.model.double()
    runner.train()
    hub = runner.message_hub
    logged = {k: hub.get_scalar(f"train/{k}").data[0] for k in ("loss", "decode.acc_seg")}
    return runner.model, logged


@pytest.fixture
def double_images(monkeypatch):
    """Images as float64: in float32 six steps through batch norms make 1e-4 of the rounding."""
    original = SegDataPreProcessor.forward

    def forward(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        return {**result, "inputs": result["inputs"].double()}

    monkeypatch.setattr(SegDataPreProcessor, "forward", forward)


@pytest.mark.usefixtures("double_images")
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_short_training_is_the_same(tmp_path, accumulate, calls):
    own, own_log = short_run(tmp_path, False, accumulate)
    assert not calls
    fused, fused_log = short_run(tmp_path, True, accumulate)
    assert len(calls) == 6
    for key, values in own_log.items():
        assert fused_log[key] == pytest.approx(values, rel=1e-6), key
    for (name, a), b in zip(own.state_dict().items(), fused.state_dict().values()):
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")
    assert "loss_by_feat" not in vars(fused.decode_head)  # given back after training


def test_amp_is_computed_in_single_precision(calls):
    model, data = coarse(ANL), batch()
    losses, grads = losses_and_grads(model, data, FusedUpsampleHook(), amp=torch.bfloat16)
    assert calls[0][0].dtype == torch.bfloat16
    own, _ = losses_and_grads(model, data, amp=torch.bfloat16)
    assert losses["decode.loss_anl_ce"].dtype == torch.float32
    for key, value in own.items():
        if "loss" in key:
            torch.testing.assert_close(losses[key], value, rtol=1e-2, atol=1e-2)
    assert all(grad.isfinite().all() for grad in grads.values())


def test_looks_through_wrappers():
    model = coarse(CE)
    wrapper = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = model
    runner = runner_of(wrapper)
    FusedUpsampleHook().before_train(runner)
    assert runner.lines == ["FusedUpsampleHook: serves decode_head, auxiliary_head."]


def test_logits_of_the_labels_size_take_their_own_path(calls):
    model = sized(segmentor(CE, auxiliary=False, classes=CLASSES)).train()
    assert_same_step(model, batch(), tol=0)
    assert not calls


def test_all_ignored(calls):
    data = batch()
    for sample in data["data_samples"]:
        sample.gt_sem_seg.data.fill_(255)
    own, _ = losses_and_grads(coarse(ANL), data)
    fused, grads = losses_and_grads(coarse(ANL), data, FusedUpsampleHook())
    assert calls
    for key, value in own.items():
        torch.testing.assert_close(fused[key], value)
    assert all(not grad.any() for grad in grads.values())


def test_errors_are_those_of_the_own_path():
    data = batch()
    data["data_samples"][0].gt_sem_seg.data[0, 9, 9] = 77
    for model, message in (
        (coarse(CE), r"1 label\(s\) out of range: found 77"),
        (coarse({**CE, "class_weight": [1.0, 2.0]}), "class_weight has 2 entries"),
        (coarse({**CE, "use_sigmoid": True}), "use_sigmoid=True needs a head with one output"),
    ):
        with pytest.raises(ValueError, match=message):
            losses_and_grads(model, data if "range" in message else batch(), FusedUpsampleHook())


class OwnPixels(CELoss):
    def pixel_loss(self, logits, target, ignore_index):
        return super().pixel_loss(logits, target, ignore_index) * 2


class OwnBatch(CELoss):
    def batch_loss(self, logits, target, ignore_index, mass=None):
        return logits.mean()


class OwnHead(BaseDecodeHead):
    def forward(self, inputs):
        return inputs

    def loss_by_feat(self, seg_logits, batch_data_samples):
        return super().loss_by_feat(seg_logits, batch_data_samples)


def with_loss(loss):
    model = coarse(CE)
    model.decode_head.loss_decode = loss
    return model


def with_own_head():
    model = coarse(CE)
    model.decode_head = OwnHead(4, 4, num_classes=CLASSES, loss_decode=CE)
    return model


def with_loss_hook():
    model = coarse(CE)
    model.decode_head.loss_decode.register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: coarse(CE, sampler=dict(type="OHEMPixelSampler")), "its sampler"),
        (lambda: with_loss(nn.CrossEntropyLoss()), "not a per-pixel loss of anl_seg"),
        (lambda: with_loss(OwnPixels()), "OwnPixels has no fused form"),
        (lambda: with_loss(OwnBatch()), "OwnBatch has a term of the whole batch"),
        (lambda: with_loss(CELoss(kernels="reference")), "functional form of CELoss is asked for"),
        (lambda: with_loss(CELoss(reduction="none")), "reduction='none'"),
        (lambda: with_loss(nn.ModuleList([CELoss(), OwnPixels()])), "OwnPixels has no fused form"),
        (with_loss_hook, "CELoss has hooks"),
        (with_own_head, "OwnHead computes its losses in its own way"),
    ],
)
def test_heads_that_cannot_be_served_are_named(build, reason):
    model = build()
    runner, hook = runner_of(model), FusedUpsampleHook()
    hook.before_train(runner)
    first, last = runner.lines
    assert first.startswith("FusedUpsampleHook: decode_head is kept as it is: ")
    assert reason in first
    assert last == "FusedUpsampleHook: serves auxiliary_head."
    assert "loss_by_feat" not in vars(model.decode_head)
    hook.after_train(runner)
    assert "loss_by_feat" not in vars(model.auxiliary_head)


def test_the_environment_asks_for_the_functional_form(monkeypatch):
    monkeypatch.setenv("ANL_SEG_KERNELS", "reference")
    runner = runner_of(coarse(CE))
    FusedUpsampleHook().before_train(runner)
    assert runner.lines[-1] == "FusedUpsampleHook: serves no head."


def test_a_compiled_model_is_kept():
    runner = runner_of(coarse(CE), compile=True)
    FusedUpsampleHook().before_train(runner)
    assert runner.lines == ["FusedUpsampleHook: the model is compiled; every head is kept."]
    assert "loss_by_feat" not in vars(runner.model.decode_head)


def test_training_again_serves_again():
    runner, hook = runner_of(coarse(CE)), FusedUpsampleHook()
    for _ in range(2):  # as after a training that broke off
        hook.before_train(runner)
        assert runner.lines[-1] == "FusedUpsampleHook: serves decode_head, auxiliary_head."
    hook.after_train(runner)
    assert "loss_by_feat" not in vars(runner.model.decode_head)


def test_an_optimizer_step_is_the_same():
    data, models = batch(), []
    for hook in (None, FusedUpsampleHook()):
        model = coarse(ANL)
        if hook is not None:
            hook.before_train(runner_of(model))
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
        logs = [model.train_step(copy.deepcopy(data), wrapper)["loss"] for _ in range(4)]
        assert logs[-1] < logs[0]
        models.append(model)
    for (name, a), b in zip(models[0].named_parameters(), models[1].parameters()):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5, msg=name)
