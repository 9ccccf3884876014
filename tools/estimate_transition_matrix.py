"""Which noise do these masks carry? Estimates the transition matrix T[true, noisy].

From masks of which clean versions are at hand:
    python tools/estimate_transition_matrix.py --clean DIR --noisy DIR --num-classes 19
From a model that was trained on the noisy masks by cross entropy:
    python tools/estimate_transition_matrix.py CONFIG CHECKPOINT --data val

docs/transition_matrix.md says what each assumes and how well it works.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.runner import Runner
from PIL import Image
from rich.console import Console
from rich.progress import track

from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.config import load_config
from anl_seg.config._walk import heads, loads_seg_map, pipelines, type_name
from anl_seg.config.inject_noise import _CARRIES_CLEAN
from anl_seg.engine import allow_mmengine_checkpoints
from anl_seg.engine._atomic import write_json_atomically
from anl_seg.evaluation import EstimateTransitionMatrix
from anl_seg.evaluation.estimate_transition_matrix import check_output_file
from anl_seg.noise.estimate_transition_matrix import (
    DEFAULT_QUANTILE,
    DEFAULT_TOP_SHARE,
    TransitionCounts,
    TransitionEstimate,
    simple_noises,
)

#: Differences of an entry that are taken for nothing: beside the sampling error when masks are
#: compared, and of anchor points (docs/transition_matrix.md).
COUNTED, ANCHORED = 0.01, 0.1
#: The two estimates by anchor points differ by less if the model is any good for them (same page).
AGREEING = 0.15
#: Up to so many classes the whole matrix is printed.
WHOLE = 14


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="config of the model, or mmseg::family/config.py")
    parser.add_argument("checkpoint", nargs="?", help="its checkpoint")
    parser.add_argument("--clean", metavar="DIR", help="folder of clean masks (PNG)")
    parser.add_argument(
        "--noisy", metavar="DIR", help="folder of noisy masks, under the same names"
    )
    parser.add_argument("--num-classes", type=int, help="number of classes of the folders' masks")
    parser.add_argument(
        "--ignore-index",
        type=int,
        help="label of pixels that do not count (default: that of the config's head, else 255)",
    )
    parser.add_argument(
        "--data",
        choices=["train", "val", "test"],
        default="train",
        help="the images to predict (default train)",
    )
    parser.add_argument(
        "--method",
        choices=["anchor_labels", "anchor"],
        default="anchor_labels",
        help="count noisy labels at the anchor points (default), or take the model's probabilities",
    )
    parser.add_argument("--quantile", type=float, default=DEFAULT_QUANTILE, help="of anchor")
    parser.add_argument(
        "--top-share", type=float, default=DEFAULT_TOP_SHARE, help="of anchor_labels"
    )
    parser.add_argument(
        "--save", metavar="FILE.json", help="write the matrix, for training with it"
    )
    parser.add_argument("--report", metavar="FILE.json", help="write all numbers")
    parser.add_argument("--work-dir", help="folder for the log of the predictions")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="override settings")
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="job launcher",
    )
    args = parser.parse_args(argv)
    folders = (args.clean, args.noisy, args.num_classes)
    if args.config is None and args.checkpoint is None and None not in folders:
        return args
    if args.config is not None and args.checkpoint is not None and folders == (None,) * 3:
        return args
    return parser.error("give --clean, --noisy and --num-classes, or CONFIG and CHECKPOINT")


# --- folders of masks ---


def mask_pairs(clean: str | Path, noisy: str | Path) -> list[tuple[Path, Path]]:
    """The PNG files of two folders that have the same path in them.

    Raises:
        FileNotFoundError: a folder does not exist or holds no PNG, or a file has no partner.
    """
    names = []
    for folder in (clean, noisy):
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"no folder {str(folder)!r}")
        found = (p.relative_to(folder) for p in Path(folder).rglob("*") if p.is_file())
        names.append({p for p in found if p.suffix.lower() == ".png" and p.name[0] != "."})
        if not names[-1]:
            raise FileNotFoundError(f"no PNG file in {str(folder)!r}")
    for here, there, lonely in (
        (clean, noisy, names[0] - names[1]),
        (noisy, clean, names[1] - names[0]),
    ):
        if lonely:
            listed = ", ".join(p.as_posix() for p in sorted(lonely)[:5])
            more = f" and {len(lonely) - 5} more" if len(lonely) > 5 else ""
            raise FileNotFoundError(
                f"{len(lonely)} masks of {str(here)!r} have no partner in {str(there)!r}: "
                f"{listed}{more}"
            )
    return [(Path(clean, name), Path(noisy, name)) for name in sorted(names[0])]


def read_mask(path: Path) -> np.ndarray:
    """(H, W) integers of a PNG file: grey values of 1, 8 or 16 bits, or the indices of a palette.

    Raises:
        ValueError: the file cannot be decoded, or is a colour picture.
    """
    try:
        with Image.open(path) as image:
            mode, mask = image.mode, np.array(image)
    except (OSError, SyntaxError) as error:  # Pillow calls a broken PNG a syntax error
        raise ValueError(f"mask file '{path}' cannot be decoded: {error}") from None
    if mask.ndim != 2:
        raise ValueError(
            f"mask file '{path}' must hold labels (one channel or a palette), got a picture of mode "
            f"{mode} and shape {mask.shape}"
        )
    return mask.astype(np.uint8) if mask.dtype == bool else mask


def count_folders(args: argparse.Namespace) -> TransitionCounts:
    """The labels of all pairs of masks."""
    ignore_index = 255 if args.ignore_index is None else args.ignore_index
    counts = TransitionCounts(args.num_classes, ignore_index)
    pairs = mask_pairs(args.clean, args.noisy)
    for clean, noisy in track(pairs, "comparing", console=Console(stderr=True), transient=True):
        try:
            counts.add(read_mask(clean), read_mask(noisy))
        except ValueError as error:
            raise ValueError(f"{error} (comparing '{clean}' and '{noisy}')") from None
    print(f"{len(pairs)} pairs of masks")
    return counts


# --- a trained model ---


def measured_dataloader(cfg: Config, data: str, method: str) -> dict:
    """The data loader over the images to predict: each image once, with the test-time pipeline.

    If the training masks are corrupted by ``CorruptMask``, so are these, and the clean ones kept.
    """
    source = cfg.get(f"{data}_dataloader")
    if not source or isinstance(source, (list, tuple)):
        raise ValueError(f"the config has no {data}_dataloader, or several of them.")
    loader = copy.deepcopy(source)
    leaves = _leaves(loader)
    if data == "train":
        for leaf, pipeline in zip(leaves, _test_pipelines(cfg, leaves)):
            leaf["pipeline"] = pipeline
    noises = [leaf["pipeline"] for leaf in _leaves(cfg.get("train_dataloader") or {})]
    noises = [[t for t in steps if type_name(t) == "CorruptMask"] for steps in noises]
    if data != "train":
        noises = [next((n for n in noises if n), [])] * len(leaves)
    for leaf, noise in zip(leaves, noises):
        _corrupt(leaf, noise)
        if method != "anchor" and not any(loads_seg_map(t) for t in leaf["pipeline"]):
            raise ValueError(
                f"the pipeline of {data} loads no annotations, so there are no noisy labels to count: "
                "give --method anchor, which looks at the predictions only."
            )
    # Outside wrappers that repeat, balance or mix.
    loader["dataset"] = (
        leaves[0] if len(leaves) == 1 else dict(type="ConcatDataset", datasets=leaves)
    )
    loader["sampler"] = dict(type="DefaultSampler", shuffle=False)
    # Images may differ in size, and mmseg stacks only equal ones when it predicts.
    loader["batch_size"] = 1
    loader.pop("batch_sampler", None)
    loader.pop("drop_last", None)
    return loader


def _leaves(loader: dict) -> list[dict]:
    """The innermost data set configs of a data loader."""
    owners = pipelines(loader["dataset"]) if loader else ()
    return [owner for owner in owners if "dataset" not in owner and "datasets" not in owner]


def _test_pipelines(cfg: Config, leaves: list[dict]) -> list[list[dict]]:
    """For each training data set the pipeline at test time: the config's, else without chance."""
    loaders = [cfg.get(name) for name in ("test_dataloader", "val_dataloader")]
    known = [
        [t for t in _leaves(loader)[0]["pipeline"] if type_name(t) != "CorruptMask"]
        for loader in loaders
        if loader and not isinstance(loader, (list, tuple))
    ]
    # That of a challenge's test set may load no annotations.
    known.sort(key=lambda pipeline: not any(loads_seg_map(t) for t in pipeline))
    if known:
        return [copy.deepcopy(known[0]) for _ in leaves]
    chance = ("Random", "PhotoMetricDistortion", "CorruptMask")
    found = []
    for leaf in leaves:
        kept = [t for t in leaf["pipeline"] if not type_name(t).startswith(chance)]
        pack = next((i for i, t in enumerate(kept) if type_name(t).startswith("Pack")), len(kept))
        found.append([*kept[:pack], dict(type="anl_seg.ResizedAsOriginal"), *kept[pack:]])
    return found


