"""The L1 penalty of Active Negative Loss, added to the gradient once per update.

Ye et al. 2023, "Active Negative Loss", train with ``loss + delta * ||theta||_1``. Whatever the loss
scale, the number of accumulated batches or of ranks, the gradient of that penalty is
``delta * sign(theta)``, so it is written straight into the gradient after these have been dealt
with and before clipping, which sees the gradient of the whole objective.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from anl_seg._checks import check_number
from anl_seg.registry import OPTIM_WRAPPERS


class L1PenaltyMixin(OptimWrapper):
    """Adds ``l1_weight * l1_mult * sign(theta)`` to the gradients of ``self.optimizer``.

    Comes before another ``OptimWrapper`` in the bases; the class decides in ``step`` when to call
    ``_add_l1_penalty``.
    """

    def __init__(self, *args: Any, l1_weight: float, **kwargs: Any) -> None:
        self.l1_weight = check_number("l1_weight", l1_weight)
        super().__init__(*args, **kwargs)
        for index, group in enumerate(self.optimizer.param_groups):
            check_number(f"l1_mult of parameter group {index}", group.get("l1_mult", 1.0))
        self._warn_of_weight_decay()

    def _warn_of_weight_decay(self) -> None:
        decayed = [
            f"{index} (weight_decay={group['weight_decay']}, {len(group['params'])} parameters)"
            for index, group in enumerate(self.optimizer.param_groups)
            if group.get("weight_decay") and self.l1_weight * group.get("l1_mult", 1.0) > 0
        ]
        if decayed:
            print_log(
                f"{type(self).__name__}: weight decay acts beside the L1 penalty "
                f"(l1_weight={self.l1_weight}) in parameter group {', '.join(decayed)}; "
                "Active Negative Loss is defined with weight_decay=0.",
                logger="current",
                level=logging.WARNING,
            )

    @torch.no_grad()
    def _add_l1_penalty(self) -> None:
        """Add the penalty's gradient and log its value, both at the parameters before the step.

        A parameter whose gradient is None gets the penalty's gradient alone, as autograd of the
        sum would give; frozen parameters and groups with ``l1_mult=0`` are left alone. The
        gradient at an exact zero is zero.
        """
        norms: dict[float, list[torch.Tensor]] = {}
        for group in self.optimizer.param_groups:
            scale = self.l1_weight * group.get("l1_mult", 1.0)
            if scale == 0:
                continue
            for param in group["params"]:
                if not param.requires_grad:
                    continue
                sign = torch.sgn(param)
                if param.grad is None:
                    param.grad = sign.mul_(scale)
                else:
                    param.grad.add_(sign, alpha=scale)
                # At least float32: a sum of half-precision magnitudes overflows.
                wide = torch.promote_types(param.dtype, torch.float32)
                norm = torch.linalg.vector_norm(param, ord=1, dtype=wide)
                norms.setdefault(scale, []).append(norm)
        # One device-to-host copy per distinct scale, usually one in all.
        value = sum(scale * torch.stack(group).sum().item() for scale, group in norms.items())
        self.message_hub.update_scalar("train/loss_l1", float(value))

    def load_state_dict(self, state_dict: dict) -> None:
        """Resume the optimizer; ``l1_mult`` stays what the config says, as ``l1_weight`` does.

        Torch restores every option of a group from the checkpoint, so a checkpoint written by
        another wrapper would silently drop the exclusions.
        """
        groups = self.optimizer.param_groups
        mults = [group.get("l1_mult", 1.0) for group in groups]
        super().load_state_dict(state_dict)
        for group, mult in zip(self.optimizer.param_groups, mults):
            group["l1_mult"] = mult


@OPTIM_WRAPPERS.register_module()
class L1OptimWrapper(L1PenaltyMixin):
    """``OptimWrapper`` that trains ``loss + l1_weight * ||theta||_1`` (Ye et al. 2023).

    At each update, once, after gradient accumulation and DDP's averaging and before clipping:
    ``grad += l1_weight * l1_mult * sign(theta)``. The value of the penalty before the step is
    logged as ``train/loss_l1``; it is not part of the logged ``loss``.

    A parameter group may carry ``l1_mult`` >= 0 (default 1), set by
    ``paramwise_cfg=dict(custom_keys={'bn': dict(l1_mult=0.)})``; 0 excludes the group.
    Weight decay should be 0 beside the penalty; a warning names groups where it is not.

    Args:
        *args: Passed to :class:`mmengine.optim.OptimWrapper`.
        l1_weight (float): delta of the paper, finite and >= 0, per update. 0 switches the
            penalty off. The paper's values lie between 5e-7 and 5e-5.
        **kwargs: Passed to :class:`mmengine.optim.OptimWrapper`: ``optimizer``,
            ``accumulative_counts``, ``clip_grad``.

    Raises:
        ValueError: If ``l1_weight`` or an ``l1_mult`` is negative, not finite or not a number.
    """

    def step(self, **kwargs: Any) -> None:
        """Add the penalty's gradient, clip, step. ``kwargs`` go to ``optimizer.step``."""
        self._add_l1_penalty()
        super().step(**kwargs)


@OPTIM_WRAPPERS.register_module()
class L1AmpOptimWrapper(L1PenaltyMixin, AmpOptimWrapper):
    """:class:`L1OptimWrapper` under automatic mixed precision.

    The gradients are unscaled first, so the penalty does not depend on the loss scale. An update
    whose gradients hold inf or NaN is skipped as a whole, the penalty with it.

    Args:
        *args: Passed to :class:`mmengine.optim.AmpOptimWrapper`.
        l1_weight (float): As for :class:`L1OptimWrapper`.
        **kwargs: Passed to :class:`mmengine.optim.AmpOptimWrapper`: ``loss_scale``, ``dtype``,
            ``use_fsdp`` and those of :class:`L1OptimWrapper`.

    Raises:
        ValueError: As :class:`L1OptimWrapper`.
    """

    def step(self, **kwargs: Any) -> None:
        """Unscale, add the penalty's gradient, clip, step unless inf. ``kwargs`` as above."""
        # The parent unscales only where it clips, and may not do so twice: its step is written
        # out here rather than called.
        self.loss_scaler.unscale_(self.optimizer)
        self._add_l1_penalty()
        if self.clip_grad_kwargs:
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._scale_update_param)
