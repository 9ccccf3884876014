"""Gradients that wait for their update: with gradient accumulation a checkpoint may fall between two."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from anl_seg.engine._finite import optim_wrappers, unwrapped


def _is_waiting(wrapper: OptimWrapper) -> bool:
    return not wrapper.should_update()


def waiting_gradients(runner: Runner) -> dict[str, torch.Tensor]:
    """Name of a weight -> its gradient so far, on the CPU; empty at an update.

    Empty in a distributed run too: each rank has gradients of its own, and a checkpoint holds those of one.
    """
    if get_world_size() > 1 or not any(map(_is_waiting, optim_wrappers(runner))):
        return {}
    named = unwrapped(runner.model).named_parameters()
    return {name: p.grad.detach().cpu() for name, p in named if p.grad is not None}


def restore_gradients(runner: Runner, gradients: Mapping[str, torch.Tensor]) -> None:
    """Put gradients back. Those of weights that the model no longer has are left out."""
    for name, parameter in unwrapped(runner.model).named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter, copy=True)
