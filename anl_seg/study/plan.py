"""From configs, losses, noises and seeds to a list of runs, each with a folder of its own."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from anl_seg.config import (
    inject_noise,
    load_config,
    measure_memorization,
    noisy_evaluation,
    parse_spec,
    replace_losses,
)
from anl_seg.config.loss_config import check_losses
from anl_seg.config.options import apply_options, options_last, parse_cfg_options
from anl_seg.noise import build_noise
from anl_seg.noise._checks import check_integer
from anl_seg.study._quiet import quiet
from anl_seg.study.run.checkpoints import progress
from anl_seg.study.run_config import check_options
from anl_seg.study.schedule import training_length

#: Settings that tell the runs of a comparison apart: one value for all of them would mix them up.
_OWN = {"randomness.seed": "--seeds", "work_dir": "--work-dir", "resume": None, "load_from": None}


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
        max_iters: iterations of the run; None where it trains by epochs.
        digest: of the full configuration; decides whether a run that is there still fits.
        max_epochs: epochs of the run; None where it trains by iterations.
        options: words of ``--cfg-options``.
    """

    experiment: Experiment
    noise: str
    seed: int
    folder: Path
    max_iters: int | None
    digest: str
    max_epochs: int | None = None
    options: tuple[str, ...] = ()

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

    @property
    def started_file(self) -> Path:
        """Written when the run is started; holds the digest."""
        return self.folder / "started.json"

    @property
    def length(self) -> int:
        """Iterations or epochs of the run."""
        return self.max_iters or self.max_epochs or 1

    def done(self) -> int:
        """Iterations or epochs that the run has logged."""
        return progress(self.folder, "iter" if self.max_epochs is None else "epoch")

    def is_finished(self) -> bool:
        """Whether this very run has ended well.

        Raises:
            ValueError: the folder holds a run of another configuration, finished or begun, or a file
                that cannot be read.
        """
        for file, word in ((self.finished_file, "a finished run"), (self.started_file, "a run")):
            if file.is_file() and _digest_in(file) != self.digest:
                raise ValueError(
                    f"{self.folder} holds {word} of another configuration; "
                    "give another work dir, or remove that folder."
                )
        return self.finished_file.is_file()

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
            *self.options,
        ]


def _digest_in(file: Path) -> str:
    try:
        return json.loads(file.read_text(encoding="utf-8"))["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} cannot be read ({type(error).__name__}: {error}): remove that folder."
        ) from error


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


def _checked_options(words: Sequence[str]) -> dict:
    """Options of all runs.

    Raises:
        ValueError: no ``key=value``, or a setting that every run has of its own.
    """
    options = parse_cfg_options(words)
    for name, argument in _OWN.items():
        if name in options or name.partition(".")[0] in options:
            told = f"give {argument}" if argument else "a run goes on from its own checkpoint"
            raise ValueError(f"--cfg-options {name}: each run has its own; {told}.")
    return options


def _of_loss(name: str) -> bool:
    return ".loss_" in name


def merge_options(cfg: Config, options: Mapping) -> None:
    """Put ``--cfg-options`` into a config whose losses are not yet in their place: all but those of losses.

    Raises:
        KeyError: a setting that there is not.
    """
    settings = {name: value for name, value in options.items() if not _of_loss(name)}
    check_options(cfg, settings)
    apply_options(cfg, settings)


@contextmanager
def _told(config: str) -> Iterator[None]:
    """Errors say which of the configs is meant."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{config}: {error}") from error


def _trained(base: Config, loss: str | None, noise: str, seed: int, options: Mapping) -> Config:
    """A copy of a config with loss, noise and measuring, and the options that have the last word."""
    cfg = copy.deepcopy(base)
    with options_last(cfg, options):
        if loss is not None:
            replace_losses(cfg, parse_spec(loss))
        inject_noise(cfg, parse_spec(noise), seed=seed, keep_clean=True)
    measure_memorization(cfg)
    return cfg


def trained_config(run: Run) -> Config:
    """The config that tools/train.py makes for a run, but for what names folders."""
    base, options = load_config(run.experiment.config), parse_cfg_options(run.options)
    with quiet():
        return _trained(base, run.experiment.loss, run.noise, run.seed, options)


def _rehearsed(
    base: Config, loss: str | None, noise: str, options: dict, who: str, allow_noisy_eval: bool
) -> dict[str, int | None]:
    """Do to a config what tools/train.py will do for a run; how long that will train.

    Raises:
        KeyError, TypeError, ValueError: what a training would refuse.
    """
    check_options(base, {name: value for name, value in options.items() if not _of_loss(name)})
    cfg = _trained(base, loss, noise, 0, options)
    check_losses(cfg)
    noisy = [] if allow_noisy_eval else noisy_evaluation(cfg)
    if noisy:
        raise ValueError(
            f"the masks of {' and '.join(noisy)} are corrupted, so the scores would be against wrong labels."
        )
    return training_length(cfg, who)


def plan_runs(
    experiments: Sequence[Experiment],
    noises: Sequence[str],
    seeds: Sequence[int],
    work_dir: str | Path,
    *,
    options: Sequence[str] = (),
    allow_noisy_eval: bool = False,
    who: str = "a comparison",
) -> list[Run]:
    """Every experiment under every noise with every seed; checked before anything is launched.

    Args:
        experiments: see :func:`experiments_of`.
        noises: noises as on the command line.
        seeds: of training and noise.
        work_dir: where the folders of the runs are to be.
        options: words of ``--cfg-options`` for every run.
        allow_noisy_eval: accept corrupted validation masks.
        who: what compares, for errors.

    Raises:
        FileNotFoundError: a config that is not there.
        KeyError: a loss or an option that is not there.
        TypeError, ValueError: nothing to run, two runs for one folder, a wrong noise, loss, seed or option,
            or a config that such a run cannot be made of or that ends without a validation.
    """
    if not (experiments and noises and seeds):
        raise ValueError(f"{who} needs at least one config, one noise and one seed.")
    for seed in seeds:
        if check_integer("a seed", seed, low=0) >= 2**32:
            raise ValueError(f"a seed must be below 2**32, got {seed}")
    for noise in noises:
        build_noise(parse_spec(noise))
    settings = _checked_options(options)
    runs = []
    for experiment in experiments:
        cfg = load_config(experiment.config)
        text = cfg.pretty_text
        with quiet(), _told(experiment.config):
            lengths = [
                _rehearsed(cfg, experiment.loss, noise, settings, who, allow_noisy_eval)
                for noise in noises
            ]
        for noise, length in zip(noises, lengths):
            for seed in seeds:
                content = [
                    text,
                    experiment.loss,
                    noise,
                    seed,
                    *([list(options)] if options else []),
                ]
                digest = hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
                folder = Path(work_dir) / slug(noise) / slug(experiment.label) / f"seed{seed}"
                run = Run(
                    experiment=experiment,
                    noise=noise,
                    seed=seed,
                    folder=folder,
                    digest=digest,
                    options=tuple(options),
                    **length,
                )
                runs.append(run)
    folders = [run.folder for run in runs]
    twice = sorted({str(f) for f in folders if folders.count(f) > 1})
    if twice:
        raise ValueError(f"two runs would share a folder: {', '.join(twice)}.")
    return runs
