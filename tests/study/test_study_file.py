"""Study files: what is read, and what is refused before anything is launched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mmengine.config import Config

from anl_seg.study.file import load_study
from anl_seg.study.plan import plan_study, planned_runs, read_plan, write_plan
from anl_seg.study.run.state import check_work_dir
from anl_seg.study.run_config import config_digest

ROOT = Path(__file__).parents[2]
BASE = str(ROOT / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
GRID = dict(
    loss=dict(CE="CELoss", **{"GCE 0.7": "GCELoss:q=0.7"}),
    noise=dict(symmetric="SymmetricNoise:rate={strength}", clean=None),
    strength=[0.2, 0.4],
    seed=[0, 1],
)


@pytest.fixture
def study(tmp_path):
    """Writes a study file; keywords replace its entries, None leaves one out."""

    def write(text="", **changed):
        content = dict(
            base=BASE,
            axes=GRID,
            budget=dict(max_iters=6, val_interval=3),
            metrics=dict(main="mIoU", others=["mDice"], last_k=2),
        )
        content.update(changed)
        lines = [f"{key} = {value!r}\n" for key, value in content.items() if value is not None]
        path = tmp_path / "some_study.py"
        path.write_text("".join(lines) + text)
        return path

    return write


def planned(path, work_dir):
    return plan_study(load_study(path), work_dir)


def test_what_belongs_to_one_loss(study, tmp_path):
    losses = {
        "CE": "CELoss",
        "MAE, fast": dict(
            loss="MAELoss",
            options={"optim_wrapper.optimizer.lr": 0.5},
            hooks=[dict(type="EMAHook", momentum=0.1)],
        ),
        "two": dict(
            options={
                "model.decode_head.loss_decode": [
                    dict(type="anl_seg.CELoss"),
                    dict(type="anl_seg.NoiseRobustDiceLoss"),
                ],
                "optim_wrapper": dict(_delete_=True, optimizer=dict(type="SGD", lr=0.1)),
            }
        ),
    }
    axes = dict(loss=losses, seed=0)
    configs = {}
    for run in planned(study(axes=axes), tmp_path / "work"):
        configs[run.axes["loss"]] = Config.fromstring(run.config, ".py")
    rates = [configs[label].optim_wrapper.optimizer.lr for label in losses]
    assert rates == [1e-3, 0.5, 0.1]
    assert configs["two"].optim_wrapper.to_dict() == dict(optimizer=dict(type="SGD", lr=0.1))
    types = {label: [h.type for h in cfg.custom_hooks] for label, cfg in configs.items()}
    assert ["EMAHook" in types[label] for label in losses] == [False, True, False]
    assert [loss.type for loss in configs["two"].model.decode_head.loss_decode] == [
        "anl_seg.CELoss",
        "anl_seg.NoiseRobustDiceLoss",
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (dict(loss="CELoss", option={}), r"option.*options"),
        (dict(loss="CELoss", options=[1]), r"axes.loss\['a'\].options must be a dict; got \[1\]"),
        (dict(loss="CELoss", hooks="EMAHook"), r"axes.loss\['a'\].hooks must be a dict"),
        (dict(loss="CELoss", options={"optim_wrap.lr": 1}), "optim_wrapper"),
    ],
)
def test_bad_recipes(study, tmp_path, entry, message):
    with pytest.raises((KeyError, TypeError, ValueError), match=message):
        planned(study(axes=dict(loss=dict(a=entry))), tmp_path / "work")


def test_the_grid_is_every_combination(study, tmp_path):
    runs = planned(study(), tmp_path / "work")
    # Two losses, two seeds; symmetric noise at two strengths, clean once.
    assert len(runs) == 2 * 2 * 3
    assert len({run.digest for run in runs}) == len(runs)
    settings = [(r.axes["noise"], r.axes["strength"]) for r in runs if r.axes["loss"] == "CE"]
    assert settings == [
        *[("symmetric", 0.2)] * 2,
        *[("symmetric", 0.4)] * 2,
        *[("clean", None)] * 2,
    ]
    assert runs[0].folder == tmp_path / "work" / "runs" / runs[0].digest
    assert runs[0].name == "CE | symmetric 0.2 | seed 0"
    assert {run.max_iters for run in runs} == {6}
    assert not (tmp_path / "work").exists()


def test_a_noisy_metric_takes_noise_and_seed_of_the_run(study, tmp_path):
    own = dict(type="anl_seg.NoisyIoUMetric", noise=dict(type="PairNoise", rate=0.1), seed=3)
    metrics = dict(main="mIoU", evaluators=[dict(type="anl_seg.NoisyIoUMetric"), own])
    found = {}
    for run in planned(study(axes={**GRID, "seed": 7}, metrics=metrics), tmp_path):
        cfg: dict = {}
        exec(run.config, cfg)
        _, taken, kept = cfg["val_evaluator"]
        assert kept == own
        found[run.axes["strength"]] = (taken.get("noise"), taken.get("seed"))
    symmetric = {s: ({"type": "SymmetricNoise", "rate": s}, 7) for s in (0.2, 0.4)}
    assert found == {**symmetric, None: (None, None)}


def test_the_configuration_of_a_run_is_complete(study, tmp_path):
    options = dict(slow={"optim_wrapper.optimizer.lr": 1e-4})
    hook = dict(type="anl_seg.FusedUpsampleHook")
    metrics = dict(
        main="mIoU", memorization_interval=2, evaluators=[dict(type="IoUMetric")], hooks=[hook]
    )
    axes = {**GRID, "options": options, "seed": 7}
    runs = planned(study(axes=axes, metrics=metrics), tmp_path)
    run = next(r for r in runs if (r.axes["loss"], r.axes["strength"]) == ("GCE 0.7", 0.4))
    cfg: dict = {}
    exec(run.config, cfg)
    loss = cfg["model"]["decode_head"]["loss_decode"]
    assert (loss["type"], loss["q"]) == ("anl_seg.GCELoss", 0.7)
    corrupt = cfg["train_dataloader"]["dataset"]["pipeline"][1]
    assert corrupt["noise"] == {"type": "SymmetricNoise", "rate": 0.4}
    assert (corrupt["seed"], corrupt["keep_clean"]) == (7, True)
    assert cfg["randomness"]["seed"] == 7
    assert cfg["optim_wrapper"]["optimizer"]["lr"] == 1e-4
    assert (cfg["train_cfg"]["max_iters"], cfg["train_cfg"]["val_interval"]) == (6, 3)
    checkpoint = cfg["default_hooks"]["checkpoint"]
    assert (checkpoint["interval"], checkpoint["max_keep_ckpts"]) == (3, 2)
    assert [e["type"] for e in cfg["val_evaluator"]] == ["anl_seg.PerClassIoUMetric", "IoUMetric"]
    hooks = {h["type"]: h for h in cfg["custom_hooks"]}
    assert hooks["anl_seg.MemorizationHook"]["interval"] == 2
    assert {"anl_seg.FusedUpsampleHook", "anl_seg.StopOnDivergenceHook"} <= set(hooks)
    assert "work_dir" not in cfg
    clean = next(r for r in runs if r.axes["noise"] == "clean")
    assert "CorruptMask" not in clean.config
    assert "MemorizationHook" not in clean.config


def test_digests_follow_the_configuration_alone(study, tmp_path):
    before = {r.name: r.digest for r in planned(study(), tmp_path)}
    # Labels, order, work dir and what is reported are no part of it.
    axes = dict(
        loss={"cross entropy": "CELoss"},
        noise={"s": dict(type="SymmetricNoise", rate="{strength}")},
        strength=[0.4, 0.3, 0.2],
        seed=[1],
    )
    after = planned(study(axes=axes, metrics=dict(main="mDice")), tmp_path / "elsewhere")
    after = {r.axes["strength"]: r.digest for r in after}
    assert after[0.2] == before["CE | symmetric 0.2 | seed 1"]
    assert after[0.4] == before["CE | symmetric 0.4 | seed 1"]
    assert after[0.3] not in before.values()
    changed = study(budget=dict(max_iters=7, val_interval=3))
    assert not set(before.values()) & {r.digest for r in planned(changed, tmp_path)}


def test_digest_is_pinned_and_the_order_of_keys_is_no_part_of_it():
    text = "a = {'x': 1, 'y': [0.5, None]}\nb = (1, 'two')\n"
    assert config_digest(text) == "725f53af906ae8fd"
    assert config_digest("b = (1, 'two')\na = {'y': [0.5, None], 'x': 1}\n") == config_digest(text)
    assert config_digest(text.replace("(1, 'two')", "[1, 'two']")) != config_digest(text)


def test_strengths_with_several_numbers(study, tmp_path):
    axes = dict(
        noise=dict(ab="AlphaBetaNoise:alpha={strength[alpha]},beta={strength[beta]}"),
        strength=[dict(alpha=0.3, beta=0.5), dict(alpha=0.7, beta=0.7)],
    )
    runs = planned(study(axes=axes), tmp_path)
    assert [r.axes["strength"] for r in runs] == axes["strength"]
    cfg: dict = {}
    exec(runs[1].config, cfg)
    noise = cfg["train_dataloader"]["dataset"]["pipeline"][1]["noise"]
    assert (noise["alpha"], noise["beta"]) == (0.7, 0.7)
    assert runs[1].name == "own | ab alpha 0.7, beta 0.7 | seed 0"


def test_models_are_an_axis(study, tmp_path):
    jsrt = str(ROOT / "configs/jsrt/unet-small_570_ce_jsrt-48x48.py")
    axes = dict(model=dict(shapes=BASE, lungs=jsrt), noise="PairNoise:rate=0.1")
    runs = planned(study(base=None, axes=axes), tmp_path)
    assert [r.axes["model"] for r in runs] == ["shapes", "lungs"]
    assert runs[0].name.startswith("shapes | ")


def test_base_is_looked_for_beside_the_file_and_above(study, tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "own.py").write_text(f"_base_ = [{BASE!r}]\n")
    path = study(base="own.py")
    moved = path.rename(tmp_path / "deep" / path.name)
    assert load_study(moved).models == {"own": str(tmp_path / "own.py")}
    monkeypatch.chdir(ROOT)
    path = study(base="configs/quickstart/unet-small_480_ce_synthetic-64x64.py")
    assert load_study(path).models == {Path(BASE).stem: BASE}


def test_plan_is_written_and_read(study, tmp_path):
    path = study(published=dict(CE=50.0))
    loaded = load_study(path)
    runs = plan_study(loaded, tmp_path / "work")
    check_work_dir(tmp_path / "work")
    write_plan(loaded, runs, tmp_path / "work")
    plan = read_plan(tmp_path / "work")
    assert plan["name"] == "some_study"
    assert plan["study_text"] == path.read_text()
    assert plan["metrics"]["main"] == "mIoU"
    assert plan["published"] == {"CE": 50.0}
    assert plan["runs"][0]["folder"] == f"runs/{runs[0].digest}"
    assert plan["runs"][0]["command"][:2] == ["python", "tools/train.py"]
    again = planned_runs(tmp_path / "work")
    assert [(r.digest, r.folder, r.axes, r.name) for r in again] == [
        (r.digest, r.folder, r.axes, r.name) for r in runs
    ]
    with pytest.raises(FileNotFoundError, match=r"no study\.json in .*plan the study"):
        read_plan(tmp_path)


CROSS = dict(loss="CELoss", noise="SymmetricNoise:rate=0.4")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (dict(axis=GRID), r"unknown key of a study file 'axis'\. Did you mean axes"),
        (dict(axes=dict(loses="CELoss")), r"unknown axis 'loses'\. Did you mean loss"),
        (dict(axes=dict(CROSS, loss="CEELoss")), r"loss 'CEELoss'.*Did you mean .*CELoss"),
        (dict(axes=dict(CROSS, loss="GCELoss:q=2")), r"q must lie in"),
        (
            dict(axes=dict(CROSS, loss="GCELoss:q")),
            r"axes\.loss\['GCELoss:q'\]: expected key=value",
        ),
        (dict(axes=dict(CROSS, loss=dict(a=3))), r"axes\.loss\['a'\] must be 'Type:key=value"),
        (dict(axes=dict(CROSS, noise="SymetricNoise:rate=0.2")), "Did you mean SymmetricNoise"),
        (dict(axes=dict(CROSS, noise="SymmetricNoise:rate=1.5")), r"1\.5"),
        (dict(axes=dict(CROSS, loss=[])), r"empty grid: axes\.loss has no entries"),
        (dict(axes=dict(CROSS, noise={})), r"empty grid: axes\.noise has no entries"),
        (dict(axes=dict(CROSS, seed=[])), r"empty grid: axes\.seed has no entries"),
        (dict(axes=dict(GRID, strength=[])), r"empty grid: axes\.strength has no entries"),
        (dict(axes=dict(CROSS, strength=[0.1])), r"no noise has \{strength\} in it"),
        (dict(axes=dict(GRID, strength=["a"])), r"axes\.strength lists numbers.*got 'a'"),
        (
            dict(axes=dict(noise="SymmetricNoise:rate={strength}")),
            r"has \{strength\}, but there is no axes\.strength",
        ),
        (
            dict(axes=dict(noise="SymmetricNoise:rate={strength[a]}", strength=[dict(b=1)])),
            r"has \{strength\[a\]\}, and the strength \{'b': 1\} has no such value",
        ),
        (
            dict(axes=dict(CROSS, seed=[0, 0])),
            r"duplicate runs: .*seed 0 and .*seed 0 have the same",
        ),
        (
            dict(axes=dict(CROSS, loss=dict(a="CELoss", b="CELoss"))),
            r"duplicate runs: a \| .* and b",
        ),
        (dict(axes=dict(CROSS, loss=["CELoss", "CELoss"])), r"axes\.loss lists CELoss twice"),
        (dict(axes=dict(CROSS, seed=[-1])), r"axes\.seed must be an integer of at least 0, got -1"),
        (dict(axes=dict(CROSS, options=dict(a={"optim_wraper.optimizer.lr": 1}))), "optim_wrapper"),
        (
            dict(axes=dict(CROSS, options=dict(a={"optim_wrapper.optimiser.lr": 1}))),
            r"unknown key of optim_wrapper 'optimiser'\. Did you mean optimizer",
        ),
        (dict(base="configs/nowhere.py"), r"base: no config at 'configs/nowhere\.py'; looked in"),
        (dict(base=None), "needs 'base'"),
        (dict(base="mmseg::unet/nothing.py"), "unknown mmseg config"),
        (dict(axes=dict(CROSS, model=dict(a=BASE))), "base or axes.model, not both"),
        (dict(metrics=None), "needs metrics"),
        (dict(metrics=dict(last_k=1)), r"metrics\.main must name the metric"),
        (dict(metrics=dict(main="mIoU", lastk=1)), r"key of metrics 'lastk'\. Did you mean last_k"),
        (
            dict(metrics=dict(main="mIoU", last_k=0)),
            r"metrics\.last_k must be an integer of at least 1",
        ),
        (dict(budget=dict(max_iter=6)), r"key of budget 'max_iter'\. Did you mean max_iters"),
        (dict(budget=dict(max_epochs=6)), r"budget has max_epochs, but the config trains by iters"),
        (
            dict(budget=dict(max_iters=0)),
            r"budget\.max_iters must be an integer of at least 1, got 0",
        ),
        (dict(retries=-1), r"retries must be an integer of at least 0, got -1"),
        (dict(text="import nothing_of_the_kind\n"), "cannot be read as a study file"),
        (dict(text="axes = (\n"), "cannot be read as a study file"),
    ],
)
def test_bad_study_files_are_refused(study, tmp_path, changed, text):
    changed = dict(changed)
    path = study(changed.pop("text", ""), **changed)
    with pytest.raises((FileNotFoundError, KeyError, TypeError, ValueError), match=text):
        planned(path, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_base_with_noise_is_no_base_for_a_noise_axis(study, tmp_path):
    noisy = tmp_path / "noisy.py"
    corrupt = (
        "dict(type='anl_seg.CorruptMask', noise=dict(type='PairNoise', rate=0.1), num_classes=6)"
    )
    noisy.write_text(
        f"_base_ = [{BASE!r}]\n"
        "train_dataloader = dict(dataset=dict(pipeline=["
        f"dict(type='anl_seg.LoadSyntheticShapes'), {corrupt}, dict(type='PackSegInputs')]))\n"
    )
    with pytest.raises(ValueError, match="corrupts its training masks already"):
        planned(study(base=str(noisy)), tmp_path)
    with pytest.raises(ValueError, match="corrupts its training masks already"):
        planned(study(base=str(noisy), axes=dict(noise=dict(clean=None))), tmp_path)
    (run,) = planned(study(base=str(noisy), axes=dict(loss="CELoss")), tmp_path)
    assert run.axes["noise"] == "own"


def test_missing_files_and_folders_are_named(study, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no study file at .*nowhere\.py"):
        load_study(tmp_path / "nowhere.py")
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is a Python config \(\.py\)"):
        load_study(tmp_path / "study.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ValueError, match=r"the work dir .*file/work cannot be used: Not a directory"
    ):
        check_work_dir(tmp_path / "file" / "work")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ValueError, match=r"cannot be used: Permission denied"):
            check_work_dir(tmp_path / "work")
    finally:
        tmp_path.chmod(0o700)
