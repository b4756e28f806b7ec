"""What a fit and a sound pass through stays within few files."""

from __future__ import annotations

import re

FIT_FILES, SOUND_FILES = 60, 82


def test_trace_item__follows_a_fit_and_a_sound_through_few_files(tables):
    text = tables("trace_item")
    fit, sound = text.split("## ")[1:]
    assert re.search(r"\| pipeline/execute.py \|.*\bexecute\b", fit)
    assert re.search(r"\| trf/crossval.py \|.*\bfit_folds\b", fit)
    assert "mel_whisper" not in fit
    assert re.search(r"\| features/spectrograms/mel_of_networks.py \|.*\bmel_whisper\b", sound)
    assert "<module>" not in text
    files = [set(re.findall(r"^\| (\S+\.py) \|", part, re.MULTILINE)) for part in (fit, sound)]
    assert files[0] <= files[1]
    assert [len(found) for found in files] == [int(n) for n in re.findall(r": (\d+) files, ", text)]
    assert len(files[0]) <= FIT_FILES
    assert len(files[1]) <= SOUND_FILES
