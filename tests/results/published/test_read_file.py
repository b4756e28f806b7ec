"""One published file: what is read of it, and what makes it unreadable."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.errors import ResultsFileError
from distributed_trf.results.published.file_name import parse_name
from distributed_trf.results.published.read_file import read_file
from tests.published_files import PublishedFiles

NAME = "whisper_tiny_ucsf_timit_trf_lags200_bw50_ahmed_25_corr_results.csv"
SPECTROGRAM = "STRF_freqs80_coch_ucsf_mVocs_trf_lags200_bw50_ahmed_25_corr_results.csv"


@pytest.fixture
def folder(tmp_path):
    files = PublishedFiles(tmp_path / "in")
    files.network("whisper_tiny", [0, 5])
    files.spectrogram("coch", stimuli="mVocs")
    return tmp_path / "in"


def read(folder, name=NAME):
    return read_file(folder / name, parse_name(name))


def change(folder, old, new, name=NAME, count=1):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_read_file__numbers_are_those_of_the_file(tmp_path):
    frame = PublishedFiles(tmp_path / "in").network("whisper_tiny", [0, 5])
    rows, notes = read(tmp_path / "in")
    assert notes == []
    for here, there in {
        "session": "session",
        "channel": "channel",
        "layer": "layer",
        "bin_width": "bin_width",
        "r": "test_cc_raw",
        "normaliser": "normalizer",
        "null_mean": "null_mean",
        "null_std": "null_std",
        "layer_type": "layer_type",
    }.items():
        np.testing.assert_array_equal(rows[here], frame[there])
    np.testing.assert_array_equal(rows["alpha"], [float(f"1e{x:g}") for x in frame["opt_lmbda"]])
    assert rows["row"].tolist() == list(range(2, len(frame) + 2))


def test_read_file__a_placeholder_is_no_normaliser(tmp_path):
    PublishedFiles(tmp_path / "in", later=False).network("whisper_tiny", [0])
    rows, _ = read(tmp_path / "in")
    assert rows["normaliser"].isna().all()
    assert (rows["layer_type"] == "").all()


def test_read_file__vocalisations_of_a_spectrogram(folder):
    rows, _ = read(folder, SPECTROGRAM)
    assert (rows["layer"] == 0).all()
    assert rows["r"].abs().max() > 0
    assert (rows["normaliser"] == 0).sum() == 1  # of the channel that never fires; a measured one


def test_read_file__says_what_it_does_not_keep(folder):
    change(folder, ",500,", ",499,")
    change(folder, "180413,0,0,50,0,", "180413,0,0,50,0,", count=1)
    text = (folder / NAME).read_text().splitlines()
    fields = text[1].split(",")
    fields[7] = "0.25"  # mVocs_test_cc_raw
    (folder / NAME).write_text("\n".join([text[0], ",".join(fields), *text[2:]]) + "\n")
    _, notes = read(folder)
    assert len(notes) == 2
    assert "column mVocs_test_cc_raw is not 0 throughout, though the name says timit" in notes[0]
    assert "column N_sents is not 500 throughout" in notes[1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\n180413,0,1,", "\n180413,0,one,", r"column channel, row 3: found 'one', expected a whole number"),
        ("\n180413,0,1,", "\n180413,0.5,1,", r"column layer, row 3: found '0.5', expected a whole number"),
        ("\n180413,0,1,", "\n,0,1,", r"column session, row 3: found nothing, expected a whole number"),
        (
            "\n180413,0,1,50,",
            "\n180413,0,1,-50,",
            r"column bin_width, row 3: found '-50', expected mil",
        ),
        ("\n180413,0,1,50,0,", "\n180413,0,1,50,0,inf", r"column test_cc_raw, row 3: found '.*inf.*', expected a corr"),
        (",200,", ",300,", r"column opt_lag, row 2: found '300', expected 200 as in the file's name"),
        ("opt_lmbda", "lambda", r"no column opt_lmbda; found session, layer, .*lambda"),
        ("\n180413,0,1,", "\n180413,0,1,,,,,,,,,,,,,,,,,", r"cannot be read as CSV .*line 3.*copy it again"),
        ("\n180413", "\n\xff180413", r"column session, row 2: found 'ÿ180413'"),
    ],
)
def test_read_file__names_file_column_row_and_value(folder, old, new, said):
    change(folder, old, new)
    with pytest.raises(ResultsFileError, match=f"(?i){NAME}: {said}"):
        read(folder)


def test_read_file__a_torn_empty_or_binary_file_is_an_error(folder):
    content = (folder / NAME).read_bytes()
    for torn, said in (
        (content[:-20], "ends in the middle of a row"),
        (b"", "ends in the middle of a row"),
        (b"\n", "cannot be read as CSV"),
        (content.splitlines(keepends=True)[0], "has no rows below the header"),
        (content + b"\xff\xfe\n", "cannot be read as CSV"),
        (content.split(b"\n", 1)[0] + b"\n" + b"1," * 30 + b"1\n", "rows have more fields than the header names"),
    ):
        (folder / NAME).write_bytes(torn)
        with pytest.raises(ResultsFileError, match=said):
            read(folder)


def test_read_file__of_one_layer_holds_that_layer(folder):
    name = NAME.replace("ahmed_25", "ahmed_25_l0")
    (folder / NAME).rename(folder / name)
    with pytest.raises(ResultsFileError, match=r"column layer, row 9: found '5', expected 0 as in the file's name"):
        read(folder, name)
