"""The study of all losses: its list, its plan and its tables. (Its runs take hours.)"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from anl_seg.models import losses
from anl_seg.models.losses.active_passive_presets import PRESETS
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.noise import load_transition_matrix

SCRIPT = Path(__file__).parents[2] / "studies" / "jsrt_losses.py"
needs_jsrt = pytest.mark.skipif("JSRT_ROOT" not in os.environ, reason="JSRT_ROOT is not set")


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("jsrt_losses", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_loss_is_in_the_study(study):
    used = " ".join([*study.LOSSES.values(), *study.LOSS_CONFIGS.values()])
    # Two classes only; and constructions whose instances are there.
    elsewhere = {"TLoss", "NormalizedLoss", "AdaptiveLoss"}
    names = {
        name
        for name, cls in vars(losses).items()
        if isinstance(cls, type)
        and issubclass(cls, PixelLoss)
        and cls not in (PixelLoss, losses.RegionLoss)
    }
    missing = {name for name in names - elsewhere if name not in used}
    assert not missing
    assert all(f"preset={name}" in used for name in PRESETS)


@needs_jsrt
def test_the_plan_gives_every_loss_every_noise(study, tmp_path):
    runs = study.plan(["CE", "forward (true T)", "GCE, learned q"], (0, 1), tmp_path)
    assert len(runs) == 3 * len(study.NOISES) * 2
    assert len({run.folder for run in runs}) == len(runs)
    matrices = sorted((tmp_path / "matrices").iterdir())
    assert len(matrices) == len(study.NOISES) * 2
    clean, noisy = (
        load_transition_matrix(
            str(tmp_path / "matrices" / f"SymmetricNoise-rate-{rate}-seed0.json")
        )
        for rate in ("0", "0.6")
    )
    np.testing.assert_allclose(clean, np.eye(4))
    np.testing.assert_allclose(noisy, 0.4 * np.eye(4) + 0.2 * (1 - np.eye(4)), atol=0.01)


def test_the_table_ranks_and_names_what_is_missing(study):
    def record(label: str, noise: str, final: float) -> dict:
        value = {"mean": final, "std": 1.0}
        memorized = None if noise == study.NOISES[0] else value
        return dict(
            label=label,
            noise=noise,
            seeds=[0],
            final=value,
            best=value,
            memorized=memorized,
            classes={"clavicle": value},
        )

    records = [record("a", noise, 50.0) for noise in study.NOISES]
    records += [record("b", noise, 60.0) for noise in study.NOISES[:2]]
    order = study.ranking(records)
    assert [label for label, _ in order] == ["b", "a"]
    rows = study.table(records, order).splitlines()
    assert rows[2].startswith("| b | 60.0 | 60.0 |")
    assert rows[2].endswith("| failed | - | - | - |")
    assert len({row.count("|") for row in rows}) == 1
