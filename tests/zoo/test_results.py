from __future__ import annotations

from collections import Counter
from importlib.util import find_spec

from tools.model_zoo.leaf_configs import Leaf
from tools.model_zoo.report import family_rows, loss_table, markdown, summary
from tools.model_zoo.results import ResultFile, Settings
from tools.model_zoo.train_steps import Outcome

SETTINGS = Settings(dict(type="ANLCELoss"), dict(type="PairNoise", rate=0.1), "mmseg 1")
TRAINS = Outcome("trains", losses=(2.0, 1.5), kept="BoundaryLoss")


def test_what_is_written_is_read(tmp_path):
    file = ResultFile(tmp_path / "new/results.jsonl", SETTINGS)
    assert file.read() == {}
    written = file.append("a", TRAINS, 1.234)
    assert written["seconds"] == 1.23
    assert file.read() == {"a": written}
    file.append("a", Outcome("fails", "no"), 1.0)
    assert file.read()["a"]["status"] == "fails"


def test_results_of_other_settings_do_not_count(tmp_path):
    path = tmp_path / "results.jsonl"
    ResultFile(path, SETTINGS).append("a", TRAINS, 1.0)
    other = Settings(dict(type="GCELoss"), SETTINGS.noise, SETTINGS.versions)
    assert ResultFile(path, other).read() == {}
    ResultFile(path, other).append("a", Outcome("fails"), 1.0)
    assert ResultFile(path, SETTINGS).read()["a"]["status"] == "trains"


def test_a_tuple_in_a_loss_is_found_again(tmp_path):
    loss = dict(type="AdaptiveLoss", parameters=dict(q=(0.05, 1.0)))
    settings = Settings(loss, SETTINGS.noise, SETTINGS.versions)
    ResultFile(tmp_path / "results.jsonl", settings).append("a", TRAINS, 1.0)
    assert set(ResultFile(tmp_path / "results.jsonl", settings).read()) == {"a"}


def test_versions_name_the_packages_that_are_there():
    versions = Settings.here({}, {}).versions
    assert versions.startswith("mmseg ")
    for package in ("mmdet", "mmpretrain"):
        assert (f", {package} " in versions) == (find_spec(package) is not None)


def test_a_torn_line_is_passed_over_and_ended(tmp_path):
    file = ResultFile(tmp_path / "results.jsonl", SETTINGS)
    file.append("a", TRAINS, 1.0)
    file.append("b", TRAINS, 1.0)
    file.path.write_bytes(file.path.read_bytes()[:-20])
    assert set(file.read()) == {"a"}
    file.append("c", TRAINS, 1.0)
    assert set(file.read()) == {"a", "c"}


def leaf(path, key, outcome=None, noise="ok"):
    return Leaf(path, key, {}, outcome, noise)


LEAVES = [
    leaf("fcn/a.py", "m1"),
    leaf("fcn/b.py", "m1"),
    leaf("fcn/c.py", "m2"),
    leaf(
        "ann/a.py", "m3", Outcome("not applicable", "needs another package: x (why)"), "not asked"
    ),
    leaf("ann/b.py", "m4"),
]
RESULTS = {"m1": TRAINS.to_dict(), "m2": Outcome("fails", "ValueError: a | b").to_dict()}


def test_rows_per_family():
    ann, fcn = family_rows(LEAVES, RESULTS)
    assert (ann.family, ann.counts) == ("ann", Counter({"not applicable": 1, "not run": 1}))
    assert ann.notes == Counter({"needs another package: x": 1})
    assert (fcn.family, fcn.counts) == ("fcn", Counter(trains=2, fails=1))
    assert fcn.models == {"m1", "m2"}
    assert fcn.notes == Counter({"keeps BoundaryLoss": 2, "ValueError: a | b": 1})


def test_table_names_what_was_not_run():
    table = markdown(family_rows(LEAVES, RESULTS)).splitlines()
    assert table[0].startswith(
        "| family | configs | small models | trains | not applicable | fails | not run |"
    )
    assert (
        table[3]
        == r"| fcn | 3 | 2 | 2 | 0 | 1 | 0 | keeps BoundaryLoss (2); ValueError: a \| b (1) |"
    )
    assert table[4] == "| **all** | **5** | **4** | **2** | **1** | **1** | **1** | |"
    assert "not run" not in markdown(family_rows(LEAVES[:3], RESULTS))


def test_a_variant_is_in_the_notes():
    (row,) = family_rows(LEAVES[:1], {"m1": Outcome("trains", variant="two classes").to_dict()})
    assert row.notes == Counter({"tried with two classes": 1})


def test_table_of_families_and_losses():
    """Of fcn's three configs two share a model that trains; the third fails, or trains, or was not run."""
    trains = {"m1": TRAINS.to_dict(), "m2": TRAINS.to_dict(), "m4": TRAINS.to_dict()}
    found = {"ALoss": RESULTS, "BLoss:q=1": trains, "CLoss": {"m4": TRAINS.to_dict()}}
    table = loss_table(LEAVES, found).splitlines()
    assert table[0] == "| family | configs | A | B:q=1 | C | notes (configs x losses) |"
    assert table[1] == "|---|---:|---|---|---|---|"
    ann, fcn, last = table[2:]
    assert ann.startswith("| ann | 2 | 1 not run | + | + | needs another package: x (3)")
    assert fcn.startswith("| fcn | 3 | 2 trains, 1 fails | + | 3 not run | keeps BoundaryLoss (5);")
    assert last == "| **families with +** | **5** | **0** | **2** | **1** | |"


def test_a_family_that_does_not_apply_has_no_plus():
    leaves = [leaf("vpd/a.py", "m1", Outcome("not applicable", "needs x"), "not asked")]
    table = loss_table(leaves, {"ALoss": {}}).splitlines()
    assert table[2] == "| vpd | 1 | n/a | needs x (1) |"


def test_summary():
    found = summary(LEAVES, RESULTS)
    assert found["configs"]["fcn/b.py"]["configs_of_this_model"] == 2
    assert found["configs"]["fcn/b.py"]["losses"] == [2.0, 1.5]
    assert found["families"]["fcn"]["trains"] == 2
    assert found["configs_per_model"] == {"models": 4, "most": 2, "alone": 3}