def _corrupt(leaf: dict, noise: list[dict]) -> None:
    """Put ``noise`` behind the annotation loader, and what takes the clean mask along in its place."""
    names = [type_name(t) for t in leaf["pipeline"]]
    if not noise and "CorruptMask" not in names:
        return
    steps = []
    for transform in leaf["pipeline"]:
        name = type_name(transform)
        if name in _CARRIES_CLEAN:
            transform = {**transform, "type": _CARRIES_CLEAN[name]}
        elif name == "CorruptMask":
            transform = {**transform, "keep_clean": True}
        steps.append(transform)
        if loads_seg_map(transform) and "CorruptMask" not in names:
            steps.append({**noise[0], "keep_clean": True})
    leaf["pipeline"] = steps


def build_config(args: argparse.Namespace) -> Config:
    """The config whose test run estimates the matrix."""
    cfg = load_config(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if not Path(args.checkpoint).is_file() and "://" not in args.checkpoint:
        raise FileNotFoundError(f"no checkpoint at {args.checkpoint!r}.")
    cfg.load_from = args.checkpoint
    ignore_index = args.ignore_index
    if ignore_index is None:
        found = [head.get("ignore_index") for _, head in heads(cfg.get("model", {}))]
        ignore_index = next((value for value in found if value is not None), 255)
    loader = measured_dataloader(cfg, args.data, args.method)
    cfg.test_dataloader = loader
    cfg.test_cfg = dict(type="TestLoop")
    settings = dict(
        method=args.method,
        quantile=args.quantile,
        top_share=args.top_share,
        ignore_index=ignore_index,
    )
    EstimateTransitionMatrix(**settings)  # wrong ones are to be told before the model is built
    cfg.test_evaluator = dict(type="anl_seg.EstimateTransitionMatrix", **settings)
    # Only predictions are made: neither the training nor the validation set is built.
    for key in ("train", "val"):
        for part in ("dataloader", "cfg"):
            cfg[f"{key}_{part}"] = None
    cfg.val_evaluator = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.work_dir = args.work_dir or str(
        Path("work_dirs") / "transition_matrix" / Path(args.config).stem
    )
    return cfg


# --- what is said ---


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def table(estimate: TransitionEstimate, names: list[str]) -> str:
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
            told = ", ".join(f"{names[j]} {_percent(others[j])}" for j in order)
            kept = _percent(estimate.matrix[k, k])
            rows.append([name, kept, _percent(largest[k]), f"{estimate.pixels[k]:.0f}", told])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    told_last = len(names) > WHOLE
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        if told_last:
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
            f"Hardly any noise: a pixel of a class is labelled otherwise at a rate of "
            f"{estimate.flip_rate:.3f} (mean over classes), which cannot be told from none."
        )
    if within(best.differences):
        also = [f for f in fits[1:] if within(f.differences)]
        told = (
            f" {also[0].name} noise of rate {also[0].rate:.3f} would be as possible."
            if also
            else ""
        )
        return f"Looks like {rate}{both}: no entry differs from it by more than {off:.3f}.{told}"
    neither = "Not symmetric noise" if len(fits) == 1 else "Neither symmetric nor pair noise"
    return (
        f"{neither}. The closest is {rate}, but the share of {names[true]} labelled {names[noisy]} "
        f"differs from it by {off:.3f}: describe the noise by the matrix."
    )


