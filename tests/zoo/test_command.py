"""tools/check_model_zoo.py: what it runs, goes on with, writes and refuses."""

from __future__ import annotations

import json

import pytest

from tools.model_zoo import command
from tools.model_zoo.leaf_configs import leaf_paths
from tools.model_zoo.loss_specs import every_loss

#: Small ones: two that share a model, one of another, one that does not apply.
CONFIGS = ["cgnet/", "fastscnn/", "vpd/vpd_sd_4xb8-25k_nyu-512x512.py"]
LEARNED = "base={'type':'GCELoss','q':0.5},parameters={'q':(0.05,1.0)}"
#: The only reasons for which a config may not apply.
NOT_THE_LOSS = (
    "needs another package: ",
    "needs compiled ops: ",
    "loss not built from loss_decode",
    "its own losses fail too: ",
)


def run(folder, *arguments):
    command.main([*arguments, "--work-dir", str(folder), "--jobs", "2"])


def test_some_families_train_and_a_second_run_goes_on(tmp_path, capsys):
    run(tmp_path, *CONFIGS)
    told = capsys.readouterr()
    assert "4 configs, 3 small models: 2 to try, 0 done before" in told.err
    assert "| **all** | **4** | **3** | **3** | **1** | **0** | |" in told.out
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["families"]["cgnet"] == {"configs": 2, "models": 1, "trains": 2, "notes": {}}
    assert found["settings"]["loss"] == {"type": "ANLCELoss"}
    assert (tmp_path / "table.md").read_text() in told.out
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert len(lines) == 2
    # As after a kill: one result is gone, and only that model is tried again.
    (tmp_path / "results.jsonl").write_text(lines[0] + "\n")
    run(tmp_path, *CONFIGS)
    assert "1 to try, 1 done before" in capsys.readouterr().err
    assert json.loads((tmp_path / "summary.json").read_text())["families"] == found["families"]


def test_a_failure_is_kept_told_and_tried_again(tmp_path, capsys):
    loss = ["--loss", "ANLCELoss:class_weight=[1.0,2.0]"]
    with pytest.raises(SystemExit, match="configs that fail: 1"):
        run(tmp_path, "fastscnn/", *loss)
    config = json.loads((tmp_path / "summary.json").read_text())["configs"]
    assert "class_weight has 2 entries" in next(iter(config.values()))["traceback"]
    capsys.readouterr()
    with pytest.raises(SystemExit, match="configs that fail: 1"):
        run(tmp_path, "fastscnn/", *loss)
    assert "0 to try, 1 done before" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="configs that fail: 1"):
        run(tmp_path, "fastscnn/", *loss, "--retry")
    assert "1 to try, 0 done before" in capsys.readouterr().err


def test_several_losses_give_one_table_and_go_on(tmp_path, capsys):
    losses = [
        "--loss",
        "GCELoss:q=0.5",
        "TLoss",
        "ForwardCorrectionLoss",
        "AdaptiveLoss:" + LEARNED,
    ]
    run(tmp_path, "cgnet/", *CONFIGS[2:], *losses)
    told = capsys.readouterr()
    assert "3 configs, 2 small models, 4 losses: 4 to try, 0 done before" in told.err
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert rows[0].startswith("| family | configs | GCE:q=0.5 | T | ForwardCorrection | Adaptive:")
    assert rows[2] == "| cgnet | 2 | + | + | + | + | tried with two classes (2) |"
    assert rows[3].startswith("| vpd | 1 | n/a | n/a | n/a | n/a | loss not built from loss_decode")
    assert rows[4] == "| **families with +** | **3** | **1** | **1** | **1** | **1** | |"
    found = json.loads((tmp_path / "summary.json").read_text())["losses"]
    assert [found[x]["settings"]["loss"]["type"] for x in found] == [
        "GCELoss",
        "TLoss",
        "ForwardCorrectionLoss",
        "AdaptiveLoss",
    ]
    run(tmp_path, "cgnet/", *losses, "CELoss")
    assert "5 losses: 1 to try, 4 done before" in capsys.readouterr().err


def test_every_loss_is_the_registry():
    args = command.parse_args(["fcn/", "--every-loss"])
    losses = command.chosen_losses(args, dict(type="SymmetricNoise", rate=0.4))
    assert list(losses) == [loss["type"] for loss in every_loss()]
    assert len(losses) > 30


def test_all_and_sample():
    assert command.chosen_paths(command.parse_args(["--all"])) == leaf_paths()
    sample = command.chosen_paths(command.parse_args(["--sample"]))
    assert len(sample) == len({p.split("/")[0] for p in leaf_paths()})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name configs, or --all, or --sample"),
        (["fcn/", "--all"], "name configs, or --all, or --sample"),
        (["--sample", "--jobs", "0"], "--jobs must be 1 or more; got 0"),
        (["fcm/"], r"unknown mmseg config 'fcm/'\. Did you mean fcn"),
        (["fcn/", "--loss", "ANLLoss"], "Did you mean ANL"),
        (["fcn/", "--noise", "SymmetricNoise:rate=2"], "rate"),
    ],
)
def test_what_is_wrong_is_a_sentence(arguments, text, tmp_path):
    with pytest.raises(SystemExit, match=text):
        command.main([*arguments, "--work-dir", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_the_whole_zoo(request, tmp_path):
    """Every config of mmseg; under `make test-long` only, as it takes a quarter of an hour on a core."""
    if request.config.getoption("--hypothesis-profile") != "long":
        pytest.skip("runs under make test-long")
    run(tmp_path, "--all")
    configs = json.loads((tmp_path / "summary.json").read_text())["configs"]
    assert len(configs) == len(command.leaf_paths())
    for path, result in configs.items():
        if result["status"] != "trains":
            assert result["status"] == "not applicable", path
            assert result["reason"].startswith(NOT_THE_LOSS), path
