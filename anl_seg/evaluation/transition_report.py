"""An estimated transition matrix in words: as a table, what it resembles, and what to doubt."""

from __future__ import annotations

import numpy as np

from anl_seg.evaluation.transition_matrix_metric import EstimateTransitionMatrix
from anl_seg.noise.estimate_transition_matrix import (
    TransitionCounts,
    TransitionEstimate,
    simple_noises,
)

#: The two estimates by anchor points differ by less if the model is any good for them
#: (docs/transition_matrix.md).
AGREEING = 0.15
#: Up to this many classes the whole matrix is printed.
WHOLE = 14


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def transition_table(estimate: TransitionEstimate, names: list[str]) -> str:
    """The matrix in percent; with many classes what is kept and the most frequent mistakes."""
    errors = estimate.standard_errors
    largest = np.where(np.isnan(errors).all(axis=1), np.nan, np.nanmax(np.nan_to_num(errors), 1))
    if len(names) <= WHOLE:
        rows = [["true \\ noisy, %", *names, "s.e. up to", "pixels"]]
        for k, name in enumerate(names):
            cells = [_percent(v) for v in estimate.matrix[k]]
            rows.append([name, *cells, _percent(largest[k]), f"{estimate.pixels[k]:.0f}"])
    else:
        rows = [["true class", "kept %", "s.e. up to", "pixels", "most frequent other labels"]]
        for k, name in enumerate(names):
            others = np.where(np.arange(len(names)) == k, 0, np.nan_to_num(estimate.matrix[k]))
            order = [j for j in np.argsort(-others, kind="stable")[:3] if others[j] > 0]
            others_text = ", ".join(f"{names[j]} {_percent(others[j])}" for j in order)
            kept = _percent(estimate.matrix[k, k])
            rows.append(
                [name, kept, _percent(largest[k]), f"{estimate.pixels[k]:.0f}", others_text]
            )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last_is_text = len(names) > WHOLE
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        if last_is_text:
            cells[-1] = row[-1]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def resemblance(estimate: TransitionEstimate, names: list[str], resolution: float) -> str:
    """Which simple noise the matrix looks like, if any, in words."""
    fits = simple_noises(estimate.matrix)
    if not fits:
        return "Nothing is known of any class."
    tolerance = resolution + 3 * np.nan_to_num(estimate.standard_errors)

    def within(differences: np.ndarray) -> bool:
        return not (np.abs(differences) > tolerance).any()

    best = fits[0]
    (true, noisy), off = best.largest, best.max_difference
    both = " (or pair noise: with two classes they are the same)" if len(fits) == 1 else ""
    rate = f"{best.name} noise of rate {best.rate:.3f}"
    if within(estimate.matrix - np.eye(len(names))):
        return (
            f"Hardly any noise: a pixel of a class is labeled otherwise at a rate of "
            f"{estimate.flip_rate:.3f} (mean over classes), which cannot be distinguished from none."
        )
    if within(best.differences):
        also = [f for f in fits[1:] if within(f.differences)]
        second = (
            f" {also[0].name} noise of rate {also[0].rate:.3f} would be as possible."
            if also
            else ""
        )
        return f"Looks like {rate}{both}: no entry differs from it by more than {off:.3f}.{second}"
    neither = "Not symmetric noise" if len(fits) == 1 else "Neither symmetric nor pair noise"
    return (
        f"{neither}. The closest is {rate}, but the share of {names[true]} labeled {names[noisy]} "
        f"differs from it by {off:.3f}: describe the noise by the matrix."
    )


def report_counts(counts: TransitionCounts) -> list[str]:
    """What clean masks say beyond the matrix."""
    lines = []
    clumping = counts.clumping()
    if not np.isnan(clumping.correlation):
        lines.append(
            f"Of the neighbors of wrong pixels {_percent(clumping.observed)} % are wrong too; if pixels "
            f"were wrong independently, {_percent(clumping.independent)} % would be."
        )
        if clumping.correlation > 0.1:
            lines.append(
                "Wrong pixels cluster, as wrong outlines or objects do. The matrix holds their "
                "rates, not their shape: TransitionMatrixNoise would scatter them."
            )
    if counts.ignored_once:
        lines.append(f"{counts.ignored_once} pixels were left out: one mask ignores them.")
    return lines


def report_anchors(metric: EstimateTransitionMatrix) -> list[str]:
    """What to think of an estimate by anchor points.

    Raises:
        ValueError: the metric has evaluated nothing.
    """
    if metric.estimate is None:
        raise ValueError("there is no estimate: evaluate the metric first.")
    lines = [
        "Anchor points show noise where the model is sure of the class; wrong outlines stay unseen."
    ]
    if metric.anchors is not None and metric.method == "anchor_labels":
        other = metric.anchors.estimate(metric.quantile).matrix
        gap = np.nanmax(np.abs(other - metric.estimate.matrix), initial=0)
        lines.append(f"The model's own probabilities at anchor points differ by up to {gap:.3f}.")
        if gap > AGREEING:
            lines.append(
                "That is much: the model is not calibrated (was it trained by cross entropy?), overfitted or "
                "hardly knows some class. Trust neither estimate."
            )
    if metric.counts is not None:
        exact = metric.counts.estimate().matrix
        error = np.nanmax(np.abs(exact - metric.estimate.matrix), initial=0)
        lines.append(
            "The masks are corrupted by the config, so the true matrix is known: the estimate is "
            f"off by up to {error:.3f}."
        )
    return lines
