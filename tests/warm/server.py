"""A process with the packages loaded, which forks for each command: ``server.py DESCRIPTOR PYTHON``.

A Python process that imports mmseg spends about nine CPU seconds before it does anything. This one
does it once, runs no tensor operation (whose threads a fork would lose), and listens on a socket that it
inherits. Of each connection (see ``client.py``) a monitor is forked, and of that the process that runs
the command; the monitor kills it when the client is gone. Ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import sys

PACKAGES = [
    "torch._dynamo",
    "torch.distributed",
    "torch.utils.cpp_extension",
    "torch.utils.data",
    "torch.utils.tensorboard",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "pandas",
    "scipy.ndimage",
    "rich.progress",
    "yapf.yapflib.yapf_api",
    "mmengine.runner",
    "mmengine.hooks",
    "mmengine.optim",
    "mmengine.visualization",
    "mmseg.apis",
    "mmseg.datasets",
    "mmseg.engine",
    "mmseg.evaluation",
    "mmseg.models",
    "mmseg.visualization",
    "anl_seg",
    "anl_seg.browse",
    "anl_seg.config",
    "anl_seg.corruption",
    "anl_seg.datasets",
    "anl_seg.engine",
    "anl_seg.evaluation",
    "anl_seg.models",
    "anl_seg.study",
]
_PR_SET_PDEATHSIG = 1


def load() -> None:
    for name in PACKAGES:
        # An optional one that is missing is missing to the command too.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit("warm server: an import started threads, which a fork would lose")
    gc.collect()
    gc.freeze()  # what is shared with the forks stays shared


def end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def receive(connection: socket.socket) -> tuple[dict, list[int]]:
    """The request of a client, and its standard streams."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as file:
        return json.loads(file.readline()), streams


def watch(process: int, connection: socket.socket) -> None:
    """Tell the client how the process ended; kill the process if the client is gone."""
    ended = os.pidfd_open(process)
    ready, _, _ = select.select([ended, connection], [], [])
    if ended not in ready:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    with contextlib.suppress(OSError):
        connection.sendall(str(status).encode())


def serve(listener: socket.socket) -> dict:
    """Fork for each connection; returns in each process that is to run a command: the request."""
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass  # a monitor that has ended
        if listener not in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            break
        connection.close()
    end_with_parent()
    listener.close()
    request, streams = receive(connection)
    process = os.fork()
    if process == 0:
        end_with_parent()
        connection.close()
        os.setsid()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        return request
    for stream in streams:
        os.close(stream)
    watch(process, connection)
    os._exit(0)


def run(command: list[str], folder: str, environment: dict[str, str], python: str) -> None:
    """Run a command as a process of its own would: a script, or a module after ``-m``."""
    import numpy as np
    import torch

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # What a process reads or draws when it starts.
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    np.random.seed(None)
    random.seed()
    sys.executable = python
    if command[0] == "-m":
        sys.argv = command[1:]
        sys.path[0] = folder
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        sys.path[0] = os.path.dirname(os.path.abspath(command[0]))
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    load()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    run(**asked, python=sys.argv[2])
