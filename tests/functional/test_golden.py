"""Values and gradients against the authors' implementations (tests/data/golden/README.md)."""

from __future__ import annotations

import json
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch

from anl_seg import functional as F

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())


def nce_then(passive, *own):
    """alpha NCE (NFL where the record has gamma) + beta ``passive`` with its ``own`` parameters."""

    def loss(logits, target, *, alpha, beta, **params):
        return F.active_passive_loss(
            logits,
            target,
            active=lambda z, y, *, ignore_index: F.normalized_focal_loss(
                z, y, gamma=params.get("gamma", 0.0), ignore_index=ignore_index
            ),
            passive=partial(passive, **{key: params[key] for key in own}),
            alpha=alpha,
            beta=beta,
        )

    loss.__name__ = f"active_passive_loss-{passive.__name__}"
    return loss


def jensen_shannon(logits, target, *, weights, scaled, logits2=None):
    assert len({*weights[1:]}) == 1  # the views share what the label leaves
    return F.generalized_jensen_shannon(
        logits, target, pi=weights[0], scaled=scaled, logits2=logits2
    )


jensen_shannon.__name__ = "generalized_jensen_shannon"


FUNCTIONS = {
    "aexp": F.asymmetric_exponential_loss,
    "agce": F.asymmetric_generalized_cross_entropy,
    "anl_ce": F.active_negative_cross_entropy,
    "anl_ce_er": F.active_negative_cross_entropy,
    "anl_fl": F.active_negative_focal_loss,
    "anorm": F.asymmetric_norm_loss,
    "aue": F.asymmetric_unhinged_loss,
    "ce": F.cross_entropy,
    "fl": F.focal_loss,
    "gce": F.generalized_cross_entropy,
    "gjs": jensen_shannon,
    "js": jensen_shannon,
    "mae": F.mean_absolute_error,
    "nce": F.normalized_cross_entropy,
    "nce_aexp": nce_then(F.asymmetric_exponential_loss, "a"),
    "nce_agce": nce_then(F.asymmetric_generalized_cross_entropy, "a", "q"),
    "nce_aue": nce_then(F.asymmetric_unhinged_loss, "a", "q"),
    "nce_mae": nce_then(F.mean_absolute_error),
    "nce_rce": nce_then(F.reverse_cross_entropy),
    "nfl": F.normalized_focal_loss,
    "nfl_mae": nce_then(F.mean_absolute_error),
    "nfl_rce": nce_then(F.reverse_cross_entropy),
    "nnce": F.normalized_negative_cross_entropy,
    "nnfl": F.normalized_negative_focal_loss,
    "rce": F.reverse_cross_entropy,
    "sce": F.symmetric_cross_entropy,
}
RECORDS = [r for r in MANIFEST["records"] if r["loss"] in FUNCTIONS]


@lru_cache(maxsize=4)
def arrays(file):
    with np.load(GOLDEN / file) as data:
        return dict(data)


def test_every_record_of_these_losses_is_there():
    assert len(RECORDS) == 1177
    assert {r["loss"] for r in RECORDS} == set(FUNCTIONS)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "record", RECORDS, ids=[f"{r['id']}-{FUNCTIONS[r['loss']].__name__}" for r in RECORDS]
)
def test_golden(record, dtype):
    data = arrays(record["file"])
    tolerance = MANIFEST["tolerances"][record["loss"]][dtype]
    logits = torch.tensor(data["logits"], dtype=getattr(torch, dtype), requires_grad=True)
    labels = torch.tensor(data["labels"])
    params = dict(record["params"])
    regularization = 0.0
    if record["loss"] == "anl_ce_er":
        weight = params.pop("lamb")
        entropy = F.entropy_regularization(logits, labels, min_prob=params["min_prob"])
        assert entropy.item() == pytest.approx(record["entropy_reg"], rel=1e-5, abs=2e-6)
        regularization = weight * entropy

    if "grad2_key" in record:
        params["logits2"] = torch.tensor(data["logits2"], dtype=logits.dtype, requires_grad=True)

    loss = FUNCTIONS[record["loss"]](logits, labels, **params)
    mean = loss.sum() / record["n_valid"] + regularization
    mean.backward()

    def close(actual, expected, kind):
        rtol, atol = tolerance[f"{kind}_rtol"], tolerance[f"{kind}_atol"]
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)

    assert loss.dtype == logits.dtype
    close(loss.detach().numpy(), data[record["map_key"]][record["row"]], "loss")
    close(mean.item(), record["mean_loss"], "loss")
    close(logits.grad.numpy(), data[record["grad_key"]][record["row"]], "grad")
    if "grad2_key" in record:
        grad2 = params["logits2"].grad.numpy()
        close(grad2, data[record["grad2_key"]][record["row"]], "grad")
