"""Run a command of Python in a fork of the warm server: ``client.py NAME COMMAND...``.

Ends as the command ends. Executed as a script, so that it starts in some milliseconds: standard
library only, none of it heavy.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import sys


def main() -> None:
    # Where this process is killed, its end of the connection closes, and the server kills the fork.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    name, *command = sys.argv[1:]
    request = {"command": command, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{name}")
        socket.send_fds(connection, [b"+"], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = connection.recv(100)
    if not answer:
        sys.exit("the warm server of the tests is gone; pytest shows its errors at its end")
    code = os.waitstatus_to_exitcode(int(answer))
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
