"""Seconds and memory of the noise models on masks that ask much of them: many objects, many holes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from anl_seg.noise import MaskNoise, build_noise, sample_rng
from benchmarks._memory import peak_memory

# What no model may exceed.
SECONDS, BYTES = 10, 2 * 2**30

_SQUARE = dict(metric="chessboard", per_object=True)
#: Settings beside the typical ones: whole classes as objects, objects for themselves, and presets.
MORE_SETTINGS = {
    "DilateNoise": [dict(beta=0.3, per_object=False)],
    "ErodeNoise": [dict(beta=0.3, per_object=False)],
    "AffineNoise": [dict(beta=0.3, per_object=False)],
    "BandNoise": [dict(low=1, high=4, **_SQUARE)],
    "MarkovBoundaryNoise": [dict(steps=10, theta1=0.5, theta2=0.2, theta3=0.2, per_object=True)],
    "SpuriousObjectNoise": [dict(rate=0.3, shapes=[[1, 1e-5, 0.5], [1, 1e-4, 0.9]])],
    "coco_n": [dict(level="hard")],
    "omission": [dict(level="severe")],
    "nsegment": [dict(probability=1.0, min_area=1000)],
}


class WorstMask(NamedTuple):
    """A mask and what is said of it."""

    title: str
    mask: np.ndarray
    num_classes: int


def many_objects(num_classes: int) -> WorstMask:
    """4096 x 4096 pixels with 51,529 discs of 9 to 61 pixels, their classes at random."""
    random = np.random.RandomState(0)
    mask = np.zeros((4096, 4096), dtype=np.uint8)
    across = mask.shape[0] // 18
    for top in range(0, 18 * across, 18):
        for left in range(0, 18 * across, 18):
            x, y, radius = random.randint([5, 5, 2], [13, 13, 5]).tolist()
            cv2.circle(mask, (left + x, top + y), radius, int(random.randint(1, num_classes)), -1)
    title = f"4096 x 4096 pixels with {across**2:,} small objects of {num_classes - 1} classes"
    return WorstMask(title, mask, num_classes)


def many_holes() -> WorstMask:
    """512 x 512 pixels, nearly all of one object, with 5,000 holes of 1 to 9 pixels."""
    mask = np.ones((512, 512), dtype=np.uint8)
    for hole in range(5000):
        top, left = 7 * (hole // 71) + 3, 7 * (hole % 71) + 3
        mask[top : top + 1 + hole % 3, left : left + 1 + hole // 3 % 3] = 0
    return WorstMask("512 x 512 pixels, one object with 5,000 holes", mask, 2)


def measured(call: Callable[[], object]) -> tuple[float, int]:
    """CPU seconds, and bytes at the peak, of one call in a process of its own."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_measure, args=(call, sender))
    process.start()
    sender.close()
    result = receiver.recv()
    process.join()
    return result


def _measure(call: Callable[[], object], sender: multiprocessing.connection.Connection) -> None:
    seconds = []

    def timed() -> None:
        # Of the processor, as other work on the machine does not count there; a call has one thread.
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)

    peak = peak_memory(timed, "cpu")
    sender.send((seconds[0], peak))


def table(typical: dict[str, dict], make_image: Callable[[np.ndarray], np.ndarray]) -> list[str]:
    """The table of all models and both masks, as lines of Markdown.

    Args:
        typical: one setting of each model.
        make_image: gives an image for a mask.
    """
    lines = [
        "## Worst cases",
        "",
        "CPU seconds of one call on one core. Every class but the background (0) has objects. The limit is "
        f"{SECONDS} seconds and {BYTES // 2**30} GiB.",
    ]
    for worst in (many_objects(2), many_objects(19), many_holes()):
        image = make_image(worst.mask)
        lines += ["", f"{worst.title}:", "", "| model | setting | s | MiB | note |"]
        lines.append("|---|---|---|---|---|")
        for name, setting, noise in _noises(typical, worst.num_classes):
            seconds, peak = measured(partial(_corrupt, noise, worst, image))
            over = [] if seconds <= SECONDS else [f"above {SECONDS} s"]
            over += [] if peak <= BYTES else ["above 2 GiB"]
            lines.append(
                f"| {name} | {setting} | {seconds:.2f} | {peak / 2**20:.0f} | {', '.join(over)} |"
            )
    return lines


def in_words(cfg: dict) -> str:
    """A setting for a table: long values as dots, and no background."""
    return ", ".join(
        f"{key}={'...' if isinstance(value, list) else value}"
        for key, value in cfg.items()
        if key != "background"
    )


def _noises(typical: dict[str, dict], num_classes: int) -> Iterator[tuple[str, str, MaskNoise]]:
    """Name, setting in words and model."""
    matrix = (0.6 * np.eye(num_classes) + 0.4 * np.roll(np.eye(num_classes), 1, axis=1)).tolist()
    for name in {**typical, **MORE_SETTINGS}:
        for cfg in ([typical[name]] if name in typical else []) + MORE_SETTINGS.get(name, []):
            kept = {key: value for key, value in cfg.items() if key != "background"}
            if "matrix" in kept:
                kept["matrix"] = matrix
            yield name, in_words(kept), build_noise(dict(type=name, **kept))


def _corrupt(noise: MaskNoise, worst: WorstMask, image: np.ndarray) -> None:
    stream = sample_rng(0, "mask", noise.digest())
    noise(worst.mask, stream, num_classes=worst.num_classes, image=image)
