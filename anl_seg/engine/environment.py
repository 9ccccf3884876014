"""What a run ran on, written beside its results."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import torch
from mmengine.dist import is_main_process

from anl_seg._files import write_json_atomically
from anl_seg.version import __version__

#: Distributions that decide a result; the names of both families.
_PACKAGES = (
    "torch",
    "numpy",
    "opencv-python",
    "onedl-mmsegmentation",
    "onedl-mmengine",
    "onedl-mmcv",
    "mmsegmentation",
    "mmengine",
    "mmcv",
)


def commit() -> str | None:
    """Commit of the source that runs, marked ``-dirty`` if changed; None outside a git checkout."""
    here = Path(__file__).parent
    try:
        return subprocess.run(
            [
                "git",
                "-C",
                str(here),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=12",
                "--exclude=*",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def environment() -> dict:
    """Versions, device, commit and command line of this process, as values that JSON can hold."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "anl_seg": __version__,
        "commit": commit(),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
    }


def write_environment(work_dir: str | Path) -> None:
    """Write :func:`environment` to ``environment.json`` in the work dir, on the main process."""
    if is_main_process():
        write_json_atomically(Path(work_dir) / "environment.json", environment())
