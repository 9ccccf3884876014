"""Keeping a hook's work out of the run's random numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Restore Python's, numpy's and torch's (CPU and current CUDA device) random state on leaving.

    Iterating a ``DataLoader`` alone draws from torch's generator, so that without this a run
    that measures something on the side would train on other crops than one that does not.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
