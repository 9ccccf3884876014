"""Archives that come back from other machines: nothing is written outside the folder of the run."""

from __future__ import annotations

import copy
import gzip
import io
import os
import tarfile

import pytest

from anl_seg.study.run.remote import ArchiveError, pack, unpack


def member(name, data=b"x", **more):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def archive(*members, kind=tarfile.GNU_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as content:
        for info, data in members:
            content.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return buffer.getvalue()


def link(name, target, kind=tarfile.SYMTYPE):
    return member(name, b"", type=kind, linkname=target)


REFUSED = {
    "parent": [member("../outside")],
    "parent further in": [member("a/../../outside")],
    "parent in a long name": [member("a/" * 60 + "../" * 61 + "outside")],
    "absolute": [member("@/outside")],  # @: the folder of the test
    "the folder itself": [member(".")],
    "symbolic link": [link("a", "../outside"), member("a")],
    "symbolic link to a folder": [link("a", ".."), member("a/outside")],
    "symbolic link within": [member("b"), link("a", "b")],
    "hard link": [link("a", "../outside", tarfile.LNKTYPE), member("a")],
    "device": [member("a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "pipe": [member("a", b"", type=tarfile.FIFOTYPE)],
    "folder": [member("a", b"", type=tarfile.DIRTYPE)],
}


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_written_outside_and_of_a_bad_archive_nothing_at_all(tmp_path, name, kind):
    folder = tmp_path / "runs" / "run"
    bad = copy.deepcopy(REFUSED[name])
    for info, _ in bad:
        info.name = info.name.replace("@", str(tmp_path))
    with pytest.raises(ArchiveError) as error:
        unpack(archive(member("iter_6.pth"), *bad, kind=kind), folder)
    assert any(repr(info.name)[1:20] in str(error.value) for info, _ in bad)
    assert [p for p in tmp_path.rglob("*") if not p.is_dir()] == []


def test_a_link_that_lies_in_the_folder_already_is_not_followed(tmp_path):
    folder, outside = tmp_path / "run", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "a").symlink_to(outside)
    with pytest.raises(ArchiveError, match="'a/x' would be written outside the folder"):
        unpack(archive(member("a/x")), folder)
    assert list(outside.iterdir()) == []


def test_what_is_no_archive_or_grows_when_it_is_read_is_refused(tmp_path):
    whole = archive(member("iter_6.pth", b"x" * 5000))
    for data in (b"", b"hello", whole[:3000], gzip.compress(whole)):
        with pytest.raises(ArchiveError, match="it cannot be read"):
            unpack(data, tmp_path / "run")
    # A sparse file of 2**40 bytes in a few.
    sparse = member("huge", b"", type=tarfile.GNUTYPE_SPARSE, sparse=[(0, 0)])
    with pytest.raises(ArchiveError, match="'huge' is no plain file"):
        unpack(archive(sparse), tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def test_what_a_run_leaves_comes_back_whole(tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "log" / "vis_data").mkdir(parents=True)
    (there / "log" / "vis_data" / "scalars.json").write_text("{}\n")
    (there / "iter_6.pth").write_bytes(b"six")
    (there / "last_checkpoint").write_text(str(there / "iter_6.pth"))
    (there / "link.json").symlink_to("log/vis_data/scalars.json")
    os.link(there / "iter_6.pth", there / "twice.bin")
    unpack(pack(there), here)
    assert (here / "log" / "vis_data" / "scalars.json").read_text() == "{}\n"
    assert (here / "iter_6.pth").read_bytes() == (here / "twice.bin").read_bytes() == b"six"
    assert (here / "link.json").read_text() == "{}\n"
    assert (here / "last_checkpoint").read_text() == str(here / "iter_6.pth")
    assert not list(here.rglob("*.tmp"))


def test_a_refused_archive_fails_its_run_by_name_and_no_other(tmp_path, monkeypatch):
    from anl_seg.study.run.executors import RayExecutor

    class Ray:
        class exceptions:
            OutOfMemoryError = RayTaskError = RayError = type("Lost", (Exception,), {})

        def get(self, task):
            return {"reason": None, "returncode": 0, "seconds": 1.0}, archive(member("../out"))

    executor = RayExecutor.__new__(RayExecutor)
    executor._ray = Ray()
    outcome = executor._outcome("task", tmp_path / "run")
    assert outcome["reason"] == (
        "what its node sent back is refused: '../out' would be written outside the folder of the run"
    )
    assert outcome["seconds"] == 1.0
