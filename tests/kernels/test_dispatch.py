"""Which form of a loss runs, and that both agree for every registered loss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from anl_seg.kernels import use_fused
from anl_seg.models import losses
from anl_seg.models.losses import pixel_loss as module
from anl_seg.models.losses.combined_loss import CombinedLoss
from anl_seg.models.losses.pixel_loss import PixelLoss

#: Arguments of losses that cannot be built without, or that show more with them.
ARGUMENTS = {
    "ANLCELoss": {"entropy_weight": 2.0},
    "ActiveNegativeLoss": {"active": {"type": "NCELoss", "loss_weight": 3.0}},
    "ActivePassiveLoss": {"preset": "NCE+AGCE", "setting": "cifar10"},
    "WarmStartLoss": {"loss": {"type": "GCELoss"}, "ce_share": 0.3},
}
#: Every loss that has terms, or is a sum of losses.
FUSED = {
    name: ARGUMENTS.get(name, {})
    for name, cls in vars(losses).items()
    if isinstance(cls, type)
    and issubclass(cls, PixelLoss)
    and (cls.terms is not None or issubclass(cls, CombinedLoss))
}


@pytest.fixture
def calls(monkeypatch):
    """Counts the calls of the fused form."""
    found = []

    def counted(*args, **kwargs):
        found.append(args)
        return original(*args, **kwargs)

    original = module.fused_loss_of
    monkeypatch.setattr(module, "fused_loss_of", counted)
    return found


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("classes", [1, 2, 6])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_both_forms_agree(name, classes, reduction, calls):
    weights = [1.0, *(0.5 + k for k in range(max(classes, 2) - 1))]
    results = []
    for kernels in ("fused", "reference"):
        loss = getattr(losses, name)(
            **FUSED[name], kernels=kernels, class_weight=weights, reduction=reduction
        )
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(2, classes, 4, 5, generator=generator, dtype=torch.float64)
        target = torch.randint(0, max(classes, 2), (2, 4, 5), generator=generator)
        target[0, 0] = 255
        weight = torch.rand(2, 4, 5, generator=generator)
        logits.requires_grad_()
        value = loss(logits, target, weight)
        value.sum().backward()
        results.append((value.detach(), logits.grad))
    assert len(calls) == 1
    for one, other in zip(*results):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_the_environment_overrides(monkeypatch, calls):
    logits, target = torch.randn(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long)
    monkeypatch.setenv("ANL_SEG_KERNELS", "reference")
    losses.CELoss(kernels="fused")(logits, target)
    assert not calls
    monkeypatch.setenv("ANL_SEG_KERNELS", "fused")
    losses.CELoss(kernels="reference")(logits, target)
    assert len(calls) == 1
    losses.LabelSmoothingCELoss()(logits, target)  # has no fused form, and runs
    monkeypatch.setenv("ANL_SEG_KERNELS", "fast")
    with pytest.raises(ValueError, match=r"ANL_SEG_KERNELS must be one of auto.*got 'fast'"):
        losses.CELoss()(logits, target)


def test_wrong_choices_are_refused():
    with pytest.raises(ValueError, match="kernels must be one of auto, reference, fused"):
        losses.CELoss(kernels="triton")
    with pytest.raises(ValueError, match="LabelSmoothingCELoss has no fused form"):
        losses.LabelSmoothingCELoss(kernels="fused")
    meta = torch.empty(1, 2, 2, 2, device="meta")
    assert not use_fused(meta)
    with pytest.raises(RuntimeError, match="no fused kernel for meta"):
        use_fused(meta, "fused")


def test_a_subclass_that_replaces_the_formula_is_not_fused(calls):
    class Doubled(losses.CELoss):
        def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
            return 2.0 * super().pixel_loss(logits, target, ignore_index)

    logits, target = torch.randn(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long)
    torch.testing.assert_close(
        Doubled()(logits, target), 2.0 * losses.CELoss()(logits, target), rtol=1e-5, atol=1e-6
    )
    assert len(calls) == 1  # that of CELoss

    loss = losses.CELoss()
    loss.pixel_loss = Doubled().pixel_loss  # nor is an instance with a formula of its own
    torch.testing.assert_close(loss(logits, target), Doubled()(logits, target))
    for combined in (
        losses.ActivePassiveLoss(active=Doubled(), passive=losses.MAELoss()),
        losses.WarmStartLoss(Doubled(), ce_share=0.5, dice_weight=0.0),
    ):
        assert combined.kernel_terms() is None
        assert combined(logits, target).isfinite()


def test_parts_without_a_fused_form_take_the_functional_one(calls):
    loss = losses.ActivePassiveLoss(passive={"type": "NRCELoss"})
    assert loss.kernel_terms() is None
    loss(torch.randn(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
    assert not calls


def test_compiled_models_take_the_functional_form():
    loss = losses.ANLCELoss()
    logits = torch.randn(2, 3, 4, 4)
    target = torch.randint(0, 3, (2, 4, 4))
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(logits, target), loss(logits, target), rtol=1e-5, atol=1e-6)
