"""Worker processes: all answers, the first error, and no life after the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from anl_seg.corruption import workers
from anl_seg.corruption.workers import unordered

ROOT = Path(__file__).parents[2]


def times(state, item):
    return state * item


def fail_at_five(state, item):
    if item == 5:
        raise ValueError("five")
    return item


class Unportable(Exception):
    def __init__(self, one, two):
        super().__init__("odd")


def fail_oddly(state, item):
    raise Unportable(1, 2)


def die(state, item):
    os.kill(os.getpid(), signal.SIGKILL)


def use_opencv(state, item):
    return float(cv2.GaussianBlur(state, (31, 31), 5)[0, 0])


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_every_item_is_answered_once(jobs, count):
    assert sorted(unordered(times, 3, iter(range(count)), jobs)) == [3 * i for i in range(count)]


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_is_raised_and_ends_the_workers(jobs):
    before = children()
    with pytest.raises(ValueError, match="five"):
        list(unordered(fail_at_five, None, range(100), jobs))
    assert children() == before


def test_an_error_that_passes_no_pipe_is_told():
    with pytest.raises(RuntimeError, match=r"fail_oddly(.|\n)*odd"):
        list(unordered(fail_oddly, None, range(3), 2))


def test_a_killed_worker_is_told():
    with pytest.raises(RuntimeError, match=r"exit code -9 .*--resume"):
        list(unordered(die, None, range(3), 2))


def test_a_worker_that_is_killed_before_all_items_are_handed_out_is_told(monkeypatch):
    class Slow(ProcessPoolExecutor):
        def submit(self, *arguments):
            future = super().submit(*arguments)
            future.exception()  # its worker is dead
            return future

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Slow)
    # Its exit code is known unless it died before it was seen.
    with pytest.raises(RuntimeError, match=r"exit code .*--resume"):
        list(unordered(die, None, range(9), 2))


def test_jobs_below_one():
    with pytest.raises(ValueError, match="jobs must be 1 or more; got 0"):
        list(unordered(times, 1, [1], 0))


def test_workers_end_when_nobody_asks_for_more():
    before = children()
    answers = unordered(times, 1, range(1000), 2)
    next(answers)
    assert len(children()) == len(before) + 2
    answers.close()
    assert children() == before


def test_opencv_does_not_hang_in_a_fork():
    image = np.random.RandomState(0).rand(800, 800).astype(np.float32)
    expected = use_opencv(image, None)  # starts OpenCV's threads here
    threads = cv2.getNumThreads()
    for _ in range(5):
        assert list(unordered(use_opencv, image, range(4), 2)) == [expected] * 4
    assert cv2.getNumThreads() == threads


def children():
    path = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if not path.is_file():
        pytest.skip("needs Linux")
    return path.read_text().split()


@pytest.mark.process(warm=False)
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_no_worker_outlives_a_killed_parent(tmp_path):
    script = tmp_path / "sleepers.py"
    script.write_text(
        "import os, sys, time\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from anl_seg.corruption.workers import unordered\n"
        "def sleep(folder, item):\n"
        "    open(os.path.join(folder, str(os.getpid())), 'w').close()\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    list(unordered(sleep, sys.argv[1], range(9), 3))\n"
    )
    pids = tmp_path / "pids"
    pids.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(pids)])
    try:
        wait_until(lambda: len(list(pids.iterdir())) == 3, seconds=120)  # mmseg is imported
        workers = [int(path.name) for path in pids.iterdir()]
        assert all(map(alive, workers))
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(map(alive, workers)))


def alive(pid):
    try:
        # A killed child of ours stays in the table until its new parent has seen it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
