"""Search the parameters of a loss with Optuna: short trainings, judged by noisy or a few clean masks.

The trials lie in a database, so a search goes on where it was stopped, and several processes that are
started with the same arguments share it. Example:
    python tools/tune_loss.py configs/jsrt/unet-small_570_ce_jsrt-48x48.py \
        --loss ANLCELoss --space min_prob=1e-7:0.2:log alpha=0.5:20:log --noise SymmetricNoise:rate=0.6 \
        --objective clean --samples 12 --metric mDice.fg --trials 30
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path

from anl_seg._files import write_json_atomically
from anl_seg._suggest import WRONG_INPUT, sentence
from anl_seg.cli._program import command_parser, errors_in_a_sentence, program
from anl_seg.config.options import add_cfg_options
from anl_seg.study.run.state import check_work_dir
from anl_seg.study.tune import (
    OBJECTIVES,
    Space,
    check_free,
    check_space,
    loss_spec,
    parse_space,
    plan_trial,
    tuning_config,
    value_of,
)

#: A trial whose process has not been heard of for this long is taken for dead and tried anew.
HEARTBEAT, GRACE = 30, 120


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command_parser(
        "tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("--loss", required=True, metavar="SPEC", help="loss, e.g. ANLCELoss:beta=5")
    parser.add_argument(
        "--space",
        nargs="+",
        required=True,
        metavar="NAME=VALUES",
        help="what to search: name=low:high, name=low:high:log, or name=a|b|c",
    )
    parser.add_argument(
        "--noise", required=True, metavar="SPEC", help="noise of the training masks"
    )
    parser.add_argument(
        "--objective",
        choices=OBJECTIVES,
        default="clean",
        help="judge by the validation masks as they are, or corrupted by the same noise (default clean)",
    )
    parser.add_argument("--samples", type=int, help="validation images to judge by (default all)")
    parser.add_argument("--metric", default="mIoU", help="metric to maximise (default mIoU)")
    parser.add_argument("--trials", type=int, default=20, help="trials in all (default 20)")
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[0], help="seeds of a trial (default 0)"
    )
    parser.add_argument("--sampler-seed", type=int, help="seed of the search (default random)")
    parser.add_argument("--work-dir", default="work_dirs/tune_loss", help="folder of the runs")
    parser.add_argument(
        "--storage", help="Optuna storage (default sqlite:///WORK_DIR/tuning.db)", metavar="URL"
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


def _optuna():
    try:
        import optuna
    except ImportError:
        sys.exit(f"{program('tune')} needs Optuna: pip install 'anl_seg[tune]' (or optuna).")
    return optuna


def _again(study, trial) -> None:
    """Queue the setting of a trial whose process has died, once, to go on in its folder."""
    if "folder" not in trial.user_attrs:
        study.enqueue_trial(trial.params, user_attrs={"folder": f"trial{trial.number:04d}"})


def _asked(args: argparse.Namespace, space: Space) -> dict:
    """What identifies a search."""
    asked = {
        "config": Path(args.config).name,
        "loss": args.loss,
        "space": {name: repr(kind) for name, kind in space.items()},
        "noise": args.noise,
        "objective": args.objective,
        "samples": args.samples,
        "metric": args.metric,
        "seeds": args.seeds,
    }
    if args.cfg_options:
        asked["cfg_options"] = args.cfg_options
    return asked


def _storage(url: str):
    """Optuna's storage at an URL.

    Raises:
        ValueError: it cannot be opened.
    """
    optuna = _optuna()
    # Optuna 5 has another name for what is called when a trial's process has died.
    known = inspect.signature(optuna.storages.RDBStorage).parameters
    name = next(
        n for n in ("heartbeat_stale_trial_callback", "failed_trial_callback") if n in known
    )
    try:
        return optuna.storages.RDBStorage(
            url, heartbeat_interval=HEARTBEAT, grace_period=GRACE, **{name: _again}
        )
    except Exception as error:  # SQLAlchemy's and the database drivers' own
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"the storage {url} cannot be opened: {reason}.") from error


def make_study(args: argparse.Namespace, space: Space):
    """The study of these arguments, old or new.

    Raises:
        ValueError: the storage cannot be opened, or holds a search of other arguments.
    """
    optuna = _optuna()
    folder = Path(args.work_dir).resolve()
    study = optuna.create_study(
        storage=_storage(args.storage or f"sqlite:///{folder / 'tuning.db'}"),
        study_name="loss",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=args.sampler_seed, multivariate=True),
    )
    old, asked = study.user_attrs.get("asked"), _asked(args, space)
    if old is not None and old != asked:
        keys = {**old, **asked}
        other = ", ".join(
            f"{key} {old.get(key)!r}" for key in keys if old.get(key) != asked.get(key)
        )
        raise ValueError(
            f"the storage holds a search of another kind ({other}); give another work dir."
        )
    return study


def report(study, args: argparse.Namespace) -> str:
    """The finished trials, best first, and those that gave no number; also written beside the runs."""
    done = [t for t in study.trials if t.state.name == "COMPLETE"]
    done.sort(key=lambda trial: -trial.value)
    broken = [t for t in study.trials if t.state.name == "PRUNED"]
    lines = [f"| {args.metric} | loss |", "|---|---|"]
    lines += [f"| {trial.value:.2f} | {trial.user_attrs['loss']} |" for trial in done]
    rows = [{"value": t.value, "loss": t.user_attrs["loss"], **t.params} for t in done]
    failed = [
        {"loss": t.user_attrs.get("loss"), "reason": t.user_attrs.get("reason")} for t in broken
    ]
    if failed:
        lines += ["", f"{len(failed)} of {len(done) + len(failed)} trials gave no number:", ""]
        lines += [f"- {row['loss']}: {row['reason'] or 'not recorded'}" for row in failed]
    folder = Path(args.work_dir)
    content = {**study.user_attrs["asked"], "trials": rows, "without_number": failed}
    write_json_atomically(folder / "tuning.json", content)
    (folder / "tuning.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "\n".join(lines)


def prepare(args: argparse.Namespace):
    """Find what is wrong with the arguments before anything is trained.

    Returns:
        (study, space, path of the config that trials train).

    Raises:
        FileNotFoundError, KeyError, TypeError, ValueError: see the checks.
    """
    if args.trials < 1:
        raise ValueError(f"trials must be 1 or more; got {args.trials}.")
    space = parse_space(args.space)
    probe = check_space(args.loss, space)
    check_free(args.cfg_options, space)
    folder = check_work_dir(args.work_dir)
    study = make_study(args, space)
    config = tuning_config(
        args.config,
        args.noise,
        args.objective,
        args.seeds[0],
        args.samples,
        folder,
        args.cfg_options,
    )
    plan_trial(
        config,
        probe,
        args.noise,
        args.seeds,
        folder / "runs",
        metric=args.metric,
        options=args.cfg_options,
    )
    study.set_user_attr("asked", _asked(args, space))
    return study, space, config


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    optuna = _optuna()
    with errors_in_a_sentence("tune"):
        study, space, config = prepare(args)
    folder = Path(args.work_dir).resolve()

    def objective(trial) -> float:
        values = {name: kind.suggest(trial, name) for name, kind in space.items()}
        loss = loss_spec(args.loss, values)
        trial.set_user_attr("loss", loss)
        runs = folder / "runs" / trial.user_attrs.get("folder", f"trial{trial.number:04d}")
        try:
            planned = plan_trial(
                config,
                loss,
                args.noise,
                args.seeds,
                runs,
                metric=args.metric,
                options=args.cfg_options,
            )
            return value_of(planned, runs, args.metric)
        except (*WRONG_INPUT, RuntimeError) as error:
            # A setting that the loss does not allow, or a training that broke or ended without a number:
            # not a good setting. (Optuna tries a trial that returns NaN anew, without end.)
            reason = f"{type(error).__name__}: {sentence(error)}"
            trial.set_user_attr("reason", reason)
            print(f"{program('tune')}: {loss}: {reason}", file=sys.stderr)
            raise optuna.TrialPruned from error

    # Several processes count the same trials; one that broke counts, so that a search always ends.
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    if sum(trial.state in states for trial in study.trials) < args.trials:
        enough = optuna.study.MaxTrialsCallback(args.trials, states=states)
        try:
            study.optimize(objective, callbacks=[enough])
        except OSError as error:
            sys.exit(f"{program('tune')}: {error}; the same command goes on.")
        except KeyboardInterrupt:
            print("stopped; the same command goes on.")
            return 130
    print(
        f"\n{report(study, args)}\n\nwritten to {Path(args.work_dir) / 'tuning.md'} and tuning.json"
    )
    if not any(trial.state.name == "COMPLETE" for trial in study.trials):
        print(
            f"{program('tune')}: no trial gave a number for {args.metric}; the reasons are above.",
            file=sys.stderr,
        )
        return 1
    return 0
