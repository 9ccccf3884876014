"""The page of a study: self-contained, true to the folders, complete on what is missing."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import statistics
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anl_seg.study.report import write, write_report
from tests.study.hand_made_study import fail, make_study, metric

VOID = {"meta", "img", "input", "br", "link"}
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FILES = {"index.html", "classes.csv", "runs.csv", "runs.json", "plots"}
FILES |= {f"summary.{kind}" for kind in ("csv", "json", "md", "tex")}


class Page(HTMLParser):
    """Elements as [tag, attributes, text]; every tag is closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def all(self, tag):
        return [element for element in self.elements if element[0] == tag]

    def section(self, name):
        (text,) = (text for tag, a, text in self.all("section") if a.get("id") == name)
        return " ".join(text.split())


def make_page(work_dir):
    path = write_report(work_dir)
    assert path == work_dir / "report" / "index.html"
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def no_plots(monkeypatch):
    """Drawing takes seconds, and many tests look at texts only."""
    monkeypatch.setattr(write, "_plots", lambda *_: [])


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A study of 27 runs, of which one failed, and its page."""
    work_dir = tmp_path_factory.mktemp("study")
    runs = make_study(work_dir)
    fail(work_dir, runs[0], "diverged: loss is nan at iteration 12")
    return work_dir, runs, make_page(work_dir)


def test_files(complete):
    work_dir, _, page = complete
    folder = work_dir / "report"
    assert {path.name for path in folder.iterdir()} == FILES
    plots = sorted(path.name for path in (folder / "plots").iterdir())
    assert len(plots) == 2 * len(page.all("img")) > 10
    assert {Path(name).suffix for name in plots} == {".png", ".pdf"}
    assert json.loads((folder / "summary.json").read_text())["compared_by"] == "last_k mDice.fg"
    rows = json.loads((folder / "runs.json").read_text())
    assert len(rows) == 27
    assert rows[0]["final mDice.fg"] is None
    assert "## mDice.fg, mean of the last 2 validations" in (folder / "summary.md").read_text()
    assert r"\begin{tabular}{lccc}" in (folder / "summary.tex").read_text()


def test_nothing_is_loaded_from_elsewhere(complete):
    work_dir, _, page = complete
    text = (work_dir / "report" / "index.html").read_text(encoding="utf-8")
    for tag, attributes, _ in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "srcset", "action", "poster", "data"):
            if name in attributes:
                assert attributes[name].startswith("data:image/png;base64,")
        if "href" in attributes:
            assert attributes["href"].startswith("#") or attributes["href"] == "data:,"
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"https?:|@import|url\(", text)
    policy = next(a["content"] for _, a, _ in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_pictures_are_in_the_page_and_are_those_of_the_files(complete):
    work_dir, _, page = complete
    captions = [text for _, _, text in page.all("figcaption")]
    for (_, attributes, _), caption in zip(page.all("img"), captions):
        content = base64.b64decode(attributes["src"].partition(",")[2])
        picture = np.array(Image.open(io.BytesIO(content)).convert("RGB"))
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
        assert attributes["alt"]
        name = re.search(r"plots/(\S+)\.png", caption).group(1)
        assert (work_dir / "report" / "plots" / f"{name}.png").read_bytes() == content


def test_links_lead_to_runs(complete):
    _, runs, page = complete
    ids = {a["id"] for _, a, _ in page.elements if "id" in a}
    for _, attributes, _ in page.all("a"):
        assert attributes["href"][1:] in ids
    assert {f"run-{run['digest']}" for run in runs} <= ids


def test_every_number_of_the_first_table_is_that_of_its_runs(complete):
    """The cells name their runs; the numbers follow from the logs in these folders."""
    work_dir, _, page = complete
    cells = [e for e in page.all("td") if e[1].get("title", "").startswith("runs ")]
    assert len(cells) > 9
    for _, attributes, text in cells[:9]:
        values = []
        for digest in attributes["title"].split()[1:]:
            logs = (work_dir / "runs" / digest).glob("*/vis_data/scalars.json")
            lines = [json.loads(line) for line in next(logs).read_text().splitlines()]
            logged = [line["mDice.fg"] for line in lines if "mDice.fg" in line]
            values.append(statistics.fmean(logged[-2:]))
        expected = f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}"
        assert text.startswith(expected)
        assert text.endswith(" (2 of 3)") == (len(values) == 2)


def test_table_of_runs(complete):
    _, runs, page = complete
    section = page.section("runs")
    for run in runs[1:]:
        axes = run["axes"]
        value = metric(axes["loss"], axes["strength"], axes["seed"], 30)
        pattern = rf"{run['folder']} ?finished ?{axes['loss']} ?{axes['noise']}.{{0,40}}{value:.2f}"
        assert re.search(pattern, section), pattern


def test_what_failed_is_said_with_reason_and_log(complete):
    _, runs, page = complete
    text = page.section("missing")
    assert "Failed, and left out of every mean: 1 run." in text
    assert (
        f"CE | symmetric 0.2 | seed 0 ({runs[0]['digest']}): diverged: loss is nan at iteration 12; "
        f"2 attempts; log: {runs[0]['folder']}/output.log" in text
    )
    assert "26 of 27 runs finished, 1 failed." in " ".join(page.all("header")[0][2].split())
    assert "memorization record" not in text  # clean runs need none


def test_configuration_versions_and_commands(complete):
    _, runs, page = complete
    text = page.section("configuration")
    assert "axes = dict(loss=['<CE> & co'])" in text
    assert "python tools/train.py runs/0000000000000001/input/config.py" in text
    assert "torch2.13.0" in text  # a name and its value
    assert "commitabc123" in text
    assert "{'type': 'CE'}" in text
    assert "+model = {'decode_head': {'loss_decode': {'type': 'GCE'}}}" in text
    assert len(page.all("pre")) == 2 + len(runs)


def test_ranks_and_tests(complete):
    _, _, page = complete
    text = page.section("ranks")
    assert re.search(r"GCE ?1.00 ?\S+ ?3 of 3", text)
    assert "Against GCE (best mean rank)" in text
    assert re.search(r"CE ?8 ?0 / 8 / 0", text)
    assert re.search(r"worse", text)


def test_complete_study_says_nothing_is_missing(tmp_path, no_plots):
    make_study(tmp_path)
    text = make_page(tmp_path).section("missing")
    assert "Nothing: all 27 runs finished, and each has every value." in text


def test_the_same_folders_give_the_same_files(complete, tmp_path):
    work_dir = complete[0]
    before = {p: p.read_bytes() for p in (work_dir / "report").rglob("*") if p.is_file()}
    write_report(work_dir)
    assert {p: p.read_bytes() for p in (work_dir / "report").rglob("*") if p.is_file()} == before


def test_a_crash_leaves_the_old_page(tmp_path, monkeypatch):
    make_study(tmp_path, noises=(("symmetric", 0.2),), seeds=(0,))
    page = write_report(tmp_path)
    before = page.read_bytes()

    def broken(*args, **kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(write, "page_content", broken)
    with pytest.raises(RuntimeError):
        write_report(tmp_path)
    assert page.read_bytes() == before
    assert not [p for p in page.parent.rglob("*") if p.name.startswith(".")]


def test_plots_of_an_edited_study_go(tmp_path):
    make_study(tmp_path, noises=(("symmetric", 0.2), ("clean", None)), seeds=(0, 1))
    write_report(tmp_path)
    old = {path.name for path in (tmp_path / "report" / "plots").iterdir()}
    make_study(tmp_path, losses=("CE",), noises=(("pair", 0.2),), seeds=(0,))
    page = make_page(tmp_path)
    new = {path.name for path in (tmp_path / "report" / "plots").iterdir()}
    assert "learning_clean.png" in old - new
    assert "learning_pair.png" in new
    missing = page.section("missing")
    assert "11 folders hold runs that are not in this plan" in missing
    assert missing.count("runs/") == 10
    assert "and more." in missing


# --- whatever is missing ---


def remove(work_dir, run, name):
    path = work_dir / run["folder"] / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_every_kind_of_missing_file_is_named(tmp_path, no_plots):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2),))
    shutil.rmtree(tmp_path / runs[0]["folder"])
    remove(tmp_path, runs[1], "last_checkpoint")
    remove(tmp_path, runs[2], "memorization.json")
    remove(tmp_path, runs[3], "20260101_000000")
    remove(tmp_path, runs[4], "noise_statistics.json")
    remove(tmp_path, runs[5], "run.json")
    (tmp_path / runs[6]["folder"] / "environment.json").write_text("half")
    state = tmp_path / runs[7]["folder"] / "state.json"
    state.write_text('{"status": "running", "attempts": []}')
    scalars = next((tmp_path / runs[8]["folder"]).glob("*/vis_data/scalars.json"))
    scalars.write_text('{"mDice.fg": NaN, "mIoU": NaN, "step": 10}\n')
    page = make_page(tmp_path)
    text = page.section("missing")
    for expected in (
        rf"Planned and not started: 1 run. CE \| symmetric 0.2 \| seed 0 \({runs[0]['digest']}\)",
        rf"No last checkpoint[^:]*: 1 run. [^(]*\({runs[1]['digest']}\)",
        rf"no memorization record: 1 run. [^(]*\({runs[2]['digest']}\)",
        rf"without any validation that logged mDice.fg: 1 run. [^(]*\({runs[3]['digest']}\)",
        rf"no record of how much noise that was: 1 run. [^(]*\({runs[4]['digest']}\)",
        rf"{runs[6]['folder']}/environment.json cannot be read",
        rf"still running or interrupted: 1 run. [^(]*\({runs[7]['digest']}\)",
        rf"Finished with mDice.fg = NaN: 1 run. [^(]*\({runs[8]['digest']}\)",
        rf"Fewer validations than the 2 [^:]*: 1 run. [^(]*\({runs[8]['digest']}\): 1 validations",
        rf"Finished without logging ECE: 2 runs. [^(]*\({runs[3]['digest']}\)",
    ):
        assert re.search(expected, text), expected
    assert "7 of 9 runs finished" in page.all("header")[0][2]


@pytest.mark.parametrize("how", ["failed", "planned"])
def test_no_run_finished(tmp_path, how):
    runs = make_study(tmp_path, seeds=(0,))
    for run in runs:
        if how == "failed":
            fail(tmp_path, run, "exit 1: no such loss")
        else:
            shutil.rmtree(tmp_path / run["folder"])
    page = make_page(tmp_path)
    assert "0 of 9 runs finished" in page.all("header")[0][2]
    assert "No finished run has any value." in page.section("results")
    assert "There is nothing to draw." in page.section("plots")
    assert "fewer than two losses with values" in page.section("ranks")
    assert not page.all("img")
    assert {p.name for p in (tmp_path / "report").iterdir()} == FILES


def test_one_loss_one_strength_one_seed(tmp_path):
    make_study(tmp_path, losses=("CE",), noises=(("symmetric", 0.2),), seeds=(0,))
    page = make_page(tmp_path)
    assert "Nothing: all 1 runs finished" in page.section("missing")
    assert "±" not in page.section("results")
    assert "There is one seed" in page.section("about")
    assert "fewer than two losses" in page.section("ranks")
    assert page.all("img")


def test_clean_runs_only(tmp_path):
    make_study(tmp_path, noises=(("clean", None),))
    page = make_page(tmp_path)
    assert "Nothing: all 9 runs finished" in page.section("missing")
    assert "Memorized" not in page.section("results")
    assert "None: they need a finished run with noise" in page.section("panels")


def test_a_status_of_the_runner_that_is_not_known_here(tmp_path, no_plots):
    runs = make_study(tmp_path, noises=(("symmetric", 0.2),), seeds=(0,))
    state = tmp_path / runs[0]["folder"] / "state.json"
    attempts = [{"started": None}]
    state.write_text(json.dumps({"status": "interrupted", "attempts": attempts, "reason": None}))
    text = make_page(tmp_path).section("missing")
    assert "interrupted, last validation at 30" in text


def test_too_few_pairs_are_said(tmp_path, no_plots):
    make_study(tmp_path, noises=(("symmetric", 0.2),))
    assert "too few pairs (at best p = 0.500)" in make_page(tmp_path).section("ranks")


def test_metric_that_nobody_logs(tmp_path, no_plots):
    make_study(tmp_path, seeds=(0,), metrics={"main": "mDice.fg", "others": ["mBF"], "last_k": 1})
    page = make_page(tmp_path)
    assert "No run logged the metric mBF." in page.section("missing")
    assert "last_k" not in page.section("runs")


def test_runs_of_other_versions_are_said(tmp_path, no_plots):
    runs = make_study(tmp_path, seeds=(0,))
    path = tmp_path / runs[0]["folder"] / "environment.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "commit": "def-dirty", "device": "H100"}))
    text = make_page(tmp_path).section("missing")
    assert "The runs differ in commit: def-dirty (1 runs); abc123 (8 runs)." in text
    assert "The runs differ in device: H100 (1 runs); cpu (8 runs)." in text


def test_baseline_of_the_study(tmp_path, no_plots):
    make_study(tmp_path, metrics={"main": "mDice.fg", "last_k": 2, "baseline": "MAE"})
    text = make_page(tmp_path).section("ranks")
    assert "Against MAE (the baseline of the study)" in text
    assert "Against GCE (best mean rank)" in text


def test_where_another_metric_says_stop(tmp_path, no_plots):
    make_study(tmp_path, metrics={"main": "mDice.fg", "last_k": 1, "stop_by": "ECE"})
    page = make_page(tmp_path)
    assert "mDice.fg, validation where ECE is best" in page.section("results")
    assert "stopped the one at which ECE is best" in " ".join(page.section("about").split())


def test_lower_is_better(tmp_path, no_plots):
    metrics = {"main": "mDice.fg", "last_k": 2, "lower_is_better": ["mDice.fg"]}
    make_study(tmp_path, metrics=metrics)
    page = make_page(tmp_path)
    assert "Against CE (best mean rank)" in page.section("ranks")
    first_row = page.section("results").split("GCE")[0]
    assert first_row.endswith(tuple("0123456789 "))
    bold = [text for _, _, text in page.all("b")]
    means = [
        statistics.fmean(metric("CE", s, seed, step) for seed in range(3) for step in (20, 30))
        for s in (0.2, 0.4, None)
    ]
    assert [text.split()[0] for text in bold[:3]] == [f"{mean:.2f}" for mean in means]


def test_names_are_text_and_no_markup(tmp_path, no_plots):
    make_study(tmp_path, losses=("<b>CE</b>", "A & B"), seeds=(0,), name="<i>x</i>")
    page = make_page(tmp_path)
    assert page.all("h1")[0][2] == "<i>x</i>: noise study"
    assert not page.all("i") or all(
        text in ("final", "best", "last_k") for _, _, text in page.all("i")
    )
    assert "<b>CE</b> · A & B" in page.section("about")


# --- published figures ---


def published(tmp_path, value):
    make_study(tmp_path, published=value)
    return make_page(tmp_path)


def test_published_figures_stand_beside_ours(tmp_path, no_plots):
    rows = [
        {"loss": "CE", "noise": "symmetric", "strength": 0.4, "Dice": "81.2 ± 0.4"},
        {"loss": "GCE", "noise": "symmetric", "strength": 0.4, "Dice": 85.0},
        {"loss": "CE", "Dice": 1.0},  # three of our settings fit
        {"loss": "T-Loss", "noise": "symmetric", "strength": 0.4, "Dice": 88.0},
    ]
    page = published(
        tmp_path,
        {
            "source": "Somebody et al., 2020",
            "caption": "Dice",
            "ours": "final mDice.fg",
            "rows": rows,
        },
    )
    text = page.section("published")
    assert "Dice. Source: Somebody et al., 2020." in text
    for row, loss in zip(rows[:2], ("CE", "GCE")):
        values = [metric(loss, 0.4, seed, 30) for seed in range(3)]
        ours = f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f} (n = 3)"
        assert re.search(rf"{loss} ?symmetric ?0.4 ?{row['Dice']} ?{re.escape(ours)}", text)
    assert text.count("(n = 3)") == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2], "published must be a dict with rows="),
        ({"rows": [{"loss": "CE"}], "ours": "final x"}, "names no column: 'final x'"),
    ],
)
def test_wrong_published_figures_do_not_cost_the_page(tmp_path, no_plots, value, expected):
    assert expected in published(tmp_path, value).section("published")


# --- errors ---


def test_nothing_planned(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no study.json"):
        write_report(tmp_path)
    make_study(tmp_path, losses=())
    with pytest.raises(ValueError, match="plans no runs"):
        write_report(tmp_path)


# --- in a browser ---


def browse(page, folder, *arguments):
    """What headless Chromium prints, and the messages of the page's console."""
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND",  # no network
        "--enable-logging=stderr",
        "--v=0",
        *arguments,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, messages


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_it_without_errors(complete, tmp_path):
    work_dir, runs, page = complete
    path = work_dir / "report" / "index.html"
    shot = tmp_path / "report.png"
    _, messages = browse(path, tmp_path, "--window-size=1300,6000", f"--screenshot={shot}")
    assert messages == []
    picture = np.array(Image.open(shot).convert("RGB"))
    assert picture.shape == (6000, 1300, 3)
    # Plots in the colors of the losses: pictures were loaded.
    for color in ((0, 114, 178), (213, 94, 0), (0, 158, 115)):
        assert (picture == color).all(axis=2).sum() > 100
    text, messages = browse(path, tmp_path, "--dump-dom")
    assert messages == []
    shown = Page(text)
    assert len(shown.all("img")) == len(page.all("img"))
    assert all(f"run-{run['digest']}" in text for run in runs)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(
    "body",
    ["<script>nothing()</script>", "<img src='missing.png'>", "<img src='http://a.b/c.png'>"],
)
def test_the_browser_test_sees_errors(tmp_path, body):
    policy = "default-src 'none'; img-src data:"
    page = tmp_path / "page.html"
    page.write_text(
        f'<!doctype html><head><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>x</title></head><body>{body}</body>"
    )
    _, messages = browse(page, tmp_path, "--dump-dom")
    assert messages
