"""Reports in a real browser, from a file, at the widths of a telephone and of a screen."""

from __future__ import annotations

import pytest

from distributed_trf import simulate_results
from distributed_trf.figures import gallery
from distributed_trf.figures.controls import figure_controls
from distributed_trf.figures.gallery import Drawing
from distributed_trf.figures.html.session_report import write_session_report
from distributed_trf.figures.html.study_report import write_report
from tests.browser import chromium, needs_chromium
from tests.figures.stored_results import store_results

IMAGES = "return [...document.images].map(i => [i.naturalWidth, i.alt, i.getBoundingClientRect().width])"
OUTSIDE = """
return [...document.querySelectorAll("main *, header *, nav *")]
  .filter(n => !n.parentElement.closest(".scroll, pre, details:not([open])"))
  .filter(n => n.getBoundingClientRect().right > innerWidth)
  .map(n => n.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    ds = simulate_results(["whisper_tiny", "wav2vec2"], better={"whisper_tiny": [1, 2]}, sessions=4, channels=30)
    path = store_results(ds, tmp_path_factory.mktemp("imported") / "study", {"source": "elsewhere"})
    with pytest.MonkeyPatch.context() as patch:
        drawings = (Drawing("3", "Median of every layer", lambda inputs: figure_controls(inputs.results)),)
        patch.setattr(gallery, "FIGURES", drawings)
        write_report(path, path / "report.html")
    write_session_report(path, str(ds["session"].values[0]), path / "session.html")
    return path


@needs_chromium
@pytest.mark.parametrize(
    ("file", "headings", "images"),
    [
        (
            "report.html",
            ["The study", "Recordings", "Reliability", "Best layers", "Figures", "Work items", "Runs"],
            1,
        ),
        ("session.html", ["timit, 50 ms bins", "mvocs, 50 ms bins", "Provenance"], 4),
    ],
)
def test_report__opens_from_a_file_at_any_width(folder, tmp_path, file, headings, images):
    with chromium(tmp_path / "profile") as browser:
        for width in (360, 400, 1400):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get((folder / file).as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            assert browser.execute_script(OUTSIDE) == []
            found = browser.execute_script(IMAGES)
            assert len(found) == images
            assert all(natural > 0 and alt and shown > 250 for natural, alt, shown in found)
        assert [heading.text for heading in browser.find_elements("tag name", "h2")] == headings
        assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
        links = browser.find_elements("css selector", "nav a")
        assert [link.text for link in links] == headings
        links[-1].click()
        assert browser.execute_script("return document.getElementById(location.hash.slice(1)) !== null")
        assert browser.get_log("browser") == []


@needs_chromium
def test_report__is_dark_where_the_reader_asks_and_prints_on_white(folder, tmp_path):
    background = "return getComputedStyle(document.body).backgroundColor"
    with chromium(tmp_path / "profile") as browser:
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        browser.get((folder / "report.html").as_uri())
        assert browser.execute_script(background) == "rgb(20, 24, 28)"
        figure = "return getComputedStyle(document.querySelector('figure .scroll')).backgroundColor"
        assert browser.execute_script(figure) == "rgb(255, 255, 255)"  # figures are drawn for white
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", **dark})
        assert browser.execute_script(background) == "rgb(255, 255, 255)"
        assert browser.execute_script("return getComputedStyle(document.querySelector('nav')).display") == "none"
