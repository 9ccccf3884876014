"""Parameters of losses that change with the iteration or the epoch."""

from __future__ import annotations

import copy
import inspect
import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from anl_seg._checks import check_integer, check_rate
from anl_seg._suggest import unknown_name
from anl_seg.engine._finite import unwrapped
from anl_seg.models.loss_trial import try_loss
from anl_seg.models.losses.adaptive_loss import AdaptiveLoss
from anl_seg.models.losses.normalized_losses import NormalizedLoss, NormalizedNegativeLoss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import HOOKS

#: Parameters that cannot change: a loss reads ``preset`` and ``setting`` at construction only, and
#: ``views`` goes with the data preprocessor.
NOT_SCHEDULABLE = frozenset({"preset", "setting", "views"})
#: Losses that copy the parameters of their ``base`` at construction.
FROZEN_BASE = (NormalizedLoss, NormalizedNegativeLoss)

Value = Union[float, int, str]


@dataclass(frozen=True)
class _Entry:
    """One parameter's values: ``values[i]`` from step ``starts[i]`` on."""

    parameter: str
    starts: tuple[float, ...]
    values: tuple[Value, ...]
    linear: bool

    def segment(self, step: float) -> int:
        """Index of the last start that is not after ``step``."""
        return bisect_right(self.starts, step) - 1

    def value(self, step: float) -> Value:
        """The value in use at ``step``; after the last start the last one."""
        i = self.segment(step)
        value = self.values[i]
        if not self.linear or i == len(self.starts) - 1:
            return value
        following = self.values[i + 1]
        assert not isinstance(value, str)
        assert not isinstance(following, str)
        share = (step - self.starts[i]) / (self.starts[i + 1] - self.starts[i])
        return value + share * (following - value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_steps(name: str, starts: tuple, relative: bool) -> None:
    for start in starts:
        if relative:
            check_rate(f"{name}: a relative step", start)
        else:
            check_integer(f"{name}: a step", start, low=0)
    if starts[0] != 0:
        raise ValueError(
            f"{name}: the first step must be 0, the value that training starts from; got {starts[0]}"
        )
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError(f"{name}: the steps must increase, got {list(starts)}")


def _read_entry(config: Any, relative: bool) -> _Entry:
    """An entry of ``schedule``, checked as far as that goes without a loss."""
    if not isinstance(config, Mapping) or not {"parameter", "at"} <= set(config):
        raise ValueError(
            "an entry of schedule must be dict(parameter=..., at={0: value, ...}), "
            f"got {config!r}"
        )
    if unknown := set(config) - {"parameter", "at", "interpolate"}:
        raise ValueError(
            f"an entry of schedule has parameter, at and interpolate, not {sorted(unknown)}"
        )
    name, at = config["parameter"], config["at"]
    interpolate = config.get("interpolate", "constant")
    if not isinstance(name, str) or not name:
        raise ValueError(f"parameter must be the name of a parameter, got {name!r}")
    if interpolate not in ("constant", "linear"):
        raise ValueError(f"interpolate must be 'constant' or 'linear', got {interpolate!r}")
    try:
        pairs = list(at.items()) if isinstance(at, Mapping) else [(k, v) for k, v in at]
    except (TypeError, ValueError):
        pairs = []
    if not pairs:
        raise ValueError(
            f"{name}: at must be a dict of step -> value, or a list of such pairs, got {at!r}"
        )
    starts = tuple(start for start, _ in pairs)
    values = tuple(value for _, value in pairs)
    _check_steps(name, starts, relative)
    for value in values:
        if not (isinstance(value, str) or (_is_number(value) and math.isfinite(value))):
            raise ValueError(f"{name}: a value must be a finite number or a string, got {value!r}")
    if interpolate == "linear" and not all(_is_number(v) for v in values):
        raise ValueError(f"{name}: interpolate='linear' needs numbers, got {list(values)}")
    return _Entry(name, starts, values, interpolate == "linear")


def loss_modules(model: nn.Module) -> dict[str, PixelLoss | AdaptiveLoss]:
    """The losses of this package in a model by their path, parts of another loss left out."""
    found: dict[str, PixelLoss | AdaptiveLoss] = {}
    for path, module in model.named_modules():  # a loss comes before its parts
        inside = any(path.startswith(f"{outer}.") for outer in found)
        if isinstance(module, (PixelLoss, AdaptiveLoss)) and not inside:
            found[path] = module
    return found


def schedulable_parameters(loss: PixelLoss | AdaptiveLoss) -> dict[str, tuple[PixelLoss, str]]:
    """Number and string parameters that may be set while training: name -> (owner, attribute).

    The parameters of a part have dotted names, ``active.gamma``. Of an :class:`AdaptiveLoss` they are
    those of its base that are not learned.
    """
    base = loss.base if isinstance(loss, AdaptiveLoss) else loss
    learned = loss.ranges if isinstance(loss, AdaptiveLoss) else {}
    frozen: list[str] = []
    found: dict[str, tuple[PixelLoss, str]] = {}
    for path, part in base.named_modules():
        prefix = f"{path}." if path else ""
        if not isinstance(part, PixelLoss) or any(f"{path}.".startswith(f) for f in frozen):
            continue
        if isinstance(part, FROZEN_BASE):
            frozen.append(f"{prefix}base.")
        for name in (*part.parameter_names, "loss_weight"):
            value = getattr(part, name)
            usable = _is_number(value) or isinstance(value, str)
            if usable and name not in NOT_SCHEDULABLE and prefix + name not in learned:
                found[prefix + name] = (part, name)
    return found


def _num_channels(model: nn.Module, path: str) -> int | None:
    """Output channels of the mmseg head around a loss; None where there is no such head."""
    while "." in path:
        path = path.rpartition(".")[0]
        channels = getattr(model.get_submodule(path), "out_channels", None)
        if isinstance(channels, int):
            return channels
    return None


def _check_value(owner: PixelLoss, name: str, value: Value, channels: int | None) -> None:
    """Raise the loss's own error for a value that it does not allow; the loss is left alone."""
    if isinstance(getattr(owner, name), float) and not _is_number(value):
        raise ValueError(f"{name} must be a number; got {value!r}.")
    kind: Callable[..., PixelLoss] = type(owner)
    required = [
        p
        for p in inspect.signature(kind).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if not required:
        kind(**{name: value})
    trial = copy.deepcopy(owner)
    setattr(trial, name, value)
    if channels is None:
        return
    # Some limits depend on the number of classes, so the loss of a few pixels has the last word.
    try_loss(trial, channels)


@HOOKS.register_module()
class LossScheduleHook(Hook):
    """Sets parameters of the model's losses by iteration or epoch.

    NLNL's three stages, and a weight that falls on a straight line::

        custom_hooks = [dict(type='anl_seg.LossScheduleHook', schedule=[
            dict(parameter='stage', at={0: 'nl', 190: 'sel_nl', 380: 'sel_pl'}),
            dict(parameter='loss_weight', at={0: 1.0, 570: 0.5}, interpolate='linear')])]

    A cross entropy that fades out between a fifth and four fifths of any training::

        dict(type='anl_seg.LossScheduleHook', relative=True, loss='loss_ce', schedule=[
            dict(parameter='loss_weight', at={0: 1.0, 0.2: 1.0, 0.8: 0.0}, interpolate='linear')])

    The value depends on the iteration (or epoch) alone, so a resumed run has the right one and nothing
    is saved. It is set before the iteration; step k is that with k iterations (epochs) done, so 0 is
    the first. Numbers go to the message hub at every iteration as ``<loss>.<parameter>``; as mmengine
    averages whatever has "loss" in its name over its window, the log shows a mean of the last ten.
    Every step of the schedule is a line in the log, with the exact value.

    Losses of this package only; a parameter is a number or string of the loss's ``parameter_names``,
    ``loss_weight``, or one of a part by a dotted name (``active.gamma``). The bases of
    ``NormalizedLoss`` and ``NormalizedNegativeLoss``, and ``preset`` and ``setting``, are read at
    construction and cannot change; nor can ``views``. Of an ``AdaptiveLoss`` the parameters are those
    of its base that are not learned.

    Args:
        schedule (list[dict]): Entries with ``parameter``, ``at`` (step -> value, a dict or a list of
            pairs, steps increasing from 0) and ``interpolate``: ``constant`` (default), each value
            until the next step, or ``linear`` between steps. After the last step its value stays.
        relative (bool): Steps are shares of the whole training, from 0 to 1.
        by_epoch (bool): Count epochs, which needs an epoch-based loop. Default: iterations.
        loss (str, optional): The ``loss_name`` of the losses to set. None: all that have the parameter.

    Raises:
        ValueError: For a bad argument; before training for a parameter that no loss has, a value that
            a loss does not allow, or epochs in an iteration-based loop.
    """

    # Before AdaptiveLossHook (NORMAL), which looks ahead with the losses as they are.
    priority = "HIGH"

    def __init__(
        self,
        schedule: Sequence[Mapping],
        by_epoch: bool = False,
        loss: str | None = None,
        relative: bool = False,
    ) -> None:
        if isinstance(schedule, (str, Mapping)) or not schedule:
            raise ValueError(f"schedule must be a list of at least one entry, got {schedule!r}")
        if loss is not None and not isinstance(loss, str):
            raise ValueError(f"loss must be a loss_name or None, got {loss!r}")
        self.entries = [_read_entry(entry, relative) for entry in schedule]
        names = [entry.parameter for entry in self.entries]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"schedule has {', '.join(twice)} more than once")
        self.by_epoch = by_epoch
        self.loss = loss
        self.relative = relative

    def shared_parameters(self, other: LossScheduleHook) -> set[str]:
        """The parameters that both set, perhaps of the same loss."""
        if self.loss != other.loss and None not in (self.loss, other.loss):
            return set()
        return {e.parameter for e in self.entries} & {e.parameter for e in other.entries}

    def targets(self, model: nn.Module) -> list[dict[str, list[tuple[PixelLoss, str]]]]:
        """Per entry of the schedule: path of the loss -> (owner, attribute), all that are to be set.

        Raises:
            ValueError: no loss has the parameter, or one does not allow a value that is to come.
        """
        losses = self._chosen(loss_modules(model))
        return [self._targets_of(entry, model, losses) for entry in self.entries]

    def before_train(self, runner: Runner) -> None:
        """Find the losses and check every value that is to come."""
        for other in getattr(runner, "hooks", ()):
            if other is self or not isinstance(other, LossScheduleHook):
                continue
            if shared := self.shared_parameters(other):
                raise ValueError(
                    f"LossScheduleHook: two of them set {', '.join(sorted(shared))}; take one away"
                )
        if self.by_epoch and not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                "LossScheduleHook: by_epoch=True needs an epoch-based loop; the train loop is "
                f"{type(runner.train_loop).__name__}, so give iterations and by_epoch=False"
            )
        model = unwrapped(runner.model)
        self._targets = self.targets(model)
        for targets in self._targets:
            for owner, attribute in itertools.chain.from_iterable(targets.values()):
                owner.scheduled |= {attribute}
        self._told: list[int | None] = [None] * len(self.entries)
        self._length = runner.max_epochs if self.by_epoch else runner.max_iters
        last = 1 if self.relative else self._length
        for entry in self.entries:
            if late := [start for start in entry.starts if start >= last and not entry.linear]:
                runner.logger.warning(
                    f"LossScheduleHook: training ends at {last}, so {entry.parameter} never gets "
                    f"its value of step {', '.join(map(str, late))}"
                )

    def _chosen(self, losses: dict[str, PixelLoss | AdaptiveLoss]) -> dict[str, Any]:
        if not losses:
            raise ValueError("LossScheduleHook: the model has no loss of anl_seg")
        if self.loss is None:
            return losses
        chosen = {path: loss for path, loss in losses.items() if loss.loss_name == self.loss}
        if not chosen:
            names = {loss.loss_name: None for loss in losses.values()}
            raise ValueError(f"LossScheduleHook: {unknown_name('loss', self.loss, names)}")
        return chosen

    def _targets_of(
        self, entry: _Entry, model: nn.Module, losses: dict[str, Any]
    ) -> dict[str, list[tuple[PixelLoss, str]]]:
        name, targets = entry.parameter, {}
        for path, loss in losses.items():
            if isinstance(loss, AdaptiveLoss) and name in loss.ranges:
                raise ValueError(
                    f"LossScheduleHook: {name} of {path} is learned by AdaptiveLossHook; "
                    "it cannot be scheduled too"
                )
            known = schedulable_parameters(loss)
            if name not in known:
                continue
            owner, attribute = known[name]
            self._check(entry, path, owner, attribute, _num_channels(model, path))
            targets[path] = [(owner, attribute)]
            if isinstance(loss, AdaptiveLoss) and name == "loss_weight":
                targets[path].append((loss.clean_loss, name))
        if not targets or (self.loss is not None and len(targets) < len(losses)):
            kinds = {
                f"{type(loss).__name__}: {', '.join(schedulable_parameters(loss))}": None
                for path, loss in losses.items()
                if path not in targets
            }
            raise ValueError(
                f"LossScheduleHook: no number or string {name!r} that can be set while training; "
                f"there are {'; '.join(kinds)}"
            )
        return targets

    def _check(
        self, entry: _Entry, path: str, owner: PixelLoss, attribute: str, channels: int | None
    ) -> None:
        if entry.linear and not isinstance(getattr(owner, attribute), float):
            raise ValueError(
                f"LossScheduleHook: interpolate='linear' needs a real number; {path}."
                f"{entry.parameter} is {getattr(owner, attribute)!r}"
            )
        for start, value in zip(entry.starts, entry.values):
            try:
                _check_value(owner, attribute, value, channels)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"LossScheduleHook: {path} does not allow {entry.parameter}={value!r}, "
                    f"scheduled for step {start}: {error}"
                ) from error

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Set the values of this iteration."""
        step = runner.epoch if self.by_epoch else runner.iter
        if self.relative:
            step /= self._length
        for i, (entry, targets) in enumerate(zip(self.entries, self._targets)):
            value, segment = entry.value(step), entry.segment(step)
            for owners in targets.values():
                for owner, attribute in owners:
                    is_real = isinstance(getattr(owner, attribute), float)
                    setattr(owner, attribute, float(value) if is_real else value)
            if segment != self._told[i]:
                self._told[i] = segment
                where = ", ".join(targets)
                runner.logger.info(f"Loss schedule: {entry.parameter} = {value} of {where}")
            if _is_number(value):
                for path in targets:
                    runner.message_hub.update_scalar(f"train/{path}.{entry.parameter}", value)
