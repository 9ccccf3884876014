"""Folders of a study as the runner and the hooks leave them, with values made up by a formula."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

CLASSES = ("background", "lung", "heart")
QUALITY = {"CE": 0.0, "GCE": 6.0, "MAE": 3.0}
CONFIG = "model = {'decode_head': {'loss_decode': {'type': 'LOSS'}}}\ntrain = NOISE\n"


def digest_of(number: int) -> str:
    return f"{number:016x}"


def metric(loss: str, strength, seed: int, step: int) -> float:
    """Between 0 and 100, rising with the iteration; the losses differ by more than the seeds."""
    level = strength if isinstance(strength, float) else 0.1
    rng = np.random.RandomState(1000 * seed + step)
    value = 80 - 30 * level + QUALITY.get(loss, 1.0) - 20 / step + rng.rand()
    return round(float(value), 2)


def part(wrong: int, memorized: int, corrected: int, **name) -> dict:
    return {
        **name,
        "wrong": wrong,
        "memorized": memorized,
        "corrected": corrected,
        "other": wrong - memorized - corrected,
        "right": 500,
        "right_correct": 450,
        "memorized_share": memorized / wrong if wrong else None,
        "corrected_share": corrected / wrong if wrong else None,
        "other_share": (wrong - memorized - corrected) / wrong if wrong else None,
        "right_correct_share": 0.9,
    }


def memorization_record(loss: str, seed: int, step: int) -> dict:
    memorized = 200 + 10 * step + 7 * seed - int(10 * QUALITY.get(loss, 1.0))
    third = memorized // 3
    return {
        "step": step,
        "epoch": 0,
        **part(1000, memorized, 300),
        "by_distance": [
            part(400, third, 100, low=1.0, high=2.0),
            part(600, memorized - third, 200, low=2.0, high=4.0),
            part(0, 0, 0, low=4.0, high=None),
        ],
        "by_class": [
            part(500, third, 150, **{"class": CLASSES[0]}),
            part(500, memorized - third, 150, **{"class": CLASSES[1]}),
            part(0, 0, 0, **{"class": CLASSES[2]}),
        ],
    }


def write_json(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_run(work_dir: Path, run: dict, steps=(10, 20, 30)) -> Path:
    """A finished run with everything in its folder."""
    folder = work_dir / run["folder"]
    axes = run["axes"]
    noise = "None" if axes["noise"] == "clean" else "{'type': 'CorruptMask'}"
    config = CONFIG.replace("LOSS", axes["loss"]).replace("NOISE", noise)
    write_json(folder / "run.json", {**run, "config": config})
    attempt = {"started": 1.0, "ended": 13.5, "seconds": 12.5, "returncode": 0, "reason": None}
    write_json(
        folder / "state.json",
        {
            "status": "finished",
            "attempts": [{**attempt, "host": "here", "device": "cpu"}],
            "reason": None,
        },
    )
    (folder / "output.log").write_text("trained\n")
    lines = []
    for step in steps:
        lines.append({"loss": 0.5, "iter": step, "step": step})
        value = metric(axes["loss"], axes["strength"], axes["seed"], step)
        lines.append({"mDice.fg": value, "mIoU": value - 10, "ECE": 5.0 + step / 10, "step": step})
    scalars = folder / "20260101_000000" / "vis_data" / "scalars.json"
    scalars.parent.mkdir(parents=True, exist_ok=True)
    scalars.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_json(
        folder / "environment.json",
        {"commit": "abc123", "packages": {"torch": "2.13.0"}, "python": "3.11", "device": "cpu"},
    )
    write_json(
        folder / "resources.json",
        {"seconds": 10.25, "peak_rss_bytes": 512_000_000, "peak_cuda_bytes": None, "device": "cpu"},
    )
    if axes["noise"] != "clean":
        records = [memorization_record(axes["loss"], axes["seed"], step) for step in steps]
        write_json(folder / "memorization.json", records)
        statistics = {"valid_pixels": 2000, "changed_pixels": 500 + axes["seed"]}
        write_json(folder / "noise_statistics.json", {"datasets": [{"statistics": statistics}]})
    (folder / f"iter_{steps[-1]}.pth").write_bytes(b"weights")
    (folder / "last_checkpoint").write_text(f"/elsewhere/{folder.name}/iter_{steps[-1]}.pth")
    return folder


def make_study(
    work_dir: Path,
    *,
    losses=("CE", "GCE", "MAE"),
    noises=(("symmetric", 0.2), ("symmetric", 0.4), ("clean", None)),
    seeds=(0, 1, 2),
    metrics=None,
    **extra,
) -> list[dict]:
    """A study whose runs all finished; returns the runs of its plan."""
    points = [(loss, *noise, seed) for loss in losses for noise in noises for seed in seeds]
    runs = []
    for number, (loss, noise, strength, seed) in enumerate(points):
        digest = digest_of(number + 1)
        runs.append(
            {
                "digest": digest,
                "folder": f"runs/{digest}",
                "axes": {
                    "model": "unet",
                    "loss": loss,
                    "noise": noise,
                    "strength": strength,
                    "seed": seed,
                    "options": "default",
                },
                "command": ["python", "tools/train.py", f"runs/{digest}/input/config.py"],
                "max_iters": 30,
            }
        )
    write_json(
        work_dir / "study.json",
        {
            "name": "quick",
            "study_file": "studies/quick.py",
            "study_text": "axes = dict(loss=['<CE> & co'])\n",
            "metrics": metrics or {"main": "mDice.fg", "others": ["mIoU", "ECE"], "last_k": 2},
            "published": None,
            "runs": runs,
            "versions": {"anl_seg": "0.1.0", "torch": "2.13.0"},
            "commit": "abc123",
            **extra,
        },
    )
    for run in runs:
        write_run(work_dir, run)
    return runs


def fail(work_dir: Path, run: dict, reason: str, attempts: int = 2) -> None:
    """Make a finished run one that failed."""
    attempt = {"seconds": 3.0, "returncode": 1, "reason": reason, "host": "here", "device": "cpu"}
    write_json(
        work_dir / run["folder"] / "state.json",
        {"status": "failed", "attempts": [attempt] * attempts, "reason": reason},
    )
