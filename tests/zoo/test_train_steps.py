"""Heads that break the usual contract train; what cannot is told apart from what fails."""

from __future__ import annotations

import copy
import multiprocessing
import os
import time
from importlib.util import find_spec

import pytest
import torch

from tools.model_zoo import processes as processes_module
from tools.model_zoo.leaf_configs import leaf_paths, read_leaf, sample_paths
from tools.model_zoo.processes import Limits, Task, run_all
from tools.model_zoo.requirements import has_ops
from tools.model_zoo.train_steps import ModelTrial, _is_finite, failure, try_model

LOSS = dict(type="ANLCELoss", alpha=5, beta=5)
NOISE = dict(type="SymmetricNoise", rate=0.4)
CGNET = "cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cgnet():
    return read_leaf(CGNET, NOISE).model


def trained(path):
    leaf = read_leaf(path, NOISE)
    assert leaf.noise == "ok"
    assert leaf.outcome is None
    outcome = try_model(leaf.model, LOSS, NOISE)
    assert outcome.status == "trains", outcome.traceback or outcome.reason
    return outcome


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py", ""),
        ("danet/danet_r50-d8_4xb2-40k_cityscapes-512x1024.py", ""),
        ("ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py", ""),
        ("encnet/encnet_r50-d8_4xb2-40k_cityscapes-512x1024.py", ""),
        ("fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py", ""),
        ("knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512.py", ""),
        ("ocrnet/ocrnet_hr18_4xb2-160k_cityscapes-512x1024.py", ""),
        ("pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py", "BoundaryLoss"),
        ("segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py", ""),
        ("stdc/stdc1_4xb12-80k_cityscapes-512x1024.py", "CrossEntropyLoss, DiceLoss"),
        ("upernet/upernet_r18_4xb2-40k_cityscapes-512x1024.py", ""),
        pytest.param(
            "point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py",
            "",
            marks=pytest.mark.skipif(not has_ops(), reason="this mmcv has no compiled ops"),
        ),
    ],
    ids=lambda value: value.split("/")[0],
)
def test_heads_that_break_the_usual_contract_train(path, kept):
    assert trained(path).kept == kept


@pytest.mark.parametrize("sampler", [dict(min_kept=100), dict(thresh=0.7, min_kept=100)])
@pytest.mark.parametrize("loss", [LOSS, dict(type="GCELoss"), {**LOSS, "entropy_weight": 0.1}])
def test_ohem_with_a_robust_loss_trains(cgnet, sampler, loss):
    model = copy.deepcopy(cgnet)
    model["decode_head"]["sampler"] = dict(type="OHEMPixelSampler", **sampler)
    assert try_model(model, loss, NOISE).status == "trains"


@pytest.mark.parametrize("path", [CGNET, "stdc/stdc1_4xb12-80k_cityscapes-512x1024.py"])
def test_a_second_loss_starts_from_the_same_weights(path):
    """What is tried before changes no result: not the weights, and not what a learned loss adds."""
    model = read_leaf(path, NOISE).model
    trial = ModelTrial(model, NOISE)
    first = trial.try_loss(dict(type="MulticlassTLoss"))
    second = trial.try_loss(LOSS)
    assert (first.status, second.status) == ("trains", "trains")
    alone = ModelTrial(model, NOISE)
    assert alone.try_loss(LOSS).losses == pytest.approx(second.losses, rel=1e-5)
    assert alone.try_loss(dict(type="MulticlassTLoss")).losses == pytest.approx(
        first.losses, rel=1e-5
    )
    assert first.losses != pytest.approx(second.losses, rel=1e-3)


def test_weights_that_another_loss_cannot_take_are_told(cgnet, monkeypatch):
    trial = ModelTrial(cgnet, NOISE)
    trial.try_loss(LOSS)
    trial._weights.pop("decode_head.conv_seg.weight")
    outcome = trial.try_loss(LOSS)
    assert outcome.status != "trains"
    assert "another loss gave another model: ['decode_head.conv_seg.weight']" in outcome.traceback


def test_own_losses_are_tried_once(cgnet, monkeypatch):
    trial = ModelTrial(cgnet, NOISE)
    wrong = {**LOSS, "class_weight": [1.0, 1.0, 1.0]}
    asked = []
    train = trial._train
    monkeypatch.setattr(trial, "_train", lambda loss: asked.append(loss) or train(loss))
    assert [trial.try_loss(wrong).status for _ in range(2)] == ["fails", "fails"]
    assert asked == [wrong, None, wrong]


def test_a_loss_for_two_classes_is_tried_in_a_model_with_two(cgnet):
    outcome = try_model(cgnet, dict(type="TLoss"), NOISE)
    assert (outcome.status, outcome.variant) == ("trains", "two classes")
    assert try_model(cgnet, dict(type="MulticlassTLoss"), NOISE).variant == ""


