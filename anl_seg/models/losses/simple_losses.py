"""The losses that are one function of the pixel: each names it, its terms in the kernels and its parameters.

Formulas and sources stand at the functions, and in docs/losses.md.
"""

from __future__ import annotations

from typing import Any

from anl_seg import functional
from anl_seg.kernels import terms as t
from anl_seg.models.losses.pixel_loss import PixelLoss
from anl_seg.registry import MODELS

__all__ = [
    "AELLoss",
    "AGCELoss",
    "ANormLoss",
    "AUELoss",
    "BootstrapLoss",
    "CELoss",
    "FocalLoss",
    "GCELoss",
    "LabelSmoothingCELoss",
    "MAELoss",
    "NCELoss",
    "NFLLoss",
    "NGCELoss",
    "NNCELoss",
    "NNFLLoss",
    "NRCELoss",
    "RCELoss",
    "SCELoss",
]


def _symmetric(alpha: float, beta: float) -> tuple[t.Term, ...]:
    return t.CrossEntropy(alpha), t.ReverseCrossEntropy(beta)


@MODELS.register_module()
class CELoss(PixelLoss):
    """Cross entropy: the baseline, with a mean over valid pixels and class weights beside 255.

    Arguments are those of :class:`PixelLoss`.
    """

    default_name = "loss_ce"
    function = functional.cross_entropy
    terms = t.CrossEntropy


