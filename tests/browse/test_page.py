"""The page: self-contained, complete at every position of the slider, and true."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from anl_seg.browse import formatting
from anl_seg.browse.page import draw_page
from anl_seg.browse.pictures import PixelGrid
from anl_seg.browse.slider import compare_positions, slide
from anl_seg.noise import build_noise, noise_statistics

VOID = {"meta", "img", "input", "br"}
KINDS = {"image", "outline", "clean", "noisy", "difference", "ground"}


class Page(HTMLParser):
    """Elements as (tag, attributes, text), and whether every tag is closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = [tag, dict(attrs), ""]
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def all(self, tag, kind=None):
        return [
            element
            for element in self.elements
            if element[0] == tag and (kind is None or kind in element[1].get("class", "").split())
        ]


def pixels(element):
    content = base64.b64decode(element[1]["src"].partition(",")[2])
    return np.array(Image.open(io.BytesIO(content)).convert("RGBA"))


def make(source, painter, names, *, with_image=True, max_side=512, **options):
    noise = build_noise(dict(type="SymmetricNoise", rate=0.4))
    positions, start, remark = slide(noise, **options)
    samples = [source.sample(i, with_image) for i in range(len(source))]
    settings = compare_positions(samples, positions, seed=0, num_classes=3, ignore_index=255)
    text = draw_page(
        settings,
        start,
        painter,
        names,
        title="<noise>",
        subtitle="data & more",
        remark=remark,
        max_side=max_side,
    )
    return settings, start, text


@pytest.fixture(scope="module")
def made(source, painter, names):
    settings, start, text = make(source, painter, names)
    return settings, start, text, Page(text)


def test_nothing_is_loaded_from_elsewhere(made):
    _, _, text, page = made
    for tag, attributes, _ in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form", "a"}
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            if name in attributes:
                assert attributes[name].startswith("data:image/")
        assert not any(name.startswith("on") for name in attributes)
    assert "http:" not in text
    assert "https:" not in text
    assert not re.search(r"@import|url\(", text)
    policy = next(a["content"] for _, a, _ in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_every_sample_has_its_pictures_at_every_position(made):
    settings, start, _, page = made
    samples, values = 3, len(settings)
    assert values == 7
    for kind in KINDS:
        expected = samples * values if kind in ("noisy", "difference") else samples
        assert len(page.all("img", kind)) == expected
    slider = page.all("input")
    assert len(slider) == 1
    attributes = slider[0][1]
    assert attributes["type"] == "range"
    assert (attributes["min"], attributes["max"], attributes["step"]) == ("0", "6", "1")
    assert attributes["value"] == str(start) == "4"
    labels = [a["label"] for _, a, _ in page.all("option")]
    assert labels == [s.label for s in settings]
    assert labels[start] == "rate 0.4"


def test_without_javascript_it_shows_where_the_slider_starts(made):
    settings, start, _, page = made
    for _, attributes, _ in page.elements:
        if "data-value" in attributes:
            shown = "hidden" not in attributes
            assert shown == (attributes["data-value"] == str(start))
    assert "hidden" in page.all("label")[0][1]  # the script shows it
    assert settings[start].label in page.all("noscript")[0][2]


def test_the_numbers_are_those_of_the_masks(made, names):
    settings, _, _, page = made
    blocks = page.all("div", "numbers")
    assert len(blocks) == 3 * len(settings)
    for number, (_, attributes, text) in enumerate(blocks):
        sample, position = divmod(number, len(settings))
        assert attributes["data-value"] == str(position)
        compared = settings[position].samples[sample]
        statistics = noise_statistics(compared.clean, compared.noisy, num_classes=3)
        assert text.startswith(formatting.changed(statistics))
        for label in formatting.clean_classes(statistics):
            assert f"{names[label]} {statistics.dice[label]:.3f}" in text
    for position, (_, _, text) in enumerate(page.all("p", "now")):
        total = sum(
            (s.statistics for s in settings[position].samples[1:]),
            settings[position].samples[0].statistics,
        )
        assert formatting.changed(total) in text
        assert formatting.describe_noise(settings[position].noise) in text


def test_the_pictures_are_those_of_the_masks(made, painter):
    settings, _, _, page = made
    noisy, difference = page.all("img", "noisy"), page.all("img", "difference")
    for number in range(2 * len(settings)):
        sample, position = divmod(number, len(settings))
        compared = settings[position].samples[sample]
        grid = PixelGrid.fitting(compared.clean.shape, 256, 512)
        assert np.array_equal(pixels(noisy[number]), painter.mask(compared.noisy, grid).rgba)
        changed = grid.apply(compared.noisy != compared.clean) | grid.apply(compared.clean == 255)
        assert np.array_equal(pixels(difference[number])[..., 3] > 0, changed)
    assert "image/png" in noisy[0][1]["src"]


def test_alternative_texts(made, source):
    settings, _, _, page = made
    for number, (_, attributes, _) in enumerate(page.all("img", "noisy")):
        sample, position = divmod(number, len(settings))
        share = formatting.percent(settings[position].samples[sample].statistics.changed_share)
        expected = (
            f"noisy mask of {source.key(sample)} at {settings[position].label}: {share} changed"
        )
        assert attributes["alt"] == expected
    assert all("alt" in attributes for _, attributes, _ in page.all("img"))


def test_names_are_text_and_no_markup(made, names):
    _, _, text, page = made
    assert "<noise>" not in text
    assert page.all("h1")[0][2] == "<noise>"
    legend = [element[2] for element in page.all("li")][:4]
    assert legend == [*names, "ignored (255)"]


def test_the_same_page_every_time(made, source, painter, names):
    assert make(source, painter, names)[2] == made[2]


def test_one_value_is_a_page_without_slider(source, painter, names):
    settings, _, text = make(source, painter, names, values=[0.4])
    page = Page(text)
    assert not page.all("input")
    assert not page.all("script")
    assert len(page.all("img", "noisy")) == 3
    assert settings[0].label == ""
    assert "hence no slider" in page.all("footer")[0][2]


def test_masks_without_images(source, painter, names):
    page = Page(make(source, painter, names, with_image=False)[2])
    assert not page.all("img", "image")
    assert len(page.all("img", "ground")) == 3


def test_large_masks_are_shown_smaller_and_the_page_says_so(source, painter, names, monkeypatch):
    monkeypatch.setattr("anl_seg.browse.page._LEAST_SIDE", 10)
    page = Page(make(source, painter, names, max_side=10)[2])
    assert pixels(page.all("img", "noisy")[0]).shape[:2] == (7, 10)
    assert "shown at 0.32 of their size" in page.all("footer")[0][2]
