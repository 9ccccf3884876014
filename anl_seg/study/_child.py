"""Run a command that dies with the process that started it: ``_child.py PARENT COMMAND...``.

Executed as a script. On Linux the kernel kills the command when the parent is gone, by SIGKILL too;
elsewhere the command just runs.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before the line above
            sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
