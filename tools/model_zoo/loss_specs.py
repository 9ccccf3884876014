"""The losses to try: all that are registered, and what those need that a name does not say."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping
from functools import cache

import numpy as np
import torch

from anl_seg.config.loss_config import MASK_HEADS
from anl_seg.noise import build_noise, sample_rng
from anl_seg.noise.estimate_transition_matrix import TransitionCounts
from anl_seg.registry import MODELS
from tools.model_zoo.batch import block_mask

#: What a loss is tried with that cannot be built without arguments, and has no matrix.
EXAMPLES = {
    "AdaptiveLoss": dict(base=dict(type="GCELoss", q=0.5), parameters=dict(q=(0.05, 1.0))),
    "WarmStartLoss": dict(loss=dict(type="GCELoss")),
}
#: Heads whose class loss has a class more, "no object": they classify masks.
_NO_OBJECT_HEADS = (*MASK_HEADS, "SideAdapterCLIPHead")
_COUNTED_MASKS = 32
_COUNTED_SIZE = 128


def _class_of(loss: Mapping) -> type:
    return MODELS.get(loss["type"].removeprefix("anl_seg."))


def _required(cls: type) -> set[str]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return {p.name for p in parameters if p.default is p.empty and p.kind not in kinds}


def every_loss() -> list[dict]:
    """A config of each registered loss, by name; a matrix is left for :func:`fill_loss`.

    Raises:
        ValueError: a loss cannot be built without arguments and :data:`EXAMPLES` has none for it.
    """
    MODELS.import_from_location()
    found = []
    for name, cls in sorted(MODELS.module_dict.items()):
        if not cls.__module__.startswith("anl_seg.models.losses."):
            continue
        loss = dict(type=name, **copy.deepcopy(EXAMPLES.get(name, {})))
        missing = _required(cls) - set(loss) - {"matrix"}
        if missing:
            raise ValueError(
                f"{name} needs {', '.join(sorted(missing))}: add an example to {__name__}.EXAMPLES."
            )
        found.append(loss)
    return found


@cache
def _counted_matrix(noise: str, num_classes: int) -> np.ndarray:
    model, counts = build_noise(json.loads(noise)), TransitionCounts(num_classes)
    for i in range(_COUNTED_MASKS):
        rng = sample_rng(0, f"zoo/matrix/{i}", model.digest())
        clean = block_mask(rng, num_classes, _COUNTED_SIZE)
        image = np.zeros((*clean.shape, 3), np.uint8)
        counts.add(clean, model(clean, rng, num_classes=num_classes, image=image))
    return np.asarray(counts.estimate().filled())


def noise_matrix(noise: Mapping, num_classes: int) -> list[list[float]]:
    """T[true, noisy] of a noise, counted over the pixels of 32 made-up masks of 128 x 128.

    Args:
        noise: noise config.
        num_classes: C.

    Returns:
        C rows of C probabilities.
    """
    return _counted_matrix(json.dumps(noise, sort_keys=True), num_classes).tolist()


def has_no_object_class(head: Mapping) -> bool:
    """Whether the class loss of a head has a class more than there are labels."""
    return str(head.get("type")).rpartition(".")[2] in _NO_OBJECT_HEADS


def fill_loss(loss: Mapping, noise: Mapping, head: Mapping) -> dict:
    """A loss config with the transition matrix that it needs and does not name.

    Args:
        loss: loss config.
        noise: config of the noise on the labels; its T is the matrix.
        head: the (inner) decode head, for its number of classes. Where it has a class "no object",
            that one is never confused.
    """
    loss = copy.deepcopy(dict(loss))
    if "matrix" in _required(_class_of(loss)) and "matrix" not in loss:
        matrix = noise_matrix(noise, head["num_classes"])
        if has_no_object_class(head):
            matrix = [*([*row, 0.0] for row in matrix), [0.0] * len(matrix) + [1.0]]
        loss["matrix"] = matrix
    return loss


def is_binary(loss: Mapping, noise: Mapping) -> bool:
    """Whether a loss takes two classes and refuses three, which is found by calling it."""
    taken = {}
    for num_classes in (2, 3):
        filled = fill_loss(loss, noise, dict(num_classes=num_classes))
        filled["type"] = _class_of(loss)
        filled.pop("class_weight", None)
        labels = torch.arange(4).reshape(1, 2, 2) % num_classes
        try:
            MODELS.build(filled)(torch.zeros(1, num_classes, 2, 2), labels)
            taken[num_classes] = True
        except ValueError:
            taken[num_classes] = False
    return taken[2] and not taken[3]
