"""tools/tune_loss.py on runs of a few iterations."""

from __future__ import annotations

import json

import pytest

from tests.tools.conftest import QUICKSTART, load_tool

pytest.importorskip("optuna", reason="Optuna is not installed (extra 'tune')")


@pytest.fixture(scope="module")
def tune():
    return load_tool("tune_loss")


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


def test_a_search_is_reported_and_goes_on(tune, config, tmp_path, capsys):
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


def test_a_setting_that_is_not_allowed_ends_no_search(tune, config, tmp_path, capsys):
    args = arguments(config, tmp_path, **{"--space": ["q=3|4"]})
    tune.main([*args, "--trials", "2"])
    assert "q must lie in" in capsys.readouterr().err
    assert json.loads((tmp_path / "tuning.json").read_text())["trials"] == []


def test_wrong_arguments_are_told_in_a_sentence(tune, config, tmp_path):
    for changes, words in (
        ({"--loss": ["GCLoss"]}, "GCELoss"),
        ({"--space": ["q"]}, "expected name=low:high"),
        ({"--samples": ["9"]}, r"samples must lie in \[1, 8\]"),
        ({"--trials": ["0"]}, "trials must be 1 or more"),
    ):
        with pytest.raises(SystemExit, match=words):
            tune.main(arguments(config, tmp_path, **changes))


def test_a_trial_whose_process_died_is_tried_anew_once_in_its_folder(tune, config, tmp_path):
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
