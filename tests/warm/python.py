"""The interpreter that tests start: the real one, behind a script that asks the warm server where it can."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

#: What imports mmseg goes to the server; all else is started as it is.
SCRIPT = """#!/bin/sh
case "$1 $2" in
    {tools}/*.py\\ * | {tests}/*/test_*.py\\ * | "-m anl_seg."*)
        exec {python} -S -E {client} {name} "$@" ;;
esac
exec {python} "$@"
"""


class WarmPython:
    """A stand-in for ``sys.executable``; the server starts with the first use of :attr:`path`.

    On a machine with a GPU, elsewhere than on Linux, and with ``COLD_PROCESSES`` in the environment it
    is ``sys.executable`` itself.
    """

    def __init__(self) -> None:
        self._real = sys.executable
        self._environment = dict(os.environ)
        self._server: subprocess.Popen | None = None
        self._folder: tempfile.TemporaryDirectory | None = None

    @property
    def path(self) -> str:
        if self._folder is None:
            import torch

            cold = os.environ.get("COLD_PROCESSES")
            if cold or not sys.platform.startswith("linux") or torch.cuda.is_available():
                return self._real
            self._folder = tempfile.TemporaryDirectory(prefix="warm-python-")
            self._start(Path(self._folder.name) / "python")
        return str(Path(self._folder.name) / "python")

    def _start(self, path: Path) -> None:
        name = f"anl_seg/{os.getpid()}/{path.parent.name}"
        words = dict(
            python=self._real,
            client=HERE / "client.py",
            tools=ROOT / "tools",
            tests=ROOT / "tests",
            name=name,
        )
        path.write_text(SCRIPT.format(**{k: shlex.quote(str(v)) for k, v in words.items()}))
        path.chmod(0o755)
        with socket.socket(socket.AF_UNIX) as listener, open(self._log(), "wb") as log:
            listener.bind(f"\0{name}")
            listener.listen(16)
            self._server = subprocess.Popen(
                [self._real, str(HERE / "server.py"), str(listener.fileno()), str(path)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                cwd=ROOT,
                env={**self._environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def _log(self) -> Path:
        return Path(self._folder.name) / "log"

    def stop(self) -> None:
        """End the server, and show what it printed if it did not end well."""
        if self._server is not None:
            self._server.communicate()
            if self._server.returncode != 0:
                sys.stderr.write(self._log().read_text(errors="replace"))
        if self._folder is not None:
            self._folder.cleanup()
