"""Runs for the fake training, and what they must end with."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

from anl_seg.study.plan import StudyRun
from anl_seg.study.run.checkpoints import choose_checkpoint

FAKE_TRAIN = Path(__file__).with_name("fake_train.py")


def _fake_train():
    spec = importlib.util.spec_from_file_location("anl_seg_fake_train", FAKE_TRAIN)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


step = _fake_train().step


def fake_run(work_dir: Path, name: str, seed: int = 0, iterations: int = 6, **config) -> StudyRun:
    content = {"iterations": iterations, "val_interval": 2, "seed": seed, **config}
    return StudyRun(
        digest=name,
        folder=Path(work_dir).absolute() / "runs" / name,
        axes=dict(model="m", loss=name, noise="n", strength=None, seed=seed, options="default"),
        max_iters=iterations,
        max_epochs=None,
        name=name,
        config="".join(f"{key} = {value!r}\n" for key, value in content.items()),
    )


def runs_to_kill(work_dir: Path) -> list[StudyRun]:
    """What kill_driver.py runs: four runs of some seconds each."""
    return [fake_run(work_dir, f"run{s}", s, iterations=40, seconds=0.05) for s in range(4)]


def expected_table(run: StudyRun) -> dict[int, int]:
    """Step -> metric, computed from the start."""
    weight, table = 0, {}
    for iteration in range(1, run.max_iters + 1):
        weight = step(weight, iteration, run.axes["seed"])
        if iteration % 2 == 0:
            table[iteration] = weight % 10007
    return table


def table(run: StudyRun) -> dict[int, int]:
    """Step -> metric, as the run logged it; of one that was logged twice the later."""
    found = {}
    for path in sorted(run.folder.glob("*/vis_data/scalars.json")):
        for line in path.read_text().splitlines():
            try:
                content = json.loads(line)
            except json.JSONDecodeError:
                continue
            if "mIoU" in content:
                found[content["step"]] = content["mIoU"]
    return found


def resumable_checkpoint(folder: Path, last: int) -> Path | None:
    path = choose_checkpoint(folder, last).path
    return None if path is None else Path(path)


def state(run: StudyRun) -> dict:
    return json.loads((run.folder / "state.json").read_text())


def starts(run: StudyRun) -> list[str]:
    """From which iteration each attempt started."""
    lines = (run.folder / "output.log").read_text().splitlines()
    return [line for line in lines if line.startswith("from iteration")]
