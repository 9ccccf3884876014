"""The ready studies: each is planned in full, so every loss, noise and option in it is right."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pytest

from anl_seg.study.file import load_study
from anl_seg.study.plan import plan_study

STUDIES = Path(__file__).parents[2] / "studies"
#: Name -> losses, settings of the noise (clean included, where it is), seeds, models.
GRIDS = {
    "quick_synthetic": (4, 5, 2, 1),
    "small_classes_jsrt": (8, 5, 3, 1),
    "small_classes_long_tail": (8, 5, 3, 1),
    "small_classes_average_long_tail": (3, 5, 3, 1),
    "small_classes_optimisers_jsrt": (15, 1, 1, 1),
    "small_classes_optimisers_long_tail": (15, 1, 1, 1),
    "small_classes_ablation": (9, 3, 3, 1),
    "small_classes_early_stopping": (3, 4, 3, 1),
    "small_classes_causes": (36, 1, 2, 1),
    "jsrt": (5, 4, 3, 1),
    "jsrt_losses": (42, 3, 1, 1),
    "isic2017_alpha_beta": (11, 7, 3, 1),
    "cityscapes_symmetric": (4, 4, 3, 2),
}
#: First 16 hex digits of the SHA-256 of all digests of a study: a run that is stored somewhere must be found
#: again by its digest. None: the digests depend on mmseg's own config, which differs between the families.
PINNED = {
    "quick_synthetic": "a1e94ac1aa79c371",
    "small_classes_jsrt": "46ed46418dcfba2e",
    "small_classes_long_tail": "1e023b482fd8bec1",
    "small_classes_average_long_tail": "a4456b79bd6f06ec",
    "small_classes_optimisers_jsrt": "f6cc3d35a38c2cae",
    "small_classes_optimisers_long_tail": "7b83d91521fb584c",
    "small_classes_ablation": "53143e58f3fb5935",
    "small_classes_early_stopping": "b03bb75d0d0908a2",
    "small_classes_causes": "b9ae09a4977b844e",
    "jsrt": "8b485eab2021b64e",
    "jsrt_losses": "d32ffc0547f5fd6f",
    "isic2017_alpha_beta": "dd606b421f7f2014",
    "cityscapes_symmetric": None,
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Plans a study by name, once."""
    folder = tmp_path_factory.mktemp("work")
    return cache(lambda name: plan_study(load_study(STUDIES / f"{name}.py"), folder))


def test_every_study_file_is_planned_here():
    assert {path.stem for path in STUDIES.glob("*.py")} == set(GRIDS)
    assert set(PINNED) == set(GRIDS)


@pytest.mark.parametrize("name", GRIDS)
def test_a_ready_study_can_be_planned(name, planned):
    losses, settings, seeds, models = GRIDS[name]
    runs = planned(name)
    assert len({run.axes["loss"] for run in runs}) == losses
    assert len({(r.axes["noise"], str(r.axes["strength"])) for r in runs}) == settings
    assert len(runs) == losses * settings * seeds * models
    clean = [run for run in runs if run.axes["noise"] == "clean"]
    assert len(clean) in (0, losses * seeds * models)
    assert sum("CorruptMask" in run.config for run in runs) == len(runs) - len(clean)
    digests = "\n".join(sorted(run.digest for run in runs)).encode()
    found = hashlib.sha256(digests).hexdigest()[:16]
    assert PINNED[name] in (None, found), "the digests of a study must not change"


def test_the_published_protocol_is_that_of_the_paper(planned):
    runs = planned("isic2017_alpha_beta")
    grid = {tuple(r.axes["strength"].values()) for r in runs if r.axes["strength"]}
    assert grid == {(a, b) for a in (0.3, 0.5, 0.7) for b in (0.5, 0.7)}
    cfg: dict = {}
    exec(runs[0].config, cfg)
    # A validation per epoch of 2000 images in batches of 16, of which the last ten count.
    assert cfg["train_cfg"]["val_interval"] * cfg["train_dataloader"]["batch_size"] == 2000
    assert load_study(STUDIES / "isic2017_alpha_beta.py").metrics["last_k"] == 10
