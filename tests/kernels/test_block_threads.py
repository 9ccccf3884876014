"""Blocks on several threads: order, errors, torch's own threads, forks."""

from __future__ import annotations

import os
import threading

import pytest
import torch

from anl_seg.kernels.block_threads import for_blocks


@pytest.fixture(autouse=True)
def three_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


def test_results_keep_the_order_of_the_blocks():
    memories = []

    def new_memory():
        memories.append(object())
        return memories[-1]

    seen = for_blocks(lambda block, memory: (block, memory), range(10), new_memory)
    assert [block for block, _ in seen] == list(range(10))
    assert len(memories) == 3
    assert {memory for _, memory in seen} == set(memories)


def test_a_thread_works_alone_and_without_gradients():
    def job(block, _):
        return threading.current_thread().name, torch.get_num_threads(), torch.is_grad_enabled()

    results = for_blocks(job, range(9), lambda: None)
    assert {name.startswith("anl_seg") for name, _, _ in results} == {True}
    assert {(threads, grad) for _, threads, grad in results} == {(1, False)}
    assert torch.get_num_threads() == 3
    started = []
    other = threading.Thread(target=lambda: started.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert started == [3]


def test_one_block_stays_where_it_is():
    (name,) = for_blocks(lambda *_: threading.current_thread().name, [0], lambda: None)
    assert name == threading.current_thread().name


def test_an_error_comes_out():
    def job(block, _):
        if block >= 4:
            raise ValueError(f"block {block}")

    with pytest.raises(ValueError, match="block 6"):
        for_blocks(job, range(9), lambda: None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_makes_threads_of_its_own():
    for_blocks(lambda *_: None, range(6), lambda: None)
    child = os.fork()
    if child == 0:
        done = for_blocks(lambda block, _: block, range(6), lambda: None) == list(range(6))
        os._exit(0 if done else 1)
    assert os.waitpid(child, 0)[1] == 0
