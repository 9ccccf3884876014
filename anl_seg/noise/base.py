"""The common face of the noise models."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from anl_seg._checks import check_background_in_range, check_mask, check_rng

from .sample_rng import Rng


class MaskContext(NamedTuple):
    """What comes with a mask.

    Attributes:
        num_classes: number of classes, at least 2.
        ignore_index: label of the pixels without a class.
        image: (H, W, channels) image of the mask, if it is at hand.
    """

    num_classes: int
    ignore_index: int
    image: np.ndarray | None


class MaskNoise:
    """Base class: stores checked parameters, corrupts masks.

    A subclass sets one attribute per constructor argument, under the argument's name and as a value
    that JSON can hold (otherwise it overrides :meth:`parameters`). It implements :meth:`corrupt`, which
    is given checked input, or ``__call__``.
    """

    #: Parameters of a typical setting for four classes: pictures, benchmarks and tests of all models use it.
    example: ClassVar[dict[str, Any]] = {}
    #: Parameters with which masks stay as they are.
    no_noise: ClassVar[dict[str, Any]] = {}
    #: The parameter that makes the model weaker or stronger. None: the first number that has the name of
    #: another model's strength, else the first number.
    strength_name: ClassVar[str | None] = None
    #: Whether less of it is more noise.
    less_is_stronger: ClassVar[bool] = False
    #: Parameters that are scaled along with it, because the model refuses one without the other.
    strength_companions: ClassVar[tuple[str, ...]] = ()
    #: Numbers of which twice as much means nothing.
    not_strengths: ClassVar[tuple[str, ...]] = ("background",)

    #: Parameters that the seed of a sample does not depend on: two settings of one share their random
    #: numbers, so that what differs between them is the parameter alone.
    nested_in: ClassVar[tuple[str, ...]] = ()
    #: Whether the model looks at the image, so that calling it without one is an error.
    needs_image: bool = False

    def __call__(
        self,
        mask: np.ndarray,
        rng: Rng,
        *,
        num_classes: int,
        ignore_index: int = 255,
        image: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return a corrupted copy of ``mask``.

        Args:
            mask: (H, W) integers in [0, num_classes) or ``ignore_index``; left unchanged.
            rng: source of every random number, see :func:`sample_rng`.
            num_classes: number of classes, at least 2.
            ignore_index: label of the pixels to leave alone, outside [0, num_classes).
            image: (H, W, channels) image of the mask, for models that look at it.

        Returns:
            A new array of the mask's shape and dtype.

        Raises:
            TypeError: ``rng`` is no generator of random numbers.
            ValueError: a label, or a parameter for this number of classes, is out of range.
        """
        check_rng(rng)
        valid = check_mask(mask, num_classes=num_classes, ignore_index=ignore_index)
        check_background_in_range(getattr(self, "background", None), num_classes)
        return self.corrupt(mask, valid, rng, MaskContext(num_classes, ignore_index, image))

    def corrupt(
        self, mask: np.ndarray, valid: np.ndarray, rng: Rng, context: MaskContext
    ) -> np.ndarray:
        """Return a corrupted copy of a mask that has been checked.

        Args:
            mask: (H, W) integers.
            valid: (H, W) bool, True where the pixel has a class.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement corrupt")

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


#: Every noise model by the name that a config uses.
NOISES: dict[str, type[MaskNoise]] = {}

_Noise = TypeVar("_Noise", bound=type[MaskNoise])


def register_noise(
    *, example: dict[str, Any], no_noise: dict[str, Any]
) -> Callable[[_Noise], _Noise]:
    """Enter a class into :data:`NOISES` under its own name (decorator).

    Args:
        example: parameters of a typical setting for four classes.
        no_noise: parameters with which masks stay as they are.

    Raises:
        KeyError: another class has this name.
    """

    def register(noise: _Noise) -> _Noise:
        if NOISES.setdefault(noise.__name__, noise) is not noise:
            raise KeyError(f"there is a noise of the name {noise.__name__} already.")
        noise.example, noise.no_noise = example, no_noise
        return noise

    return register


_MASK_ARGS = """
        mask: (H, W) integers in [0, num_classes) or ``ignore_index``; left unchanged.
        rng: source of every random number, see :func:`sample_rng`.
        num_classes: number of classes, at least 2.
        ignore_index: label of the pixels to leave alone, outside [0, num_classes).
        image: (H, W, channels) image of the mask, for models that look at it."""
_RETURNS = """    Returns:
        A new array of the mask's shape and dtype.

"""


def as_function(noise: type[MaskNoise]) -> Callable[..., np.ndarray]:
    """Return ``function(mask, rng, *, <parameters of noise>, num_classes, ignore_index, image)``.

    It builds the model and calls it once. Name, signature and docstring follow from the class.
    """

    def function(
        mask: np.ndarray,
        rng: Rng,
        *,
        num_classes: int,
        ignore_index: int = 255,
        image: np.ndarray | None = None,
        **parameters: Any,
    ) -> np.ndarray:
        model = noise(**parameters)
        return model(mask, rng, num_classes=num_classes, ignore_index=ignore_index, image=image)

    own = inspect.signature(noise).parameters.values()
    mask, rng, *rest, _ = inspect.signature(function).parameters.values()
    named = [p.replace(kind=p.KEYWORD_ONLY) for p in own]
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [mask, rng, *named, *rest], return_annotation=np.ndarray
    )
    function.__module__ = noise.__module__
    function.__name__ = function.__qualname__ = _snake_case(noise.__name__)
    doc = (noise.__doc__ or "").replace("\n    Args:", f"\n    Args:{_MASK_ARGS}", 1)
    function.__doc__ = doc.replace("    Raises:\n", f"{_RETURNS}    Raises:\n", 1)
    return function


def _snake_case(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