def report_counts(counts: TransitionCounts) -> list[str]:
    """What clean masks tell beyond the matrix."""
    lines = []
    clumping = counts.clumping()
    if not np.isnan(clumping.correlation):
        lines.append(
            f"Of the neighbours of wrong pixels {_percent(clumping.observed)} % are wrong too; if pixels "
            f"were wrong independently, {_percent(clumping.independent)} % would be."
        )
        if clumping.correlation > 0.1:
            lines.append(
                "Wrong pixels hang together, as wrong outlines or objects do. The matrix holds their "
                "rates, not their shape: TransitionMatrixNoise would scatter them."
            )
    if counts.ignored_once:
        lines.append(f"{counts.ignored_once} pixels were left out: one mask ignores them.")
    return lines


def report_anchors(metric: EstimateTransitionMatrix) -> list[str]:
    """What to think of an estimate by anchor points."""
    lines = [
        "Anchor points show noise where the model is sure of the class; wrong outlines stay unseen."
    ]
    if metric.method == "anchor_labels":
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


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        files = [check_output_file(path) for path in (args.save, args.report) if path is not None]
        if len(set(files)) < len(files):
            raise ValueError("--save and --report name the same file.")
        if args.config is None:
            counts = count_folders(args)
            names = [str(k) for k in range(args.num_classes)]
            estimate, resolution = counts.estimate(), COUNTED
            lines = report_counts(counts)
        else:
            allow_mmengine_checkpoints()
            cfg = build_config(args)
    except WRONG_INPUT as error:
        sys.exit(f"estimate_transition_matrix.py: {sentence(error)}")
    if args.config is not None:
        runner = Runner.from_cfg(cfg)
        runner.test()
        (metric,) = runner.test_loop.evaluator.metrics
        names = [str(name) for name in metric.dataset_meta["classes"]]
        estimate, resolution = metric.estimate, ANCHORED
        lines = report_anchors(metric)
    if not is_main_process():
        return
    where = "" if args.config is None else "At the anchor points: "
    lines = [where + resemblance(estimate, names, resolution), *lines]
    if estimate.unknown:
        lines.append(
            f"Nothing is known of {', '.join(names[k] for k in estimate.unknown)}: no such pixels. "
            "In a saved matrix these classes stay as they are."
        )
    print(f"\n{table(estimate, names)}\n")
    print("\n".join(lines))
    if args.report is not None:
        fits = {
            noise.name: {"rate": noise.rate, "max_difference": noise.max_difference}
            for noise in simple_noises(estimate.matrix)
        }
        content = {"classes": names, **estimate.to_dict(), "simple_noises": fits, "text": lines}
        write_json_atomically(args.report, content)
    if args.save is not None:
        write_json_atomically(args.save, estimate.filled())
        print(f"\nwritten; train with it by --noise TransitionMatrixNoise:matrix={args.save}")


if __name__ == "__main__":
    main()
