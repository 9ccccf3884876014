"""Which tensors of a training are not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import nn

Named = tuple[str, torch.Tensor]


def not_finite(tensors: Iterable[Named]) -> dict[str, float]:
    """Name -> NaN or inf, of the tensors that hold any.

    Each device is waited for once for each dtype.
    """
    groups: dict[tuple, list[Named]] = {}
    for name, tensor in tensors:
        if (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel():
            groups.setdefault((tensor.device, tensor.dtype), []).append((name, tensor.detach()))
    found: dict[str, float] = {}
    for group in groups.values():
        # The largest magnitude: NaN if there is one, and no sum that could overflow.
        largest = torch.stack(torch._foreach_norm([tensor for _, tensor in group], math.inf))
        if not torch.isfinite(largest).all():
            named = zip((name for name, _ in group), largest.tolist())
            found.update((name, value) for name, value in named if not math.isfinite(value))
    return found


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, without what distributes it."""
    if not is_model_wrapper(model):
        return model
    inner = model.module
    assert isinstance(inner, nn.Module)
    return inner


def optim_wrappers(runner: Runner) -> list[OptimWrapper]:
    """The optimizer wrappers of a run, mostly one."""
    wrapper = runner.optim_wrapper
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return [one for one in wrappers if isinstance(one, OptimWrapper)]


def _running_statistics(model: nn.Module) -> Iterator[Named]:
    """Those of batch normalization and the like, which are never meant to be NaN or infinite."""
    for path, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            yield from module.named_buffers(path, recurse=False)


def fixed_tensors(runner: Runner) -> Iterator[Named]:
    """What no optimizer changes: buffers and frozen weights of the model. It may be meant to be infinite."""
    model = unwrapped(runner.model)
    yield from model.named_buffers()
    yield from ((name, p) for name, p in model.named_parameters() if not p.requires_grad)


def trained_tensors(runner: Runner) -> Iterator[Named]:
    """Weights that are trained, the state of their optimizers, running averages of weights, and running
    statistics of activations."""
    names = {}
    model = unwrapped(runner.model)
    yield from _running_statistics(model)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            names[id(parameter)] = name
            yield name, parameter
    for wrapper in optim_wrappers(runner):
        for parameter, state in wrapper.optimizer.state.items():
            values = state.items() if isinstance(state, Mapping) else ()
            owner = names.get(id(parameter), "a weight")
            yield from (
                (f"the optimizer's {key} of {owner}", value)
                for key, value in values
                if isinstance(value, torch.Tensor)
            )
    for hook in runner.hooks:
        average = getattr(hook, "ema_model", None)
        if isinstance(average, nn.Module):
            for name, value in (*average.named_parameters(), *_running_statistics(average)):
                yield f"the running average of {name.removeprefix('module.')}", value
