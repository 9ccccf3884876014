"""Numbers that belong to the classes, as a tensor where and as exact as the logits ask for it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from anl_seg.functional._precision import compute_dtype
from anl_seg.kernels.dispatch import transforms_active


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor that was made just now is still one after this call."""
    return not torch.compiler.is_compiling() and not transforms_active() and type(tensor) is Tensor


class ClassValues:
    """Weights, probabilities or a matrix of the classes, kept in float64 on the host.

    No buffers of the module: those would be rounded by ``model.half()``, and could not move to a device
    without float64. A tensor is made once for each device and dtype.

    Args:
        values: (C,) or (C, C).
    """

    def __init__(self, values: ArrayLike) -> None:
        self.values = np.array(values, dtype=np.float64)
        self._tensors: dict[tuple, Tensor] = {}

    def __reduce__(self) -> tuple:
        return type(self), (self.values,)  # a copy makes its own tensors

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, labels: Tensor) -> Tensor:
        """The values of the labels' classes in float32, on the device of the labels."""
        return self._on(labels.device, torch.float32)[labels]

    def tolist(self) -> list:
        """The values as Python numbers."""
        return self.values.tolist()

    def like(self, logits: Tensor) -> Tensor:
        """The values on the device of ``logits``: float32, or float64 for float64 logits."""
        return self._on(logits.device, compute_dtype(logits.dtype))

    def _on(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        tensor = self._tensors.get((device, dtype))
        if tensor is None:
            # Rounded by numpy: torch would make a tensor of float64 first.
            values = self.values.astype(np.float64 if dtype == torch.float64 else np.float32)
            with torch.inference_mode(False):  # it is kept, for training too
                tensor = torch.as_tensor(values, device=device)
            if _is_plain(tensor):
                self._tensors[device, dtype] = tensor
        return tensor
