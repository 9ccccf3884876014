"""Losses of mmseg's heads from their small logits, without the logits resized to the labels."""

from __future__ import annotations

from types import MethodType
from typing import cast

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import HOOKS

#: What mmseg's accuracy adds to both of its counts.
_EPS = torch.finfo(torch.float32).eps


def _losses_of(head: BaseDecodeHead) -> list[nn.Module]:
    losses = head.loss_decode
    return list(losses) if isinstance(losses, nn.ModuleList) else [losses]


def _loss_obstacle(loss: nn.Module) -> str | None:
    if not isinstance(loss, PixelLoss):
        return f"{type(loss).__name__} is not a per-pixel loss of anl_seg"
    return loss.small_logits_obstacle()


def obstacle(head: BaseDecodeHead) -> str | None:
    """Why a head's losses cannot be computed from its small logits; None if they can."""
    if type(head).loss_by_feat is not BaseDecodeHead.loss_by_feat or "loss_by_feat" in vars(head):
        return f"{type(head).__name__} computes its losses in its own way (loss_by_feat)"
    if head.sampler is not None:
        return f"its sampler ({type(head.sampler).__name__}) chooses pixels by the resized logits"
    if not isinstance(head.ignore_index, int):
        return f"ignore_index is {head.ignore_index!r}, not a number"
    reasons = map(_loss_obstacle, _losses_of(head))
    return next((reason for reason in reasons if reason is not None), None)


def _accuracy(logits: Tensor, target: Tensor, correct: Tensor, ignore_index: int) -> Tensor:
    """mmseg's accuracy in per cent, (1,), without reading a number back to the host."""
    counted = target != ignore_index
    if logits.shape[1] == 1:
        # mmseg takes the largest of the one channel: class 0 everywhere.
        correct = (counted & (target == 0)).sum()
    share = (correct.float() + _EPS) * (100.0 / (counted.sum().float() + _EPS))
    return share.reshape(1)


def _loss_by_feat(head: BaseDecodeHead, seg_logits: Tensor, batch_data_samples: list) -> dict:
    """Stands in for :meth:`BaseDecodeHead.loss_by_feat`."""
    target = head._stack_batch_gt(batch_data_samples).squeeze(1)
    losses = cast(list[PixelLoss], _losses_of(head))  # `obstacle` has looked
    if (
        seg_logits.shape[2:] == target.shape[1:]  # nothing to resize
        or len(target) == 0
        or torch.compiler.is_compiling()  # the compiler fuses what it can see
        or not all(loss.takes_small_logits(seg_logits) for loss in losses)
    ):
        return type(head).loss_by_feat(head, seg_logits, batch_data_samples)
    result: dict[str, Tensor] = {}
    with torch.autocast(seg_logits.device.type, enabled=False):
        for loss in losses:
            value, correct = loss.from_small_logits(
                seg_logits,
                target,
                align_corners=head.align_corners,
                ignore_index=head.ignore_index,
            )
            known = result.get(loss.loss_name)
            result[loss.loss_name] = value if known is None else known + value
        result["acc_seg"] = _accuracy(seg_logits, target, correct, head.ignore_index)
    return result


@HOOKS.register_module()
class FusedUpsampleHook(Hook):
    """During training, losses and accuracy of heads from their own logits, not from resized ones.

    mmseg resizes the logits of a head to the labels before the loss; with many classes these are the
    largest tensors of a training step. This hook gives the same losses, gradients and ``acc_seg``, up to
    rounding, from :func:`anl_seg.kernels.upsampled.upsampled_pixel_loss`::

        custom_hooks = [dict(type='anl_seg.FusedUpsampleHook')]

    A head is served if it uses mmseg's base ``loss_by_feat``, has no sampler (OHEM), and each of its
    losses is one of anl_seg with a fused form. Any other head stays as it is, and the log names it with
    the reason. Where the logits have the size of the labels, the head's own path runs, and as long as a
    loss has a region term (``dice_weight``, while ``ce_share`` is not 0). With AMP the
    logits are resized in float32, not in half precision. Each loss of a head goes over the pixels anew.

    Where several classes share the largest logit of a pixel, the accuracy takes the first of them; mmseg
    takes one that is not specified.
    """

    def __init__(self) -> None:
        self._served: list[BaseDecodeHead] = []

    def before_train(self, runner: Runner) -> None:
        """Serve the heads that can be, and name the others."""
        self._restore()
        model = runner.model
        while is_model_wrapper(model):
            model = model.module
        if runner.cfg.get("compile"):
            runner.logger.info("FusedUpsampleHook: the model is compiled; every head is kept.")
            return
        names = []
        for name, head in model.named_modules():
            if not isinstance(head, BaseDecodeHead):
                continue
            reason = obstacle(head)
            if reason is not None:
                runner.logger.info(f"FusedUpsampleHook: {name} is kept as it is: {reason}.")
                continue
            head.loss_by_feat = MethodType(_loss_by_feat, head)
            self._served.append(head)
            names.append(name)
        runner.logger.info(f"FusedUpsampleHook: serves {', '.join(names) or 'no head'}.")

    def after_train(self, runner: Runner) -> None:
        """Give the heads their own method back."""
        self._restore()

    def _restore(self) -> None:
        for head in self._served:
            del head.loss_by_feat
        self._served = []
