from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from anl_seg.functional import mass_balance
from anl_seg.kernels import upsampled
from anl_seg.kernels.upsampled_mass_balance import upsampled_mass_balance


def batch(classes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(classes)
    logits = 3 * torch.randn(3, classes, 5, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, max(classes, 2), (3, 17, 13), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.3] = 255
    return logits.to(dtype), target


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 9])
@pytest.mark.parametrize("values", [1, 300, 1 << 19])
def test_is_that_of_the_resized_logits(classes, align_corners, values, monkeypatch):
    monkeypatch.setitem(upsampled.BLOCK_VALUES, "cpu", values)
    logits, target = batch(classes)
    large = F.interpolate(logits, (17, 13), mode="bilinear", align_corners=align_corners)
    for exponent in (0.0, 0.4, 1.0):
        found = upsampled_mass_balance(logits, target, exponent, align_corners=align_corners)
        torch.testing.assert_close(found, mass_balance(large, target, exponent))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_computed_in_single_precision(dtype):
    logits, target = batch(5, dtype)
    large = F.interpolate(logits.float(), (17, 13), mode="bilinear")
    found = upsampled_mass_balance(logits, target)
    torch.testing.assert_close(found, mass_balance(large, target), rtol=1e-4, atol=1e-5)


def test_all_ignored_no_image_and_errors():
    logits, target = batch(5)
    assert (upsampled_mass_balance(logits, torch.full_like(target, 255)) == 0).all()
    assert upsampled_mass_balance(logits[:0], target[:0]).shape == (0, 17, 13)
    with pytest.raises(ValueError, match=r"mass_balance must lie in \[0, 1\]; got 3"):
        upsampled_mass_balance(logits, target, 3)
    with pytest.raises(ValueError, match=r"label\(s\) out of range: found 7"):
        upsampled_mass_balance(logits, torch.full_like(target, 7))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_cuda_as_on_the_cpu():
    logits, target = batch(5)
    found = upsampled_mass_balance(logits.cuda(), target.cuda())
    torch.testing.assert_close(found.cpu(), upsampled_mass_balance(logits, target))
