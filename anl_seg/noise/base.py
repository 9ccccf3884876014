"""The common face of the noise models."""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import Any, ClassVar

import numpy as np


class MaskNoise:
    """Base class: stores checked parameters, calls a function.

    A subclass sets one attribute per constructor argument, under the argument's name and as a value
    that JSON can hold (otherwise it overrides :meth:`parameters`), and implements ``__call__``.
    """

    #: Parameters that the seed of a sample does not depend on: two settings of one share their random
    #: numbers, so that what differs between them is the parameter alone.
    nested_in: ClassVar[tuple[str, ...]] = ()
    #: Whether the model looks at the image, so that calling it without one is an error.
    needs_image: bool = False

    def __call__(
        self,
        mask: np.ndarray,
        rng: np.random.RandomState | np.random.Generator,
        *,
        num_classes: int,
        ignore_index: int = 255,
        image: np.ndarray | None = None,
    ) -> np.ndarray:
        """A corrupted copy of ``mask``.

        Args:
            mask: (H, W) integers in [0, num_classes) or ``ignore_index``; left unchanged.
            rng: source of every random number, see :func:`sample_rng`.
            num_classes: number of classes, at least 2.
            ignore_index: label of the pixels to leave alone, outside [0, num_classes).
            image: (H, W, channels) image of the mask, for models that look at it.

        Returns:
            A new array of the mask's shape and dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")

    def parameters(self) -> dict[str, Any]:
        """All constructor arguments, defaults included, as values that JSON can hold."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names}

    def seeding_parameters(self) -> dict[str, Any]:
        """The parameters that the seed of a sample depends on: all but :attr:`nested_in`."""
        return {k: v for k, v in self.parameters().items() if k not in self.nested_in}

    def digest(self) -> str:
        """Hexadecimal blake2b (128 bits) of the type's name and the seeding parameters."""
        content = [type(self).__name__, self.seeding_parameters()]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()

    def config(self) -> dict[str, Any]:
        """The dict from which :func:`build_noise` builds an equal model."""
        return dict(type=type(self).__name__, **self.parameters())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.parameters().items())
        return f"{type(self).__name__}({arguments})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskNoise):
            return NotImplemented
        return self.config() == other.config()

    def __hash__(self) -> int:
        return hash(self.digest())
