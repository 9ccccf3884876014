"""Every loss and preset on JSRT: clean, symmetric noise, and outlines that are wrong in most images.

First all of them with one seed, then the six best and CE with three. Finished runs are not repeated, so
the study goes on where it was stopped:

    JSRT_ROOT=... python studies/jsrt_losses.py --jobs 2
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from anl_seg._files import write_json_atomically
from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.config import parse_spec
from anl_seg.datasets import JSRTDataset
from anl_seg.noise.estimate_transition_matrix import TransitionCounts
from anl_seg.study import (
    Experiment,
    Run,
    comparison_records,
    launch_runs,
    plan_runs,
    slug,
    value_cell,
)

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs" / "jsrt"
CONFIG = str(CONFIGS / "unet-small_570_ce_jsrt-48x48.py")
METRIC = "mDice.fg"
NOISES = ("SymmetricNoise:rate=0", "SymmetricNoise:rate=0.6", "AlphaBetaNoise:alpha=0.7,beta=0.7")
SEEDS = (0, 1, 2)
BEST = 6

#: Label -> loss; {matrix} is the file of the transition matrix of the masks that are trained on.
LOSSES = {
    "CE": "CELoss",
    "focal": "FocalLoss:gamma=2.0",
    "MAE": "MAELoss",
    "RCE": "RCELoss",
    "GCE 0.7": "GCELoss:q=0.7",
    "SCE (0.1, 1)": "SCELoss:alpha=0.1,beta=1.0",
    "NCE": "NCELoss",
    "NFL": "NFLLoss:gamma=0.5",
    "NGCE": "NGCELoss:q=0.7",
    "NRCE": "NRCELoss",
    "AGCE (0.6, 0.6)": "AGCELoss:a=0.6,q=0.6",
    "AUE (5.5, 3)": "AUELoss:a=5.5,q=3.0",
    "AEL 2.5": "AELLoss:a=2.5",
    "ANorm": "ANormLoss",
    "JS 0.5": "GJSLoss:pi=0.5",
    "forward (true T)": "ForwardCorrectionLoss:matrix={matrix}",
    "backward (true T)": "BackwardCorrectionLoss:matrix={matrix}",
    "bootstrap soft": "BootstrapLoss:beta=0.95,mode=soft",
    "bootstrap hard": "BootstrapLoss:beta=0.8,mode=hard",
    "label smoothing 0.1": "LabelSmoothingCELoss:smoothing=0.1",
    "negative learning": "NLNLLoss",
    "peer": "PeerLoss",
    "noise-robust Dice": "NoiseRobustDiceLoss:gamma=1.5",
    "T-Loss, multi-class": "MulticlassTLoss",
    "NNCE": "NNCELoss",
    "NNFL": "NNFLLoss:gamma=0.5",
    "ANL-CE (5, 5)": "ANLCELoss:setting=cifar10",
    "ANL-CE (10, 1)": "ANLCELoss:setting=cifar100",
    "ANL-FL (5, 5)": "ANLFLLoss:alpha=5,beta=5,gamma=0.5",
    "ANL-FL (10, 1)": "ANLFLLoss:alpha=10,beta=1,gamma=0.5",
    "ANL-GCE (5, 5)": "ActiveNegativeLoss:alpha=5,beta=5,active={'type':'NGCELoss'},"
    "negative={'type':'NormalizedNegativeLoss','base':{'type':'GCELoss'}}",
    **{
        f"{preset} ({setting})": f"ActivePassiveLoss:preset={preset},setting={setting}"
        for preset, setting in [
            *((f"{a}+{b}", "cifar10") for a in ("NCE", "NFL", "NGCE") for b in ("RCE", "MAE")),
            *((f"NCE+{b}", "cifar10") for b in ("AGCE", "AUE", "AEL")),
            ("NCE+RCE", "cifar100"),
            ("NCE+MAE", "cifar100"),
        ]
    },
}
#: Label -> config, where a loss needs a hook of its own.
LOSS_CONFIGS = {
    "NLNL, three stages": "unet-small_570_nlnl_jsrt-48x48.py",
    "GCE, learned q": "unet-small_570_adaptive-gce_jsrt-48x48.py",
}


def true_matrix(noise: str, seed: int, folder: Path) -> Path:
    """The file of T[true, noisy] of the training masks, counted over all their pixels."""
    path = folder / f"{slug(noise)}-seed{seed}.json"
    if path.is_file():
        return path
    corrupt = dict(
        type="anl_seg.CorruptMask",
        noise=parse_spec(noise),
        num_classes=4,
        seed=seed,
        keep_clean=True,
    )
    load = [dict(type="LoadImageFromFile"), dict(type="anl_seg.LoadJSRTAnnotations"), corrupt]
    counts = TransitionCounts(4)
    for sample in JSRTDataset(split="train", pipeline=load):
        counts.add(sample["gt_seg_map_clean"], sample["gt_seg_map"])
    write_json_atomically(path, counts.estimate().filled())
    return path


def plan(labels: list[str], seeds: tuple[int, ...], work_dir: Path) -> list[Run]:
    """The runs of these losses, loss after loss."""
    matrices = work_dir / "matrices"
    matrices.mkdir(parents=True, exist_ok=True)
    runs = []
    for label in labels:
        for noise in NOISES:
            for seed in seeds:
                if label in LOSS_CONFIGS:
                    experiment = Experiment(str(CONFIGS / LOSS_CONFIGS[label]), label)
                else:
                    loss = LOSSES[label]
                    if "{matrix}" in loss:
                        path = true_matrix(noise, seed, matrices)
                        loss = loss.replace("{matrix}", str(path))
                    experiment = Experiment(CONFIG, label, loss)
                runs += plan_runs([experiment], [noise], [seed], work_dir)
    return runs


def table(records: list[dict], order: list[tuple[str, float]]) -> str:
    """A Markdown row per loss, in this order: per noise the final and best metric, the share of wrong pixels
    memorised and the rarest class."""
    head = ["loss", "mean"]
    for noise in NOISES:
        short = {NOISES[0]: "clean", NOISES[1]: "symmetric", NOISES[2]: "alpha / beta"}[noise]
        head += [f"{short}: final", "best", "clavicle"] + (
            ["memorised"] if noise != NOISES[0] else []
        )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for label, mean in order:
        cells = [label, f"{mean:.1f}"]
        for noise in NOISES:
            found = [r for r in records if (r["label"], r["noise"]) == (label, noise)]
            if not found:
                cells += ["failed"] + ["-"] * (2 if noise == NOISES[0] else 3)
                continue
            record = found[0]
            values = [record["final"], record["best"], record["classes"]["clavicle"]]
            if noise != NOISES[0]:
                values.append(record["memorized"])
            cells += [value_cell(value, record["seeds"]) for value in values]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ranking(records: list[dict]) -> list[tuple[str, float]]:
    """Label and final metric, mean over the noises, the best first."""
    means = {
        label: statistics.fmean(r["final"]["mean"] for r in records if r["label"] == label)
        for label in {record["label"] for record in records}
    }
    return sorted(means.items(), key=lambda item: -item[1])


def launch(runs: list[Run], jobs: int) -> list[Run]:
    """Run what is not finished; the runs that are."""
    failed = launch_runs(runs, ROOT / "tools" / "train.py", jobs=jobs)
    return [run for run in runs if run not in failed]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (default 1)")
    parser.add_argument("--work-dir", default="work_dirs/jsrt_losses", help="folder of the runs")
    args = parser.parse_args(argv)
    work_dir = Path(args.work_dir).resolve()
    try:
        first = plan([*LOSSES, *LOSS_CONFIGS], SEEDS[:1], work_dir)
        runs = launch(first, args.jobs)
        records = comparison_records(runs, METRIC)
        order = ranking(records)
        best = [label for label, _ in order if label != "CE"][:BEST]
        again = plan(["CE", *best], SEEDS, work_dir)
        repeated = launch(again, args.jobs)
    except WRONG_INPUT as error:
        sys.exit(f"jsrt_losses.py: {sentence(error)}")
    repeated_records = comparison_records(repeated, METRIC)
    text = (
        f"One seed:\n\n{table(records, order)}\n\nCE and the {BEST} best, {len(SEEDS)} seeds:\n\n"
        f"{table(repeated_records, ranking(repeated_records))}"
    )
    write_json_atomically(
        work_dir / "comparison.json",
        {"metric": METRIC, "one_seed": records, "repeated": repeated_records},
    )
    (work_dir / "comparison.md").write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}\n\nwritten to {work_dir / 'comparison.md'} and comparison.json")
    missing = len(first) - len(runs) + len(again) - len(repeated)
    if missing:
        sys.exit(f"jsrt_losses.py: {missing} runs failed; the tables lack them.")


if __name__ == "__main__":
    main()
