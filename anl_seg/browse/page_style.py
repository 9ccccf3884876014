"""Style and script of the page."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1b1b; --soft: #5a5a5a; --line: #d4d4d4; }
@media (prefers-color-scheme: dark) {
  :root { --back: #17181a; --text: #ececec; --soft: #a5a5a5; --line: #3d3f43; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
header, main, footer { max-width: 110rem; margin: 0 auto; padding: 0 1.2rem; }
h1 { font-size: 1.3rem; margin: 1.2rem 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 .4rem; overflow-wrap: anywhere; }
p { margin: .2rem 0; }
.soft, figcaption { color: var(--soft); }
.classes { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .6rem 0; padding: 0; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border: 1px solid #888; }
.control { position: sticky; top: 0; z-index: 1; background: var(--back);
  border-bottom: 1px solid var(--line); padding: .5rem 0 .6rem; }
.control > div { max-width: 110rem; margin: 0 auto; padding: 0 1.2rem; }
.control label { display: flex; gap: .8rem; align-items: center; font-weight: 600; }
.control input { flex: 1; max-width: 40rem; accent-color: #0072b2; }
.now { overflow-wrap: anywhere; }
article { border-bottom: 1px solid var(--line); padding: 1rem 0; }
.row { display: grid; gap: .8rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); }
figure { margin: 0; }
figcaption { margin-bottom: .2rem; }
.stack { display: grid; }
.stack > img { grid-area: 1 / 1; display: block; width: 100%; height: auto; max-height: 28rem;
  object-fit: contain; object-position: left top; }
.flat { image-rendering: pixelated; }
.dice { list-style: none; margin: .2rem 0; padding: 0; columns: 11rem; }
.dice li { display: flex; justify-content: space-between; gap: .8rem; max-width: 15rem; }
.dice b { font-weight: 400; font-variant-numeric: tabular-nums; }
footer { padding-top: 1rem; padding-bottom: 2rem; }
"""

#: Shows the parts that carry the number at which the slider stands.
SCRIPT = """
(function () {
  var slider = document.getElementById("strength");
  var parts = document.querySelectorAll("[data-value]");
  var marks = slider.list.options;
  function show() {
    parts.forEach(function (part) { part.hidden = part.dataset.value !== slider.value; });
    slider.setAttribute("aria-valuetext", marks[slider.value].label);
  }
  slider.addEventListener("input", show);
  slider.closest("label").hidden = false;
  show();
})();
"""
