"""A robust loss whose hyper-parameters are learned while training (Shu et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from anl_seg.models.losses._build import build_loss
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.models.losses.simple_losses import CELoss
from anl_seg.registry import MODELS


def _check_range(base: PixelLoss, name: str, ends: Any) -> tuple[float, float]:
    start = getattr(base, name, None) if name in base.parameter_names else None
    if isinstance(start, bool) or not isinstance(start, (int, float)):
        numbers = [
            known for known in base.parameter_names if isinstance(getattr(base, known), float)
        ]
        raise ValueError(
            f"{type(base).__name__} has no number {name!r} to learn; it has {numbers or 'none'}."
        )
    if not isinstance(ends, Sequence) or len(ends) != 2 or not ends[0] < start < ends[1]:
        raise ValueError(
            f"the range of {name} must be (low, high) with low < {start} < high, the value that "
            f"training starts from; got {ends!r}."
        )
    low, high = map(float, ends)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"the range of {name} must be finite; got {ends!r}.")
    return low, high


@MODELS.register_module()
class AdaptiveLoss(nn.Module):
    """Any loss here with numbers of it left to :class:`AdaptiveLossHook` to learn.

    In all else it is its base: called, weighted, reduced and named as the base is. Without the hook
    nothing is learned::

        loss_decode=dict(
            type='anl_seg.AdaptiveLoss',
            base=dict(type='GCELoss', q=0.5),
            parameters=dict(q=(0.05, 1.0)))

    A number x with the range (low, high) is low + (high - low) sigmoid(r), so that it never leaves its
    range. The r are a buffer, ``raw``: in the state dict, and in no optimizer, so neither weight
    decay nor an L1 penalty acts on them.

    Args:
        base: config of the loss, with the values that training starts from.
        parameters: name of a number of the base -> (low, high); both ends must be allowed values.
        kwargs: further arguments of the base (``loss_weight``, ``loss_name``, ``class_weight``, ...), so
            that tools may set them here.

    Raises:
        ValueError: a name that is no number of the base, a start outside its range, an end that the
            base does not allow, or an argument that is given twice.
    """

    raw: Tensor

    def __init__(
        self, base: dict, parameters: Mapping[str, Sequence[float]], **kwargs: Any
    ) -> None:
        super().__init__()
        if not isinstance(base, Mapping) or "type" not in base:
            raise ValueError(f"base must be a loss config with a 'type'; got {base!r}.")
        twice = set(base) & set(kwargs)
        if twice:
            raise ValueError(f"{sorted(twice)} given both in base and beside it.")
        if not isinstance(parameters, Mapping) or not parameters:
            raise ValueError(
                "parameters must name at least one number of the base to learn, as a dict of name -> "
                f"(low, high); got {parameters!r}."
            )
        config = {**base, **kwargs}
        self.base = build_loss(config, "base")
        self.ranges = {
            name: _check_range(self.base, name, ends) for name, ends in parameters.items()
        }
        for name, ends in self.ranges.items():
            for end in ends:
                build_loss(
                    {**config, name: end}, "base"
                )  # the base's own error if it is not allowed
        start = [(getattr(self.base, name), *ends) for name, ends in self.ranges.items()]
        raw = [math.log(x - low) - math.log(high - x) for x, low, high in start]
        self.register_buffer("raw", torch.tensor(raw, dtype=torch.float32))
        weights = self.base.class_weight
        #: What the clean set is judged by: cross entropy with the base's weights.
        self.clean_loss = CELoss(
            class_weight=None if weights is None else weights.tolist(),
            loss_weight=self.base.loss_weight,
            loss_name=self.base.loss_name,
            use_sigmoid=self.base.use_sigmoid,
        )
        self._clean = False
        self._calls: list[tuple[Tensor, tuple, dict]] | None = None

    @property
    def loss_name(self) -> str:
        """Name in the log."""
        return self.base.loss_name

    def values(self) -> dict[str, float]:
        """The numbers in use, by name."""
        return {name: getattr(self.base, name) for name in self.ranges}

    def use_raw(self, raw: Tensor | None = None) -> None:
        """Give the base the values that belong to ``raw``, by default to the buffer (K,)."""
        numbers = (self.raw if raw is None else raw).tolist()
        for (name, (low, high)), number in zip(self.ranges.items(), numbers):
            # The sigmoid, of infinities too.
            setattr(self.base, name, low + (high - low) * (1.0 + math.tanh(number / 2.0)) / 2.0)

    @contextmanager
    def judging_clean(self) -> Iterator[None]:
        """Within, the loss is cross entropy."""
        self._clean = True
        try:
            yield
        finally:
            self._clean = False

    @contextmanager
    def recorded(self) -> Iterator[list[tuple[Tensor, tuple, dict]]]:
        """Within, every call's (logits, further arguments, keywords) are put down."""
        calls: list[tuple[Tensor, tuple, dict]] = []
        self._calls = calls
        try:
            yield calls
        finally:
            self._calls = None

    def forward(self, seg_logits: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """See :meth:`PixelLoss.forward`."""
        if self._calls is not None:
            self._calls.append((seg_logits.detach(), args, kwargs))
        loss = self.clean_loss if self._clean else self.base
        return loss(seg_logits, *args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.use_raw()

    def extra_repr(self) -> str:
        """The ranges, for ``print(model)``."""
        return ", ".join(f"{name} in {ends}" for name, ends in self.ranges.items())
