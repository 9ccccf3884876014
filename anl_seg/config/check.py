"""What a config alone shows to be wrong, found before a runner prints and builds anything."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS, OPTIM_WRAPPERS

from anl_seg._checks import check_integer
from anl_seg._suggest import unknown_name
from anl_seg.config._walk import as_list, corruptions, loaders, metrics, resolved, type_name
from anl_seg.config.check_data import check_data, check_loaders, check_samples
from anl_seg.config.check_parts import check_parts
from anl_seg.config.labels import check_corruption
from anl_seg.config.load import check_sections
from anl_seg.config.loss_config import check_losses

#: Devices on which mmengine trains neither in mixed precision nor in several processes.
_PLAIN_DEVICES = ("cpu", "mps")
#: A variable that each launcher sets for its processes, and what to start them with.
_LAUNCHERS = {
    "pytorch": ("RANK", "torchrun or tools/dist_train.sh"),
    "slurm": ("SLURM_PROCID", "srun or tools/slurm_train.sh"),
    "mpi": ("OMPI_COMM_WORLD_LOCAL_RANK", "mpirun"),
}
#: What ``IoUMetric`` knows.
_IOU_METRICS = ("mIoU", "mDice", "mFscore")
#: Seeds that NumPy takes.
_MOST_SEED = 2**32 - 1


def check_mixed_precision(cfg: Config) -> None:
    """Refuse mixed precision where there is no GPU.

    Raises:
        ValueError: what to leave out.
    """
    wrapper = cfg.get("optim_wrapper") or {}
    kind = resolved(wrapper, OPTIM_WRAPPERS)
    mixed = kind is not None and issubclass(kind, AmpOptimWrapper)
    if mixed and get_device() in _PLAIN_DEVICES:
        raise ValueError(
            f"mixed precision ({type_name(wrapper)}) needs a GPU, and torch sees none: train without --amp, "
            "or with OptimWrapper in the config."
        )


def check_launcher(cfg: Config) -> None:
    """Refuse a launcher where there is no GPU, and one that has not started this process.

    Raises:
        ValueError: what to leave out, or what to start with.
    """
    launcher = cfg.get("launcher", "none")
    if launcher == "none":
        return
    if get_device() in _PLAIN_DEVICES:
        raise ValueError(
            f"--launcher {launcher} starts a process per GPU, and torch sees no GPU: leave it out."
        )
    variable, start = _LAUNCHERS.get(launcher, (None, None))
    if variable is not None and variable not in os.environ:
        raise ValueError(
            f"--launcher {launcher}: {variable} is not set, so this process was not started by it; use "
            f"{start}, or leave --launcher out."
        )


def check_loop(cfg: Config, split: str, others: tuple[str, ...]) -> None:
    """Refuse a config that has some, but not all, of the settings that a loop needs.

    Raises:
        ValueError: the missing ones are named.
    """
    names = (f"{split}_dataloader", *others)
    missing = [name for name in names if cfg.get(name) is None]
    if missing and (split == "train" or len(missing) < len(names)):
        raise ValueError(
            f"the config has no {' and no '.join(missing)}; {', '.join(names)} go together."
        )


def check_evaluator(cfg: Config, name: str) -> None:
    """Refuse metrics that nobody knows.

    Raises:
        KeyError: unknown metric; all there are, are named.
    """
    for metric in metrics(cfg, name):
        kind = resolved(metric, METRICS)
        if kind is None:
            raise KeyError(f"{name}: {unknown_name('metric', metric.get('type'), _known())}")
        wrong = [m for m in as_list(metric.get("iou_metrics")) if m not in _IOU_METRICS]
        if wrong and issubclass(kind, IoUMetric):
            raise KeyError(f"{name}: {unknown_name('iou_metrics', wrong[0], _IOU_METRICS)}")


def _known() -> list[str]:
    from anl_seg.registry import METRICS as OURS

    OURS.import_from_location()
    return [*METRICS.module_dict, *(f"anl_seg.{name}" for name in OURS.module_dict)]


def check_corruptions(cfg: Config, *splits: str) -> None:
    """Refuse noise in a config's pipelines that does not fit data set or model; see :mod:`.labels`."""
    for _, loader in loaders(cfg, *splits):
        for owner, step in corruptions(loader["dataset"]):
            check_corruption(cfg, owner, step)


