"""LossScheduleHook: what it sets and when, in small real runs, and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.registry import DATASETS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import Dataset

from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints
from anl_seg.engine.hooks.loss_schedule_hook import (
    NOT_SCHEDULABLE,
    LossScheduleHook,
    loss_modules,
    schedulable_parameters,
)
from anl_seg.models import losses as L
from anl_seg.models.losses._build import build_loss
from anl_seg.models.losses.adaptive_loss import AdaptiveLoss
from anl_seg.models.losses.pixel_loss import PixelLoss

STAGES = dict(parameter="stage", at={0: "nl", 2: "sel_nl", 5: "sel_pl"})


@DATASETS.register_module(name="LossScheduleHookPoints", force=True)
class Points(Dataset):
    metainfo: ClassVar = {"classes": ("a", "b", "c")}

    def __init__(self, count: int = 64) -> None:
        generator = torch.Generator().manual_seed(0)
        self.points = torch.randn(count, 2, generator=generator)
        self.labels = torch.randint(0, 3, (count,), generator=generator)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> dict:
        return {"inputs": self.points[index], "labels": self.labels[index]}


class Net(BaseModel):
    """A linear model with one or more losses; it keeps what ``watch`` sees at every step."""

    def __init__(self, *losses: nn.Module, watch=lambda loss: None) -> None:
        super().__init__()
        self.body = nn.Linear(2, 3)
        self.loss_decode = nn.ModuleList(losses)
        self.watch, self.seen = watch, []

    def forward(self, inputs, labels, mode="tensor"):
        assert mode == "loss"
        inputs, labels = torch.stack(list(inputs)), torch.stack(list(labels))
        self.seen.append(self.watch(self.loss_decode[0]))
        return {loss.loss_name: loss(self.body(inputs), labels) for loss in self.loss_decode}


def loss(name: str, **params) -> PixelLoss:
    return build_loss({"type": name, **params}, "the test's loss")


def run(work_dir, model: Net, *hooks: LossScheduleHook, iters: int = 8, **extra) -> Runner:
    by_epoch = extra.pop("by_epoch", False)
    train = {"by_epoch": by_epoch}
    train.update({"max_epochs": iters} if by_epoch else {"max_iters": iters})
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader={
            "batch_size": 16,
            "num_workers": 0,
            "dataset": {"type": "LossScheduleHookPoints"},
            "sampler": {"type": "DefaultSampler", "shuffle": False},
        },
        train_cfg=train,
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        custom_hooks=list(hooks),
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "by_epoch": by_epoch, "interval": 1},
            "logger": {"type": "LoggerHook", "interval": 1},
        },
        default_scope="mmengine",
        randomness={"seed": 0},
        experiment_name=f"schedule_{work_dir.name}",
        log_level="WARNING",
        **extra,
    )
    runner.train()
    return runner


def before_training(model: nn.Module, hook: LossScheduleHook, **extra) -> SimpleNamespace:
    """What the hook needs of a runner, after its ``before_train``."""
    told = []
    runner = SimpleNamespace(
        model=model,
        train_loop=IterBasedTrainLoop.__new__(IterBasedTrainLoop),
        max_iters=8,
        iter=0,
        logger=SimpleNamespace(info=told.append, warning=told.append),
        message_hub=SimpleNamespace(update_scalar=lambda name, value: None),
        told=told,
    )
    vars(runner).update(extra)
    hook.before_train(runner)
    return runner


def test_each_iteration_has_its_value(tmp_path):
    hook = LossScheduleHook(
        [
            STAGES,
            dict(parameter="gamma", at={0: 0.5, 4: 0.25}),
            dict(parameter="loss_weight", at={0: 10.0, 4: 2, 6: 3.0}, interpolate="linear"),
        ]
    )
    model = Net(loss("NLNLLoss"), watch=lambda x: (x.stage, x.gamma, x.loss_weight))
    runner = run(tmp_path, model, hook)
    stage, gamma, weight = zip(*model.seen)
    assert stage == ("nl",) * 2 + ("sel_nl",) * 3 + ("sel_pl",) * 3
    assert gamma == (0.5,) * 4 + (0.25,) * 4
    assert weight == (10.0, 8.0, 6.0, 4.0, 2.0, 2.5, 3.0, 3.0)
    logged, counts = runner.message_hub.get_scalar("train/loss_decode.0.loss_weight").data
    assert (logged / counts).tolist() == list(weight)
    assert "train/loss_decode.0.stage" not in runner.message_hub.log_scalars


def test_relative_steps(tmp_path):
    schedule = [
        dict(parameter="loss_weight", at={0: 1.0, 0.25: 1.0, 0.75: 0.0}, interpolate="linear")
    ]
    hook = LossScheduleHook(schedule, relative=True)
    expected = {8: (1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0), 4: (1.0, 1.0, 0.5, 0.0)}
    for iters, weights in expected.items():  # the hook serves a second run anew
        model = Net(loss("NLNLLoss"), watch=lambda x: x.loss_weight)
        run(tmp_path / str(iters), model, hook, iters=iters)
        assert tuple(model.seen) == weights


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ({0: 1.0, 3: 0.5}, r"relative step must lie in \[0, 1\], got 3"),
        ({0: 1.0, -0.5: 0.5}, r"relative step must lie in \[0, 1\]"),
        ({0.1: 1.0}, "the first step must be 0.*got 0.1"),
        ({0: 1.0, 0.6: 0.5, 0.5: 0.1}, "must increase"),
    ],
)
def test_wrong_relative_steps(at, text):
    with pytest.raises(ValueError, match=text):
        LossScheduleHook([dict(parameter="q", at=at)], relative=True)


def test_the_loss_is_that_of_the_scheduled_value(tmp_path):
    """Training under the schedule is training by hand with the attribute set at the same steps."""

    def by_hand(x: PixelLoss) -> None:
        x.q = 0.7 if len(model.seen) < 3 else 0.1

    torch.manual_seed(0)
    model = Net(loss("GCELoss"), watch=by_hand)
    run(tmp_path / "hand", model)
    torch.manual_seed(0)
    other = Net(loss("GCELoss"))
    run(tmp_path / "hook", other, LossScheduleHook([dict(parameter="q", at={0: 0.7, 3: 0.1})]))
    assert torch.equal(model.body.weight, other.body.weight)


@pytest.mark.parametrize("name", ["GCELoss", "SCELoss"])
def test_a_resumed_run_is_the_undisturbed_one(tmp_path, name):
    allow_mmengine_checkpoints()
    number = "q" if name == "GCELoss" else "alpha"

    def schedule() -> LossScheduleHook:
        entry = dict(parameter=number, at={0: 1.0, 7: 0.1}, interpolate="linear")
        return LossScheduleHook([entry, dict(parameter="loss_weight", at={0: 1.0, 3: 0.5})])

    def net() -> Net:
        torch.manual_seed(0)
        return Net(loss(name), watch=lambda x: (getattr(x, number), x.loss_weight))

    whole = net()
    run(tmp_path / "whole", whole, schedule())
    middle = str(tmp_path / "whole" / "iter_4.pth")
    resumed = net()
    run(tmp_path / "resumed", resumed, schedule(), load_from=middle, resume=True)
    assert resumed.seen == whole.seen[4:]
    assert torch.equal(resumed.body.weight, whole.body.weight)
    saved = torch.load(middle, weights_only=False)
    assert not any("schedule" in key for key in saved)


def test_epochs(tmp_path):
    model = Net(loss("GCELoss"), watch=lambda x: x.q)
    hook = LossScheduleHook([dict(parameter="q", at=[(0, 0.7), (2, 0.3)])], by_epoch=True)
    run(tmp_path, model, hook, by_epoch=True, iters=3)
    assert model.seen == [0.7] * 8 + [0.3] * 4  # 64 points are 4 batches
    with pytest.raises(ValueError, match="by_epoch=True needs an epoch-based loop"):
        before_training(Net(loss("GCELoss")), hook)


def test_which_losses_are_set():
    def nets() -> Net:
        return Net(
            loss("GCELoss", loss_name="loss_a"),
            loss("GCELoss", loss_name="loss_b"),
            loss("MAELoss"),
        )

    entry = dict(parameter="q", at={0: 0.2})
    for name, expected in ((None, [0.2, 0.2]), ("loss_b", [0.7, 0.2])):
        model, hook = nets(), LossScheduleHook([entry], loss=name)
        hook.before_train_iter(before_training(model, hook), 0)
        assert [model.loss_decode[i].q for i in range(2)] == expected
    with pytest.raises(ValueError, match=r"unknown loss 'loss_c'.*loss_a, loss_b, loss_mae"):
        before_training(nets(), LossScheduleHook([entry], loss="loss_c"))
    with pytest.raises(ValueError, match=r"'q' that can be set.*MAELoss: loss_weight"):
        before_training(nets(), LossScheduleHook([entry], loss="loss_mae"))
    with pytest.raises(ValueError, match="no loss of anl_seg"):
        before_training(Net(nn.CrossEntropyLoss()), LossScheduleHook([entry]))


def test_parts_of_a_combined_loss():
    model = Net(loss("ANLFLLoss"))
    hook = LossScheduleHook(
        [dict(parameter="alpha", at={0: 2.0}), dict(parameter="active.gamma", at={0: 1.5})]
    )
    hook.before_train_iter(before_training(model, hook), 0)
    combined = model.loss_decode[0]
    assert (combined.alpha, combined.active.gamma, combined.negative.gamma) == (2.0, 1.5, 0.5)


def test_under_a_model_wrapper(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        model = Net(loss("GCELoss"))
        wrapped = MMDistributedDataParallel(model)
        hook = LossScheduleHook([dict(parameter="q", at={0: 0.2})])
        hook.before_train_iter(before_training(wrapped, hook), 0)
    finally:
        torch.distributed.destroy_process_group()
    assert model.loss_decode[0].q == 0.2


def test_adaptive_loss():
    def adaptive() -> AdaptiveLoss:
        return AdaptiveLoss({"type": "SCELoss"}, {"alpha": (0.01, 1.0)})

    model = Net(adaptive())
    hook = LossScheduleHook(
        [dict(parameter="beta", at={0: 2.0}), dict(parameter="loss_weight", at={0: 0.4})]
    )
    hook.before_train_iter(before_training(model, hook), 0)
    found = model.loss_decode[0]
    assert (found.base.beta, found.base.loss_weight, found.clean_loss.loss_weight) == (2, 0.4, 0.4)
    with pytest.raises(ValueError, match=r"alpha of loss_decode.0 is learned"):
        before_training(Net(adaptive()), LossScheduleHook([dict(parameter="alpha", at={0: 0.5})]))


@pytest.mark.parametrize(
    ("name", "entry", "text"),
    [
        ("GCELoss", dict(parameter="q", at={0: 0.5, 3: 1.5}), r"q=1.5.*step 3: q must lie in"),
        ("GCELoss", dict(parameter="q", at={0: "high"}), "q must be a number; got 'high'"),
        ("NLNLLoss", dict(parameter="stage", at={0: "nl", 3: "sel_lp"}), "stage must be one of"),
        ("NLNLLoss", dict(parameter="stage", at={0: 3}), "stage must be one of"),
        ("NLNLLoss", dict(parameter="gamma", at={0: 1.0}), "gamma must lie in"),
        ("BootstrapLoss", dict(parameter="mode", at={0: "middle"}), "mode must be one of"),
        ("ANLCELoss", dict(parameter="entropy_weight", at={0: -1.0}), "entropy_weight must be"),
        ("ANLCELoss", dict(parameter="negative.min_prob", at={0: 2.0}), "min_prob must lie"),
        ("FocalLoss", dict(parameter="gama", at={0: 1.0}), "'gama'.*FocalLoss: gamma, loss_w"),
        ("GJSLoss", dict(parameter="views", at={0: 1}), "'views'.*GJSLoss: pi, loss_weight"),
        ("TLoss", dict(parameter="per_image", at={0: 1.0}), "'per_image'.*TLoss: epsilon"),
        ("ActivePassiveLoss", dict(parameter="preset", at={0: "NCE+RCE"}), "'preset'"),
        ("NormalizedLoss", dict(parameter="base.loss_weight", at={0: 1.0}), "'base.loss_weight'"),
        (
            "NLNLLoss",
            dict(parameter="complementary", at={0: 1, 3: 2}, interpolate="linear"),
            "needs a real number; loss_decode.0.complementary is 1",
        ),
    ],
)
def test_wrong_values_and_names_before_training(name, entry, text):
    model = Net(loss(name))
    before = {key: getattr(*at) for key, at in schedulable_parameters(model.loss_decode[0]).items()}
    with pytest.raises(ValueError, match=text):
        before_training(model, LossScheduleHook([entry]))
    after = {key: getattr(*at) for key, at in schedulable_parameters(model.loss_decode[0]).items()}
    assert after == before


def test_limits_that_depend_on_the_classes():
    class Head(nn.Module):
        def __init__(self, out_channels: int) -> None:
            super().__init__()
            self.out_channels = out_channels
            self.loss_decode = loss("NNCELoss")

    random = torch.get_rng_state()
    hook = LossScheduleHook([dict(parameter="min_prob", at={0: 1e-7, 5: 0.3})])
    before_training(nn.ModuleDict({"head": Head(3)}), hook)
    with pytest.raises(ValueError, match=r"min_prob=0.3.*below 1 / num_classes = 0.25"):
        before_training(nn.ModuleDict({"head": Head(4)}), hook)
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ([], "at least one entry"),
        (dict(parameter="q", at={0: 1.0}), "schedule must be a list"),
        ([dict(parameter="q")], "an entry of schedule must be"),
        ([dict(parameter="q", at={0: 1.0}, until=3)], r"not \['until'\]"),
        ([dict(parameter="q", at={})], "at must be a dict"),
        ([dict(parameter="q", at=0.5)], "at must be a dict"),
        ([dict(parameter="q", at={1: 0.5})], "the first step must be 0.*got 1"),
        ([dict(parameter="q", at={0: 0.5, 5: 0.1, 3: 0.2})], r"must increase, got \[0, 5, 3\]"),
        ([dict(parameter="q", at=[(0, 0.5), (0, 0.1)])], "must increase"),
        (
            [dict(parameter="q", at={0: 0.5, 1.5: 0.1})],
            "a step must be an integer of at least 0, got 1.5",
        ),
        (
            [dict(parameter="q", at={0: 0.5, -1: 0.1})],
            "a step must be an integer of at least 0, got -1",
        ),
        ([dict(parameter="q", at={0: float("nan")})], "finite number or a string, got nan"),
        ([dict(parameter="q", at={0: True})], "finite number or a string, got True"),
        ([dict(parameter="q", at={0: 1.0}, interpolate="cubic")], "'constant' or 'linear'"),
        ([{**STAGES, "interpolate": "linear"}], "interpolate='linear' needs numbers"),
        ([STAGES, STAGES], "stage more than once"),
    ],
)
def test_wrong_schedules(schedule, text):
    with pytest.raises(ValueError, match=text):
        LossScheduleHook(schedule)


def test_steps_after_the_end_are_told():
    runner = before_training(Net(loss("NLNLLoss")), LossScheduleHook([STAGES]), max_iters=3)
    assert ["stage never gets its value of step 5" in line for line in runner.told] == [True]


def test_a_config_keeps_its_steps(tmp_path):
    """mmengine writes the config to the work dir; integer keys must come back as integers."""
    config = Config(dict(custom_hooks=[dict(type="LossScheduleHook", schedule=[STAGES])]))
    config.dump(str(tmp_path / "config.py"))
    again = Config.fromfile(str(tmp_path / "config.py"))
    assert LossScheduleHook(again.custom_hooks[0].schedule).entries[0].starts == (0, 2, 5)


OTHER = dict(q=0.3, a=4.0, p=0.6, alpha=0.4, beta=0.6, gamma=1.7, smoothing=0.3, pi=0.2)
OTHER.update(mode="hard", pairing="expected", complementary="all", stage="sel_nl", epsilon=0.5)
OTHER.update(
    ce_share=0.3,
    dice_weight=3.0,
    relative_min_prob=0.9,
    min_prob=0.05,
    log_precision=0.2,
    entropy_weight=0.7,
    loss_weight=3.0,
)
MATRIX = [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.0, 0.1, 0.9]]
SPECIAL = {
    # min_prob counts if there is no relative one, dice_weight beside cross entropy
    "ANLCELoss": [dict(), dict(setting="cifar10"), dict(ce_share=0.5)],
    "ANLFLLoss": [dict(), dict(ce_share=0.5)],
    "ActiveNegativeLoss": [dict(), dict(ce_share=0.5)],
    "LabelSmoothingCELoss": [dict(), dict(smoothing=-0.5)],  # min_prob counts if negative
    "NLNLLoss": [dict(), dict(stage="sel_pl", gamma=0.0)],  # gamma counts in the last stage
    "ForwardCorrectionLoss": [dict(matrix=MATRIX)],
    "BackwardCorrectionLoss": [dict(matrix=MATRIX)],
    "TLoss": [dict()],
}
NAMES = sorted(
    name
    for name, value in vars(L).items()
    if isinstance(value, type)
    and issubclass(value, PixelLoss)
    and value.default_name != "loss_pixel"
)


@pytest.mark.parametrize("name", NAMES)
def test_setting_a_parameter_takes_effect(name):
    """For every registered loss: each parameter that may be scheduled changes the loss."""
    generator = torch.Generator().manual_seed(1)
    classes = 2 if name == "TLoss" else 3
    logits = 3 * torch.randn(2, classes, 4, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (2, 4, 5), generator=generator)

    def value_of(module: PixelLoss) -> torch.Tensor:
        torch.manual_seed(0)
        return module(logits, labels).detach()

    left = None
    for params in SPECIAL.get(name, [dict()]):
        module = loss(name, **params)
        known = schedulable_parameters(module)
        assert "loss_weight" in known
        assert not NOT_SCHEDULABLE & set(known)
        left = set(known) if left is None else left
        for key, (owner, attribute) in known.items():
            start, before = getattr(owner, attribute), value_of(module)
            setattr(owner, attribute, OTHER[attribute] if attribute != "gamma" else 0.9)
            if name == "NoiseRobustDiceLoss" and attribute == "gamma":
                owner.gamma = 1.2
            if not torch.equal(value_of(module), before):
                left.discard(key)
            setattr(owner, attribute, start)
            assert torch.equal(value_of(module), before)
    assert not left


def test_losses_inside_losses_are_found_once():
    model = Net(loss("ANLCELoss"), AdaptiveLoss({"type": "GCELoss", "q": 0.5}, {"q": (0.1, 0.9)}))
    assert list(loss_modules(model)) == ["loss_decode.0", "loss_decode.1"]
