from __future__ import annotations

from collections import Counter

from anl_seg.zoo import Leaf, Outcome, ResultFile, Settings, family_rows, markdown, summary

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


def test_summary():
    found = summary(LEAVES, RESULTS)
    assert found["configs"]["fcn/b.py"]["configs_of_this_model"] == 2
    assert found["configs"]["fcn/b.py"]["losses"] == [2.0, 1.5]
    assert found["families"]["fcn"]["trains"] == 2
    assert found["configs_per_model"] == {"models": 4, "most": 2, "alone": 3}
