"""Why ANL and its like lose small classes, and what helps: one change at a time, JSRT at 48 x 48.

Each case is ANL-CE at a flip point (``min_prob``) of the paper's 1e-7 or of 0.1 with one thing changed, or a
rival loss. ``loss_diagnostics.jsonl`` of each run tells what the loss did to each class while training.
Finished runs are not repeated, so the study goes on where it was stopped:

    JSRT_ROOT=... python studies/small_classes.py --jobs 2
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anl_seg._suggest import WRONG_INPUT, sentence, unknown_name
from anl_seg.engine._atomic import write_json_atomically
from anl_seg.engine.hooks.loss_diagnostics_hook import FILE_NAME as DIAGNOSTICS_FILE
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
CONFIG = ROOT / "configs" / "jsrt" / "unet-small_570_ce_jsrt-48x48.py"
METRIC = "mDice.fg"
NOISES = ("SymmetricNoise:rate=0.6", "AlphaBetaNoise:alpha=0.7,beta=0.7")
SEEDS = (0, 1)
ITERS = 570
RAREST = "clavicle"
#: Share of the pixels by class, counted on clean training masks: what the entropy term is drawn to.
FREQUENCIES = [0.604, 0.288, 0.089, 0.019]


@dataclass(frozen=True)
class Case:
    """One change.

    Attributes:
        group: what it is about.
        losses: configs of the losses of the head.
        optim: ``optim_wrapper`` in place of the config's; None = Adam at 1e-3.
        hooks: further hooks.
    """

    group: str
    losses: Sequence[dict]
    optim: dict | None = None
    hooks: Sequence[dict] = field(default_factory=tuple)


def anl(min_prob: float, alpha: float = 5.0, beta: float = 5.0, **extra) -> dict:
    params = dict(alpha=alpha, beta=beta, min_prob=min_prob, mass_balance=0.0)
    return dict(type="anl_seg.ANLCELoss", **params, **extra)


def one(name: str, **params) -> list[dict]:
    return [dict(type=f"anl_seg.{name}", **params)]


def sgd(l1: float = 0.0, clip: bool = True) -> dict:
    wrapper = dict(
        type="anl_seg.L1OptimWrapper",
        l1_weight=l1,
        optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.0),
    )
    return {**wrapper, "clip_grad": dict(max_norm=5.0)} if clip else wrapper


def adam(lr: float = 1e-3, weight_decay: float = 0.0) -> dict:
    return dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=lr, weight_decay=weight_decay))


def from_ce(switch: int) -> list[dict]:
    """Hooks that train by cross entropy alone until an iteration, and without it from there on."""
    weights = {"loss_ce": {0: 1.0, switch: 0.0}, "loss_anl_ce": {0: 0.0, switch: 1.0}}
    return [
        dict(
            type="anl_seg.LossScheduleHook",
            loss=name,
            schedule=[dict(parameter="loss_weight", at=at)],
        )
        for name, at in weights.items()
    ]


#: Average of the weights over about 50 iterations, which validation uses.
EMA = (
    dict(type="EMAHook", ema_type="ExponentialMovingAverage", momentum=0.02, update_buffers=True),
)
PAPER, OURS = 1e-7, 0.1

CASES = {
    "CE": Case("rivals", one("CELoss")),
    "MAE": Case("rivals", one("MAELoss")),
    "GCE 0.7": Case("rivals", one("GCELoss")),
    "SCE (0.1, 1)": Case("rivals", one("SCELoss")),
    **{
        f"{name}, Adam 3e-3": Case("rivals", losses, adam(3e-3))
        for name, losses in {
            "CE": one("CELoss"),
            "MAE": one("MAELoss"),
            "GCE 0.7": one("GCELoss"),
            "SCE (0.1, 1)": one("SCELoss"),
        }.items()
    },
    **{
        f"ANL, min_prob {value:g}": Case("flip point", [anl(value)])
        for value in (PAPER, 1e-5, 1e-3, 1e-2, 0.03, OURS, 0.2)
    },
    **{
        f"ANL ({a:g}, {b:g}), min_prob {value:g}": Case("alpha : beta", [anl(value, a, b)])
        for value in (PAPER, OURS)
        for a, b in ((5, 0), (10, 1), (1, 5), (0, 5))
    },
    **{
        f"ANL, min_prob {value:g}, {name}": Case("optimiser", [anl(value)], optim)
        for value in (PAPER, OURS)
        for name, optim in {
            "Adam 3e-4": adam(3e-4),
            "Adam 3e-3": adam(3e-3),
            "Adam, weight decay 1e-4": adam(weight_decay=1e-4),
            "SGD 0.05": sgd(clip=False),
            "SGD 0.05, clip 5": sgd(),
            "SGD 0.05, clip 5, L1 5e-5": sgd(5e-5),
        }.items()
    },
    **{
        f"{name}, {rate}, EMA": Case("average of the weights", losses, optim, hooks=EMA)
        for rate, optim in {"Adam 1e-3": None, "Adam 3e-3": adam(3e-3)}.items()
        for name, losses in {
            "CE": one("CELoss"),
            "MAE": one("MAELoss"),
            "ANL, min_prob 1e-07": [anl(PAPER)],
            "ANL, min_prob 0.1": [anl(OURS)],
        }.items()
    },
    "ANL, min_prob 1e-07, logit_clip 4": Case("logits", [anl(PAPER, logit_clip=4.0)]),
    "ANL, min_prob 0.1, logit_clip 4": Case("logits", [anl(OURS, logit_clip=4.0)]),
    "MAE, logit_clip 3": Case("logits", one("MAELoss", logit_clip=3.0)),
    **{
        f"ANL, min_prob {value:g}, entropy 5 to the frequencies": Case(
            "entropy", [anl(value, entropy_weight=5.0, class_prior=FREQUENCIES)]
        )
        for value in (PAPER, OURS)
    },
    **{
        f"ANL, min_prob {value:g}, class weights by label": Case(
            "normalisation per class",
            [anl(value, class_weight=[1 / (4 * share) for share in FREQUENCIES])],
        )
        for value in (PAPER, OURS)
    },
    **{
        f"CE until {ITERS * 3 // 10}, then ANL, min_prob {value:g}": Case(
            "schedule", [*one("CELoss"), anl(value)], hooks=from_ce(ITERS * 3 // 10)
        )
        for value in (PAPER, OURS)
    },
    **{
        f"ANL, min_prob {value:g}, 5 Dice": Case(
            "region", [anl(value), *one("NoiseRobustDiceLoss", loss_weight=5.0)]
        )
        for value in (PAPER, OURS)
    },
}
GROUPS = tuple(dict.fromkeys(case.group for case in CASES.values()))


def config_text(case: Case, config: Path = CONFIG, iters: int = ITERS) -> str:
    """The config of a case, over the study's."""
    losses = [dict(loss) for loss in case.losses]
    hooks = [dict(type="anl_seg.LossDiagnosticsHook", interval=iters // 10), *case.hooks]
    lines = [
        f"_base_ = [{str(config)!r}]",
        f"model = dict(decode_head=dict(loss_decode={losses!r}))",
        f"custom_hooks = {hooks!r}",
    ]
    if case.optim is not None:
        lines.append(f"optim_wrapper = {dict(_delete_=True, **case.optim)!r}")
    return "\n".join(lines) + "\n"


def plan(
    labels: Sequence[str],
    work_dir: Path,
    noises: Sequence[str] = NOISES,
    seeds: Sequence[int] = SEEDS,
    config: Path = CONFIG,
) -> list[Run]:
    """The runs of these cases, case after case."""
    folder = work_dir / "configs"
    folder.mkdir(parents=True, exist_ok=True)
    experiments = []
    for label in labels:
        path = folder / f"{slug(label)}.py"
        path.write_text(config_text(CASES[label], config), encoding="utf-8")
        experiments.append(Experiment(str(path), label))
    return plan_runs(experiments, noises, seeds, work_dir)


def diagnostics(runs: Sequence[Run]) -> dict[str, dict[str, float | None]]:
    """What the first loss did to the rarest class, at the first and the last record, mean over runs.

    Returns:
        ``first`` and ``last`` -> ``prob`` (mean probability of the class on its own pixels), ``pull``,
        ``flat``, ``gradient`` (share of its pixels in the gradient) and ``logit_scale``; None where it is
        not known.
    """
    ends: dict[str, list[dict]] = {"first": [], "last": []}
    for run in runs:
        text = (run.folder / DIAGNOSTICS_FILE).read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        lines = [line for line in lines if line["loss"] == lines[0]["loss"]]
        ends["first"].append(lines[0])
        ends["last"].append(lines[-1])

    def mean(records: list[dict], key: str) -> float | None:
        values = [r[key] if key == "logit_scale" else r[key][-1] for r in records]
        values = [value for value in values if value is not None]
        return statistics.fmean(values) if values else None

    keys = ("prob", "pull", "flat", "gradient", "logit_scale")
    return {end: {key: mean(records, key) for key in keys} for end, records in ends.items()}


def table(records: Sequence[dict], runs: Sequence[Run], noise: str) -> str:
    """A Markdown row per case under one noise, in the order of ``CASES``."""
    head = [
        "case",
        "final",
        "best",
        RAREST,
        "memorised",
        "p",
        "pull",
        "flat %",
        "gradient %",
        "logits",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for label in CASES:
        found = [r for r in records if (r["label"], r["noise"]) == (label, noise)]
        if not found:
            continue
        record = found[0]
        values = [record["final"], record["best"], record["classes"][RAREST], record["memorized"]]
        cells = [value_cell(value, record["seeds"]) for value in values]
        mine = [run for run in runs if (run.label, run.noise) == (label, noise)]
        ends = diagnostics(mine)
        for key, scale, digits in (
            ("prob", 1, 2),
            ("pull", 1, 3),
            ("flat", 100, 0),
            ("gradient", 100, 1),
            ("logit_scale", 1, 1),
        ):
            pair = [ends[end][key] for end in ("first", "last")]
            told = ["-" if v is None else f"{scale * v:.{digits}f}" for v in pair]
            cells.append(" to ".join(told) if told != ["-", "-"] else "-")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (default 1)")
    parser.add_argument(
        "--groups", nargs="+", default=GROUPS, help="only these: " + ", ".join(GROUPS)
    )
    parser.add_argument("--noise", nargs="+", default=NOISES, metavar="SPEC", help="noises")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="seeds (default 0 1)")
    parser.add_argument("--work-dir", default="work_dirs/small_classes", help="folder of the runs")
    args = parser.parse_args(argv)
    work_dir = Path(args.work_dir).resolve()
    try:
        for group in args.groups:
            if group not in GROUPS:
                raise ValueError(unknown_name("group", group, GROUPS))
        labels = [label for label, case in CASES.items() if case.group in args.groups]
        runs = plan(labels, work_dir, args.noise, args.seeds)
        failed = launch_runs(runs, ROOT / "tools" / "train.py", jobs=args.jobs)
    except WRONG_INPUT as error:
        sys.exit(f"small_classes.py: {sentence(error)}")
    finished = [run for run in runs if run not in failed]
    if finished:
        records = comparison_records(finished, METRIC)
        text = "\n\n".join(f"{noise}:\n\n{table(records, finished, noise)}" for noise in args.noise)
        write_json_atomically(work_dir / "comparison.json", {"metric": METRIC, "records": records})
        (work_dir / "comparison.md").write_text(text + "\n", encoding="utf-8")
        print(f"\n{text}\n\nwritten to {work_dir / 'comparison.md'} and comparison.json")
    if failed:
        sys.exit(
            f"small_classes.py: {len(failed)} of {len(runs)} runs failed; the tables lack them."
        )


if __name__ == "__main__":
    main()
