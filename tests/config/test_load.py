from __future__ import annotations

from pathlib import Path

import pytest

import anl_seg
from anl_seg.config import load_config


def test_finds_a_config_of_the_installed_mmseg():
    path = Path(anl_seg.mmseg_config("_base_/models/fcn_unet_s5-d16.py"))
    assert path.is_absolute()
    assert "UNet" in path.read_text()


def test_works_in_a_base_line(tmp_path):
    config = tmp_path / "config.py"
    config.write_text(
        "_base_ = [__import__('anl_seg').mmseg_config('_base_/models/fcn_unet_s5-d16.py')]\n"
        "model = dict(decode_head=dict(num_classes=7))\n"
    )
    cfg = load_config(str(config))
    assert cfg.model.decode_head.num_classes == 7
    assert cfg.model.backbone.type == "UNet"


def test_unknown_config_suggests_close_names():
    with pytest.raises(FileNotFoundError, match=r"fcn_unet_s5-d17.*Did you mean.*fcn_unet_s5-d16"):
        anl_seg.mmseg_config("_base_/models/fcn_unet_s5-d17.py")
    with pytest.raises(FileNotFoundError, match="deeplabv3plus"):
        load_config("mmseg::nothing/at_all.py")
    with pytest.raises(FileNotFoundError, match=r"no config file at 'nowhere\.py'"):
        load_config("nowhere.py")
