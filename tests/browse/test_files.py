"""Nothing is replaced by accident."""

from __future__ import annotations

import pytest

from anl_seg.browse.files import output_paths


def test_output_paths(tmp_path):
    folder = tmp_path / "new" / "folder"
    paths = output_paths(folder, ["a.png", "b.html"], overwrite=False)
    assert paths == [folder / "a.png", folder / "b.html"]
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / "b.html").write_text("kept")
    with pytest.raises(
        FileExistsError, match=r"already holds b\.html\. Give another folder, or --overwrite"
    ):
        output_paths(folder, ["a.png", "b.html"], overwrite=False)
    assert output_paths(folder, ["a.png", "b.html"], overwrite=True) == paths
    with pytest.raises(FileExistsError, match="is no folder"):
        output_paths(folder / "b.html", ["a.png"], overwrite=True)
