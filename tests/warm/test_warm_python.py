"""A command in a fork of the warm server sees, prints and ends as in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.process


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, **options
    )


def test_it_sees_its_arguments_folder_variables_and_input(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OF_THIS_TEST": "ä"}
    done = run("see", "--x", "a b", input="line\n", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "arguments": ["--x", "a b"],
        "folder": str(tmp_path),
        "variable": "ä",
        "input": "line\n",
        "name": "__main__",
        "threads": 2,
        "python": sys.executable,
    }


def test_two_draw_different_numbers():
    assert run("draw").stdout != run("draw").stdout


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("exit", 3, ""),
        ("sentence", 1, "in a sentence\n"),
        ("raise", 1, "ZeroDivisionError"),
        ("kill", -signal.SIGKILL, ""),
        ("abort", -signal.SIGABRT, ""),
    ],
)
def test_it_ends_as_the_command(how, code, words):
    done = run(how)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stdout == "before\n"


def test_it_is_killed_with_what_stands_for_it(tmp_path):
    path = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, __file__, "sleep", str(path)])
    while not (path.exists() and path.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    while True:  # the timeout of the test run ends it otherwise
        try:
            os.kill(int(path.read_text()), 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)


def test_which_mark_a_command_needs():
    from tests.warm.guard import needed  # as a script, this file may not find `tests`

    python = {"/bin/python"}
    assert needed(["make", "test"], python) is None
    assert needed(["/bin/python", "-c", "pass"], python) == "process"
    assert needed("exec /bin/python x.py", python) == "process"
    tool = str(ROOT / "tools/train.py")
    assert needed(["/bin/python", "-S", "_child.py", "/bin/python", tool], python) == "training"
    assert needed(["/bin/python", "-m", "anl_seg.cli.train", "c.py"], python) == "training"
    assert needed(["/bin/python", tool, "--help"], python) == "process"


def test_a_test_without_the_mark_starts_no_python(monkeypatch, request):
    from tests.conftest import GUARD

    monkeypatch.setattr(request.config.stash[GUARD], "marks", set())
    with pytest.raises(AssertionError, match=r"needs @pytest\.mark\.process"):
        subprocess.run([sys.executable, "-c", "pass"])
    subprocess.run(["true"], check=True)


def command(how: str, *arguments: str) -> None:
    import numpy as np
    import torch

    if how == "see":
        seen = dict(
            arguments=list(arguments),
            folder=os.getcwd(),
            variable=os.environ["OF_THIS_TEST"],
            input=sys.stdin.read(),
            name=__name__,
            threads=torch.get_num_threads(),
            python=sys.executable,
        )
        print(json.dumps(seen))
        return
    if how == "draw":
        print(np.random.rand())
        return
    print("before", flush=True)
    if how == "exit":
        sys.exit(3)
    if how == "sentence":
        sys.exit("in a sentence")
    if how == "raise":
        raise ZeroDivisionError
    if how == "sleep":
        with open(arguments[0], "w") as file:
            file.write(str(os.getpid()))
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGABRT)


if __name__ == "__main__":
    command(*sys.argv[1:])
