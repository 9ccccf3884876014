"""The shell launchers pass on what they are given; `python` and `srun` are stood in for by echo."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def call(tmp_path):
    for name in ("python", "srun"):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@"\n')
        path.chmod(0o755)

    def run(script, *arguments, **variables):
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", **variables}
        return subprocess.run(
            ["bash", str(TOOLS / script), *arguments], env=env, capture_output=True, text=True
        )

    return run


def test_dist_train(call):
    done = call("dist_train.sh", "my config.py", "8", "--amp", "--noise", "A:b=1", PORT="1234")
    words = done.stdout.splitlines()
    assert words[:3] == ["python", "-m", "torch.distributed.run"]
    assert {"--nproc_per_node=8", "--master_port=1234", "--nnodes=1"} <= set(words)
    assert words[-7:] == [
        str(TOOLS / "train.py"),
        "my config.py",
        "--launcher",
        "pytorch",
        "--amp",
        "--noise",
        "A:b=1",
    ]


def test_slurm_train(call):
    done = call(
        "slurm_train.sh", "gpu", "job", "config.py", "--resume", GPUS="2", SRUN_ARGS="--mem 4G"
    )
    words = done.stdout.splitlines()
    assert words[:3] == ["srun", "-p", "gpu"]
    assert {"--job-name=job", "--ntasks=2", "--mem", "4G"} <= set(words)
    assert words[-4:] == ["config.py", "--launcher", "slurm", "--resume"]


@pytest.mark.parametrize("script", ["dist_train.sh", "slurm_train.sh"])
def test_missing_arguments_give_the_usage(call, script):
    done = call(script)
    assert done.returncode != 0
    assert f"usage: {script}" in done.stderr
