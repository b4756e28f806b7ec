"""The gallery: figures of simulated results, drawn when the site is built, each with the call that draws it."""

from __future__ import annotations

from pathlib import Path

import distributed_trf
import distributed_trf.figures as drawn
from distributed_trf import simulate_results
from distributed_trf.figures.style import save_figure

SIMULATION = """ds = simulate_results(
    ["wav2letter", "wav2vec2", "w2v2_audioset", "whisper_base", "cochresnet50"],
    spectrograms=["cochleagram", "mel_whisper"],
    weights=["trained", "reset", "permuted"],
    better={"wav2vec2": [5, 6, 7], "whisper_base": [4, 5]},
    depth=(0.2, 0.4),
    stimuli=["timit"],
)"""
FIGURES = {
    "figure_3": "Layers, trained and untrained, beside a spectrogram, and each network's best layer",
    "figure_5": "Layers that areas prefer",
    "figure_s2": "Spectrograms",
    "figure_s3": "Ratio to a spectrogram",
    "figure_s4": "wav2vec 2.0 trained on speech and on other sounds",
    "figure_s6": "Layers that areas prefer, network by network",
    "figure_controls": "Every kind of weights",
    "figure_map": "Every unit along the layers",
}
"""Functions of ``distributed_trf.figures`` that take results alone, and what they show."""
FOLDER = "gallery"
DPI = 110


def write_gallery(reference: Path) -> None:
    """Write the page into the folder of the reference, and the pictures below it where the code is newer."""
    lines = [
        "# Gallery",
        "",
        "Figures of simulated results, in which two networks predict better when trained, in some layers, and units",
        "of two areas prefer layers of another depth. The numbers are invented; the calls are those for results of",
        "your own, `ds = open_results(folder)`.",
        "",
        "```python",
        "from distributed_trf import simulate_results",
        f"from distributed_trf.figures import {', '.join(FIGURES)}",
        "",
        SIMULATION,
        "```",
        "",
    ]
    scope: dict[str, object] = {"simulate_results": simulate_results}
    code = max(file.stat().st_mtime for file in Path(distributed_trf.__file__).parent.rglob("*.py"))
    pictures = {name: reference / FOLDER / f"{name}.png" for name in FIGURES}
    missing = [name for name, file in pictures.items() if not file.exists() or file.stat().st_mtime < code]
    if missing:
        exec(SIMULATION, scope)
    for name, title in FIGURES.items():
        if name in missing:
            save_figure(getattr(drawn, name)(scope["ds"]), reference / FOLDER, name, ["png"], dpi=DPI)
        lines += [
            f"## {title}",
            "",
            f"{{py:obj}}`~distributed_trf.figures.{name}` `(ds)`",
            "",
            f"![{title}]({FOLDER}/{name}.png)",
            "",
        ]
    lines += [
        "`dtrf figures STUDY` draws all that a study allows, these and those that need more than results, and says",
        "what the others lack. [Figures and reports](../how_to/publish.md) tells more.",
        "",
    ]
    page = reference / "gallery.md"
    text = "\n".join(lines)
    if not page.exists() or page.read_text() != text:
        page.write_text(text)
