"""Draw the picture of docs/losses.md: how hard each loss pulls at a pixel, by how well it is predicted.

    python docs/draw_loss_gradients.py

Writes ``docs/images/loss_gradients.png``. The weight drawn is -dL/dz_y, the pull on the logit of the
pixel's label; the other classes share 1 - p_y evenly, so the gradient has one direction and this
number is all of it (half its L1 norm). It comes from autograd through the functions themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

from anl_seg import functional

matplotlib.use("Agg")
from matplotlib import pyplot as plt

FILE = Path(__file__).parent / "images" / "loss_gradients.png"
CLASSES = 10
#: Blue, orange, green, vermilion, purple (Okabe and Ito); the line style tells them apart too.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
#: Title -> function -> its name in the legend.
PANELS = {
    "Between CE and MAE": {
        "generalized_cross_entropy": "GCE",
        "generalized_jensen_shannon": "JS",
        "mean_absolute_error": "MAE",
        "reverse_cross_entropy": "RCE",
        "symmetric_cross_entropy": "SCE",
    },
    "Asymmetric": {
        "asymmetric_generalized_cross_entropy": "AGCE",
        "asymmetric_unhinged_loss": "AUE",
        "asymmetric_exponential_loss": "AEL",
        "asymmetric_norm_loss": "ANorm",
    },
    "Normalised": {
        "normalized_cross_entropy": "NCE",
        "normalized_focal_loss": "NFL",
        "normalized_generalized_cross_entropy": "NGCE",
        "normalized_reverse_cross_entropy": "NRCE",
    },
    "Negative and active negative": {
        "normalized_negative_cross_entropy": "NNCE",
        "normalized_negative_focal_loss": "NNFL",
        "active_negative_cross_entropy": "ANL-CE",
        "active_negative_focal_loss": "ANL-FL",
        "negative_learning": "NLNL",
    },
    "Changed labels": {
        "bootstrap_loss": "bootstrap",
        "label_smoothing_cross_entropy": "smoothing",
        "forward_correction": "forward",
        "backward_correction": "backward",
    },
    "Not tolerant": {"cross_entropy": "CE", "focal_loss": "focal"},
}
#: What has no weight as a function of p_y alone.
NOT_DRAWN = {
    "active_negative_loss": "built from two losses",
    "active_passive_loss": "built from two losses",
    "clip_logits": "not a loss",
    "entropy_regularization": "of the batch",
    "invert_transition_matrix": "not a loss",
    "mass_balance": "not a loss",
    "multiclass_t_loss": "of the image",
    "noise_robust_dice": "of the region",
    "normalized_loss": "built from a loss",
    "normalized_negative_loss": "built from a loss",
    "peer_loss": "needs another pixel's label",
    "t_loss": "of the image",
}


def all_panels() -> dict[str, dict[str, str]]:
    """PANELS, and a last one of the losses that stand in none of them."""
    listed = {*NOT_DRAWN, *(name for panel in PANELS.values() for name in panel)}
    known = (getattr(functional, name) for name in functional.__all__ if name not in listed)
    others = {loss.__name__: loss.__name__.removesuffix("_loss") for loss in known}
    return {**PANELS, "Others": others} if others else PANELS


def symmetric_matrix(rate: float) -> Tensor:
    """T[true, noisy] of symmetric noise, (CLASSES, CLASSES), float64."""
    off = rate / (CLASSES - 1)
    matrix = torch.full((CLASSES, CLASSES), off, dtype=torch.float64)
    return matrix.fill_diagonal_(1.0 - rate)


#: Arguments of the losses that have no default for them: symmetric noise of rate 0.4.
ARGUMENTS = {
    "forward_correction": {"matrix": symmetric_matrix(0.4)},
    "backward_correction": {"inverse": torch.linalg.inv(symmetric_matrix(0.4))},
}


def gradient_weight(loss: Callable[..., Tensor], p_y: Tensor) -> Tensor:
    """-dL/dz_y where the label has probability p_y and the other classes share the rest evenly.

    Args:
        loss: per-pixel loss, logits (N, C), labels (N,) -> (N,).
        p_y: (N,), in (0, 1).

    Returns:
        (N,), float64; positive where the loss asks p_y to grow.
    """
    p_y = p_y.double()
    logits = ((1.0 - p_y) / (CLASSES - 1)).log().unsqueeze(1).repeat(1, CLASSES)
    logits[:, 0] = p_y.log()
    logits.requires_grad_()
    (grad,) = torch.autograd.grad(
        loss(logits, torch.zeros(len(p_y), dtype=torch.long)).sum(), logits
    )
    return -grad[:, 0]


def curves(p_y: Tensor) -> dict[str, Tensor]:
    """Function name -> its weight at each p_y, for every loss that is drawn."""
    names = [name for panel in all_panels().values() for name in panel]
    return {
        name: gradient_weight(partial(getattr(functional, name), **ARGUMENTS.get(name, {})), p_y)
        for name in names
    }


def draw(path: Path = FILE) -> Path:
    """Write the picture, a panel per family, every curve divided by its largest value drawn."""
    p_y = torch.sigmoid(torch.linspace(-np.log(999), np.log(999), 601, dtype=torch.float64))
    weights = curves(p_y)
    panels = all_panels()
    rows = -(-len(panels) // 3)
    size = 12, 3.6 * rows
    fig, axes = plt.subplots(rows, 3, figsize=size, sharex=True, sharey=True, layout="constrained")
    for ax, (title, panel) in zip(axes.flat, panels.items()):
        if "cross_entropy" not in panel:
            ax.plot(p_y, 1.0 - p_y, color="0.75", lw=3, label="CE (1)")
        for name, colour, style in zip(panel, COLOURS, STYLES):
            peak = weights[name].max()
            label = f"{panel[name]} ({peak:.2g})"
            ax.plot(p_y, weights[name] / peak, color=colour, ls=style, lw=1.8, label=label)
        ax.set_title(title)
        ax.set_xscale("logit")
        ax.set_xticks([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
        ax.set_xticklabels(["0.001", "0.01", "0.1", "0.5", "0.9", "0.99", "0.999"])
        ax.minorticks_off()
        ax.set_ylim(-0.15, 1.55)
        ax.set_yticks([0.0, 0.5, 1.0])
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8, ncols=2, loc="upper center", handlelength=3)
    fig.supxlabel(
        f"p_y, probability of the pixel's label ({CLASSES} classes, the rest shared evenly)"
    )
    fig.supylabel("-dL/dz_y, as a share of its largest value drawn (in brackets)")
    fig.savefig(path, dpi=110)
    plt.close(fig)
    return path


if __name__ == "__main__":
    print(draw())
