"""The check that names the labels out of range."""

from __future__ import annotations

import torch
from torch import Tensor

#: Farther than any label of a mask.
FAR = torch.iinfo(torch.int64).max
#: An ``ignore_index`` that no mask has.
NO_LABEL = torch.iinfo(torch.int64).min


def _message(low: int, high: int, count: int, num_classes: int, ignore_index: int) -> str:
    values = str(low) if low == high else f"from {low} to {high}"
    ignored = None if ignore_index == NO_LABEL else ignore_index
    return (
        f"{count} label(s) out of range: found {values}; allowed are 0 to {num_classes - 1} "
        f"(the model has {num_classes} classes) and ignore_index={ignored}."
    )


class _DeferredCheck:
    """Label check for devices where reading a number back would make the host wait.

    The count and extremes of the wrong labels are computed on the device and copied to pinned memory
    behind an event. The copy is read by a later call, once the event has passed: the error comes one
    or a few iterations late, but it names the values and costs no synchronization. Until then the
    wrong pixels count as ignored, so no device assert is raised.
    """

    def __init__(self) -> None:
        self._pending: dict[torch.device, tuple] = {}

    def __call__(self, report: Tensor, num_classes: int, ignore_index: int) -> None:
        device = report.device
        pending = self._pending.get(device)
        if pending is not None:
            event, host, classes, ignored = pending
            if event is not None and not event.query():
                return  # the device is behind: keep the older report, it must not be lost
            del self._pending[device]
            count, low, high = host.tolist()
            if count:
                raise ValueError(_message(low, high, count, classes, ignored))
        if device.type == "cuda":
            host = torch.empty(report.shape, dtype=report.dtype, device="cpu", pin_memory=True)
            host.copy_(report, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        else:
            host, event = report, None
        self._pending[device] = (event, host, num_classes, ignore_index)


deferred_check = _DeferredCheck()


def _report(target: Tensor, bad: Tensor) -> Tensor:
    """(count, lowest, highest) of the labels marked bad, without indexing by a mask."""
    return torch.stack(
        [
            bad.sum(),
            torch.where(bad, target, FAR).amin(),
            torch.where(bad, target, -FAR).amax(),
        ]
    )


def has_no_values(target: Tensor) -> bool:
    """Whether nothing can be asked of the labels: they are of a graph, of the meta device, or under vmap."""
    if torch.compiler.is_compiling() or target.is_meta:
        return True
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(target):
        if functorch.is_batchedtensor(target):
            return True
        target = functorch.get_unwrapped(target)
    return False


def check_labels(target: Tensor, num_classes: int, ignore_index: int) -> None:
    """Raise ValueError naming the labels that are neither in [0, C) nor ``ignore_index``.

    On the CPU at once; on an accelerator without a host synchronization, so one or a few calls later
    (see :class:`_DeferredCheck`). Skipped while a graph is compiled or captured, under ``torch.vmap`` over
    the labels, and on the meta device.

    Args:
        target: labels (N, *), int64.
        num_classes: C, number of classes.
        ignore_index: the label of pixels that do not count.
    """
    if target.numel() == 0 or has_no_values(target):
        return
    bad = ((target < 0) | (target >= num_classes)) & (target != ignore_index)
    if target.device.type == "cpu":
        if bad.any():
            count, low, high = _report(target, bad).tolist()
            raise ValueError(_message(low, high, count, num_classes, ignore_index))
        return
    if target.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return
    deferred_check(_report(target, bad), num_classes, ignore_index)
