"""The picture of the gradient weights in docs/losses.md shows what the functions do, and all of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from anl_seg import functional

SCRIPT = Path(__file__).parents[2] / "docs" / "draw_loss_gradients.py"
P = torch.tensor([0.001, 0.03, 0.1, 0.4, 0.5, 0.9, 0.999], dtype=torch.float64)
#: -dL/dz_y by hand: for L = l(p_y) it is -l'(p_y) p_y (1 - p_y).
BY_HAND = {
    "cross_entropy": 1 - P,
    "mean_absolute_error": P * (1 - P),
    "generalized_cross_entropy": P**0.7 * (1 - P),
    "asymmetric_exponential_loss": torch.exp(-P / 3) / 3 * P * (1 - P),
    "asymmetric_generalized_cross_entropy": (1 + P) * P * (1 - P),
}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("draw_loss_gradients", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", BY_HAND)
def test_numbers_are_the_closed_forms(script, name):
    torch.testing.assert_close(script.curves(P)[name], BY_HAND[name])


def test_the_weight_is_half_the_l1_norm(script):
    logits = torch.full((1, script.CLASSES), 0.7 / (script.CLASSES - 1), dtype=torch.float64).log()
    logits[0, 3] = torch.tensor(0.3).log()
    logits.requires_grad_()
    for name in ("normalized_cross_entropy", "active_negative_cross_entropy"):
        loss = getattr(functional, name)
        (grad,) = torch.autograd.grad(loss(logits, torch.tensor([3])).sum(), logits)
        weight = script.gradient_weight(loss, torch.tensor([0.3]))
        assert weight.item() == pytest.approx(grad.abs().sum().item() / 2, rel=1e-6)


def test_every_loss_is_drawn_or_has_a_reason(script):
    drawn = {name for panel in script.all_panels().values() for name in panel}
    missing = set(functional.__all__) - drawn - set(script.NOT_DRAWN)
    assert not missing
    assert not drawn & set(script.NOT_DRAWN)
    for panel in script.all_panels().values():
        assert len(panel) <= len(script.COLOURS)


def test_a_loss_of_no_panel_is_drawn_with_the_others(script, tmp_path, monkeypatch):
    for panel in script.PANELS.values():
        monkeypatch.delitem(panel, "asymmetric_norm_loss", raising=False)
    assert script.all_panels()["Others"] == {"asymmetric_norm_loss": "asymmetric_norm"}
    assert "asymmetric_norm_loss" in script.curves(P)
    assert script.draw(tmp_path / "picture.png").is_file()


def test_it_draws(script, tmp_path):
    assert script.draw(tmp_path / "picture.png").stat().st_size > 10_000
