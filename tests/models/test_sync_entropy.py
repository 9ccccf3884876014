"""The entropy term over two ranks is that of the joint batch, in value and in gradient."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import torch
import torch.distributed as dist
from torch import nn


def parts():
    """Model, inputs and labels; the two ranks' batches hold unequal numbers of valid pixels."""
    torch.manual_seed(0)
    model = nn.Conv2d(2, 3, 1).double()
    inputs = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 4, 4))
    labels[1, :3] = 255
    return model, inputs, labels


def loss_of(logits, labels, sync):
    from anl_seg.functional import entropy_regularization

    return entropy_regularization(logits, labels, sync=sync)


def worker(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    model, inputs, labels = parts()
    model = nn.parallel.DistributedDataParallel(model)
    mine = slice(rank, rank + 1)
    loss = loss_of(model(inputs[mine]), labels[mine], sync=True)
    loss.backward()
    result = [loss.detach(), *(p.grad for p in model.parameters())]
    torch.save(result, f"{folder}/{rank}.pth")
    dist.barrier()
    os._exit(0)  # tearing a gloo group down can hang


def test_two_ranks_equal_the_joint_batch(tmp_path):
    model, inputs, labels = parts()
    loss = loss_of(model(inputs), labels, sync=False)
    loss.backward()
    expected = [loss.detach(), *(p.grad for p in model.parameters())]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen([sys.executable, __file__, str(rank), port, str(tmp_path)])
        for rank in range(2)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    for rank in range(2):
        for actual, wanted in zip(torch.load(tmp_path / f"{rank}.pth"), expected):
            torch.testing.assert_close(actual, wanted)


if __name__ == "__main__":
    worker(int(sys.argv[1]), sys.argv[2], sys.argv[3])
