"""From configs, losses, noises and seeds to a list of runs, each with a folder of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anl_seg.config import load_config, parse_spec
from anl_seg.config.loss_config import qualified_loss
from anl_seg.noise import build_noise


@dataclass(frozen=True)
class Experiment:
    """What is compared: a config, and perhaps a loss in place of its own.

    Attributes:
        config: path of the config.
        label: what tells this experiment from the others; names its folder and its rows.
        loss: loss as on the command line, ``Type:key=value,...``; None = that of the config.
    """

    config: str
    label: str
    loss: str | None = None


@dataclass(frozen=True)
class Run:
    """One training: an experiment under one noise with one seed.

    Attributes:
        experiment: config and loss.
        noise: noise as on the command line, ``Type:key=value,...``.
        seed: seed of training and of the noise.
        folder: work dir.
        max_iters: iterations of the run.
        digest: of the full configuration; decides whether a finished run still fits.
    """

    experiment: Experiment
    noise: str
    seed: int
    folder: Path
    max_iters: int
    digest: str

    @property
    def label(self) -> str:
        """What tells the experiment from the others."""
        return self.experiment.label

    @property
    def name(self) -> str:
        """What progress calls the run."""
        return f"{self.label} | {self.noise} | seed {self.seed}"

    @property
    def finished_file(self) -> Path:
        """Written when the run has ended well; holds the digest."""
        return self.folder / "finished.json"

    def is_finished(self) -> bool:
        """Whether this very run has ended well.

        Raises:
            ValueError: the folder holds a finished run of another configuration.
        """
        if not self.finished_file.is_file():
            return False
        digest = json.loads(self.finished_file.read_text(encoding="utf-8"))["digest"]
        if digest != self.digest:
            raise ValueError(
                f"{self.folder} holds a finished run of another configuration; "
                "give another work dir, or remove that folder."
            )
        return True

    def command(self) -> list[str]:
        """Arguments for tools/train.py."""
        loss = self.experiment.loss
        return [
            self.experiment.config,
            *([] if loss is None else [f"--loss={loss}"]),
            f"--work-dir={self.folder}",
            f"--noise={self.noise}",
            f"--noise-seed={self.seed}",
            "--measure-memorization",
            "--resume",
            "--cfg-options",
            f"randomness.seed={self.seed}",
        ]


def _labels(configs: Sequence[str]) -> list[str]:
    """The parts of each config's name that not all configs share."""
    parts = [Path(c).stem.split("_") for c in configs]
    shared = set(parts[0]).intersection(*parts[1:]) if len(parts) > 1 else set()
    return ["_".join(p for p in part if p not in shared) or "_".join(part) for part in parts]


def experiments_of(configs: Sequence[str], losses: Sequence[str] = ()) -> list[Experiment]:
    """Every config with its own loss, or, where losses are given, with each of them.

    Args:
        configs: paths; the parts of their names that differ become the labels.
        losses: losses as on the command line; part of the label.
    """
    if not losses:
        return [Experiment(c, label) for c, label in zip(configs, _labels(configs))]
    if len(configs) == 1:
        return [Experiment(configs[0], loss, loss) for loss in losses]
    return [
        Experiment(config, f"{label} {loss}", loss)
        for config, label in zip(configs, _labels(configs))
        for loss in losses
    ]


def slug(text: str) -> str:
    """The text as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def plan_runs(
    experiments: Sequence[Experiment],
    noises: Sequence[str],
    seeds: Sequence[int],
    work_dir: str | Path,
) -> list[Run]:
    """Every experiment under every noise with every seed; checked before anything is launched.

    Raises:
        FileNotFoundError: a config that is not there.
        KeyError: a loss that is not there.
        ValueError: nothing to run, two runs for one folder, or a wrong noise or loss.
    """
    if not (experiments and noises and seeds):
        raise ValueError("a comparison needs at least one config, one noise and one seed.")
    runs = []
    for experiment in experiments:
        cfg = load_config(experiment.config)
        if experiment.loss is not None:
            qualified_loss(parse_spec(experiment.loss))
        for noise in noises:
            build_noise(parse_spec(noise))
            for seed in seeds:
                content = json.dumps([cfg.pretty_text, experiment.loss, noise, seed])
                folder = Path(work_dir) / slug(noise) / slug(experiment.label) / f"seed{seed}"
                runs.append(
                    Run(
                        experiment=experiment,
                        noise=noise,
                        seed=seed,
                        folder=folder,
                        max_iters=cfg.train_cfg.max_iters,
                        digest=hashlib.blake2b(content.encode(), digest_size=16).hexdigest(),
                    )
                )
    folders = [run.folder for run in runs]
    twice = sorted({str(f) for f in folders if folders.count(f) > 1})
    if twice:
        raise ValueError(f"two runs would share a folder: {', '.join(twice)}.")
    return runs
