"""anl-seg tune on runs of a few iterations."""

from __future__ import annotations

import gc
import json

import pytest

from anl_seg.cli import tune
from anl_seg.study import tune as study_tune
from anl_seg.study.run.runner import StudyOutcome
from tests.cli.conftest import QUICKSTART

pytest.importorskip("optuna", reason="Optuna is not installed (extra 'tune')")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "unet_ce_tiny.py"
    path.write_text(
        f"_base_ = [{QUICKSTART!r}]\n"
        "train_cfg = dict(max_iters=2, val_interval=2)\n"
        "default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=2))\n"
        "train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, "
        "dataset=dict(length=4))\n"
        "val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(length=8))\n"
    )
    return str(path)


def arguments(config, folder, **changes):
    args = {
        "--loss": ["GCELoss"],
        "--space": ["q=0.1:0.9"],
        "--noise": ["SymmetricNoise:rate=0.5"],
        "--objective": ["noisy"],
        "--samples": ["4"],
        "--metric": ["aAcc"],
        "--sampler-seed": ["0"],
        "--work-dir": [str(folder)],
        **changes,
    }
    return [config, *(word for name, values in args.items() for word in (name, *values))]


@pytest.mark.training
def test_a_search_is_reported_and_goes_on(config, tmp_path, capsys):
    tune.main([*arguments(config, tmp_path), "--trials", "1"])
    first = json.loads((tmp_path / "tuning.json").read_text())
    assert first["objective"] == "noisy"
    assert len(first["trials"]) == 1
    tune.main([*arguments(config, tmp_path), "--trials", "2"])
    second = json.loads((tmp_path / "tuning.json").read_text())
    assert len(second["trials"]) == 2
    assert first["trials"][0] in second["trials"]
    values = [trial["value"] for trial in second["trials"]]
    assert values == sorted(values, reverse=True)
    assert all(0 < value < 100 for value in values)
    assert all(trial["loss"].startswith("GCELoss:q=0.") for trial in second["trials"])
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["trial0000", "trial0001"]
    # Nothing is left to do: the table is printed again.
    capsys.readouterr()
    tune.main([*arguments(config, tmp_path), "--trials", "2"])
    assert "start" not in (out := capsys.readouterr().out)
    assert "| aAcc | loss |" in out
    with pytest.raises(SystemExit, match=r"search of another kind.*metric 'aAcc'"):
        tune.main([*arguments(config, tmp_path, **{"--metric": ["mIoU"]}), "--trials", "3"])


@pytest.fixture
def measured(monkeypatch):
    """No training: values, or what is raised, one after the other."""

    def put(*values):
        left = iter(values)

        def trained(runs, executor, work_dir, **settings):
            if isinstance(value := next(left), str):
                return StudyOutcome(failed=dict.fromkeys(runs, value))
            trained.value = value
            return StudyOutcome(finished=runs)

        def final(record, metric):
            if isinstance(trained.value, Exception):
                raise trained.value
            return trained.value

        monkeypatch.setattr(gc, "collect", lambda: 0)  # every data set that is built calls it
        monkeypatch.setattr(study_tune, "run_study", trained)
        monkeypatch.setattr(study_tune, "final_value", final)

    return put


def test_a_setting_that_is_not_allowed_ends_no_search(config, tmp_path, capsys, measured):
    measured(*[50.0] * 5)
    tune.main([*arguments(config, tmp_path, **{"--space": ["q=3|0.5"]}), "--trials", "5"])
    assert "q must lie in" in capsys.readouterr().err
    content = json.loads((tmp_path / "tuning.json").read_text())
    assert {trial["loss"] for trial in content["trials"]} == {"GCELoss:q=0.5"}
    assert {trial["loss"] for trial in content["without_number"]} == {"GCELoss:q=3"}
    assert len(content["trials"]) + len(content["without_number"]) == 5


