"""How many files of the package a call of the recommended loss enters on its way to the kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import anl_seg
from anl_seg.models import losses
from tests.models.surroundings import without_c

ROOT = Path(anl_seg.__file__).parent
#: A reader who follows the call opens so many files.
MOST = 8


def files_entered(function) -> set[str]:
    """The files of anl_seg that have a frame while ``function`` runs."""
    found = set()

    def look(frame, event, _) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT):
            found.add(path.relative_to(ROOT).as_posix())

    sys.setprofile(look)
    try:
        function()
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize("weighted", [False, True])
def test_anl_ce_passes_few_files_on_its_way_to_the_kernel(weighted):
    logits = torch.randn(2, 19, 16, 16, requires_grad=True)
    labels = torch.randint(0, 19, (2, 16, 16))
    weight = torch.rand(2, 16, 16) if weighted else None
    loss = losses.ANLCELoss()
    loss(logits, labels, weight)  # the terms of a loss are checked for a number of classes once
    found = files_entered(lambda: loss(logits, labels, weight))
    assert "models/losses/pixel_loss.py" in found
    assert any(name.startswith("kernels/") for name in found)
    assert len(found) <= MOST, sorted(found)


def test_the_reference_form_makes_one_batch_for_all_its_parts():
    """What is valid is worked out once, however many parts and weights ask for it."""
    from unittest import mock

    from anl_seg.functional import _pixels

    logits, labels = torch.randn(2, 5, 4, 4), torch.randint(0, 5, (2, 4, 4))
    loss = losses.ANLCELoss(kernels="reference", ce_share=0.3, entropy_weight=0.1)
    spied = mock.patch.object(_pixels, "valid_mask", side_effect=_pixels.valid_mask)
    with spied as valid, without_c():
        loss(logits, labels, torch.rand(2, 4, 4))
    assert valid.call_count == 1
