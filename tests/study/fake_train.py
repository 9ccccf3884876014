"""Stands in for tools/train.py: the same arguments, files and habits, in a fraction of a second.

Its only weight is a number that every iteration changes in a way that depends on all before it, so a run
that was resumed from the wrong place ends with another number. What it does is asked for in the config:
iterations, val_interval, seconds (per iteration), fail (see ``_fail``), ranks (see ``_start_rank``).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from datetime import datetime
from pathlib import Path


def step(weight: int, iteration: int, seed: int) -> int:
    return (weight * 6364136223846793005 + iteration * 1442695040888963407 + seed) % (1 << 62)


def _fail(how: str, folder: Path, iteration: int) -> None:
    if how == "crash":
        raise RuntimeError("the data set is not there")
    if how == "diverge":
        raise FloatingPointError(f"diverged: loss is nan at iteration {iteration}")
    if how == "space":
        raise OSError(28, "No space left on device")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "silent":
        print("no traceback", flush=True)
        os._exit(3)
    if how == "once" and not (folder / "was_here").exists():
        (folder / "was_here").write_text("")
        raise RuntimeError("only the first time")


def _start_rank() -> None:
    """As ``torch.distributed.run`` does: a process with a session of its own; it heeds no polite signal."""
    code = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 15)]; time.sleep(600)"
    subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)


def _load(checkpoint: str | None) -> tuple[int, int]:
    if checkpoint is None:
        return 0, 0
    with zipfile.ZipFile(checkpoint) as file:
        content = json.loads(file.read("data"))
    return content["iteration"], content["weight"]


def _save(folder: Path, iteration: int, weight: int) -> None:
    """In place and in two parts, by the first rank alone, as mmengine does."""
    if int(os.environ.get("RANK", 0)) != 0:
        return
    path = folder / f"iter_{iteration}.pth"
    for old in sorted(folder.glob("iter_*.pth"), key=lambda p: int(p.stem[5:]))[:-1]:
        old.unlink()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data", json.dumps({"iteration": iteration, "weight": weight}))
        file.fp.flush()
        time.sleep(0.02)
    (folder / "last_checkpoint").write_text(str(path))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--work-dir")
    parser.add_argument("--resume")
    parser.add_argument("--launcher")
    args = parser.parse_args()
    cfg: dict = {}
    exec(Path(args.config).read_text(), cfg)
    folder = Path(args.work_dir)
    for _ in range(cfg.get("ranks", 0)):
        _start_rank()
    now = datetime.now().strftime("%Y%m%d_%H%M%S_%f")
    log = folder / now / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    (folder / "environment.json").write_text(json.dumps({"device": "fake"}))
    (folder / "seen_environment").write_text(
        json.dumps({k: os.environ.get(k) for k in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")})
    )
    iteration, weight = _load(args.resume)
    print(f"from iteration {iteration}", flush=True)
    with open(log, "a") as file:

        def write(**line: object) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()

        while iteration < cfg["iterations"]:
            time.sleep(cfg.get("seconds", 0.0))
            iteration += 1
            weight = step(weight, iteration, cfg["seed"])
            if cfg.get("fail") and iteration == cfg.get("fail_at", 1):
                _fail(cfg["fail"], folder, iteration)
            write(loss=weight % 1000, iter=iteration, step=iteration)
            if iteration % cfg["val_interval"] == 0:
                _save(folder, iteration, weight)
                time.sleep(0.02)
                write(mIoU=weight % 10007, time=0.0, step=iteration)
    print("done", flush=True)


if __name__ == "__main__":
    sys.exit(main())
