"""What a loss must not take from its surroundings: autocast, float64, the compiled library."""

from __future__ import annotations

from contextlib import nullcontext
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anl_seg.kernels import compiled
from anl_seg.models import losses
from anl_seg.models.losses import AdaptiveLoss, PixelLoss
from anl_seg.models.losses.region_loss import RegionLoss
from anl_seg.registry import MODELS

#: What losses cannot be built without, by the number of classes. Those missing here must need nothing.
NEEDED = {
    losses.AdaptiveLoss: lambda classes: {
        "base": {"type": "GCELoss", "q": 0.4},
        "parameters": {"q": (0.05, 1.0)},
    },
    losses.BackwardCorrectionLoss: lambda classes: {"matrix": confusion(classes)},
    losses.ForwardCorrectionLoss: lambda classes: {"matrix": confusion(classes)},
    losses.WarmStartLoss: lambda classes: {"loss": {"type": "GCELoss"}},
}
#: What else a loss may be, beside its defaults.
FURTHER = [
    (losses.ANLCELoss, {"ce_share": 0.3, "entropy_weight": 0.2}),
    (losses.ANLFLLoss, {"entropy_weight": 0.2}),
    (losses.BootstrapLoss, {"mode": "hard"}),
    (losses.GJSLoss, {"views": 2}),
    (losses.LabelSmoothingCELoss, {"smoothing": -0.3}),
    (losses.NLNLLoss, {"stage": "sel_nl", "complementary": "all"}),
    (losses.NoiseRobustDiceLoss, {"per_image": True}),
    (losses.PeerLoss, {"pairing": "expected"}),
    (losses.TLoss, {"per_image": True}),
    (losses.WarmStartLoss, {"ce_share": 0.3}),
    (losses.WarmStartLoss, {"loss": {"type": "MulticlassTLoss"}, "ce_share": 0.3}),
    (losses.WarmStartLoss, {"loss": {"type": "NoiseRobustDiceLoss"}, "ce_share": 0.3}),
]


def confusion(classes: int) -> list[list[float]]:
    """Symmetric noise of rate 0.2."""
    off = 0.2 / (classes - 1)
    return [[0.8 if k == j else off for j in range(classes)] for k in range(classes)]


def registered() -> list[tuple[type, dict]]:
    """Every loss in the registry, with further parameters for some."""
    bases = (PixelLoss, RegionLoss)
    found = [
        cls
        for cls in MODELS.module_dict.values()
        if issubclass(cls, (PixelLoss, AdaptiveLoss))
        and cls not in bases
        and cls.__module__.startswith("anl_seg.")
    ]
    return [*((cls, {}) for cls in found), *FURTHER]


def build(cls: type, classes: int, **params) -> torch.nn.Module:
    """The loss, with what it needs for so many classes."""
    return cls(**{**NEEDED.get(cls, lambda classes: {})(classes), **params})


class NoFloat64(TorchDispatchMode):
    """A device without float64, such as MPS: no operation may give such a tensor."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64:
                raise TypeError(f"this device has no float64, and {func} made a tensor of it")
        return result


def without_c(missing: bool = True):
    """Within, the compiled library was never built."""
    return mock.patch.object(compiled, "library", return_value=None) if missing else nullcontext()


def autocast(dtype: torch.dtype | None):
    """Autocast on the CPU; None: none."""
    return nullcontext() if dtype is None else torch.autocast("cpu", dtype=dtype)
