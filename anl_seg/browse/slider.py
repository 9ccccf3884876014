"""The positions of the slider: the same samples under one noise at several strengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anl_seg.corruption.mask_dataset import Sample
from anl_seg.noise import MaskNoise

from .comparison import compare_sample
from .page import Position
from .strength import Strength, find_strength


def slide(
    noise: MaskNoise, *, strength: str | None = None, values: Sequence[float] | None = None
) -> tuple[list[tuple[str, MaskNoise]], int, str]:
    """The noises that a slider goes through.

    Args:
        noise: at the strength that was asked for.
        strength: name of the parameter that slides; None = found by :func:`find_strength`.
        values: strengths; None = about seven.

    Returns:
        (label, noise) of each position; the position nearest to the strength that was asked for; and a
        remark for people on what slides. Without anything to slide there is one position and no label.

    Raises:
        ValueError: no such strength, or a value that the noise does not allow.
    """
    found = find_strength(noise, strength)
    if found is None:
        if values is not None:
            raise ValueError(
                f"{type(noise).__name__} has no strength to give --values of; it can be named by --strength."
            )
        return [("", noise)], 0, f"{type(noise).__name__} has no single strength, hence no slider."
    chosen = found.default_values() if values is None else found.ordered(values)
    noises = [found.noise_at(value) for value in chosen]
    if len(noises) == 1:
        return [("", noises[0])], 0, f"There is one value of {found.name} only, hence no slider."
    start = min(range(len(chosen)), key=lambda i: abs(chosen[i] - found.base))
    labels = [f"{found.name} {value:g}" for value in chosen]
    return list(zip(labels, noises)), start, _remark(found, noises)


def compare_positions(
    samples: Sequence[Sample],
    positions: Sequence[tuple[str, MaskNoise]],
    *,
    seed: int,
    num_classes: int,
    ignore_index: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Position]:
    """All samples under the noise of each position; ``advance`` is called after each comparison."""
    settings = []
    for label, noise in positions:
        compared = []
        for sample in samples:
            compared.append(
                compare_sample(
                    sample, noise, seed=seed, num_classes=num_classes, ignore_index=ignore_index
                )
            )
            advance()
        settings.append(Position(label, noise, compared))
    return settings


def _remark(strength: Strength, noises: Sequence[MaskNoise]) -> str:
    if strength.is_factor:
        what = "The slider multiplies the strength of every noise inside this one."
    elif strength.is_list:
        what = (
            f"The slider scales the values that {strength.name} has for the classes, all by the same "
            f"factor; {strength.name} {strength.base:g} stands for the largest."
        )
    else:
        what = f"The slider moves {strength.name}."
    if strength.inverse:
        what += " Less is stronger, so it runs from many to few."
    if len({noise.digest() for noise in noises}) == 1:
        return f"{what} All positions share their random numbers: they differ by this alone."
    return (
        f"{what} Each position is a draw of its own, the one that training with this value and seed sees; "
        "so a pixel can change at one position and be right again at a stronger one."
    )
