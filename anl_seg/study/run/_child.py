"""Run a command that ends with the process that started it: ``_child.py PARENT COMMAND...``.

Executed as a script, in a session of its own, with the mark of a run in its environment. This process
waits for the command, and ends as the command does. When the parent is gone, killed by SIGKILL too, it kills
the command and all that this started: workers, and the ranks of a distributed training, which have sessions
of their own. On Linux the kernel kills the command when this process is gone.
"""

import contextlib
import os
import resource
import signal
import sys
import time
from pathlib import Path

from leftovers import MARK, end_leftovers

# This script starts without site-packages, and the package's own folder is not on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))
from _processes import end_with, prctl

_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.1


def _become(command: list[str], watcher: int) -> None:
    """The command in place of this process."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with(watcher)
    os.execv(command[0], command)


def _wait(command: int, parent: int) -> int:
    """The wait status of the command; SIGKILL's once the parent is gone."""
    while True:
        # What its children left behind comes to this process, too.
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == command:
            return status
        if pid == 0:
            if os.getppid() != parent:
                end_leftovers(os.environ[MARK])
                with contextlib.suppress(OSError):
                    os.kill(command, signal.SIGKILL)
                return signal.SIGKILL
            time.sleep(_POLL_SECONDS)


def _end_as(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        # Not a second core dump.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    watcher = os.getpid()
    # A signal to the group is for the command.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        _become(command, watcher)
    _end_as(_wait(child, parent))


if __name__ == "__main__":
    main()