@pytest.mark.parametrize("name", ["ForwardCorrectionLoss", "BackwardCorrectionLoss"])
def test_a_matrix_that_is_not_given_is_that_of_the_noise(cgnet, name):
    assert try_model(cgnet, dict(type=name), NOISE).status == "trains"
    other = dict(type=name, matrix=[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    assert try_model(cgnet, other, NOISE).status == "fails"


def test_a_gradient_that_is_not_finite_fails(cgnet, monkeypatch):
    monkeypatch.setattr(
        "anl_seg.models.losses.CELoss.formula",
        lambda self, px, weight=None: (px.given[:, 0] * 0.0).sqrt(),
    )
    outcome = try_model(cgnet, dict(type="CELoss", kernels="reference"), NOISE)
    assert outcome.status == "fails"
    assert "a gradient that is not finite" in outcome.reason


@pytest.mark.parametrize(
    ("values", "finite"),
    [
        ([1.0, 2.0], True),
        ([3e38, 3e38], True),
        ([1.0, float("nan")], False),
        ([float("inf")], False),
    ],
)
def test_finite_is_asked_of_each_entry(values, finite):
    assert _is_finite(torch.tensor(values)) is finite


def test_the_model_config_is_left_unchanged(cgnet):
    before = copy.deepcopy(cgnet)
    outcome = try_model(cgnet, LOSS, NOISE)
    assert cgnet == before
    assert len(outcome.losses) == 2


def test_a_loss_that_breaks_fails_with_its_traceback(cgnet):
    outcome = try_model(cgnet, {**LOSS, "class_weight": [1.0, 1.0, 1.0]}, NOISE)
    assert outcome.status == "fails"
    assert "class_weight has 3 entries" in outcome.reason
    assert "Traceback" in outcome.traceback


def test_a_model_whose_own_losses_fail_is_not_applicable(cgnet):
    model = copy.deepcopy(cgnet)
    model["decode_head"]["in_channels"] = 7
    outcome = try_model(model, LOSS, NOISE)
    assert outcome.status == "not applicable"
    assert outcome.reason.startswith("its own losses fail too: ")
    assert "Traceback" in outcome.traceback


def test_a_model_without_loss_decode_is_not_applicable(cgnet):
    model = copy.deepcopy(cgnet)
    model["decode_head"]["loss_decode"] = dict(type="BoundaryLoss")
    outcome = try_model(model, LOSS, NOISE)
    assert outcome.status == "not applicable"
    assert outcome.reason.startswith("loss not built from loss_decode: no loss to replace")


def test_a_loss_that_is_never_called_fails(cgnet, monkeypatch):
    monkeypatch.setattr(
        "mmseg.models.FCNHead.loss_by_feat",
        lambda self, logits, samples: {"loss": logits.sum() * 0.0},
    )
    outcome = try_model(cgnet, LOSS, NOISE)
    assert outcome.status == "fails"
    assert "not called in each step: decode_head.loss_decode" in outcome.reason


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ModuleNotFoundError("x", name="mmpretrain.models"), "needs another package: mmpretrain"),
        (ModuleNotFoundError("x", name="mmcv._ext"), "needs compiled ops"),
    ],
)
def test_missing_modules_are_seen_through_wrapping_errors(error, expected):
    try:
        try:
            raise error
        except ImportError as cause:
            raise RuntimeError("failed to import") from cause
    except RuntimeError as wrapped:
        outcome = failure(wrapped)
    assert outcome.status == "not applicable"
    assert outcome.reason.startswith(expected)


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py", "mmdet"),
        ("maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py", "mmdet"),
        ("convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512.py", "mmpretrain"),
    ],
)
def test_a_package_that_is_not_there_is_named(path, package):
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    outcome = read_leaf(path, NOISE).outcome
    assert outcome.status == "not applicable"
    assert outcome.reason.startswith(f"needs another package: {package}")


@pytest.mark.skipif(has_ops(), reason="this mmcv has compiled ops")
def test_missing_ops_are_named():
    outcome = read_leaf("ccnet/ccnet_r50-d8_4xb2-40k_cityscapes-512x1024.py", NOISE).outcome
    assert outcome.reason.startswith("needs compiled ops: CCHead")


def test_leaf_configs_and_their_sample():
    paths = leaf_paths()
    assert len(paths) > 600
    assert not any(p.startswith("_base_") for p in paths)
    sample = sample_paths(paths)
    assert [p.split("/")[0] for p in sample] == sorted({p.split("/")[0] for p in paths})


class _Stub:
    """Stands in for ModelTrial: what it does is in the loss."""

    def __init__(self, model, noise):
        self.seen = []

    def try_loss(self, loss):
        from tools.model_zoo.train_steps import Outcome

        self.seen.append(loss["does"])
        if loss["does"] == "sleep":
            time.sleep(60)
        if loss["does"] == "die":
            os._exit(3)
        if loss["does"] == "fill":
            try:
                torch.zeros(2**31, dtype=torch.uint8)
            except RuntimeError as error:
                return failure(error)
        return Outcome("trains", ",".join(self.seen))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="the stub needs fork"
)
def test_limits_and_deaths(monkeypatch):
    """A loss that dies takes its process with it; those after it get a new one."""
    monkeypatch.setattr(processes_module, "ModelTrial", _Stub)
    monkeypatch.setattr(processes_module, "_context", lambda: multiprocessing.get_context("fork"))
    tasks = [
        Task("a", {}, {x: {"does": x} for x in ("train", "sleep", "die", "last")}),
        Task("b", {}, {x: {"does": x} for x in ("fill", "train")}),
    ]
    done = list(run_all(tasks, NOISE, jobs=2, limits=Limits(3.0, 1.5)))
    found = {(key, label): outcome for key, label, outcome, _ in done}
    assert len(done) == len(found) == 6
    assert {place for place, outcome in found.items() if outcome.status == "fails"} == {
        ("a", "sleep"),
        ("a", "die"),
        ("b", "fill"),
    }
    assert found["a", "sleep"].reason == "time limit: not done after 3 s"
    assert "the process ended with 3" in found["a", "die"].reason
    assert "memory" in found["b", "fill"].reason
    assert [found[x].reason for x in (("a", "train"), ("a", "last"), ("b", "train"))] == [
        "train",
        "last",
        "fill,train",
    ]
    seconds = {(key, label): value for key, label, _, value in done}
    assert seconds["a", "train"] < 2.5
    assert 2.5 < seconds["a", "sleep"] < 10
