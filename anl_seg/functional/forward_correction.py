"""Forward loss correction by a noise transition matrix (Patrini et al., CVPR 2017)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._label_rows import check_square, label_rows
from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast

#: Stands for log 0 of an entry of the matrix. Without it a label whose column is all zero gives
#: infinity and a NaN gradient; with it 1e5 and a gradient of zero. Everything else is left as it
#: is while log p_k stays above -1e5.
LOG_ZERO = -1e5


@without_autocast
def forward_correction(
    logits: Tensor, target: Tensor, *, matrix: Tensor, ignore_index: int = 255
) -> Tensor:
    """``-log sum_k T[k, y] p_k`` per pixel: cross entropy of the prediction as the noise shows it.

    The minimiser under the noise T is that of cross entropy on clean labels (Patrini et al. 2017,
    theorem 2). The identity gives cross entropy. Computed with logarithms throughout, so no clamp of
    the probabilities is needed.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), noisy labels, integers in [0, C) or ``ignore_index``.
        matrix: (C, C) probabilities T[true, noisy], rows sum to 1 (not checked here; see
            :func:`anl_seg.noise.load_transition_matrix`).
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, inf), 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a matrix of another size.
    """
    px = Pixels(logits, target, ignore_index)
    check_square("matrix", matrix, px.num_classes)
    log_matrix = matrix.detach().to(px.logits).log().clamp(min=LOG_ZERO)
    joint = label_rows(log_matrix.t(), target, px.valid) + px.log_probs()
    return px.masked(-joint.logsumexp(dim=1))
