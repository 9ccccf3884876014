"""What 'finished' means: trained to the end, and validated there."""

from __future__ import annotations

import json

import pytest

from anl_seg.study.run.checkpoints import log_files
from anl_seg.study.run.completion import missing_at_end


def log(folder, name, *lines):
    path = folder / name / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def trained(iteration, **more):
    return dict(loss=1.0, iter=iteration, step=iteration, **more)


def validated(step):
    return dict(mIoU=1.0, time=0.1, step=step)


WHOLE = [trained(2), validated(2), trained(4), validated(4)]


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (WHOLE, None),
        ([validated(4)], None),  # logged every ten iterations
        ([], "no iteration of training"),
        (WHOLE[:3], "no validation at iteration 4; it got to iteration 4"),
        (WHOLE[:2], "no validation at iteration 4; it got to iteration 2"),
        ([validated(2)], "no validation at iteration 4; it got to iteration 2"),
        ([trained(2), dict(memorized=0.5, step=4)], "no validation at iteration 4"),
    ],
)
def test_iterations(tmp_path, lines, missing):
    log(tmp_path, "1", *lines)
    told = missing_at_end(tmp_path, 4)
    if missing is None:
        assert told is None
    else:
        assert told.startswith(f"ended with exit 0, but in {tmp_path} there is {missing}")


def test_epochs_without_an_iteration_are_no_training(tmp_path):
    """An empty data loader: the validations are there all the same."""
    log(tmp_path, "1", validated(1), validated(2))
    assert "no iteration of training" in missing_at_end(tmp_path, 2, unit="epoch")
    log(tmp_path, "2", dict(loss=1.0, epoch=2, iter=6, step=6))
    assert missing_at_end(tmp_path, 2, unit="epoch") is None
    assert "it got to epoch 2" in missing_at_end(tmp_path, 3, unit="epoch")


def test_an_earlier_attempt_says_nothing_of_this_one(tmp_path):
    log(tmp_path, "1", *WHOLE)
    before = log_files(tmp_path)
    assert "no iteration of training" in missing_at_end(tmp_path, 4, before=before)


def test_a_hook_that_stops_early_may_end_a_run(tmp_path):
    log(tmp_path, "1", *WHOLE[:2])
    hook = "custom_hooks = [dict(type='EarlyStoppingHook', monitor='mIoU')]"
    assert missing_at_end(tmp_path, 4, config=hook) is None
    assert missing_at_end(tmp_path, 4, config="custom_hooks = []") is not None
    log(tmp_path, "2", trained(3))
    assert missing_at_end(tmp_path, 4, config=hook) is not None  # not after a validation


def test_validations_that_are_not_counted_by_iteration(tmp_path):
    """LoggerHook(log_metric_by_epoch=True), mmengine's default, writes step 0."""
    log(tmp_path, "1", trained(2), validated(0), trained(4), validated(0))
    assert missing_at_end(tmp_path, 4) is not None
    (tmp_path / "iter_4.pth").write_bytes(b"")
    assert missing_at_end(tmp_path, 4) is None
