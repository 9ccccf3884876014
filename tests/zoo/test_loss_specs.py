from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from anl_seg.models import losses
from anl_seg.registry import MODELS
from tools.model_zoo.loss_specs import every_loss, fill_loss, is_binary, noise_matrix

NOISE = dict(type="SymmetricNoise", rate=0.4)
HEAD = dict(type="FCNHead", num_classes=5)


def test_every_loss_is_there_and_can_be_built():
    """The registry decides: each class of the losses' package that is registered is tried."""
    found = {loss["type"]: loss for loss in every_loss()}
    registered = {
        name
        for name in losses.__all__
        if name not in ("PixelLoss", "RegionLoss") and MODELS.get(name) is getattr(losses, name)
    }
    assert set(found) == registered
    assert {"ANLCELoss", "AdaptiveLoss", "ForwardCorrectionLoss", "TLoss"} <= set(found)
    for loss in found.values():
        filled = fill_loss(loss, NOISE, HEAD)
        # By class: the default scope may be mmseg's.
        built = MODELS.build({**filled, "type": MODELS.get(filled["type"])})
        assert isinstance(built, nn.Module)


def test_a_new_loss_is_taken_up_and_needs_an_example_if_it_has_no_defaults():
    class Needy(nn.Module):
        def __init__(self, strength, **kwargs):
            super().__init__()

    Needy.__module__ = "anl_seg.models.losses.needy"
    MODELS.register_module(name="NeedyLoss", module=Needy)
    try:
        with pytest.raises(ValueError, match=r"NeedyLoss needs strength: add an example"):
            every_loss()
    finally:
        del MODELS.module_dict["NeedyLoss"]
    assert "NeedyLoss" not in {loss["type"] for loss in every_loss()}


def test_the_matrix_of_symmetric_noise():
    """0.6 on the diagonal, the rest spread over C - 1 classes; about 100000 pixels of each class."""
    matrix = np.array(noise_matrix(NOISE, 5))
    expected = np.full((5, 5), 0.1) + 0.5 * np.eye(5)
    np.testing.assert_allclose(matrix, expected, atol=0.006)  # 4 standard errors
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)


def test_the_matrix_is_that_of_the_noise_and_of_the_classes_at_hand():
    pair = noise_matrix(dict(type="PairNoise", rate=0.3), 3)
    np.testing.assert_allclose(pair, [[0.7, 0.3, 0], [0, 0.7, 0.3], [0.3, 0, 0.7]], atol=0.005)
    assert len(noise_matrix(NOISE, 171)) == 171


def test_a_matrix_is_filled_in_only_where_it_is_missing():
    assert fill_loss(dict(type="ANLCELoss"), NOISE, HEAD) == dict(type="ANLCELoss")
    given = dict(type="ForwardCorrectionLoss", matrix="t.json")
    assert fill_loss(given, NOISE, HEAD) == given
    loss = dict(type="anl_seg.BackwardCorrectionLoss", min_prob=1e-3)
    filled = fill_loss(loss, NOISE, HEAD)
    assert "matrix" not in loss
    assert filled == {**loss, "matrix": noise_matrix(NOISE, 5)}


@pytest.mark.parametrize("kind", ["MaskFormerHead", "mmseg.Mask2FormerHead", "SideAdapterCLIPHead"])
def test_no_object_is_a_class_that_is_never_confused(kind):
    head = dict(type=kind, num_classes=3)
    matrix = np.array(fill_loss(dict(type="ForwardCorrectionLoss"), NOISE, head)["matrix"])
    assert matrix.shape == (4, 4)
    np.testing.assert_array_equal(matrix[:3, :3], noise_matrix(NOISE, 3))
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1])
    np.testing.assert_array_equal(matrix[:3, 3], [0, 0, 0])


def test_which_losses_take_two_classes_only():
    found = [loss["type"] for loss in every_loss() if is_binary(loss, NOISE)]
    assert found == ["TLoss"]
    weighted = dict(type="TLoss", class_weight=[1.0, 2.0])
    assert is_binary(weighted, NOISE)
    assert not is_binary(dict(type="CELoss", class_weight=[1.0] * 19), NOISE)