@MODELS.register_module()
class FocalLoss(PixelLoss):
    """Focal loss over the softmax of all classes; the factor is not differentiated.

    Args:
        gamma: focusing exponent, 0 or more.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_focal"
    function = functional.focal_loss
    terms = t.Focal

    def __init__(self, gamma: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(gamma=gamma)


@MODELS.register_module()
class MAELoss(PixelLoss):
    """Mean absolute error, 1 - p_y.

    Arguments are those of :class:`PixelLoss`.
    """

    default_name = "loss_mae"
    function = functional.mean_absolute_error
    terms = t.MeanAbsoluteError


@MODELS.register_module()
class RCELoss(PixelLoss):
    """Reverse cross entropy, about 9.21 (1 - p_y).

    Arguments are those of :class:`PixelLoss`.
    """

    default_name = "loss_rce"
    function = functional.reverse_cross_entropy
    terms = t.ReverseCrossEntropy


@MODELS.register_module()
class GCELoss(PixelLoss):
    """Generalized cross entropy, (1 - p_y^q) / q.

    Args:
        q: in (0, 1]; near 0 like cross entropy, 1 is mean absolute error.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_gce"
    function = functional.generalized_cross_entropy
    terms = t.GeneralizedCrossEntropy

    def __init__(self, q: float = 0.7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(q=q)


@MODELS.register_module()
class SCELoss(PixelLoss):
    """Symmetric cross entropy: alpha CE + beta RCE; (0.1, 1) on CIFAR-10, (6, 0.1) on CIFAR-100.

    Args:
        alpha: weight of cross entropy.
        beta: weight of reverse cross entropy.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_sce"
    function = functional.symmetric_cross_entropy
    terms = _symmetric

    def __init__(self, alpha: float = 0.1, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(alpha=alpha, beta=beta)


@MODELS.register_module()
class NCELoss(PixelLoss):
    """Normalized cross entropy, log p_y / sum_k log p_k.

    Arguments are those of :class:`PixelLoss`.
    """

    default_name = "loss_nce"
    function = functional.normalized_cross_entropy
    terms = t.NormalizedCrossEntropy


@MODELS.register_module()
class NFLLoss(PixelLoss):
    """Normalized focal loss, FL_y / sum_k FL_k.

    Args:
        gamma: focusing exponent, 0 or more.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_nfl"
    function = functional.normalized_focal_loss
    terms = t.NormalizedFocal

    def __init__(self, gamma: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(gamma=gamma)


@MODELS.register_module()
class NGCELoss(PixelLoss):
    """Normalized generalized cross entropy, (1 - p_y^q) / (C - sum_k p_k^q).

    Args:
        q: in (0, 1]; near 0 like NCE.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_ngce"
    function = functional.normalized_generalized_cross_entropy

    def __init__(self, q: float = 0.7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(q=q)


@MODELS.register_module()
class NRCELoss(PixelLoss):
    """Normalized reverse cross entropy, about (1 - p_y) / (C - 1). Arguments of :class:`PixelLoss`."""

    default_name = "loss_nrce"
    function = functional.normalized_reverse_cross_entropy


@MODELS.register_module()
class NNCELoss(PixelLoss):
    """Normalized negative cross entropy: cross entropy flipped at ``min_prob``, normalized.

    Args:
        min_prob: the flip point, in (0, 1) and below 1 / C.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``; None =
            ``min_prob``. The same number for any number of classes.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_nnce"
    function = functional.normalized_negative_cross_entropy
    terms = t.NormalizedNegativeCrossEntropy

    def __init__(
        self, min_prob: float = 1e-7, relative_min_prob: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_parameters(min_prob=min_prob, relative_min_prob=relative_min_prob)


@MODELS.register_module()
class NNFLLoss(PixelLoss):
    """Normalized negative focal loss: the focal loss flipped at ``min_prob``, normalized.

    Args:
        gamma: focusing exponent, 0 or more.
        min_prob: the flip point, in (0, 1) and below 1 / C.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``; None =
            ``min_prob``. The same number for any number of classes.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_nnfl"
    function = functional.normalized_negative_focal_loss
    terms = t.NormalizedNegativeFocal

    def __init__(
        self,
        gamma: float = 0.5,
        min_prob: float = 1e-7,
        relative_min_prob: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_parameters(gamma=gamma, min_prob=min_prob, relative_min_prob=relative_min_prob)


@MODELS.register_module()
class AGCELoss(PixelLoss):
    """Asymmetric generalized cross entropy, ((a + 1)^q - (a + p_y)^q) / q.

    Args:
        a: above 0.
        q: above 0.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_agce"
    function = functional.asymmetric_generalized_cross_entropy
    terms = t.AsymmetricGeneralizedCrossEntropy

    def __init__(self, a: float = 1.0, q: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(a=a, q=q)


@MODELS.register_module()
class AUELoss(PixelLoss):
    """Asymmetric unhinged loss, ((a - p_y)^q - (a - 1)^q) / q; AUL in the paper.

    Args:
        a: above 1.
        q: above 0.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_aue"
    function = functional.asymmetric_unhinged_loss
    terms = t.AsymmetricUnhinged

    def __init__(self, a: float = 1.5, q: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(a=a, q=q)


@MODELS.register_module()
class AELLoss(PixelLoss):
    """Asymmetric exponential loss, exp(-p_y / a).

    Args:
        a: above 0.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_ael"
    function = functional.asymmetric_exponential_loss
    terms = t.AsymmetricExponential

    def __init__(self, a: float = 3.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(a=a)


@MODELS.register_module()
class ANormLoss(PixelLoss):
    """Asymmetric norm loss, ((a - p_y)^p + sum_{k != y} p_k^p - (a - 1)^p) / p.

    Args:
        a: above 1.
        p: above 0.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_anorm"
    function = functional.asymmetric_norm_loss

    def __init__(self, a: float = 1.5, p: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(a=a, p=p)


@MODELS.register_module()
class BootstrapLoss(PixelLoss):
    """Cross entropy with beta of the label and 1 - beta of the model's own prediction.

    Args:
        beta: weight of the label, in [0, 1]; published: 0.95 (soft), 0.8 (hard).
        mode: ``soft``, the predicted probabilities, or ``hard``, the most probable class.
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_bootstrap"
    function = functional.bootstrap_loss

    def __init__(self, beta: float = 0.95, mode: str = "soft", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(beta=beta, mode=mode)


@MODELS.register_module()
class LabelSmoothingCELoss(PixelLoss):
    """Cross entropy with (1 - s) of the label and s of the uniform distribution.

    Args:
        smoothing: s, below 1; negative = negative label smoothing, whose values may be negative.
        min_prob: lower clamp of the probabilities where ``smoothing`` is negative, in (0, 1).
        kwargs: arguments of :class:`PixelLoss`.
    """

    default_name = "loss_label_smoothing"
    function = functional.label_smoothing_cross_entropy

    def __init__(self, smoothing: float = 0.1, min_prob: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_parameters(smoothing=smoothing, min_prob=min_prob)
