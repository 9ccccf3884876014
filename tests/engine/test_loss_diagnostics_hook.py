"""LossDiagnosticsHook: what it writes, when, and that training is none the wiser."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from anl_seg.engine.hooks import LossDiagnosticsHook
from anl_seg.engine.hooks.loss_diagnostics_hook import FILE_NAME, _clean_labels
from anl_seg.models.losses import ANLCELoss, CELoss
from tests.engine.test_loss_schedule_hook import Net, run


def lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / FILE_NAME).read_text().splitlines()]


def test_a_line_per_loss_on_the_grid(tmp_path):
    torch.manual_seed(0)
    model = Net(CELoss(), ANLCELoss(setting="cifar10"))
    run(tmp_path, model, LossDiagnosticsHook(interval=3), iters=8)
    records = lines(tmp_path)
    assert [(r["step"], r["loss"]) for r in records] == [
        (step, f"loss_decode.{i}") for step in (3, 6) for i in (0, 1)
    ]
    assert all(r["by"] == "noisy" and len(r["pull"]) == 3 for r in records)
    assert records[0]["flat"] == [None] * 3
    assert records[1]["flat"] == [0.0] * 3
    assert not any(loss._forward_pre_hooks for loss in model.loss_decode)


def test_training_is_the_same_with_it(tmp_path):
    states = []
    for name, hooks in (("without", []), ("with", [LossDiagnosticsHook(interval=1)])):
        torch.manual_seed(0)
        model = Net(ANLCELoss())
        run(tmp_path / name, model, *hooks, iters=5)
        states.append(model.body.weight.detach().clone())
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_resume_drops_what_comes_later(tmp_path):
    path = tmp_path / FILE_NAME
    half = '{"step": 3, "lo'  # cut off by a kill
    path.write_text("".join(json.dumps({"step": s}) + "\n" for s in (2, 4, 6)) + half)
    hook = LossDiagnosticsHook()
    model = nn.ModuleList([CELoss()])
    hook.before_train(SimpleNamespace(model=model, work_dir=str(tmp_path), iter=4))
    assert [r["step"] for r in lines(tmp_path)] == [2, 4]


def test_clean_masks_are_found_where_they_fit():
    labels = torch.zeros(2, 3, 4, dtype=torch.long)

    def batch(size, **extra):
        sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, *size)))
        if extra:
            sample.gt_sem_seg_clean = PixelData(data=torch.full((1, *size), 2))
        return {"data_samples": [sample, sample]}

    clean = _clean_labels(batch((3, 4), clean=True), labels)
    assert clean.shape == labels.shape
    assert clean.dtype == labels.dtype
    assert (clean == 2).all()
    assert _clean_labels(batch((3, 4)), labels) is None
    assert _clean_labels(batch((3, 5), clean=True), labels) is None
    assert _clean_labels(batch((3, 4), clean=True), labels.repeat(2, 1, 1)) is None
    assert _clean_labels([labels], labels) is None


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="interval must be an integer of at least 1, got 0"):
        LossDiagnosticsHook(interval=0)
    runner = SimpleNamespace(model=nn.Linear(1, 1), work_dir=str(tmp_path), iter=0)
    with pytest.raises(ValueError, match="no loss of anl_seg"):
        LossDiagnosticsHook().before_train(runner)
