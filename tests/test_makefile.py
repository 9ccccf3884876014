"""What the targets of the Makefile would do; nothing is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def make(*arguments):
    return subprocess.run(
        ["make", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_results_of_runs_are_removed_by_their_own_target_alone():
    assert "work_dirs" not in make("--dry-run", "clean")
    assert "rm -rf work_dirs" in make("--dry-run", "clean-runs")
    text = make("help")
    assert "results of runs stay" in text
    assert "clean-runs" in text


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_some_tests_are_left_to_test_all():
    quick, all_tests = make("--dry-run", "test"), make("--dry-run", "test-all", "ARGS=-x")
    assert "not (training or interpreter or slow)" in quick
    assert "training" not in all_tests
    assert "-n 2 --dist loadfile" in all_tests
    assert "-x" in all_tests
