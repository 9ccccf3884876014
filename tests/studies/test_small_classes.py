"""The study of small classes: its cases build, and its tables are right. (Its runs take hours.)"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import HOOKS, MODELS

from anl_seg.config import load_config

SCRIPT = Path(__file__).parents[2] / "studies" / "small_classes.py"
QUICKSTART = SCRIPT.parents[1] / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("small_classes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_case_is_a_config_that_builds(study, tmp_path):
    init_default_scope("mmseg")
    runs = study.plan(list(study.CASES), tmp_path, seeds=(3,))
    assert len(runs) == len(study.CASES) * len(study.NOISES)
    for run in runs[:: len(study.NOISES)]:
        cfg = load_config(run.experiment.config)
        case = study.CASES[run.label]
        losses = [MODELS.build(dict(loss)) for loss in cfg.model.decode_head.loss_decode]
        assert len(losses) == len(case.losses)
        value = sum(
            loss(torch.randn(1, 4, 3, 3), torch.randint(0, 4, (1, 3, 3))) for loss in losses
        )
        assert torch.isfinite(value)
        wrapper = build_optim_wrapper(torch.nn.Linear(2, 2), cfg.optim_wrapper)
        kind = "Adam" if case.optim is None else case.optim["optimizer"]["type"]
        assert type(wrapper.optimizer).__name__ == kind
        hooks = [HOOKS.build(dict(hook)) for hook in cfg.custom_hooks]
        assert len(hooks) == 1 + len(case.hooks)


def test_the_frequencies_are_a_distribution(study):
    assert sum(study.FREQUENCIES) == pytest.approx(1.0)


def test_the_switch_leaves_one_loss_at_a_time(study):
    weights = {hook["loss"]: hook["schedule"][0]["at"] for hook in study.from_ce(171)}
    for step in (0, 171):
        assert sorted(at[step] for at in weights.values()) == [0.0, 1.0]


def test_a_row_tells_what_the_loss_did_to_the_rarest_class(study, tmp_path):
    noise, label = study.NOISES[0], "ANL, min_prob 0.1"
    runs = []
    for seed, (early, late) in enumerate([(0.2, 0.6), (0.4, 0.8)]):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        lines = []
        for step, p in ((57, early), (570, late)):
            for path in ("decode_head.loss_decode.0", "decode_head.loss_decode.1"):
                other = 9.0 if path.endswith("1") else p
                lines.append(
                    dict(
                        step=step,
                        loss=path,
                        logit_scale=2.0 * other,
                        prob=[0.0, other],
                        pull=[0.0, other / 10],
                        flat=[0.0, None],
                        gradient=[0.0, other / 100],
                    )
                )
        (folder / study.DIAGNOSTICS_FILE).write_text("\n".join(map(json.dumps, lines)) + "\n")
        runs.append(SimpleNamespace(folder=folder, label=label, noise=noise))
    value = {"mean": 50.0, "std": 1.0}
    record = dict(
        label=label,
        noise=noise,
        seeds=[0, 1],
        final=value,
        best=value,
        memorized=None,
        classes={"clavicle": value},
    )
    row = study.table([record], runs, noise).splitlines()[2]
    assert row == (
        f"| {label} | 50.0 ± 1.0 | 50.0 ± 1.0 | 50.0 ± 1.0 | - | 0.30 to 0.70 | 0.030 to 0.070 | - | "
        "0.3 to 0.7 | 0.6 to 1.4 |"
    )


def test_an_unknown_group_is_named(study, tmp_path):
    with pytest.raises(SystemExit, match=r"unknown group 'rival'.*rivals"):
        study.main(["--groups", "rival", "--work-dir", str(tmp_path)])
