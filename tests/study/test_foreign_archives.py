"""Archives that were made to do harm in other ways than by names that lead out of the folder."""

from __future__ import annotations

import pytest

from anl_seg.study.run import remote
from anl_seg.study.run.remote import ArchiveError, pack, unpack
from tests.study.test_remote import archive, member


def with_header(name, **values):
    info, data = member(name)
    info.pax_headers = values
    return info, data


BAD = {
    "NUL in a name": ([with_header("a", path="a\0b")], "it cannot be read"),
    "two thousand folders": ([member("/".join("a" * 2000))], "is too long a name"),
    "a long name": ([member("é" * 150)], "is too long a name"),
    "a size below zero": ([with_header("a", size="-1024")], "'a' is no plain file"),
    "a size beyond all": ([with_header("a", size="9" * 20)], "it cannot be read"),
    "a map that is none": ([with_header("a", **{"GNU.sparse.map": "0,x"})], "it cannot be read"),
    "twice": ([member("a"), member("./a")], "'./a' is in it twice"),
    "below a file": ([member("a/b"), member("a")], "'a/b' lies below a file"),
    "below a file of before": ([member("old/b")], "'old/b' lies below a file"),
    "in place of a folder": ([member("folder")], "would take the place of what is no file"),
    "too many": ([member(f"{i}", b"") for i in range(9)], "it holds more than 8 files"),
    **{
        name: ([member(name)], "is written by the runner alone")
        for name in ("state.json", "./run.json", "RUN.lock", "input/config.py", "input/./config.py")
    },
}


@pytest.mark.parametrize("name", BAD)
def test_such_an_archive_is_refused_and_nothing_of_it_written(tmp_path, monkeypatch, name):
    monkeypatch.setattr(remote, "_MOST_FILES", 8, raising=False)
    folder = tmp_path / "run"
    (folder / "folder").mkdir(parents=True)
    (folder / "old").write_text("old")
    members, told = BAD[name]
    data = archive(member("first"), *members, kind=remote.tarfile.PAX_FORMAT)
    with pytest.raises(ArchiveError) as error:
        unpack(data, folder)
    assert told in str(error.value)
    assert sorted(p.name for p in folder.iterdir()) == ["folder", "old"]


def test_what_is_the_runners_own_is_not_sent_back(tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "input").mkdir(parents=True)
    for name in ("state.json", "run.json", "run.lock", "input/config.py", "resources.json"):
        (there / name).write_text(name)
    unpack(pack(there), here)
    assert [p.name for p in here.rglob("*")] == ["resources.json"]
