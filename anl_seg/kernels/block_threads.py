"""Blocks shared out among threads, each of which runs its torch operations alone.

A block's operations are short. Letting torch split every one of them among threads costs a meeting of all
threads per operation, which a busy machine makes a thousand times longer; here threads meet once per pass.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

Block = TypeVar("Block")
Result = TypeVar("Result")

_lock = threading.Lock()
_pool: tuple[int, ThreadPoolExecutor] | None = None


def _forget_pool() -> None:
    """In a forked process the threads are gone."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_pool)


def _work_alone(started: threading.Barrier) -> None:
    # Asking first makes the thread take up torch's own setting now, and not after this one.
    torch.get_num_threads()
    torch.set_num_threads(1)
    started.wait()


def _threads(number: int) -> ThreadPoolExecutor:
    """A pool of as many threads, made when first asked for and kept."""
    global _pool
    with _lock:
        if _pool is None or _pool[0] != number:
            if _pool is not None:
                _pool[1].shutdown(wait=False)
            started = threading.Barrier(number + 1)
            pool = ThreadPoolExecutor(number, "anl_seg", _work_alone, (started,))
            for _ in range(number):
                pool.submit(int)
            started.wait()
            # The threads' own setting is also what threads to come start with: put that right.
            torch.set_num_threads(number)
            _pool = number, pool
        return _pool[1]


def _do(
    job: Callable[..., Result],
    blocks: Sequence[Block],
    new_memory: Callable[[], object],
    inference: bool,
) -> list[Result]:
    # A tensor made in inference mode is written to in inference mode only, and the mode is a thread's own.
    with torch.inference_mode(inference), torch.no_grad():
        memory = new_memory()
        return [job(block, memory) for block in blocks]


def for_blocks(
    job: Callable[..., Result], blocks: Sequence[Block], new_memory: Callable[[], object]
) -> list[Result]:
    """``job(block, memory)`` of every block, on ``torch.get_num_threads()`` threads, without gradients.

    Args:
        job: what is to be done with a block. Blocks must not write to the same places.
        blocks: in any order.
        new_memory: makes what the jobs of one thread share.

    Returns:
        What the jobs return, in the order of ``blocks``.

    Raises:
        Whatever a job raises; of several the one of the first thread.
    """
    threads = min(torch.get_num_threads(), len(blocks))
    do = partial(_do, job, new_memory=new_memory, inference=torch.is_inference_mode_enabled())
    if threads <= 1:
        return do(blocks)
    pool = _threads(torch.get_num_threads())
    shares = pool.map(do, [blocks[i::threads] for i in range(threads)])
    results: list = [None] * len(blocks)
    for i, share in enumerate(shares):
        results[i::threads] = share
    return results
