"""The config that a run of a study was trained with, without running what lies in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from anl_seg._files import inside, read_regular_file
from anl_seg.study.run_config import config_digest, config_values

#: In the folder of a run.
INPUT_FILE = "input/config.py"


def planned_config(work_dir: Path, folder: str, digest: str, configs: Mapping[str, str]) -> Config:
    """The config of a run, out of the study file that the user named.

    A folder of runs may come from anywhere, and a config names what is built and called. So the config
    in the folder is only compared with the planned one, as literals.

    Args:
        work_dir: of the study.
        folder: of the run, relative to it.
        digest: of the run, as the plan in the work dir says.
        configs: digest -> text of the configuration, of the runs that the study file asks for.

    Raises:
        OSError, ValueError: the study file asks for no such run, or the folder holds another config.
    """
    if digest not in configs:
        raise ValueError(f"the study file asks for no run {digest}.")
    text = read_regular_file(inside(work_dir, f"{folder}/{INPUT_FILE}")).decode("utf-8")
    try:
        found = config_digest(text)
    except ValueError as error:
        raise ValueError(f"{INPUT_FILE} is {error}") from error
    if found != digest:
        raise ValueError(f"{INPUT_FILE} is the config of another run, {found}.")
    return Config(config_values(configs[digest]))
