"""The same study on Ray: two nodes of one machine, of which one is stopped while it trains."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from anl_seg.study.run.executors import RayExecutor
from anl_seg.study.run.leftovers import leftovers
from anl_seg.study.run.remote import TOKEN_FILE, is_shared, remote_attempt, unpack
from anl_seg.study.run.runner import run_study
from tests.study.study_helpers import FAKE_TRAIN, expected_table, fake_run, starts, state, table

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ray():
    module = pytest.importorskip("ray", reason="ray is not installed (pip install 'anl_seg[ray]')")
    yield module
    module.shutdown()


@pytest.fixture
def cluster(ray, monkeypatch):
    """A head without CPUs and two nodes with one each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_health_check_initial_delay_ms", "0")
    monkeypatch.setenv("RAY_health_check_period_ms", "500")
    monkeypatch.setenv("RAY_health_check_failure_threshold", "3")
    found = Cluster(initialize_head=True, head_node_args=dict(num_cpus=0, num_gpus=0))
    found.nodes = [found.add_node(num_cpus=1, num_gpus=0) for _ in range(2)]
    found.wait_for_nodes()
    yield found
    found.shutdown()


def launch(runs, work_dir, executor):
    text = io.StringIO()
    console = Console(file=text, width=200)
    outcome = run_study(
        runs, executor, work_dir, retries=0, console=console, train_script=FAKE_TRAIN
    )
    return outcome, text.getvalue()


@pytest.mark.slow
def test_a_node_that_stops_costs_nothing_but_its_runs_time(cluster, tmp_path):
    runs = [fake_run(tmp_path, f"run{s}", s, iterations=60, seconds=0.1) for s in range(4)]
    executor = RayExecutor(cluster.address)
    assert executor.capacity() == 2
    assert "2 at a time on 3 Ray nodes" in executor.describe()

    def stop_one() -> None:
        while sum(len(table(run)) > 3 for run in runs) < 2:
            time.sleep(0.1)
        cluster.remove_node(cluster.nodes[1], allow_graceful=False)

    stopper = threading.Thread(target=stop_one, daemon=True)
    stopper.start()
    outcome, text = launch(runs, tmp_path, executor)
    stopper.join(60)
    assert set(outcome.finished) == set(runs)
    assert text.count("lost  ") == 1
    lost = [a for run in runs for a in state(run)["attempts"] if a.get("lost")]
    assert [a["reason"].startswith("lost with its node") for a in lost] == [True]
    # The run went on from a checkpoint on the other node.
    assert sorted(len(starts(run)) for run in runs) == [1, 1, 1, 2]
    again = next(run for run in runs if len(starts(run)) == 2)
    assert starts(again)[1] != "from iteration 0"
    assert [table(run) for run in runs] == [expected_table(run) for run in runs]
    assert [pid for run in runs for pid in leftovers(run.folder)] == []


@pytest.mark.slow
def test_a_cluster_of_its_own_and_a_failure(ray, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    executor = RayExecutor(jobs=2)
    good, bad = fake_run(tmp_path, "good"), fake_run(tmp_path, "bad", fail="diverge", fail_at=3)
    outcome, _ = launch([bad, good], tmp_path, executor)
    assert outcome.finished == [good]
    assert outcome.failed == {bad: "diverged: loss is nan at iteration 3"}
    assert table(good) == expected_table(good)
    assert not ray.is_initialized()
    with pytest.raises(ValueError, match="no node of the Ray cluster has 100000 CPUs"):
        RayExecutor(cpus_per_run=100_000)


def test_no_cluster_at_an_address(ray):
    with pytest.raises(ValueError, match=r"no Ray cluster at 'nowhere': Invalid address"):
        RayExecutor("nowhere")


def job(run, token):
    return dict(
        folder=str(run.folder),
        config=run.config,
        last=run.max_iters,
        threads=1,
        train_script=str(FAKE_TRAIN),
        token=token,
    )


def test_without_a_common_file_system_the_folder_comes_back(tmp_path):
    run = fake_run(tmp_path, "run")
    (tmp_path / TOKEN_FILE).write_text("mine")
    assert is_shared(run.folder, "mine")
    assert not is_shared(run.folder, "yours")
    outcome, archive = remote_attempt(job(run, "yours"))
    assert outcome["reason"] is None
    assert not run.folder.exists()
    run.folder.mkdir(parents=True)
    (run.folder / "output.log").write_text("earlier\n")
    unpack(archive, run.folder)
    assert table(run) == expected_table(run)
    assert (run.folder / "output.log").read_text() == "earlier\nfrom iteration 0\ndone\n"
    assert [p.name for p in run.folder.glob("*.pth")] == ["iter_6.pth"]
    assert (run.folder / "last_checkpoint").read_text() == str(run.folder / "iter_6.pth")
    outcome, archive = remote_attempt(job(run, "mine"))
    assert (outcome["reason"], archive) == (None, None)
    assert starts(run)[-1] == "from iteration 6"


def test_a_failed_run_sends_its_log_back(tmp_path):
    run = fake_run(tmp_path, "run", fail="crash", fail_at=3)
    outcome, archive = remote_attempt(job(run, "yours"))
    assert outcome["reason"] == "exit 1: RuntimeError: the data set is not there"
    unpack(archive, run.folder)
    assert "the data set is not there" in (run.folder / "output.log").read_text()


def test_ray_is_asked_for_in_words(monkeypatch):
    import builtins

    real = builtins.__import__

    def without_ray(name, *args, **kwargs):
        if name == "ray":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(ValueError, match=r"needs the package ray: pip install 'anl_seg\[ray\]'"):
        RayExecutor()
