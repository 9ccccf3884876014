"""``sync_entropy=True``: the gradient after DDP is that of the joint batch in one process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

#: Rows of ignored labels on rank 1, and the pixel losses' weight. With unequal numbers of valid
#: pixels DDP's mean of the ranks' pixel losses is not that of the joint batch: the entropy term alone.
CASES = {"equal": (0, 2.0), "unequal": (3, 0.0), "rank 1 all ignored": (4, 0.0)}


def parts(ignored_rows):
    """Model, inputs and labels; each rank takes one of the two samples."""
    torch.manual_seed(0)
    model = nn.Conv2d(2, 3, 1).double()
    inputs = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 4, 4))
    labels[1, :ignored_rows] = 255
    return model, inputs, labels


def train(case, mine, sync, wrap=lambda model: model):
    """Gradients of the loss of the samples ``mine``."""
    rows, weight = CASES[case]
    init_default_scope("mmseg")
    loss = MODELS.build(
        dict(
            type="anl_seg.ANLCELoss",
            alpha=weight,
            beta=weight,
            entropy_weight=2.0,
            class_prior=[0.6, 0.3, 0.1],
            sync_entropy=sync,
            mass_balance=0.0,  # its masses are those of a rank
        )
    )
    model, inputs, labels = parts(rows)
    model = wrap(model)
    loss(model(inputs[mine]), labels[mine]).backward()
    return [p.grad for p in model.parameters()]


def worker(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    mine = slice(rank, rank + 1)
    ddp = nn.parallel.DistributedDataParallel
    torch.save({case: train(case, mine, True, ddp) for case in CASES}, f"{folder}/{rank}.pth")
    dist.barrier()
    os._exit(0)  # tearing a gloo group down can hang


@pytest.fixture(scope="module")
def gradients(tmp_path_factory, starts_process):
    """What both ranks got."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen([sys.executable, __file__, str(rank), port, str(folder)])
        for rank in range(2)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    return [torch.load(folder / f"{rank}.pth") for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_equal_the_joint_batch(case, gradients):
    expected = train(case, slice(None), sync=False)
    assert all(wanted.abs().max() > 1e-3 for wanted in expected)
    for rank in gradients:
        torch.testing.assert_close(rank[case], expected)


if __name__ == "__main__":
    worker(int(sys.argv[1]), sys.argv[2], sys.argv[3])