def check_lengths(cfg: Config) -> None:
    """Refuse a training without length, intervals that are none, and a seed that is none.

    Raises:
        ValueError: setting and value are named.
    """
    train = cfg.get("train_cfg") or {}
    lengths = [name for name in ("max_iters", "max_epochs") if name in train]
    if not lengths and train.get("type", "EpochBasedTrainLoop") in (
        "EpochBasedTrainLoop",
        "IterBasedTrainLoop",
    ):
        raise ValueError("train_cfg has neither max_iters nor max_epochs.")
    for name in (*lengths, "val_interval"):
        if train.get(name) is not None:
            check_integer(f"train_cfg.{name}", train[name], low=1)
    seed = (cfg.get("randomness") or {}).get("seed")
    if seed is not None and check_integer("randomness.seed", seed, low=0) > _MOST_SEED:
        raise ValueError(f"randomness.seed must be at most {_MOST_SEED}, got {seed}")


def check_checkpoint(cfg: Config) -> None:
    """Refuse a checkpoint to start or go on from that is not there.

    Raises:
        FileNotFoundError: it is named.
    """
    path = cfg.get("load_from")
    if path and "://" not in path and not Path(path).is_file():
        resume = " to go on from" if cfg.get("resume") else ""
        raise FileNotFoundError(f"no checkpoint{resume} at {path!r}.")


def make_work_dir(cfg: Config) -> None:
    """Make the folder for the results, or say why that cannot be.

    Raises:
        ValueError: the folder is named, and what stands in its way.
    """
    if not cfg.work_dir:
        raise ValueError("the work dir has no name; for the folder that you are in, write '.'.")
    folder = Path(cfg.work_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"work dir {cfg.work_dir!r} cannot be made: {error.strerror}.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"work dir {cfg.work_dir!r} may not be written to.")


def check_training(cfg: Config) -> None:
    """Refuse a config that cannot be trained with, as far as the config itself, disk and device tell.

    Where it can, its ``work_dir`` is made.

    Args:
        cfg: the complete config, with its ``work_dir``.

    Raises:
        FileNotFoundError, KeyError, TypeError, ValueError: what is wrong, where, and what is allowed.
    """
    check_sections(cfg)
    if not cfg.get("model"):
        raise ValueError("the config has no model.")
    check_loop(cfg, "train", ("train_cfg", "optim_wrapper"))
    check_loop(cfg, "val", ("val_cfg", "val_evaluator"))
    check_mixed_precision(cfg)
    check_launcher(cfg)
    check_evaluator(cfg, "val_evaluator")
    check_lengths(cfg)
    check_loaders(cfg, "train", "val")
    check_parts(cfg, "train", "val")
    check_losses(cfg)
    check_corruptions(cfg, "train", "val")
    check_checkpoint(cfg)
    check_data(cfg, "train", "val")
    check_samples(cfg, "train", "val")
    make_work_dir(cfg)


def check_testing(cfg: Config) -> None:
    """The same for a test; see :func:`anl_seg.config.evaluation_options.check_test` for what it must have.

    Raises:
        FileNotFoundError, KeyError, TypeError, ValueError: what is wrong, where, and what is allowed.
    """
    check_sections(cfg)
    check_launcher(cfg)
    check_evaluator(cfg, "test_evaluator")
    check_loaders(cfg, "test")
    check_parts(cfg, "test")
    check_corruptions(cfg, "test")
    check_data(cfg, "test")
    make_work_dir(cfg)
