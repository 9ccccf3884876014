"""Draw the pictures of docs/noise_models.md: every noise model and preset on the same mask.

    python docs/draw_noise_models.py

Writes ``docs/images/noise/*.png``: the image, the clean mask and one noisy mask per model and preset, as a
palette picture with the outlines of the clean mask in black.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from anl_seg.datasets._shapes import draw_sample
from anl_seg.noise import NOISES, PRESETS, build_noise, sample_rng

FOLDER = Path(__file__).parent / "images" / "noise"
SIZE, CLASSES, SEED = 160, 4, 0
#: Blue, green, red; readable for the color-blind (Okabe and Ito).
PALETTE = np.array([[235, 235, 235], [178, 114, 0], [0, 159, 230], [115, 158, 0]], np.uint8)

PRESET_ARGUMENTS = {
    "alpha_beta": [dict(alpha=0.7, beta=0.7)],
    "coco_n": [dict(level=level) for level in ("easy", "medium", "hard")],
    "omission": [dict(level=level) for level in ("mild", "moderate", "severe")],
}


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Image (SIZE, SIZE, 3) and mask (SIZE, SIZE) with four classes, one of them with a hole."""
    image, mask = draw_sample(0, "train", 10, (SIZE, SIZE))
    return image, np.array([0, 1, 2, 3, 1, 3], np.uint8)[mask]


def coloured(mask: np.ndarray, outlines_of: np.ndarray | None = None) -> np.ndarray:
    """A mask as a picture, twice as large, with the outlines of another."""
    picture = cv2.resize(PALETTE[mask], None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    if outlines_of is not None:
        large = cv2.resize(outlines_of, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
        edge = large != cv2.erode(large, np.ones((2, 2), np.uint8))
        picture[edge] = 0
    return picture


def pictures() -> dict[str, dict]:
    """File stem and noise config of each picture."""
    configs = {name: dict(type=name, **kind.example) for name, kind in NOISES.items()}
    for preset in PRESETS:
        for arguments in PRESET_ARGUMENTS.get(preset, [{}]):
            stem = "_".join([preset, *(str(v) for v in arguments.values() if isinstance(v, str))])
            configs[stem] = dict(type=preset, **arguments)
    return configs


def main() -> None:
    image, mask = scene()
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = {"image": cv2.resize(image, None, fx=2, fy=2), "clean": coloured(mask)}
    for stem, cfg in pictures().items():
        noise = build_noise(cfg)
        # A preset that leaves some samples clean is shown on one that it hits.
        for number in range(100):
            stream = sample_rng(SEED, f"picture/{number}", noise.digest())
            noisy = noise(mask, stream, num_classes=CLASSES, image=image)
            if (noisy != mask).mean() > 0.005:
                break
        written[stem] = coloured(noisy, outlines_of=mask)
    for stem, picture in written.items():
        cv2.imwrite(str(FOLDER / f"{stem}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{len(written)} pictures in {FOLDER}")


if __name__ == "__main__":
    main()
