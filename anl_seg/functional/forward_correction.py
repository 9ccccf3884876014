"""Forward loss correction by a noise transition matrix (Patrini et al., CVPR 2017)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._label_rows import check_square, label_rows
from anl_seg.functional._per_pixel import per_pixel
from anl_seg.functional._pixels import Pixels

#: Stands for log 0 of an entry of the matrix. Without it a label whose column is all zero gives
#: infinity and a NaN gradient; with it 1e5 and a gradient of zero. Everything else is left as it
#: is while log p_k stays above -1e5.
LOG_ZERO = -1e5


@per_pixel()
def forward_correction(px: Pixels, *, matrix: Tensor) -> Tensor:
    """``-log sum_k T[k, y] p_k`` per pixel: cross entropy of the prediction as the noise shows it.

    The minimiser under the noise T is that of cross entropy on clean labels (Patrini et al. 2017,
    theorem 2). The identity gives cross entropy. Computed with logarithms throughout, so no clamp of
    the probabilities is needed.

    Args:
        matrix: (C, C) probabilities T[true, noisy], rows sum to 1 (not checked here; see
            :func:`anl_seg.noise.load_transition_matrix`).
    """
    check_square("matrix", matrix, px.num_classes)
    log_matrix = matrix.detach().to(px.logits).log().clamp(min=LOG_ZERO)
    return -(label_rows(log_matrix.t(), px) + px.log_probs()).logsumexp(dim=1)