def test_trials_without_a_number_end_and_are_told(config, tmp_path, capsys, measured):
    nan, missing = float("nan"), ValueError("no validation with 'aAcc' in runs.")
    measured(nan, 40.0, float("inf"), missing, "exit 1: KeyError: 'x'")
    tune.main([*arguments(config, tmp_path), "--trials", "5"])
    out = capsys.readouterr().out
    assert "4 of 5 trials gave no number" in out
    assert "aAcc is nan at the end of" in out
    assert "a run failed: exit 1: KeyError: 'x'; see " in out
    reasons = json.loads((tmp_path / "tuning.json").read_text())["without_number"]
    assert [row["reason"].partition(":")[0] for row in reasons] == [
        *("RuntimeError", "RuntimeError", "ValueError", "RuntimeError")
    ]


def test_a_search_without_any_number_ends_with_a_sentence(config, tmp_path, capsys, measured):
    measured(*[float("nan")] * 3)
    assert tune.main([*arguments(config, tmp_path), "--trials", "3"]) == 1
    assert "no trial gave a number for aAcc" in capsys.readouterr().err
    assert json.loads((tmp_path / "tuning.json").read_text())["trials"] == []


def test_a_full_disk_ends_the_search_and_counts_as_no_trial(config, tmp_path, measured):
    measured("no space left on device", 40.0)
    args = [*arguments(config, tmp_path), "--trials", "1"]
    with pytest.raises(SystemExit, match=r"No space left on device.*; the same command goes on"):
        tune.main(args)
    tune.main(args)
    assert len(json.loads((tmp_path / "tuning.json").read_text())["trials"]) == 1


def test_wrong_arguments_are_told_in_a_sentence(config, tmp_path, monkeypatch):
    monkeypatch.setattr(study_tune, "run_study", lambda *_: pytest.fail("a training was started"))
    monkeypatch.setattr(gc, "collect", lambda: 0)  # every data set that is built calls it
    (tmp_path / "file").write_text("")
    for changes, words in (
        ({"--loss": ["GCLoss"]}, "GCELoss"),
        ({"--space": ["q"]}, "expected name=low:high"),
        ({"--space": ["p=0.1:0.9"]}, "unknown parameter of GCELoss 'p'.*Known: .*q"),
        ({"--space": ["reducton=mean"]}, "Did you mean reduction"),
        ({"--space": ["type=1|2"]}, "unknown parameter of GCELoss 'type'"),
        ({"--space": ["q=3|4"]}, "GCELoss takes no values of --space: q must lie in"),
        ({"--space": ["q=5:9"]}, "GCELoss takes no values of --space: q must lie in"),
        ({"--samples": ["9"]}, r"samples must lie in \[1, 8\]"),
        ({"--trials": ["0"]}, "trials must be 1 or more"),
        ({"--metric": ["aAc"]}, "unknown metric 'aAc'. Did you mean aAcc"),
        ({"--seeds": ["0", "0"]}, "have the same configuration"),
        ({"--noise": ["SymetricNoise:rate=0.5"]}, "unknown noise.*SymmetricNoise"),
        ({"--work-dir": [str(tmp_path / "file")]}, "cannot be used"),
        ({"--storage": ["sqlite:////no/such/folder/x.db"]}, "cannot be opened"),
        ({"--cfg-options": ["model.decode_head.loss_decode.q=0.3"]}, "last word over what --space"),
        ({"--cfg-options": ["trian_cfg.max_iters=3"]}, "unknown setting 'trian_cfg'"),
        ({"--cfg-options": ["max_iters"]}, "takes key=value; got 'max_iters'"),
    ):
        with pytest.raises(SystemExit, match=words):
            tune.main(arguments(config, tmp_path / "wrong", **changes))
    assert not (tmp_path / "wrong" / "runs").exists()


def test_a_trial_whose_process_died_is_tried_anew_once_in_its_folder(config, tmp_path):
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study()
    dead = optuna.trial.create_trial(
        params={"q": 0.5},
        distributions={"q": optuna.distributions.FloatDistribution(0.1, 0.9)},
        state=optuna.trial.TrialState.FAIL,
    )
    study.add_trial(dead)
    tune._again(study, study.trials[0])
    waiting = study.ask()
    assert waiting.suggest_float("q", 0.1, 0.9) == 0.5
    assert waiting.user_attrs["folder"] == "trial0000"
    tune._again(study, study.trials[1])
    assert len(study.trials) == 2
